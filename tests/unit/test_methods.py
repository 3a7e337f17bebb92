"""Methods of explanation side by side: which bins matter to a feature, and to which network."""

import sys
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from auralise.dissection.methods import (
    TABLE,
    Material,
    choose_explainable,
    compare_maps,
    compare_methods,
    cosine,
    perturb,
    r_squared,
    randomise,
    rank,
)
from auralise.errors import NetworkError, SettingsError
from auralise.explainers.making import explainer_of
from auralise.explainers.others import mean_spectrum
from auralise.networks.genre import build_convolutional_part

MAGNITUDE = np.random.default_rng(0).uniform(0.1, 1, (12, 16)).astype(np.float32)


def one_kernel(*values: float) -> nn.Sequential:
    convolution = nn.Conv2d(1, 1, (1, len(values)), bias=False)
    with torch.no_grad():
        convolution.weight[:] = torch.tensor(values)[None, None, None]
    return nn.Sequential(convolution, nn.ReLU())


@pytest.fixture(scope="module")
def part(small_architecture) -> nn.Sequential:
    torch.manual_seed(0)
    return build_convolutional_part(small_architecture, 12).eval()


def map_of(method: str, network: nn.Module, feature: int = 0) -> np.ndarray:
    explainer = explainer_of(network, method=method)
    ((layer, maps),) = explainer.deconvolve_all(MAGNITUDE, [1], {1: [feature]})
    assert layer == 1 and maps.shape == (1, *MAGNITUDE.shape) and maps.dtype == np.float32
    return maps[0]


def test_gradient_times_input_of_a_feature_that_doubles_its_input():
    # A = 2x, half its energy is 2x², the gradient of that 4x.
    np.testing.assert_allclose(
        map_of("gradient_times_input", one_kernel(2.0)), 4 * MAGNITUDE**2, rtol=1e-5
    )


def test_integrated_gradients_from_the_mean_spectrum():
    pytest.importorskip("captum")
    mean = mean_spectrum(MAGNITUDE)
    # The gradient 4x is linear along the path, so its mean is that in the middle.
    expected = (MAGNITUDE - mean) * 4 * (MAGNITUDE + mean) / 2
    found = map_of("integrated_gradients", one_kernel(2.0))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_integrated_gradients_add_up_to_the_difference_of_energies(part):
    pytest.importorskip("captum")
    explainer = explainer_of(part, method="integrated_gradients")
    for feature in range(4):
        found = map_of("integrated_gradients", part, feature).sum()
        energies = [
            np.square(explainer.feature_maps(magnitude)[0][feature]).sum() / 2
            for magnitude in (MAGNITUDE, mean_spectrum(MAGNITUDE))
        ]
        assert found == pytest.approx(energies[0] - energies[1], abs=0.02 * max(energies) + 1e-6)


def test_captum_is_asked_for_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(SettingsError, match=r"Captum.*pip install 'auralise\[methods\]'"):
        explainer_of(one_kernel(1.0), method="integrated_gradients")


