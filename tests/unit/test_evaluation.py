"""Evaluation: measures against counting by hand, intervals against theory."""

import numpy as np
import pandas as pd
import pytest

from auralise.experiment.overview import write_overview
from auralise.training.baselines import describe_accuracy, is_above_mean_spectrum
from auralise.training.evaluation import (
    accuracy_intervals,
    calibrate,
    clip_probabilities,
    summarise_evaluations,
)


class TestCalibration:
    def test_bins_are_what_counting_gives(self):
        probabilities = np.array([[0.95, 0.05], [0.93, 0.07], [0.36, 0.64], [0.61, 0.39]])
        found = calibrate(probabilities, np.array([0, 1, 1, 0]))
        assert found["count"] == [2, 2]
        assert (found["from"], found["to"]) == ([0.6, 0.9], [0.7, 1.0])
        assert found["confidence"] == pytest.approx([0.625, 0.94])
        assert found["accuracy"] == [1.0, 0.5]
        assert found["error"] == pytest.approx((2 * 0.375 + 2 * 0.44) / 4)

    def test_honest_probabilities_have_a_small_error_and_boastful_ones_a_large(self):
        rng = np.random.default_rng(0)
        honest = rng.dirichlet(np.ones(3), 20_000)
        labels = (honest.cumsum(1) > rng.random((20_000, 1))).argmax(1)
        assert calibrate(honest, labels)["error"] < 0.02
        boastful = honest**4 / (honest**4).sum(1, keepdims=True)
        assert calibrate(boastful, labels)["error"] > 0.1

    def test_certainty_falls_in_the_last_bin(self):
        assert calibrate(np.eye(2), np.array([0, 1]))["count"] == [2]


class TestBootstrap:
    def hits(self, right, weight=1):
        return np.stack([weight * right, np.full(len(right), weight)], axis=1)

    def test_the_interval_is_that_of_a_share(self):
        right = np.random.default_rng(0).random(400) < 0.7
        hits = {"clip_accuracy": self.hits(right), "baseline_clip_accuracy": self.hits(~right)}
        low, high = accuracy_intervals(hits)["clip_accuracy"]
        share = right.mean()
        width = 1.96 * np.sqrt(share * (1 - share) / 400)
        assert low == pytest.approx(share - width, abs=0.01)
        assert high == pytest.approx(share + width, abs=0.01)

    def test_segments_of_a_clip_are_drawn_together(self):
        """Ten equal segments a clip tell no more than one."""
        right = np.random.default_rng(0).random(100) < 0.5
        hits = {
            "clip_accuracy": self.hits(right),
            "segment_accuracy": self.hits(right, 10),
            "baseline_clip_accuracy": self.hits(right),
        }
        found = accuracy_intervals(hits)
        assert found["segment_accuracy"] == found["clip_accuracy"]
        assert found["clip_accuracy_above_baseline"] == [0, 0]

    def test_where_all_are_right_other_clips_might_not_be(self):
        """The exact interval: with 80 of 80, the lower end is .025 to the power of 1/80."""
        hits = {
            "clip_accuracy": self.hits(np.ones(80, bool)),
            "segment_accuracy": self.hits(np.ones(80, bool), 7),
            "baseline_clip_accuracy": self.hits(np.zeros(80, bool)),
        }
        found = accuracy_intervals(hits)
        assert found["clip_accuracy"] == pytest.approx([0.025 ** (1 / 80), 1])
        assert found["segment_accuracy"] == found["clip_accuracy"]
        assert found["baseline_clip_accuracy"] == pytest.approx([0, 1 - 0.025 ** (1 / 80)])

    def test_it_is_repeatable(self):
        right = np.arange(50) % 3 == 0
        hits = {"clip_accuracy": self.hits(right), "baseline_clip_accuracy": self.hits(~right)}
        assert accuracy_intervals(hits) == accuracy_intervals(hits)


def test_a_clip_is_judged_by_the_mean_of_its_segments():
    class Segments:
        clips = np.array([0, 0, 0, 1])

    probabilities = np.array([[0.6, 0.4], [0.6, 0.4], [0.1, 0.9], [0.7, 0.3]])
    by_clip = clip_probabilities(probabilities, Segments)
    np.testing.assert_allclose(by_clip, [[1.3 / 3, 1.7 / 3], [0.7, 0.3]])


def evaluation(accuracy, recall):
    classes = {
        "dub": {"precision": 0.5, "recall": recall, "f1": f1_of(0.5, recall), "n_clips": 4},
        "ska": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "n_clips": 6},
    }
    return {
        "n_parameters": 99,
        "clip_accuracy": accuracy,
        "segment_accuracy": accuracy / 2,
        "baseline_clip_accuracy": 0.4,
        "deviation_baseline_clip_accuracy": 0.6,
        "flux_baseline_clip_accuracy": 0.7,
        "chance_accuracy": 0.1,
        "by_class": classes,
        "calibration": {"error": 0.2},
        "intervals": {"clip_accuracy": [accuracy - 0.1, accuracy + 0.1]},
    }


def f1_of(precision, recall):
    return 2 * precision * recall / (precision + recall)


