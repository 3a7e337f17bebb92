"""Figures: what is drawn is what was given."""

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from auralise.attributes.comparison import (
    compare_with_controls,
    summarise_correlation,
    summarise_variants,
)
from auralise.features import relative_levels
from auralise.figures.attributes import (
    draw_attributes,
    draw_comparison,
    draw_distribution,
    draw_features,
)
from auralise.figures.networks import (
    draw_confusion,
    draw_evaluations,
    draw_kernels,
    draw_learning_curve,
)
from auralise.figures.sheets import draw_sheet, rank_by_level
from auralise.figures.style import (
    DYNAMIC_RANGE,
    log_frequency_picture,
    save_captioned,
    save_figure,
)
from auralise.training.evaluation import summarise_evaluations

CONTROLS = {"square": "untrained"}


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.fixture
def frequencies():
    return np.fft.rfftfreq(512, 1 / 11025)


class TestLogFrequencyPicture:
    def test_an_octave_is_the_same_height_everywhere(self, frequencies):
        rows = []
        for frequency in (250, 500, 1000, 2000):
            magnitude = np.exp(-(((frequencies - frequency) / 30) ** 2))[:, None]
            rows.append(log_frequency_picture(magnitude, frequencies, 200).argmax())
        np.testing.assert_allclose(np.diff(rows), np.diff(rows)[0], atol=2)

    def test_levels_are_decibels_below_the_maximum(self, frequencies):
        magnitude = np.ones((257, 2))
        magnitude[:, 1] = 0.1
        picture = log_frequency_picture(magnitude, frequencies)
        np.testing.assert_allclose(picture[:, 0], 0, atol=1e-6)
        np.testing.assert_allclose(picture[:, 1], -20, atol=1e-6)

    def test_a_pure_component_in_any_bin_is_seen(self, frequencies):
        for bin_ in range(257):
            magnitude = np.zeros((257, 1))
            magnitude[bin_] = 1
            assert log_frequency_picture(magnitude, frequencies).max() == 0, bin_

    def test_silence_is_at_the_bottom(self, frequencies):
        assert (log_frequency_picture(np.zeros((257, 2)), frequencies) == -DYNAMIC_RANGE).all()


class TestSheet:
    """Feature n lets through a component 10 n dB below feature 0; feature 3 never fired."""

    @pytest.fixture
    def sheet(self, frequencies):
        heard = np.zeros((6, 257, 173))
        heard[np.arange(6), 246] = 10 ** (-np.arange(6)[:, None] / 2)  # bin 246: 5.3 kHz
        levels = relative_levels(np.sqrt(np.square(heard).mean(axis=(1, 2))), np.arange(6) != 3)
        ranking = rank_by_level(levels, np.arange(6) != 3, -40.0)
        spectrum = np.ones((257, 173)) + 0j
        features = np.arange(10, 16)
        labels = {12: "snare drum, $not$ the hi-hat\nat all", 13: "none"}
        song = spectrum, heard[ranking.shown], features, ranking, frequencies, 4.0
        return draw_sheet(*song, "a song", "what is heard", labels).axes[1]

    def test_the_loudest_comes_first_with_its_level_and_the_rest_is_counted(self, sheet):
        assert [text.get_text() for text in sheet.texts] == [
            "10  0 dB", "11  −10 dB", "12  −20 dB\nsnare drum,\n$not$ the…", "14  −40 dB",
        ]  # fmt: skip
        assert "4 of 6 features" in sheet.get_title()
        assert "1 lie below −40 dB, 1 never fired" in sheet.get_title()

    def test_levels_can_be_compared_and_a_component_at_5_kilohertz_is_seen(self, sheet):
        mosaic = np.asarray(sheet.images[0].get_array())
        tiles = [mosaic[:96, 179 * n : 179 * n + 173] for n in range(4)]
        found = [tile.max() for tile in tiles]
        np.testing.assert_allclose(found, [0, -10, -20, -40], atol=1e-4)


def test_the_learning_curve_marks_the_kept_epoch():
    history = pd.DataFrame(
        {
            "epoch": [0, 1, 2],
            "train_loss": [3, 2, 1],
            "train_accuracy": [0.1, 0.2, 0.3],
            "validation_loss": [3, 1, 2],
            "validation_accuracy": [0.1, 0.3, 0.2],
        }
    )
    evaluation = {
        "baseline_segment_accuracy": 0.4,
        "deviation_baseline_segment_accuracy": 0.5,
        "flux_baseline_segment_accuracy": 0.6,
        "chance_accuracy": 0.1,
    }
    loss, accuracy = draw_learning_curve(history, evaluation, "square-0").axes
    kept = next(line for line in loss.lines if line.get_label() == "kept epoch")
    assert set(kept.get_xdata()) == {1}
    told = [text.get_text() for text in accuracy.get_legend().get_texts()]
    assert told == ["linear: mean spectrum", "linear: + deviation", "linear: + flux", "chance"]
    assert [line.get_ydata()[0] for line in accuracy.lines[-4:]] == [0.4, 0.5, 0.6, 0.1]


