"""What a layer lets through, against cases by hand."""

import numpy as np
import pandas as pd
import pytest

from auralise.deconvnet.deconvnet import Deconvnet
from auralise.dissection import layers
from auralise.excerpts import Excerpt
from auralise.statistics import HIGHER, UNKNOWN
from auralise.stft import Stft
from tests.conftest import sine


def power(*rows):
    return np.array([rows], np.float64)


def test_flatness_is_one_for_noise_of_equal_bins_and_that_of_two_levels_by_hand():
    assert layers.flatness(power([2, 2], [2, 2])) == pytest.approx([1])
    # Geometric mean 1, arithmetic mean (4 + 1/4)/2.
    assert layers.flatness(power([4.0], [0.25])) == pytest.approx([1 / 2.125])
    assert layers.flatness(np.eye(64)[None, :, :1]) < 0.01


def test_a_frame_counts_as_much_as_it_has_energy():
    # A flat frame of energy 2, a tone (of two bins, 60 dB apart) of energy 6.
    tone = np.sqrt(6 * 6e-6) / ((6 + 6e-6) / 2)
    found = layers.flatness(power([1, 6], [1, 0]))
    assert found == pytest.approx([(2 * 1 + 6 * tone) / 8], abs=1e-6)


def test_lines_are_coherent_whichever_way_they_run_and_noise_is_not():
    stripes = np.tile(10.0 ** np.sin(np.arange(64)), (64, 1))
    rng = np.random.default_rng(0)
    both = np.stack([stripes, stripes.T, rng.exponential(size=(64, 64))])
    across, along, noise = layers.coherence(both)
    assert across == pytest.approx(1) and along == pytest.approx(1)
    assert noise < 0.3


def test_diagonals_are_coherent_and_a_chequered_pattern_is_not():
    bins, frames = np.mgrid[:64, :64]
    diagonal = np.exp(np.sin(0.5 * (bins + frames)))
    chequered = np.exp(np.sin(0.5 * bins) + np.sin(0.5 * frames))
    found = layers.coherence(np.stack([diagonal, chequered]))
    assert found[0] > 0.95 and found[1] < 0.7


def test_duration_by_hand_is_of_stretches_by_their_energy():
    # Two frames of power 3, and one of 1; what lies 20 dB below the peak does not sound.
    assert layers.duration(power([3, 3, 0.02, 1]), 0.1) == pytest.approx([0.1 * (6 * 2 + 1) / 7])


def test_silence_has_no_measures():
    assert np.isnan(layers.measure_power(np.zeros((1, 8, 8)), 0.1)).all()


@pytest.fixture(scope="module")
def measured(small_network):
    stft = Stft()
    song = Excerpt(sine(440, 1.0, stft.sample_rate).astype(np.float32))
    explainer = Deconvnet(small_network)
    return explainer, song, layers.measure_layers("square-0", explainer, [song, song], stft)


def test_a_network_has_a_row_for_each_layer_and_one_for_the_songs(measured):
    explainer, _, table = measured
    assert table["network"].tolist() == ["input"] + ["square-0"] * len(explainer.n_features)
    assert table["layer"].tolist() == list(range(len(explainer.n_features) + 1))
    assert (table["n_live"] <= table["n_features"]).all()


def test_a_layer_is_measured_on_what_its_maps_let_through(measured):
    explainer, song, table = measured
    stft = Stft()
    magnitude = np.abs(song.spectrum(stft))
    maps = explainer.deconvolve(magnitude, 1)
    wanted = layers.flatness(np.square(maps * magnitude))
    assert table.loc[1, "flatness"] == pytest.approx(np.nanmean(wanted), rel=1e-5)
    assert table.loc[0, "flatness"] == pytest.approx(layers.flatness(magnitude[None] ** 2)[0])


def table_of(name, n, value):
    rng = np.random.default_rng(n)
    rows = [
        (network, layer, *(value + 0.01 * rng.random(3)), 8, 8)
        for network, layer in [("input", 0), *((f"{name}-{k}", 1) for k in range(n))]
    ]
    return pd.DataFrame(rows, columns=list(layers.LAYERS))


@pytest.mark.parametrize(("n", "words"), [(1, UNKNOWN), (5, HIGHER)])
def test_trained_layers_are_judged_by_the_exact_test_over_networks(n, words):
    tables = [table_of("square", n, 0.5), table_of("untrained", 2 * n, 0.1)]
    _, comparison = layers.compare_layers(tables, {"square": "untrained"})
    assert comparison["verdict"].tolist() == [words] * 3
    assert comparison["measure"].tolist() == list(layers.MEASURES)
    assert (comparison["n_networks_needed"] <= 5).all()
