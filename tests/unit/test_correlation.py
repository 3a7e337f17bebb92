"""Pairwise correlation of what a network makes of signals when one attribute changes."""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from auralise.attributes.correlation import (
    correlate_attributes,
    correlation_matrix,
    mean_over_pairs,
    standardise,
    telling_features,
)
from auralise.attributes.designs import pairs_by_attribute, pairs_in_everything
from auralise.attributes.representations import Computed, Inputs
from auralise.deconvnet.deconvnet import Deconvnet
from auralise.explainers.workload import sample_features
from auralise.networks.front_end_steps import LogScaling, Orientation


@dataclass
class Given:
    """Representations that are given: ``{layer: (n_signals, n_features, n_values)}``."""

    values: dict[int, np.ndarray]

    @property
    def magnitudes(self):
        return max(self.values.values(), key=lambda values: values[0, 0].size)[:, 0]

    @property
    def n_features(self):
        return {layer: values.shape[1] for layer, values in self.values.items()}

    def of(self, row, features):
        for layer, chosen in features.items():
            yield layer, self.values[layer][row, chosen]


def matrix_of(maps):
    """Maps ``(n_signals, ...)`` of one feature, as `correlate_attributes` treats them."""
    return correlation_matrix(torch.cat([standardise(signal[None]) for signal in maps]))


class TestCorrelation:
    def test_it_is_pearsons(self):
        rng = np.random.default_rng(0)
        maps = rng.normal(size=(4, 30, 40)).astype(np.float32)
        maps[1] += maps[0]
        expected = np.corrcoef(maps.reshape(4, -1).astype(np.float64))
        np.testing.assert_allclose(matrix_of(maps), expected, atol=1e-4)

    def test_half_precision_moves_it_by_less_than_1e_4(self):
        """Maps of real size, as sparse as those of deep layers, and nearly the same."""
        rng = np.random.default_rng(1)
        maps = np.zeros((6, 257, 173), np.float32)
        for number in range(6):
            places = rng.random((257, 173)) < 0.02
            maps[number, places] = rng.lognormal(sigma=3, size=places.sum())
        maps[3:] = maps[:3] * rng.normal(1, 0.01, maps[:3].shape)
        expected = np.corrcoef(maps.reshape(6, -1).astype(np.float64))
        found = matrix_of(maps)
        assert np.abs(found - expected).max() < 1e-4
        assert expected[0, 3] > 0.99

    def test_neither_scale_nor_offset_matters(self):
        maps = np.random.default_rng(0).normal(size=(3, 50, 60)).astype(np.float32)
        scales = np.array([1e-25, 1, 1e20], np.float32)[:, None, None]
        np.testing.assert_allclose(matrix_of(maps * scales), matrix_of(maps), atol=1e-4)
        np.testing.assert_allclose(matrix_of(maps + 5), matrix_of(maps), atol=1e-4)

    def test_constant_maps_have_none(self):
        maps = np.random.default_rng(0).normal(size=(3, 5, 6)).astype(np.float32)
        maps[1] = 0.1
        matrix = matrix_of(maps)
        assert np.isnan(matrix[1]).all()
        mean, count = mean_over_pairs(matrix, np.array([[0, 1], [0, 2]]))
        assert (mean, count) == (pytest.approx(matrix[0, 2]), 1)

    def test_products_in_blocks_add_up(self, monkeypatch):
        maps = np.random.default_rng(0).normal(size=(3, 50, 60)).astype(np.float32)
        whole = matrix_of(maps)
        monkeypatch.setattr("auralise.attributes.correlation.BLOCK", 4 * 3 * 700)
        np.testing.assert_allclose(matrix_of(maps), whole, atol=1e-6)

    def test_mean_over_pairs_by_hand(self):
        matrix = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, -0.4], [0.2, -0.4, 1.0]])
        mean, count = mean_over_pairs(matrix, np.array([[0, 1], [1, 2]]))
        assert (mean, count) == (pytest.approx((0.5 - 0.4) / 2), 2)

    def test_an_experiment_by_hand(self):
        """Two different unit vectors of three values have r = -1/2, two equal ones r = 1.

        C sine and D sine look alike to the feature, everything else looks different; so over
        the key the mean is (1 - 1/2) / 2, over the instrument (-1/2 - 1/2) / 2.
        """
        signals = pd.DataFrame(
            {"key": ["C", "C", "D", "D"], "instrument": ["sine", "piano", "sine", "piano"]}
        )
        seen = np.eye(3, dtype=np.float32)[[0, 1, 0, 2]][:, None]
        never = np.zeros_like(seen)
        table = correlate_attributes(
            Given({1: np.concatenate([seen, never], axis=1)}), pairs_by_attribute(signals), "n"
        )
        expected = pd.DataFrame(
            {
                "network": "n",
                "layer": 1,
                "feature": [0, 0, 1, 1],
                "attribute": ["key", "instrument"] * 2,
                "correlation": [0.25, -0.5, np.nan, np.nan],
                "correlation_all": [np.nan] * 4,
                "n_pairs": [2, 2, 0, 0],
                "live": [True, True, False, False],
            }
        )
        pd.testing.assert_frame_equal(table, expected, atol=1e-3)

    def test_what_differs_in_everything_stands_beside(self):
        """As above: C sine against D piano has r = -1/2, C piano against D sine too."""
        signals = pd.DataFrame(
            {"key": ["C", "C", "D", "D"], "instrument": ["sine", "piano", "sine", "piano"]}
        )
        seen = np.eye(3, dtype=np.float32)[[0, 1, 0, 2]][:, None]
        pairs, everything = pairs_by_attribute(signals), pairs_in_everything(signals)
        table = correlate_attributes(Given({1: seen}), pairs, "n", everything)
        np.testing.assert_allclose(table["correlation_all"], -0.5, atol=1e-3)


