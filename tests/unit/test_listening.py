"""The listening page as files: complete, lossless, deterministic, and safe for any name."""

import base64
import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from auralise.audio import Stft
from auralise.auralisation import Auralisation, auralise, write_auralisations
from auralise.deconvnet.deconvnet import Deconvnet
from auralise.errors import AudioError, AuraliseError, MapsError
from auralise.explainers.writing import write_maps
from auralise.listening.builder import (
    LOUDNESS,
    N_ROWS,
    Painter,
    build_listening_page,
    read_correlations,
    read_evaluation,
)
from auralise.maps import Origin, open_maps

NETWORKS = ["square-0", "untrained-0"]
NASTY = 'Ü "quoted" <b>&#%41 it\'s'
SONGS = ["clicks", NASTY]
N_FEATURES = 6
DEAD = 3
ATTRIBUTES = ["key", "</script><b>chord"]
STFT = Stft(sample_rate=11025, n_fft=256, hop_length=128)
N_SAMPLES = 16500


def make_results(folder: Path) -> Path:
    """Results of two networks and two songs, two layers each, one feature dead in layer 1."""
    rng = np.random.default_rng(0)
    time = np.arange(N_SAMPLES) / STFT.sample_rate
    clicks = np.exp(-(time % 0.25) * 40) * rng.normal(size=N_SAMPLES) / 8
    songs = {
        "clicks": clicks + 0.1 * np.sin(2 * np.pi * 440 * time),
        NASTY: 0.2 * np.sin(2 * np.pi * (200 + 800 * time) * time),
    }
    for seed, network in enumerate(NETWORKS):
        net = Deconvnet(make_network(seed))
        for song, samples in songs.items():
            path = folder / "deconvolution" / network / f"{song}.h5"
            origin = Origin(song, network, "0" * 64, {})
            write_maps(path, net, samples.astype(np.float32), STFT, origin)
            with open_maps(path) as maps:
                write_auralisations(folder / "auralisation" / network / song, maps)
        write_correlations(folder / "attributes" / network / "correlation.csv", network)
    evaluation = folder / "networks" / NETWORKS[0] / "evaluation.json"
    evaluation.parent.mkdir(parents=True)
    evaluation.write_text(json.dumps({"clip_accuracy": 0.75, "segment_accuracy": 0.625, "n": 8}))
    return folder


def make_network(seed: int) -> torch.nn.Sequential:
    """Two small layers; feature DEAD of the first sees nothing but negative sums."""
    torch.manual_seed(seed)
    first = torch.nn.Conv2d(1, N_FEATURES, 3, padding="same", bias=False)
    second = torch.nn.Conv2d(N_FEATURES, 4, 3, padding="same", bias=False)
    with torch.no_grad():
        first.weight[DEAD] = -first.weight[DEAD].abs()
        second.weight[0].abs_()
    layers = [first, torch.nn.ReLU(), torch.nn.MaxPool2d(2)]
    return torch.nn.Sequential(*layers, second, torch.nn.ReLU(), torch.nn.MaxPool2d(2))