def test_the_confusion_matrix_stands_beside_baseline_and_chance():
    evaluation = {
        "confusion": [[3, 1], [0, 4]],
        "classes": ["dub", "ska"],
        "clip_accuracy": 0.875,
        "baseline_clip_accuracy": 0.5,
        "deviation_baseline_clip_accuracy": 0.6,
        "flux_baseline_clip_accuracy": 0.7,
        "chance_accuracy": 0.5,
        "n_clips": 8,
    }
    axis = draw_confusion(evaluation, "square-0").axes[0]
    assert [text.get_text() for text in axis.texts] == ["3", "1", "0", "4"]
    assert "88%" in axis.get_title()
    assert "linear: mean spectrum 50%, + deviation 60%, + flux 70%" in axis.get_title()


@pytest.fixture
def correlations():
    """Two trained and two untrained networks of two layers, and the input."""
    rng = np.random.default_rng(0)
    parts = [
        pd.DataFrame(
            {
                "network": network,
                "layer": layer,
                "feature": range(24),
                "attribute": attribute,
                "correlation": rng.normal(0.7 if network[0] == "s" else 0.4, 0.05, 24),
                "correlation_all": 0.2,
                "n_pairs": 2,
                "live": True,
            }
        )
        for network in ("square-0", "square-1", "untrained-0", "untrained-1")
        for layer in (1, 2)
        for attribute in ("key", "chord")
    ]
    baseline = pd.DataFrame(
        {
            "network": "input",
            "layer": 0,
            "feature": 0,
            "attribute": ["key", "chord"],
            "correlation": 0.5,
            "correlation_all": 0.3,
            "n_pairs": 2,
            "live": True,
        }
    )
    return pd.concat([*parts, baseline], ignore_index=True)


class TestAttributes:
    TITLES = ["only the key differs", "only the chord differs"]

    def test_means_by_layer_stand_beside_untrained_and_input(self, correlations):
        variants, summary = summarise_variants(correlations), summarise_correlation(correlations)
        figure = draw_attributes(variants, summary)
        assert [axis.get_title() for axis in figure.axes] == self.TITLES
        labels = [text.get_text() for text in figure.legends[0].get_texts()]
        assert labels == ["square", "untrained", "the input itself"]
        line = next(line for line in figure.axes[0].lines if line.get_label() == "square")
        rows = variants[(variants["variant"] == "square") & (variants["attribute"] == "key")]
        np.testing.assert_allclose(line.get_ydata(), rows["mean"])

    def test_distributions_show_live_features_alone(self, correlations):
        correlations.loc[correlations["feature"] == 3, ["correlation", "live"]] = [9.0, False]
        figure = draw_distribution(correlations)
        assert [axis.get_title() for axis in figure.axes] == self.TITLES
        assert figure.axes[0].get_ylim()[1] < 2
        labels = [text.get_text() for text in figure.legends[0].get_texts()]
        assert labels == ["square", "untrained", "the input itself"]

    def test_s_of_every_network_is_there_and_verdicts_are_filled(self, correlations):
        summary = summarise_correlation(correlations)
        comparison = compare_with_controls(summary, CONTROLS)
        comparison.loc[comparison["layer"] == 2, "verdict"] = "higher"
        figure = draw_comparison(comparison, summary)
        axis = figure.axes[0]
        dots = axis.lines[0].get_ydata()
        of_key = (summary["attribute"] == "key") & summary["network"].str.startswith("square")
        np.testing.assert_allclose(np.sort(dots), np.sort(summary.loc[of_key, "s"]))
        assert len(axis.collections[0].get_offsets()) == 1
        labels = [text.get_text() for text in figure.legends[0].get_texts()]
        assert labels == ["square", "untrained"]

    def test_networks_of_permuted_labels_stand_beside(self, correlations):
        permuted = correlations[correlations["network"] == "square-0"].assign(network="permuted-0")
        table = pd.concat([correlations, permuted], ignore_index=True)
        figure = draw_attributes(summarise_variants(table), summarise_correlation(table))
        labels = [text.get_text() for text in figure.legends[0].get_texts()]
        assert labels == ["square", "untrained", "permuted", "the input itself"]

    def test_features_are_sorted(self, correlations):
        figure = draw_features(correlations[correlations["network"] == "square-0"])
        axis = figure.axes[0]
        image = axis.images[0].get_array()
        assert image.shape == (24, 2)
        assert (np.diff(image.mean(axis=1)) <= 1e-12).all()
        assert len(axis.get_yticklabels()) == 24

    def test_a_layer_of_dead_features_is_empty(self, correlations):
        dead = correlations["network"].eq("square-0") & correlations["layer"].eq(2)
        correlations.loc[dead, ["correlation", "live"]] = [np.nan, False]
        figure = draw_features(correlations[correlations["network"] == "square-0"])
        assert not figure.axes[1].images
        assert figure.axes[0].images

    @pytest.mark.slow
    def test_eight_attributes_take_two_rows_of_panels(self, correlations):
        names = ["key", "chord", "tempo", "loudness", "register"]
        base = correlations[correlations["attribute"] == "key"]
        table = pd.concat([base.assign(attribute=name) for name in names], ignore_index=True)
        figure = draw_attributes(summarise_variants(table), summarise_correlation(table))
        shown = [axis for axis in figure.axes if axis.axison]
        assert [axis.get_title() for axis in shown] == [f"only the {n} differs" for n in names]
        summary = summarise_correlation(table)
        comparison = draw_comparison(compare_with_controls(summary, CONTROLS), summary)
        assert len([axis for axis in comparison.axes if axis.axison]) == 5