class TestChoice:
    def test_it_depends_on_seed_and_layer_alone(self):
        sizes = {1: 64, 2: 64, 3: 8}
        chosen = sample_features(sizes, 16, 0)
        assert [len(chosen[layer]) for layer in sizes] == [16, 16, 8]
        assert chosen == sample_features(sizes, 16, 0)
        assert chosen != sample_features(sizes, 16, 1)
        assert chosen[1] != chosen[2]
        assert chosen[3] == list(range(8))
        assert all(of == sorted(set(of)) for of in chosen.values())

    def test_all_are_taken_where_no_number_is_given(self):
        assert sample_features({1: 5}, None, 0) == {1: [0, 1, 2, 3, 4]}

    def test_only_the_chosen_are_correlated(self, net, magnitudes):
        whole = correlate_attributes(Computed(net, magnitudes), PAIRS, "n")
        some = correlate_attributes(
            Computed(net, magnitudes), PAIRS, "n", features={1: [1, 3], 3: [4]}
        )
        index = ["layer", "feature", "attribute"]
        assert set(zip(some["layer"], some["feature"], strict=True)) == {(1, 1), (1, 3), (3, 4)}
        same = whole.set_index(index).loc[some.set_index(index).index]
        pd.testing.assert_frame_equal(same, some.set_index(index), atol=1e-4)


@pytest.fixture(scope="module")
def planted():
    """Two layers that see all of 16 bins. In layer 2, feature 0 sees onsets, 1 passes one band.

    A band is cut out by shifting: layer 1 drops bins 0 to 7, layer 2 what then is above 3;
    so bins 8 to 11 remain. Feature 2 never fires.
    """
    first = nn.Conv2d(1, 2, (17, 3), padding=(8, 1))
    second = nn.Conv2d(2, 3, (25, 1), padding=(12, 0))
    with torch.no_grad():
        for parameter in (*first.parameters(), *second.parameters()):
            parameter.zero_()
        first.weight[0, 0, 8] = torch.tensor([-1.0, 1.0, 0.0])
        first.weight[1, 0, 16, 1] = 1  # from the bin eight above
        second.weight[0, 0, 12] = 1
        second.weight[1, 1, 0] = 1  # from the bin twelve below
        second.weight[2] = -1
    return Deconvnet(nn.Sequential(first, nn.ReLU(), second, nn.ReLU()))


@pytest.fixture(scope="module")
def planted_signals():
    """A key is a bin that sounds throughout; an instrument says when all bins are struck."""
    cells = list(itertools.product((2, 5, 9, 10), (10, 11, 12)))
    magnitudes = np.zeros((len(cells), 16, 48), np.float32)
    for row, (key, period) in enumerate(cells):
        magnitudes[row, key] = 5
        magnitudes[row, :, 4::period] += 5
    return pd.DataFrame(cells, columns=["key", "instrument"]).astype(str), magnitudes


