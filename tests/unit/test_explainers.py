"""Another method of explanation costs a class and a registration."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from auralise.attributes.representations import Computed
from auralise.deconvnet.deconvnet import Deconvnet
from auralise.deconvnet.steps import STEPS
from auralise.errors import NetworkError, SettingsError
from auralise.explainers.making import METHODS, explainer_of, read_explainer
from auralise.explainers.songs import explain_song, windows_of
from auralise.explainers.workload import Cost, Pace, limit_features
from auralise.explainers.writing import choose_features
from auralise.maps import Origin, open_maps
from auralise.stft import Stft
from auralise.weights.reader import write_weights

STFT = Stft(4000, 64, 32)


@dataclass
class TheOnlyLayer:
    number: int = 1
    path: str = "weight"
    n_features: int = 2


class Scaled:
    """The magnitude times 1 and times 2: the least that an explainer can be."""

    def __init__(self, network, device, precision, *, layers, shape):
        self.layers, self.n_features = [TheOnlyLayer()], [2]
        self.strides = self.band_strides = [None]
        self.receptive_field = 1
        self.assumptions, self.compression = ["loud is twice"], []

    def mask_scale(self, n_bins):
        return np.ones(n_bins)

    def band_weights(self, n_bins):
        return None

    def seen(self, magnitude):
        return magnitude

    def feature_maps(self, magnitude):
        return [np.stack([magnitude, 2 * magnitude])]

    def deconvolve_all(self, magnitude, layers=None, features=None):
        for layer in [1] if layers is None else layers:
            chosen = [0, 1] if features is None else list(features[layer])
            yield layer, self.feature_maps(magnitude)[0][chosen]

    def fired(self, layer, maps):
        return maps.any(axis=(1, 2))

    def above_rest(self, layer, maps):
        return maps


@pytest.fixture
def scaled(monkeypatch):
    monkeypatch.setitem(METHODS, "scaled", Scaled)
    return explainer_of(nn.Identity(), method="scaled")


def test_a_method_is_chosen_by_name(scaled):
    assert isinstance(scaled, Scaled)
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    assert isinstance(explainer_of(network), Deconvnet)
    with pytest.raises(SettingsError, match="no method 'oracle'; choose one of deconvnet.*scaled"):
        explainer_of(network, method="oracle")


def test_another_method_explains_a_song_of_many_windows(scaled, tmp_path):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 9000).astype(np.float32)
    found = explain_song(samples, scaled, STFT, tmp_path, Origin("song", "n", "", {}), window=0.5)
    assert (found.sounds / "layer1/feature01.wav").is_file()
    magnitude = np.abs(STFT.analyse(samples))
    with open_maps(found.maps) as maps:
        assert maps.origin.config["windows"]["count"] > 2
        np.testing.assert_allclose(maps.deconvolved(1)[1], 2 * magnitude, atol=1e-4)
        energy = [np.square(scale * magnitude.astype(np.float64)).sum() for scale in (1, 2)]
        np.testing.assert_allclose(maps.activation_energy(1), energy, rtol=0.02)
        np.testing.assert_allclose(
            maps.activation_peak(1), [magnitude.max(), 2 * magnitude.max()], rtol=1e-5
        )
        assert maps.live(1).all()
        assert maps.file["layer1"].attrs["path"] == "weight"


def test_what_is_assumed_stands_in_the_file_after_what_the_reader_assumed(scaled, tmp_path):
    origin = Origin("song", "n", "", {}, ("padding is 'same'",))
    explain_song(np.ones(4000, np.float32), scaled, STFT, tmp_path, origin)
    with open_maps(tmp_path / "song.h5") as maps:
        assert maps.origin.assumptions == ("padding is 'same'", "loud is twice")
        assert json.loads(maps.file.attrs["assumptions"]) == list(maps.origin.assumptions)


def test_another_method_is_compared_between_signals(scaled):
    magnitudes = np.random.default_rng(0).uniform(size=(2, 8, 6)).astype(np.float32)
    ((layer, values),) = Computed(scaled, magnitudes).of(1, {1: [1]})
    assert layer == 1
    np.testing.assert_array_equal(values, 2 * magnitudes[1:])


def test_the_explainer_of_the_settings(tmp_path, small_network, small_architecture):
    path = tmp_path / "weights.safetensors"
    facts = {"n_bins": 257, "n_frames": 173, "classes": ["a", "b", "c"]}
    write_weights(path, small_network, small_architecture, **facts)
    how = {"biases": False, "device": "cpu", "precision": "float32"}
    explainer = read_explainer(path, small_architecture.to_settings(), how)
    assert explainer.n_features == [4, 5, 6]
    assert [layer.n_features for layer in explainer.layers] == [4, 5, 6]
    silence = explainer.feature_maps(np.zeros((257, 173), np.float32))
    assert not silence[0].any(), "biases take part"
    with pytest.raises(SettingsError, match="torch has no device 'abacus' here"):
        read_explainer(path, small_architecture.to_settings(), how | {"device": "abacus"})


def test_layers_without_height_or_width_are_explained(tmp_path):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv1d(33, 4, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool1d(1))
    network.append(nn.Flatten())
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 4000).astype(np.float32)
    explainer = explainer_of(network, layers=["1", "3"], shape=(33, 126))
    found = explain_song(samples, explainer, STFT, tmp_path, Origin("song", "n", "", {}))
    magnitude = np.abs(STFT.analyse(samples))
    with open_maps(found.maps) as maps:
        for layer, own in enumerate(explainer.feature_maps(magnitude), start=1):
            energy = np.square(own.reshape(4, -1).astype(np.float64)).sum(axis=1)
            np.testing.assert_allclose(maps.activation_energy(layer), energy, rtol=1e-5)
            assert (maps.live(layer) == (energy > 0)).all() and energy.any()
            assert (maps.deconvolved(layer).any(axis=(1, 2)) == (energy > 0)).all()


class Thousands(Scaled):
    """Feature k is the magnitude times the k-th of 1,100 factors."""

    factors = np.random.default_rng(0).permutation(1100)

    def __init__(self):
        super().__init__(None, None, None, layers=None, shape=None)
        self.n_features = [1100]

    def feature_maps(self, magnitude):
        return [self.factors[:, None, None] * magnitude]

    def deconvolve_all(self, magnitude, layers=None, features=None):
        yield 1, self.feature_maps(magnitude)[0][features[1]]


@pytest.mark.slow
def test_of_thousands_of_features_the_strongest_are_the_default(scaled):
    explainer = Thousands()
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 9000).astype(np.float32)
    windows = windows_of(explainer, len(samples), STFT, 0.5)
    about = (explainer, samples, STFT)
    found = limit_features(*about, choose_features(explainer), windows)
    assert found == {1: sorted(np.flatnonzero(explainer.factors >= 1100 - 64))}
    few = {1: list(range(1000))}
    assert limit_features(*about, few, windows) == few
    pace = Pace.measure(*about, found, windows)
    cost = pace.cost(9000, STFT, 64, windows, rehearing=True)
    assert cost.n_bytes == 64 * (4 * STFT.n_bins * STFT.n_frames(9000) + 2 * 9000)
    assert cost.seconds > pace.cost(9000, STFT, 64, windows, rehearing=False).seconds > 0
    assert str(Cost(61.2, 2_500_000_000)) == "about 1 min 1 s, and 2.5 GB of disk at most"


def test_features_are_chosen_of_layers_that_have_them(scaled):
    assert choose_features(scaled) == {1: [0, 1]}
    assert choose_features(scaled, [1], [1, 7]) == {1: [1]}
    with pytest.raises(NetworkError, match="no layer 2; the network has layers 1 to 1"):
        choose_features(scaled, [2])
    with pytest.raises(NetworkError, match="none of the features asked for is in layer 1"):
        choose_features(scaled, None, [2])


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv2d(1, 1, 3, stride=(2, 3), padding=1),
        nn.Conv2d(1, 1, 3, padding="same"),
        nn.MaxPool2d((1, 4)),
        nn.MaxPool2d(4, 2, padding=1),
        nn.AvgPool2d(3),
        nn.ReLU(),
        nn.BatchNorm2d(1),
    ],
    ids=repr,
)
def test_a_step_knows_how_far_apart_its_outputs_are(module):
    step = STEPS[type(module)](module.eval())
    with torch.no_grad():
        rows, columns = step.forward(torch.zeros(1, 1, 60, 120))[0].shape[-2:]
    assert step.stride == (60 // rows, 120 // columns)