class TestSummary:
    @pytest.fixture
    def tables(self):
        return summarise_evaluations(
            {
                "wide-0": evaluation(0.5, 0.5),
                "wide-1": evaluation(0.7, 1.0),
                "square-0": evaluation(0.6, 0.2),
            }
        )

    def test_variants_have_mean_and_spread_over_their_seeds(self, tables):
        table = tables[0].set_index("variant")
        assert table.index.tolist() == ["wide", "square"]
        wide = table.loc["wide"]
        assert wide["n_networks"] == 2
        assert wide["n_parameters"] == 99
        assert wide["clip_accuracy"] == pytest.approx(0.6)
        assert wide["clip_accuracy_std"] == pytest.approx(np.std([0.5, 0.7], ddof=1))
        assert wide["clip_accuracy_low"] == pytest.approx(0.5)
        assert wide["baseline_clip_accuracy"] == 0.4
        mean_f1 = np.mean([0.5, 1.0, f1_of(0.5, 1.0), 1.0])
        assert wide["macro_f1"] == pytest.approx(mean_f1)

    def test_a_single_seed_has_no_spread(self, tables):
        assert np.isnan(tables[0].set_index("variant").loc["square", "clip_accuracy_std"])

    def test_classes_have_precision_and_recall(self, tables):
        table = tables[1].set_index(["variant", "class"])
        assert len(table) == 4
        dub = table.loc[("wide", "dub")]
        assert dub["recall"] == 0.75
        assert dub["recall_std"] == pytest.approx(np.std([0.5, 1.0], ddof=1))
        assert dub["n_clips"] == 4


def known(accuracy=0.8, shares=(0.5, 0.6, 0.7), width=0.05):
    """An evaluation in which every difference has an interval of twice that width."""
    names = ("baseline_", "deviation_baseline_", "flux_baseline_")
    of = dict(zip(names, shares, strict=True))
    intervals = {
        f"clip_accuracy_above_{name[:-1]}": [accuracy - share - width, accuracy - share + width]
        for name, share in of.items()
    }
    return {
        "clip_accuracy": accuracy,
        "n_clips": 300,
        "chance_accuracy": 0.1,
        "intervals": intervals | {"clip_accuracy": [accuracy - width, accuracy + width]},
        **{f"{name}clip_accuracy": share for name, share in of.items()},
    }


class TestWords:
    def test_differences_from_every_baseline_are_told(self):
        text = describe_accuracy({"square-0": known(), "untrained-0": known(0.1)})
        assert text == (
            "square-0: 80% of 300 test clips right. Logistic regression, in brackets paired 95 % "
            "intervals: mean spectrum 50%, +30 [+25, +35] points from it; + deviation 60%, +20 "
            "[+15, +25] points from it; + flux 70%, +10 [+5, +15] points from it."
        )

    def test_what_is_not_clear_of_the_mean_spectrum_comes_first(self):
        text = describe_accuracy({"square-0": known(0.53), "square-1": known(0.8)})
        assert text.startswith(
            "**Not clear of logistic regression on the mean spectrum: square-0; nothing of it is "
            "called learned. Not clear of the strongest baseline, '+ flux': square-0, -17 "
            "[-22, -12] points from it.** square-0, square-1: 53% to 80% of 300 test clips right"
        )
        assert not is_above_mean_spectrum(known(0.53))
        assert is_above_mean_spectrum(known(0.56))

    def test_the_overview_begins_with_it_and_has_every_network(self):
        evaluations = {
            "square-0": known(0.65),
            "untrained-0": known(0.1),
            "permuted-0": known(0.12),
        }
        lines = write_overview("mine", evaluations, "Look: here").splitlines()
        assert lines[0].startswith("**Not clear of the strongest baseline, '+ flux': square-0, -5 ")
        assert "| square-0 | 65% [60%, 70%] | 50% | 60% | 70% | 10% |" in lines
        assert any(line.startswith("| permuted-0 | 12%") for line in lines)

    def test_the_overview_of_given_networks_begins_with_what_they_answer(self):
        rows = [
            (f"song{n}", *answer)
            for n in range(7)
            for answer in (("fast", 0.204), ("piano", 0.917), ("slow", 0.1), ("harp", 0.01))
        ]
        table = pd.DataFrame(rows, columns=["song", "class", "probability"])
        text = write_overview("mine", {}, "Look: here", answers={"mtt": table, "mute": table[:0]})
        assert text.splitlines()[2].startswith(
            "What mtt takes the songs for – song0: piano 92%, fast 20%, slow 10%; song1: piano 92%"
        )
        assert "song4" in text and "song5" not in text and "2 more songs" in text
        assert "mute" not in text and "| network |" not in text


def test_each_baseline_knows_what_its_statistics_tell():
    """Two sounds of one mean spectrum: one flutters, one sways slowly."""
    from auralise.training.baselines import segment_statistics

    frames = np.arange(64)
    flutter, sway = 1 + 0.5 * (frames % 2), 1 + 0.5 * (frames >= 32)
    mean, deviation, flux = segment_statistics(np.stack([flutter, sway])[:, None])[:, :, 0].T
    assert mean[0] == pytest.approx(mean[1])
    assert deviation[0] == pytest.approx(deviation[1])
    assert flux[0] == pytest.approx(np.log(1.5), rel=1e-3)
    assert flux[1] == pytest.approx(np.log(1.5) / 63, rel=1e-3)