class TestPlantedKernels:
    @pytest.mark.slow
    def test_the_onset_detector_is_invariant_to_the_key_and_the_band_is_not(
        self, planted, planted_signals
    ):
        signals, magnitudes = planted_signals
        pairs = pairs_by_attribute(signals)
        table = correlate_attributes(Computed(planted, magnitudes), pairs, "planted")
        r = table[table["layer"] == 2].pivot(
            index="feature", columns="attribute", values="correlation"
        )
        assert r.loc[0, "key"] > 0.95  # struck at the same times, whatever the key
        assert r.loc[0, "instrument"] < 0.3
        assert r.loc[1, "key"] < 0.7  # lets a key through or not
        assert r.loc[1, "key"] < r.loc[0, "key"] - 0.3
        by_band = correlate_attributes(Inputs(magnitudes), pairs, "input")
        assert by_band.set_index("attribute").loc["key", "correlation"] < r.loc[0, "key"]

    @pytest.mark.slow
    def test_a_feature_that_never_fires_is_dead(self, planted, planted_signals):
        signals, magnitudes = planted_signals
        pairs = pairs_by_attribute(signals)
        table = correlate_attributes(Computed(planted, magnitudes), pairs, "planted")
        dead = table[(table["layer"] == 2) & (table["feature"] == 2)]
        assert len(dead) == 2
        assert not dead["live"].any()
        assert dead["correlation"].isna().all()
        assert (dead["n_pairs"] == 0).all()

    @pytest.mark.slow
    def test_shuffled_labels_have_no_effect(self, planted, planted_signals):
        """The key matters less than the instrument to the onset detector; to shuffled, neither."""
        signals, magnitudes = planted_signals
        maps = np.stack([planted.deconvolve(m, 2, [0])[0] for m in magnitudes])
        matrix = matrix_of(maps)

        def contrast(labels):
            pairs = pairs_by_attribute(labels)
            return np.subtract(
                *(mean_over_pairs(matrix, pairs[name])[0] for name in ("key", "instrument"))
            )

        rng = np.random.default_rng(0)
        shuffled = [
            contrast(signals.iloc[rng.permutation(len(signals))].reset_index(drop=True))
            for _ in range(400)
        ]
        assert abs(np.mean(shuffled)) < 4 * np.std(shuffled) / np.sqrt(400)
        assert contrast(signals) > np.max(shuffled)


@pytest.fixture(scope="module")
def net(small_network):
    return Deconvnet(small_network)


@pytest.fixture(scope="module")
def magnitudes():
    return np.random.default_rng(0).uniform(size=(4, 64, 48)).astype(np.float32)


PAIRS = {"key": np.array([[0, 1], [2, 3]]), "chord": np.array([[0, 2], [1, 3]])}