def test_gradients_take_chains_alone():
    class Shortcut(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = nn.Conv2d(1, 1, 3, padding=1)

        def forward(self, x):
            return torch.relu(self.convolution(x)) + x

    with pytest.raises(NetworkError, match="chains of modules alone"):
        explainer_of(Shortcut(), method="gradient_times_input", shape=(12, 16))


def test_energy_and_chance_know_no_network(part):
    other = one_kernel(1.0, -1.0)
    np.testing.assert_array_equal(map_of("energy", part, 3), MAGNITUDE**2)
    np.testing.assert_array_equal(map_of("random", part), map_of("random", other))
    assert np.corrcoef(map_of("random", part).ravel(), map_of("random", part, 1).ravel())[0, 1] < 1


def test_a_rank_is_from_the_largest_and_ties_fall_by_lot():
    assert rank(np.array([[1.0, 3.0], [2.0, -5.0]])).tolist() == [1, 2, 0, 3]
    assert rank(np.zeros(50)).tolist() != list(range(50))


def test_what_is_taken_away_gets_the_mean_spectrum_never_zeros():
    magnitude = np.array([[1.0, 2.0, 3.0, 6.0], [1.0, 1.0, 1.0, 5.0]])
    order = rank(magnitude)
    np.testing.assert_array_equal(
        perturb(magnitude, order, "keep", 0.25), [[3, 3, 3, 6], [2, 2, 2, 5]]
    )
    np.testing.assert_array_equal(
        perturb(magnitude, order, "delete", 0.25), [[1, 2, 3, 3], [1, 1, 1, 2]]
    )


def test_r_squared_and_cosine_by_hand():
    own, left = np.array([[0.0, 2.0]]), np.array([[1.0, 2.0]])
    sums = compare_maps(own, left)
    assert r_squared(sums) == pytest.approx(1 - 1 / 2)
    assert cosine(sums) == pytest.approx(4 / (2 * 5**0.5))
    assert r_squared(compare_maps(own, own)) == cosine(compare_maps(own, own)) == 1
    dead = compare_maps(np.zeros((1, 2)), left)
    assert np.isnan(r_squared(dead)) and np.isnan(cosine(dead))


def test_features_are_drawn_among_those_that_fire():
    maps = np.zeros((6, 2, 2))
    maps[[1, 4], 0, 0] = 1
    assert choose_explainable([[maps], [maps]], 2) == {1: [1, 4]}
    assert choose_explainable([[maps], [maps]], 4) == {1: [1, 4]}
    maps[:, 0, 0] = 1
    assert len(choose_explainable([[maps]], 4)[1]) == 4
    assert choose_explainable([[maps]], 4) != choose_explainable([[maps]], 4, seed=1)


def test_layers_are_drawn_anew_and_the_others_stay(part):
    found = randomise(part, 2, 3, MAGNITUDE[None], seed=0)
    weights = [
        [of.get_submodule(f"layer{k}.convolution").weight for k in (1, 2, 3)]
        for of in (part, found)
    ]
    assert [torch.equal(*pair) for pair in zip(*weights, strict=True)] == [True, False, False]


@pytest.mark.slow
def test_a_planted_feature_is_explained_by_its_map_and_not_by_energy():
    """The planted feature hears rises in time: its own map finds them, energy and chance do not."""
    network = nn.Sequential()
    network.convolutional = nn.Sequential()
    network.convolutional.layer1 = one_kernel(-1.0, 1.0)

    def layer_maps(magnitude, deepest):
        return explainer_of(network.convolutional).feature_maps(magnitude)

    rng = np.random.default_rng(0)
    magnitudes = rng.uniform(0.5, 0.6, (5, 8, 40)).astype(np.float32)
    for magnitude in magnitudes:
        magnitude[:, 4] = 3.0  # loud, and in every bin
        magnitude[rng.integers(8), 20:22] = (0.0, 1.0)
    methods = ("deconvnet", "energy", "random")
    makers = {name: partial(explainer_of, method=name) for name in methods}
    table = compare_methods(Material(network, layer_maps, magnitudes, {1: [0]}), makers)
    assert list(table) == list(TABLE)
    kept = table[(table["operation"] == "keep") & (table["amount"] == 0.1)]
    r2 = kept[kept["measure"] == "r2"].set_index(["method", "ranked"])["value"]
    assert r2["deconvnet", "size"] > 0.9
    assert r2["deconvnet", "size"] > r2["random", "size"] + 0.5
    assert (table["ci_low"] <= table["value"] + 1e-9).all()
    assert (table["value"] <= table["ci_high"] + 1e-9).all()
    anew = table[table["operation"] == "randomise"].set_index(["method", "ranked"])["value"]
    assert anew["energy", "size"] == pytest.approx(1)
    assert anew["random", "size"] == pytest.approx(1)
    assert anew["deconvnet", "size"] < 0.9