@pytest.mark.slow
def test_a_figure_has_its_caption_and_its_table_beside_it(tmp_path):
    figure, axis = plt.subplots()
    axis.plot([1, 2])
    paths = [tmp_path / f"f.{ending}" for ending in ("png", "pdf", "csv", "txt")]
    save_captioned(figure, paths, "What is shown.\n", pd.DataFrame({"a": [1]}))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.csv", "f.pdf", "f.png", "f.txt"]
    assert (tmp_path / "f.txt").read_text() == "What is shown.\n"
    assert (tmp_path / "f.csv").read_text() == "a\n1\n"
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_figures_are_written_whole_and_repeat_byte_for_byte(tmp_path):
    for name in ("a", "b"):
        figure, axis = plt.subplots()
        axis.plot([1, 2])
        save_figure(figure, tmp_path / f"{name}.png", tmp_path / f"{name}.pdf")
    for suffix in ("png", "pdf"):
        first = (tmp_path / f"a.{suffix}").read_bytes()
        assert first == (tmp_path / f"b.{suffix}").read_bytes()
    assert len(list(tmp_path.iterdir())) == 4


def test_evaluations_show_every_network_beside_the_baseline():
    evaluations = {
        name: {
            "n_parameters": 1,
            "clip_accuracy": accuracy,
            "segment_accuracy": accuracy,
            "baseline_clip_accuracy": 0.4,
            "deviation_baseline_clip_accuracy": 0.6,
            "flux_baseline_clip_accuracy": 0.7,
            "chance_accuracy": 0.1,
            "by_class": {
                genre: {"precision": 0.5, "recall": accuracy, "f1": 0.5, "n_clips": 9}
                for genre in ("dub", "ska")
            },
            "calibration": {
                "confidence": [0.3, 0.8],
                "accuracy": [0.2, 1.0],
                "count": [3, 6],
                "error": 0.1,
            },
            "intervals": {"clip_accuracy": [accuracy - 0.1, accuracy + 0.1]},
        }
        for name, accuracy in {"wide-0": 0.5, "wide-1": 0.7, "untrained-0": 0.15}.items()
    }
    figure = draw_evaluations(evaluations, summarise_evaluations(evaluations)[1])
    accuracy, classes, calibration = figure.axes
    assert [label.get_text() for label in accuracy.get_yticklabels()] == ["wide", "untrained"]
    drawn = [line.get_xdata()[0] for line in accuracy.lines if len(line.get_xdata()) == 1]
    assert drawn == [0.5, 0.7, 0.15]
    assert [label.get_text() for label in classes.get_yticklabels()] == ["dub", "ska"]
    pooled = calibration.lines[0].get_xydata()
    # Both networks' bins as one: six clips at .3, twelve at .8.
    np.testing.assert_allclose(pooled, [[0.3, 0.2], [0.8, 1.0]])
    assert [text.get_text() for text in calibration.texts] == ["6", "12"]


def test_kernels_are_drawn_one_by_one_in_their_order():
    kernels = {
        "square-0": np.random.default_rng(0).normal(size=(5, 3, 3)),
        "time-0": np.zeros((64, 1, 9)),
    }
    kernels["time-0"][63, 0, 8] = -2
    figure = draw_kernels(kernels)
    square, time = (axis.images[0].get_array().filled(np.nan) for axis in figure.axes[:2])
    first = kernels["square-0"][0] / np.abs(kernels["square-0"][0]).max()
    np.testing.assert_allclose(square[-3:, :3], first)
    assert time[0, np.isfinite(time[0])][-1] == -1  # the last kernel's last weight
    assert np.nanmax(np.abs(square)) == 1


@pytest.mark.slow
def test_who_imports_the_figures_keeps_a_backend_and_a_style_of_their_own():
    code = (
        "import matplotlib, numpy as np\n"
        "matplotlib.use('svg'); before = dict(matplotlib.rcParams)\n"
        "import auralise.figures.inversion, auralise.figures.attributes, auralise.figures.sheets\n"
        "from auralise.figures.networks import draw_kernels\n"
        "draw_kernels({'a': np.zeros((2, 3, 3))}).canvas.draw()\n"
        "assert matplotlib.get_backend() == 'svg' and dict(matplotlib.rcParams) == before\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
