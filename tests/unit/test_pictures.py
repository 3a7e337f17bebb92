"""The two pictures of each feature, as in 2015."""

import numpy as np
import pytest
from matplotlib import image

from auralise.figures.pictures import write_pictures
from auralise.maps import Origin, create_maps, open_maps
from auralise.stft import Stft

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
