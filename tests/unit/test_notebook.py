"""A song explained in a notebook, and a finished experiment opened there."""

import io
import re
from base64 import b64decode

import numpy as np
import pytest
import soundfile
import torch

import auralise
from auralise.auralisation import write_auralisations
from auralise.errors import MapsError, SettingsError
from auralise.explainers.making import explainer_of
from auralise.explainers.writing import write_maps
from auralise.maps import Origin, open_maps
from auralise.networks.front_ends import build_front_end
from tests.conftest import sine

SONG = "a <b>song</b>"


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    first, second = torch.nn.Conv2d(1, 3, 3, padding=1), torch.nn.Conv2d(3, 2, 3, padding=1)
    with torch.no_grad():
        first.weight[2], first.bias[:] = -1, torch.tensor([0.0, 0.0, -1.0])  # 1-2 never fires
        first.weight[1] = 0.01 * first.weight[1].abs()
    return torch.nn.Sequential(first, torch.nn.ReLU(), torch.nn.MaxPool2d(2), second)


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    path = tmp_path_factory.mktemp("songs") / f"{SONG}.wav".replace("/", "∕")
    soundfile.write(path, sine() + 0.01 * sine(3000), 11025)
    return path


@pytest.fixture(scope="module")
def explained(song, network):
    return auralise.explain(song, network)


def test_the_maps_are_those_of_the_explainer(explained, song, network, stft):
    samples, _ = soundfile.read(song, dtype="float32")
    magnitude = np.abs(stft.analyse(samples))
    expected = explainer_of(network, shape=magnitude.shape).deconvolve(magnitude, 2)
    maps = explained.maps(2)
    assert maps.dims == ("feature", "frequency", "time")
    assert maps.frequency.attrs["units"] == "Hz" and maps.time.attrs["units"] == "s"
    np.testing.assert_allclose(maps.values, expected, atol=1e-6 * np.abs(expected).max())


def test_what_is_heard_is_the_sound_that_the_workflow_writes(explained, tmp_path):
    with open_maps(explained.path) as maps:
        write_auralisations(tmp_path, maps)
    written, rate = soundfile.read(tmp_path / "layer1/feature00.wav", dtype="float32")
    sound = explained.hear("1-0")
    assert sound.sample_rate == rate == 11025
    np.testing.assert_allclose(sound.samples, written, atol=1.01 / 2**15)
    sound.save(tmp_path / "saved.wav")
    saved, _ = soundfile.read(tmp_path / "saved.wav", dtype="float32")
    np.testing.assert_allclose(saved, sound.samples, atol=1 / 2**15)


def test_a_notebook_plays_the_samples(explained):
    page = explained.hear("1-0")._repr_html_()
    assert "<b>" not in page
    data = re.search('base64,([^"]+)', page)[1]
    samples, _ = soundfile.read(io.BytesIO(b64decode(data)), dtype="float32")
    np.testing.assert_allclose(samples, explained.hear("1-0").samples, atol=1 / 2**15)


def test_features_come_by_level_and_dead_ones_last(explained):
    table = explained.features().query("layer == 1")
    assert list(table["feature"]) == ["1-0", "1-1", "1-2"]
    assert list(table["live"]) == [True, True, False]
    assert table["level_db"].iloc[0] == 0
    assert -60 < table["level_db"].iloc[1] < -30
    assert table["level_db"].iloc[2] == -np.inf
    assert "below the layer's loudest" in explained.hear("1-1").title
    assert explained.hear("1-2").title.endswith("silent")


@pytest.mark.slow
def test_pictures_are_drawn(explained):
    assert len(explained.plot("2-1").axes) == 3
    assert explained.sheet(1).axes


def test_a_summary_names_layers_and_escapes_names(explained):
    page = explained._repr_html_()
    assert "&lt;b&gt;" in page and "<b>" not in page


@pytest.mark.parametrize("feature", ["3", "9-1", "1-7", "one-two", ""])
def test_a_feature_that_is_not_there_is_named(explained, feature):
    with pytest.raises(SettingsError, match=feature.partition("-")[0] or "such as 3-12"):
        explained.hear(feature)


def test_a_layer_that_is_not_there_is_named(explained):
    with pytest.raises(MapsError, match="no layer 7"):
        explained.maps(7)


def test_the_file_of_maps_can_be_kept(song, network, tmp_path):
    kept = auralise.explain(song, network, features={1: [1]}, out=tmp_path / "maps.h5")
    assert kept.path == tmp_path / "maps.h5" and kept.layers == [1]
    assert kept.origin.song == SONG.replace("/", "∕") and len(kept.origin.weights_sha256) == 64


def test_a_published_network_has_a_spectrogram_of_its_own(song, stft):
    with pytest.raises(SettingsError, match="leave it out"):
        auralise.explain(song, "musicnn/MTT_vgg", stft)


def test_an_experiment_gives_maps_and_tables(network, stft, tmp_path):
    folder = tmp_path / "results/small"
    path = folder / "deconvolution/square-0/blues.h5"
    path.parent.mkdir(parents=True)
    origin = Origin("blues", "square-0", "", {})
    write_maps(path, explainer_of(network), sine(), stft, origin)
    (folder / "clips.csv").write_text("clip,genre\n000022,1980\n")
    finished = auralise.open(folder)
    assert finished.networks == ["square-0"] and finished.songs == ["blues"]
    assert finished.explained("square-0", "blues").layers == [1, 2]
    assert finished.tables == ["clips.csv"]
    assert finished.table("clips.csv").iloc[0].to_list() == ["000022", "1980"]
    assert "square-0" in finished._repr_html_()
    with pytest.raises(SettingsError, match="networks: square-0; songs: blues"):
        finished.explained("square-1", "blues")
    sound = folder / "auralisation/square-0/jazz/original.wav"
    sound.parent.mkdir(parents=True)
    sound.touch()
    assert finished.songs == ["blues", "jazz"], "sounds stay where maps do not"
    with pytest.raises(SettingsError, match="keep: all"):
        finished.explained("square-0", "jazz")
    with pytest.raises(SettingsError, match="no table"):
        finished.table("../clips.csv")


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="not the results of an experiment"):
        auralise.open(tmp_path)


def test_phase_is_refused_behind_a_filterbank(song, network, stft):
    front_end = build_front_end([{"mel": {"n_bands": 20}}], stft)
    explained = auralise.explain(song, torch.nn.Sequential(front_end, network))
    with pytest.raises(SettingsError, match="choose mask or rectified"):
        explained.hear("1-0", "phase")
