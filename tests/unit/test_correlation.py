"""Pairwise correlation of maps when one attribute changes."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from auralise.correlation import (
    correlate_attributes,
    correlate_inputs,
    correlation_matrices,
    mean_over_pairs,
    pairs_by_attribute,
    summarise_correlation,
)
from auralise.deconvnet import Deconvnet
from auralise.errors import SettingsError

ATTRIBUTES = ("key", "instrument")


@pytest.fixture
def signals():
    return pd.DataFrame(
        {"key": ["C", "C", "D", "D"], "instrument": ["sine", "piano", "sine", "piano"]}
    )


def test_pairs_differ_in_one_attribute_alone(signals):
    pairs = pairs_by_attribute(signals, ATTRIBUTES)
    assert pairs["key"].tolist() == [[0, 2], [1, 3]]
    assert pairs["instrument"].tolist() == [[0, 1], [2, 3]]


def test_missing_combinations_leave_fewer_pairs(signals):
    pairs = pairs_by_attribute(signals.iloc[:3].reset_index(), ATTRIBUTES)
    assert pairs["key"].tolist() == [[0, 2]]
    assert pairs["instrument"].tolist() == [[0, 1]]


def test_two_signals_alike_are_refused(signals):
    twice = pd.concat([signals, signals.iloc[:1]], ignore_index=True)
    with pytest.raises(SettingsError, match="same attributes"):
        pairs_by_attribute(twice, ATTRIBUTES)


def test_correlation_is_pearsons(signals):
    maps = np.random.default_rng(0).normal(size=(4, 2, 5, 6)).astype(np.float32)
    found = correlation_matrices(maps)
    for feature in range(2):
        expected = np.corrcoef(maps[:, feature].reshape(4, -1))
        np.testing.assert_allclose(found[feature], expected, atol=1e-6)


def test_tiny_maps_correlate_as_large_ones():
    maps = np.random.default_rng(0).normal(size=(3, 1, 50, 60)).astype(np.float32)
    np.testing.assert_allclose(
        correlation_matrices(maps * 1e-12), correlation_matrices(maps), atol=1e-5
    )


def test_constant_maps_have_no_correlation():
    maps = np.random.default_rng(0).normal(size=(3, 1, 5, 6)).astype(np.float32)
    maps[1] = 0.1
    matrices = correlation_matrices(maps)
    assert np.isnan(matrices[0, 1, :]).all()
    means, counts = mean_over_pairs(matrices, np.array([[0, 1], [0, 2]]))
    assert counts[0] == 1
    assert means[0] == pytest.approx(matrices[0, 0, 2])


def test_mean_over_pairs_computed_by_hand():
    matrix = np.array([[[1.0, 0.5, 0.2], [0.5, 1.0, -0.4], [0.2, -0.4, 1.0]]])
    means, counts = mean_over_pairs(matrix, np.array([[0, 1], [1, 2]]))
    assert means[0] == pytest.approx((0.5 - 0.4) / 2)
    assert counts[0] == 2


@pytest.fixture
def onset_and_band_net():
    """Feature 0 sees only changes over time, feature 1 passes everything, feature 2 is dead."""
    convolution = nn.Conv2d(1, 3, 3, padding=1)
    with torch.no_grad():
        convolution.weight.zero_()
        convolution.weight[0, 0, 1] = torch.tensor([-1.0, 1.0, 0.0])
        convolution.weight[1, 0, 1, 1] = 1
        convolution.weight[2] = -1
        convolution.bias.zero_()
    return Deconvnet(nn.Sequential(convolution, nn.ReLU(), nn.MaxPool2d(2)))


def test_a_planted_onset_detector_is_found_invariant_to_the_key(onset_and_band_net):
    # A click hits all bins at one time; a key is a bin that sounds throughout.
    magnitudes = np.full((4, 16, 32), 0.0, np.float32)
    for row, (key, instrument) in enumerate([(3, 1), (3, 2), (9, 1), (9, 2)]):
        magnitudes[row, key] = instrument
        magnitudes[row, :, 8::10] += 5
    signals = pd.DataFrame({"key": [3, 3, 9, 9], "instrument": [1, 2, 1, 2]})
    pairs = pairs_by_attribute(signals, ATTRIBUTES)
    table = correlate_attributes(onset_and_band_net, magnitudes, pairs, "planted")
    by_key = table[table["attribute"] == "key"].set_index("feature")["correlation"]
    assert by_key[0] > 0.98
    assert by_key[0] > by_key[1]
    dead = table[table["feature"] == 2]
    assert not dead["live"].any()
    assert dead["correlation"].isna().all()
    assert (dead["n_pairs"] == 0).all()


def test_batches_of_features_do_not_change_the_result(small_network, monkeypatch):
    magnitudes = np.random.default_rng(0).uniform(size=(4, 64, 48)).astype(np.float32)
    pairs = {"key": np.array([[0, 1], [2, 3]])}
    net = Deconvnet(small_network)
    whole = correlate_attributes(net, magnitudes, pairs, "n")
    monkeypatch.setattr("auralise.correlation.WORKING_MEMORY", 1)
    one_by_one = correlate_attributes(net, magnitudes, pairs, "n")
    pd.testing.assert_frame_equal(whole, one_by_one, atol=1e-5)


def test_the_input_is_its_own_baseline():
    magnitudes = np.random.default_rng(0).uniform(size=(2, 8, 9)).astype(np.float32)
    table = correlate_inputs(magnitudes, {"key": np.array([[0, 1]])})
    expected = np.corrcoef(magnitudes.reshape(2, -1))[0, 1]
    assert table["correlation"].item() == pytest.approx(expected, abs=1e-6)
    assert table[["network", "layer"]].values.tolist() == [["input", 0]]


def test_summary_leaves_out_and_counts_dead_features():
    table = pd.DataFrame(
        {
            "network": "n",
            "layer": 1,
            "feature": range(4),
            "attribute": "key",
            "correlation": [0.2, 0.4, 0.6, np.nan],
            "n_pairs": [2, 2, 2, 0],
            "live": [True, True, True, False],
        }
    )
    row = summarise_correlation(table).iloc[0]
    assert row["mean"] == pytest.approx(0.4)
    assert row["std"] == pytest.approx(0.2)
    assert row["ci_low"] < 0.4 < row["ci_high"]
    assert (row["n_features"], row["n_live"]) == (4, 3)


def test_summary_of_a_single_feature_has_no_interval():
    magnitudes = np.eye(4, dtype=np.float32).reshape(2, 2, 4)
    table = correlate_inputs(magnitudes, {"key": np.array([[0, 1]])})
    row = summarise_correlation(table).iloc[0]
    assert np.isnan(row["std"])
    assert np.isnan(row["ci_low"])