def write_correlations(path: Path, network: str) -> None:
    """Feature f of layer l correlates by f / 10 - l / 5; a dead feature by nothing."""
    path.parent.mkdir(parents=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow("network layer feature attribute correlation n_pairs live".split())
        for layer, n_features in ((1, N_FEATURES), (2, 4)):
            for feature in range(n_features):
                live = (layer, feature) != (1, DEAD)
                r = feature / 10 - layer / 5 if live else ""
                for attribute in ATTRIBUTES:
                    writer.writerow([network, layer, feature, attribute, r, 8 * live, live])


def read_script(path: Path) -> dict:
    """What a data script hands to the page."""
    text = path.read_text(encoding="ascii")
    assert text.startswith("auralise.") and text.endswith(");\n")
    return json.loads(text[text.index("(") + 1 : -3])


def decoded(text: str) -> io.BytesIO:
    return io.BytesIO(base64.b64decode(text, validate=True))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return make_results(tmp_path_factory.mktemp("results") / "toy")


@pytest.fixture(scope="module")
def page(results):
    build_listening_page(results, NETWORKS, SONGS, results / "listening")
    return results / "listening"


@pytest.fixture
def copy(results, tmp_path):
    """Results that a test may damage."""
    without_page = shutil.ignore_patterns("listening")
    return Path(shutil.copytree(results, tmp_path / "toy", ignore=without_page))


def test_the_folder_holds_the_page_and_one_script_per_network_song_and_layer(page):
    names = {path.relative_to(page).as_posix() for path in page.rglob("*") if path.is_file()}
    scripts = {
        f"data/network{n}-song{s}-layer{k}.js" for n in (0, 1) for s in (0, 1) for k in (1, 2)
    }
    static = {
        "index.html", "page.css", "page.js", "player.js", "favourites.js", "words.js", "grid.js",
    }  # fmt: skip
    assert names == static | scripts | {"data/catalogue.js"}


def test_the_catalogue_names_everything_and_its_scripts_exist(page, results):
    catalogue = read_script(page / "data/catalogue.js")
    assert catalogue["experiment"] == "toy"
    assert [network["name"] for network in catalogue["networks"]] == NETWORKS
    assert catalogue["networks"][0] == {
        "name": "square-0",
        "clip_accuracy": 0.75,
        "segment_accuracy": 0.625,
    }
    assert catalogue["songs"] == SONGS
    assert len(catalogue["shows"]) == 4
    for show in catalogue["shows"]:
        for item in show["layers"]:
            assert read_script(page / item["script"])["script"] == item["script"]


def test_sounds_decode_to_the_samples_of_the_wav_files(page, results):
    for s, song in enumerate(SONGS):
        folder = results / "auralisation/square-0" / song
        layer = read_script(page / f"data/network0-song{s}-layer1.js")
        pairs = [(folder / "original.wav", layer["original"])]
        pairs += [
            (folder / f"layer1/feature{entry['feature']:02d}.wav", entry)
            for entry in layer["features"]
            if entry["state"] == "live"
        ]
        assert len(pairs) == N_FEATURES  # the original, and all but the dead one
        for path, entry in pairs:
            expected, rate = soundfile.read(path, dtype="int16")
            samples, found_rate = soundfile.read(decoded(entry["flac"]), dtype="int16")
            assert found_rate == rate
            np.testing.assert_array_equal(samples, expected)


def test_a_dead_feature_has_numbers_but_neither_sound_nor_picture(page):
    features = read_script(page / "data/network0-song0-layer1.js")["features"]
    assert [entry["state"] for entry in features].count("dead") == 1
    dead = features[DEAD]
    assert dead["energy"] == 0
    assert not {"flac", "pictures", "gain"} & dead.keys()
    assert dead["attributes"]["key"] == {"r": None, "pairs": 0}


def test_correlations_arrive_at_their_feature(page):
    layer = read_script(page / "data/network1-song1-layer2.js")
    assert layer["attributes"] == ATTRIBUTES
    found = [entry["attributes"]["key"]["r"] for entry in layer["features"]]
    assert found == pytest.approx([-0.4, -0.3, -0.2, -0.1])


def test_matched_gains_give_one_loudness_and_no_gain_clips(page):
    layer = read_script(page / "data/network0-song0-layer1.js")
    for entry in [layer["original"], *layer["features"]]:
        if "flac" not in entry:
            continue
        samples, _ = soundfile.read(decoded(entry["flac"]))
        rms, peak = np.sqrt(np.mean(samples**2)), np.abs(samples).max()
        gain = entry["gain"]
        assert gain["matched"] * peak <= 1 + 1e-5 and gain["true"] * peak <= 1 + 1e-5
        original, _ = soundfile.read(decoded(layer["original"]["flac"]))
        target = min(LOUDNESS, np.sqrt(np.mean(original**2)))
        assert gain["matched"] * rms == pytest.approx(min(target, rms / peak), rel=1e-4)


def test_true_gains_keep_the_differences_between_features(page, results):
    """However the files were normalised, the RMS that is played follows the maps."""
    entries = read_script(page / "data/network0-song0-layer1.js")["features"]
    with open_maps(results / "deconvolution/square-0/clicks.h5") as maps:
        sounds = auralise(maps.spectrum, maps.deconvolved(1), STFT, N_SAMPLES)
    live = [entry for entry in entries if entry["state"] == "live"]
    expected = np.sqrt(np.mean(sounds[[entry["feature"] for entry in live]] ** 2, axis=1))
    played = []
    for entry in live:
        samples, _ = soundfile.read(decoded(entry["flac"]))
        played.append(np.sqrt(np.mean(samples**2)) * entry["gain"]["true"])
    for levels in (expected, played):
        np.testing.assert_allclose(
            [entry["level"] for entry in live], 20 * np.log10(levels / max(levels)), atol=0.01
        )


@pytest.mark.parametrize("mode", ["rectified", "phase"])
def test_levels_are_of_the_sounds_that_were_made(copy, mode):
    with open_maps(copy / "deconvolution/square-0/clicks.h5") as maps:
        how = Auralisation(mode, "peak")
        write_auralisations(copy / "auralisation/square-0/clicks", maps, how)
        sounds = auralise(maps.spectrum, maps.deconvolved(1), STFT, N_SAMPLES, mode)
    build_listening_page(copy, NETWORKS[:1], SONGS[:1], copy / "listening")
    entries = read_script(copy / "listening/data/network0-song0-layer1.js")["features"]
    live = [entry for entry in entries if entry["state"] == "live"]
    levels = np.sqrt(np.mean(sounds[[entry["feature"] for entry in live]] ** 2, axis=1))
    np.testing.assert_allclose(
        [entry["level"] for entry in live], 20 * np.log10(levels / max(levels)), atol=0.01
    )


def test_similarity_is_the_correlation_of_map_and_magnitude(page, results):
    entry = read_script(page / "data/network0-song0-layer2.js")["features"][0]
    with open_maps(results / "deconvolution/square-0/clicks.h5") as maps:
        expected = np.corrcoef(maps.deconvolved(2)[0].ravel(), np.abs(maps.spectrum).ravel())[0, 1]
    assert entry["similarity"] == pytest.approx(expected, abs=1e-5)


def test_building_twice_gives_the_same_bytes(page, results, tmp_path):
    build_listening_page(results, NETWORKS, SONGS, tmp_path / "again")
    for path in page.rglob("*"):
        if path.is_file():
            assert (tmp_path / "again" / path.relative_to(page)).read_bytes() == path.read_bytes()


def test_building_anew_leaves_nothing_of_what_is_gone(results, tmp_path):
    build_listening_page(results, NETWORKS, SONGS, tmp_path)
    build_listening_page(results, NETWORKS[:1], SONGS[:1], tmp_path)
    names = {path.name for path in (tmp_path / "data").iterdir()}
    assert names == {"catalogue.js", "network0-song0-layer1.js", "network0-song0-layer2.js"}


def test_scripts_are_ascii_without_any_markup(page):
    for path in (page / "data").iterdir():
        assert "<" not in path.read_text(encoding="ascii")
        assert path.name.isascii() and " " not in path.name


def test_the_page_refers_to_nothing_outside_its_folder(page):
    for path in page.iterdir():
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            assert "http:" not in text and "https:" not in text and "//cdn" not in text


def test_pictures_have_low_frequencies_at_the_bottom_and_time_to_the_right():
    times = STFT.times(100)
    spectrogram = np.zeros((STFT.n_bins, 100), np.float32)
    spectrogram[8, 20] = 1  # a low tone early
    spectrogram[100, 80] = 1  # a high tone late
    painter = Painter(STFT.frequencies, times)
    image = Image.open(decoded(painter.sound(spectrogram)))
    assert image.size == (100, N_ROWS)
    brightness = np.asarray(image.convert("L")).astype(float)
    low, high = (np.argmax(brightness[:, column]) for column in (20, 80))
    bottom, top = painter.extent["low"], painter.extent["high"]
    for row, bin_ in ((low, 8), (high, 100)):
        share = np.log(STFT.frequencies[bin_] / bottom) / np.log(top / bottom)
        assert row == pytest.approx((1 - share) * N_ROWS, abs=2)
    assert painter.extent["start"] == pytest.approx(-0.5 * 128 / 11025, rel=1e-4)
    assert painter.extent["end"] == pytest.approx(99.5 * 128 / 11025, rel=1e-4)


def test_pictures_of_maps_are_symmetric_about_zero_and_survive_tiny_values():
    painter = Painter(STFT.frequencies, STFT.times(50))
    rng = np.random.default_rng(0)
    deconvolved = (1e-20 * rng.normal(size=(STFT.n_bins, 50))).astype(np.float32)
    levels = np.asarray(Image.open(decoded(painter.map(deconvolved)))).astype(int)
    flipped = np.asarray(Image.open(decoded(painter.map(-deconvolved)))).astype(int)
    assert np.ptp(levels) > 40
    assert np.abs(levels + flipped - 60).max() <= 1
    assert np.ptp(np.asarray(Image.open(decoded(painter.sound(deconvolved))))) > 10
    empty = np.asarray(Image.open(decoded(painter.map(0 * deconvolved))))
    assert (empty == 30).all()


def test_long_songs_get_pictures_of_bounded_width():
    painter = Painter(STFT.frequencies, STFT.times(3000))
    picture = painter.sound(np.ones((STFT.n_bins, 3000), np.float32))
    assert Image.open(decoded(picture)).size == (512, N_ROWS)


def test_a_live_feature_without_a_file_is_not_called_dead(copy):
    (copy / "auralisation/square-0/clicks/layer2/feature01.wav").unlink()
    build_listening_page(copy, NETWORKS[:1], SONGS[:1], copy / "listening")
    features = read_script(copy / "listening/data/network0-song0-layer2.js")["features"]
    assert features[1]["state"] == "soundless"


def test_a_sound_out_of_step_is_refused(copy):
    path = copy / "auralisation/square-0/clicks/layer2/feature01.wav"
    soundfile.write(path, np.zeros(100), 11025)
    with pytest.raises(AudioError, match=r"feature01\.wav: 100 samples .* has 16500"):
        build_listening_page(copy, NETWORKS[:1], SONGS[:1], copy / "listening")
    assert not (copy / "listening/index.html").exists()


def test_missing_files_are_named(copy):
    (copy / "auralisation/square-0/clicks/original.wav").unlink()
    with pytest.raises(AudioError, match=r"original\.wav: no such file"):
        build_listening_page(copy, NETWORKS, SONGS, copy / "listening")
    (copy / "auralisation/untrained-0/clicks/auralisation.json").unlink()
    with pytest.raises(AudioError, match=r"auralisation\.json: does not say how the sounds"):
        build_listening_page(copy, NETWORKS[1:], SONGS[:1], copy / "listening")
    (copy / f"deconvolution/untrained-0/{NASTY}.h5").unlink()
    with pytest.raises(MapsError, match="not a readable HDF5 file"):
        build_listening_page(copy, NETWORKS[1:], SONGS[1:], copy / "listening")


def test_nothing_to_show_is_an_error(tmp_path):
    with pytest.raises(AuraliseError, match="at least one network and one song"):
        build_listening_page(tmp_path, [], ["a"], tmp_path / "listening")


def test_tables_and_evaluations_may_be_absent_but_not_broken(tmp_path):
    assert read_correlations(tmp_path / "correlation.csv") == {}
    assert read_evaluation(tmp_path / "evaluation.json") == {}
    (tmp_path / "correlation.csv").write_text("layer,feature\n1,2\n")
    with pytest.raises(AuraliseError, match="not a table of correlations .*attribute"):
        read_correlations(tmp_path / "correlation.csv")
    (tmp_path / "evaluation.json").write_text("[1]")
    with pytest.raises(AuraliseError, match="not a JSON object"):
        read_evaluation(tmp_path / "evaluation.json")
    (tmp_path / "evaluation.json").write_text('{"clip_accuracy": NaN, "segment_accuracy": 0.5}')
    assert read_evaluation(tmp_path / "evaluation.json") == {"segment_accuracy": 0.5}
