"""The two pictures of each feature, as in 2015, and what a picture says of itself."""

import re

import numpy as np
import pytest
from matplotlib import image
from PIL import Image

from auralise.experiment.origins import origin_of
from auralise.figures.pictures import write_pictures
from auralise.figures.style import new_figure, save_figure
from auralise.maps import Origin, create_maps, open_maps
from auralise.pictures import write_facts
from auralise.stft import Stft

pytestmark = pytest.mark.slow

STFT = Stft(4000, 64, 32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    maps = np.zeros((3, 33, 9), np.float32)
    maps[0, 2, 4], maps[0, 30, 1] = 1e-6, -1e-6
    maps[1, 10] = 1.0
    spectrum = np.ones((33, 9), np.complex64)
    spectrum[30, 1] = 0.1
    spectrum[10, :3], spectrum[10, 5:] = 1e-4, 1e-2
    with create_maps(
        folder / "a.h5", STFT, 256, {1: [0, 7, 12]}, Origin("a", "n", "", {}), np.ones(33)
    ) as writer:
        writer.write_spectrum(spectrum)
        writer.write_maps(1, maps)
        none = np.zeros(3)
        writer.write_activations(1, none, none, none > 0, none > 0, none)
    with open_maps(folder / "a.h5") as opened:
        write_pictures(folder / "sounds", opened)
    return folder / "sounds"


def test_there_are_two_for_each_feature(folder):
    found = sorted(path.name for path in folder.rglob("*") if path.is_file())
    assert found == [
        f"feature{number}_{kind}.png" for number in ("00", "07", "12") for kind in ("heard", "map")
    ]


def test_a_pixel_is_a_bin_and_a_frame_and_low_frequencies_are_at_the_bottom(folder):
    picture = image.imread(folder / "layer1/feature00_map.png")[..., :3]
    assert picture.shape == (33, 9, 3)
    background = picture[0, 0]
    apart = {tuple(at) for at in np.argwhere((picture != background).any(axis=-1))}
    assert apart == {(32 - 2, 4), (32 - 30, 1)}
    positive, negative = picture[32 - 2, 4], picture[32 - 30, 1]
    assert positive[0] > positive[2], "red"
    assert negative[2] > negative[0], "blue"


def test_what_is_heard_is_the_level_of_spectrum_times_map(folder):
    picture = image.imread(folder / "layer1/feature00_heard.png")[..., :3].sum(axis=-1)
    loud, softer, silent = picture[32 - 2, 4], picture[32 - 30, 1], picture[0, 0]
    assert loud > softer > silent
    row = image.imread(folder / "layer1/feature07_heard.png")[32 - 10, :, :3].sum(axis=-1)
    assert row[3] == row[4] > row[5] > row[0] == silent, "60 dB and no more"


def test_a_feature_that_never_fired_has_even_pictures(folder):
    for kind in ("map", "heard"):
        picture = image.imread(folder / f"layer1/feature12_{kind}.png")
        assert (picture == picture[0, 0]).all()


@pytest.fixture
def drawn(tmp_path):
    figure, axes = new_figure(figsize=(2, 2), layout=None)
    axes.plot([0, 1, 0])
    save_figure(figure, tmp_path / "a.png", tmp_path / "a.pdf")
    return tmp_path


FACTS = {
    "rule": "draw_sheets",
    "wildcards": {"song": "Größe\n%auralise"},
    "inputs": {"a.h5": "0" * 64},
}


@pytest.mark.parametrize("name", ["a.png", "a.pdf"])
def test_a_picture_found_alone_says_how_it_came_to_be(drawn, name):
    path = drawn / name
    write_facts(path, FACTS)
    first = path.read_bytes()
    assert origin_of(path)["facts"] == {"format": "auralise-picture/1", **FACTS}
    write_facts(path, FACTS | {"rule": "another"})
    assert origin_of(path)["facts"]["rule"] == "another"
    write_facts(path, FACTS)
    assert path.read_bytes() == first, "in its place, and without a date"


def test_a_picture_that_says_it_is_the_same_picture(drawn):
    before = np.asarray(Image.open(drawn / "a.png"))
    for name in ("a.png", "a.pdf"):
        write_facts(drawn / name, FACTS)
    with Image.open(drawn / "a.png") as after:
        after.verify()  # checksums of all chunks
    assert (np.asarray(Image.open(drawn / "a.png")) == before).all()
    content = (drawn / "a.pdf").read_bytes()
    table = int(re.search(rb"startxref\n(\d+)", content)[1])
    assert content[table:].startswith(b"xref")
    places = re.findall(rb"(\d{10}) \d{5} n", content[table:])
    assert len(places) > 5
    for number, place in enumerate(places, 1):
        assert content[int(place) :].startswith(b"%d 0 obj" % number)