class TestRepresentations:
    def test_every_feature_of_every_layer_has_a_row_for_each_attribute(self, net, magnitudes):
        table = correlate_attributes(Computed(net, magnitudes), PAIRS, "n")
        assert len(table) == (4 + 5 + 6) * 2
        assert not table.duplicated(["layer", "feature", "attribute"]).any()

    def test_maps_are_those_of_the_deconvnet(self, net, magnitudes):
        table = correlate_attributes(Computed(net, magnitudes), PAIRS, "n")
        maps = np.stack([net.deconvolve(m, 3, [4])[0] for m in magnitudes]).reshape(4, -1)
        r = np.corrcoef(maps.astype(np.float64))
        row = table.query("layer == 3 and feature == 4 and attribute == 'chord'")
        assert row["correlation"].item() == pytest.approx((r[0, 2] + r[1, 3]) / 2, abs=1e-3)

    @pytest.mark.parametrize(
        ("compare", "mode", "expected"),
        [
            ("auralised", "mask", lambda m, d, f: m * np.abs(d)),
            ("auralised", "rectified", lambda m, d, f: m * np.maximum(d, 0)),
            ("auralised", "phase", lambda m, d, f: np.maximum(d, 0)),
            ("feature_maps", "mask", lambda m, d, f: f),
            ("activations", "mask", lambda m, d, f: f.mean(axis=0)),
        ],
    )
    def test_other_representations(self, net, magnitudes, compare, mode, expected):
        represented = Computed(net, magnitudes, compare, mode)
        for layer, values in represented.of(2, {1: [0, 3], 3: [5]}):
            chosen = {1: [0, 3], 3: [5]}[layer]
            maps = net.deconvolve(magnitudes[2], layer, chosen)
            feature_maps = net.feature_maps(magnitudes[2])[layer - 1][chosen]
            for found, d, f in zip(values, maps, feature_maps, strict=True):
                wanted = expected(magnitudes[2], d, f)
                np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())

    def test_the_baseline_is_the_input(self, magnitudes):
        table = correlate_attributes(Inputs(magnitudes), PAIRS, "input")
        r = np.corrcoef(magnitudes.reshape(4, -1))
        by_attribute = table.set_index("attribute")["correlation"]
        assert by_attribute["key"] == pytest.approx((r[0, 1] + r[2, 3]) / 2, abs=1e-4)
        assert set(table["layer"]) == {0}
        over_time = correlate_attributes(Inputs(magnitudes, "activations"), PAIRS, "input")
        r = np.corrcoef(magnitudes.mean(axis=1))
        assert over_time["correlation"][0] == pytest.approx((r[0, 1] + r[2, 3]) / 2, abs=1e-3)

    @pytest.mark.slow
    def test_memory_decides_batches_and_not_results(self, net, magnitudes, monkeypatch):
        """At one byte, each feature is a batch of its own and lies on disk."""
        whole = correlate_attributes(Computed(net, magnitudes), PAIRS, "n")
        monkeypatch.setattr("auralise.attributes.correlation.WORKING_MEMORY", 1)
        one_by_one = correlate_attributes(Computed(net, magnitudes), PAIRS, "n")
        pd.testing.assert_frame_equal(whole, one_by_one, atol=1e-4)

    def test_the_baseline_is_what_the_network_sees(self, magnitudes):
        scaled = nn.Sequential(LogScaling(), nn.Conv2d(1, 2, 3, padding=1), nn.ReLU())
        inputs = Inputs(magnitudes, seen=Deconvnet(scaled).seen)
        ((layer, values),) = inputs.of(1, {0: [0]})
        assert layer == 0
        np.testing.assert_allclose(values[0], np.log1p(100 * magnitudes[1]), rtol=1e-5)
        table = correlate_attributes(inputs, PAIRS, "input")
        r = np.corrcoef(np.log1p(100 * magnitudes.reshape(4, -1).astype(np.float64)))
        by_attribute = table.set_index("attribute")["correlation"]
        assert by_attribute["key"] == pytest.approx((r[0, 1] + r[2, 3]) / 2, abs=1e-4)

    def test_frames_first_are_turned_back(self, magnitudes):
        turned = nn.Sequential(Orientation(), nn.Conv2d(1, 2, 3, padding=1), nn.ReLU())
        np.testing.assert_allclose(Deconvnet(turned).seen(magnitudes[0]), magnitudes[0])


def test_the_telling_features_are_the_best_of_each_name_and_the_ends_of_each_attribute():
    rows = [
        (layer, feature, attribute, sign * (feature - 4 * layer) / 10, 0.1, feature != 9)
        for layer in (1, 2)
        for feature in range(10)
        for attribute, sign in (("key", 1), ("chord", -1))
    ]
    columns = ["layer", "feature", "attribute", "correlation", "correlation_all", "live"]
    correlations = pd.DataFrame(rows, columns=columns)
    named = [(1, 5, "kick", 0.6), (2, 4, "kick", 0.8), (2, 3, "snare", 0.5), (1, 1, "", 0.9)]
    names = pd.DataFrame(named, columns=["layer", "feature", "name", "score"])
    assert telling_features(correlations, names, 1) == {2: [4]}
    # Of feature 9 nothing is told: it is not live.
    assert telling_features(correlations, names, 4) == {1: [8], 2: [0, 3, 4]}
    assert telling_features(correlations, names[:0], 2) == {1: [8], 2: [0]}
    assert sum(map(len, telling_features(correlations, names[:0], 100).values())) == 18
