"""Inversion: training, errors as defined, class dependence, and one excerpt seen and heard."""

import json
import re
from functools import partial

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.signal
import soundfile
import torch
from torch import nn

from auralise.errors import AudioError, AuraliseError, InversionError, SettingsError
from auralise.files import sha256_of_file
from auralise.inversion import findings, training
from auralise.inversion.excerpts import (
    draw_time,
    invert_song,
    invert_songs,
    read_inversions,
    read_picture,
)
from auralise.inversion.intervals import class_dependence, error_intervals
from auralise.inversion.measures import (
    Reconstructions,
    excerpt_errors,
    normalised_errors,
    reconstruct,
)
from auralise.inversion.parts import PARTS, Parts, kept_parts
from auralise.inversion.subjects import (
    genre_subject,
    read_inverters,
    read_subject,
    spread_bands,
    svdnet_subject,
)
from auralise.inversion.training import (
    Objective,
    feature_error,
    spectral_error,
    train_inverter,
    weight_penalty,
)
from auralise.mel import BANDS, STFT, LogMel, analyse_as_published
from auralise.networks.genre import Architecture, build_network
from auralise.networks.inverters import derive_plan, initial_inverter, plan_for
from auralise.networks.svdnet import LAYERS, SHAPES, initial_svdnet
from auralise.stft import Stft
from auralise.weights.reader import write_weights
from auralise.weights.svdnet import Inverter, write_inverter, write_mean_std, write_svdnet
from tests.conftest import Killed, make_schedule, sine, weights_of

SCHEDULE = make_schedule(
    epochs=3, batch_size=32, optimiser="adam", learning_rate=0.01, accelerator="cpu"
)
ARCHITECTURE = Architecture(
    kernels=((3, 3),) * 2, features=(4, 6), dropout=(0, 0.25), dense=(8,), scaling="log"
)
SMALL = Stft(sample_rate=8000, n_fft=62, hop_length=31)  # 32 bins


@pytest.fixture(scope="module")
def subject():
    torch.manual_seed(0)
    network = build_network(ARCHITECTURE, 32, 24, 2).eval()
    return genre_subject(network, SMALL, 24, ("high", "low"))


@pytest.fixture(scope="module")
def segments(tmp_path_factory):
    """Magnitudes of two classes that differ in where their energy lies."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("segments") / "segments.h5"
    with h5py.File(path, "w") as file:
        file.attrs["classes"] = ["high", "low"]
        for split, n in (("train", 97), ("validation", 8), ("test", 16)):
            labels = np.arange(n) % 2
            magnitude = rng.uniform(0, 0.02, (n, 32, 24)).astype(np.float32)
            magnitude[labels == 0, 16:] += rng.uniform(0.1, 0.4, (sum(labels == 0), 1, 24))
            magnitude[labels == 1, :16] += rng.uniform(0.1, 0.4, (sum(labels == 1), 1, 24))
            group = file.create_group(split)
            group["magnitude"], group["label"] = magnitude, labels
            group["clip"] = np.arange(n) // 2
    return path


@pytest.mark.slow
class TestTraining:
    def test_repeats_itself_by_its_seed(self, subject, segments, tmp_path):
        first, again, other = (
            weights_of(
                train_inverter(
                    subject, "layer2", segments, Objective(1e-4), SCHEDULE, seed, tmp_path / "c"
                )[1]
            )
            for seed in (0, 0, 1)
        )
        np.testing.assert_array_equal(first, again)
        assert np.abs(first - other).max() > 1e-3

    def test_an_interrupted_training_ends_in_the_same_weights(
        self, subject, segments, tmp_path, monkeypatch
    ):
        arguments = (subject, "layer2", segments, Objective(1e-4), SCHEDULE, 0)
        _, whole, history = train_inverter(*arguments, tmp_path / "whole")

        original, calls = training.weight_penalty, []

        def kill_in_third_epoch(network):
            calls.append(1)
            if len(calls) == 2 * (4 + 1) + 2:
                raise Killed
            return original(network)

        monkeypatch.setattr(training, "weight_penalty", kill_in_third_epoch)
        with pytest.raises(Killed):
            train_inverter(*arguments, tmp_path / "cut")
        monkeypatch.setattr(training, "weight_penalty", original)
        _, resumed, again = train_inverter(*arguments, tmp_path / "cut")
        np.testing.assert_array_equal(weights_of(resumed), weights_of(whole))
        np.testing.assert_array_equal(again, history)

    def test_features_kept_or_made_anew_give_the_same(
        self, subject, segments, tmp_path, monkeypatch
    ):
        arguments = (subject, "layer1", segments, Objective(1e-4), SCHEDULE, 0, tmp_path / "c")
        _, kept, _ = train_inverter(*arguments)
        monkeypatch.setattr(training, "KEPT", 0)
        _, anew, _ = train_inverter(*arguments)
        np.testing.assert_allclose(weights_of(anew), weights_of(kept), atol=1e-5)

    @pytest.mark.parametrize(
        "objective", [Objective(1e-4), Objective(1e-4, features=0.1, spectral=0.5)]
    )
    def test_beats_the_mean_picture_and_leaves_the_classifier_alone(
        self, subject, segments, tmp_path, objective
    ):
        before = weights_of(subject.stages)
        schedule = make_schedule(
            epochs=4, batch_size=4, optimiser="adam", learning_rate=0.01, accelerator="cpu",
            patience=4,
        )  # fmt: skip
        plan, network, history = train_inverter(
            subject, "layer1", segments, objective, schedule, 0, tmp_path / "c"
        )
        np.testing.assert_array_equal(weights_of(subject.stages), before)
        assert plan.blocks == ("C4", "C4", "C4", "U1")
        errors = normalised_errors(reconstruct(subject, "layer1", network, segments, 8, 4))
        errors = errors.set_index("space")
        assert errors.loc["input", "nre"] < 0.9 * errors.loc["input", "mean_picture"]
        assert history["train_error"].iloc[-1] < 0.7 * history["train_error"].iloc[0]

    def test_an_unknown_layer_is_refused_with_those_there_are(self, subject, segments, tmp_path):
        with pytest.raises(SettingsError, match="no layer 'layer3'.*layer1, layer2, dense1"):
            train_inverter(subject, "layer3", segments, Objective(1e-4), SCHEDULE, 0, tmp_path)


class TestTerms:
    def test_the_penalty_is_of_weights_alone(self):
        network = initial_inverter(plan_for("mp6", SHAPES["mp6"], (80, 115)), 0)
        expected = sum(
            float(value.square().sum())
            for name, value in network.state_dict().items()
            if name.endswith("layer.weight")
        )
        assert weight_penalty(network).item() == pytest.approx(expected, rel=1e-5)

    def test_the_feature_term_has_a_gradient_through_the_classifier(self):
        front = svdnet_subject(initial_svdnet(0), LogMel()).front("fc8").requires_grad_(False)
        wanted = front(torch.randn(1, 1, 80, 115))
        found = torch.randn(1, 1, 80, 115, requires_grad=True)
        error = feature_error(front(found), wanted)
        error.backward()
        step = 1e-3 * found.grad / found.grad.norm()
        with torch.no_grad():
            closer = feature_error(front(found - step), wanted)
        slope = (error - closer).item() / 1e-3
        assert slope == pytest.approx(found.grad.norm().item(), rel=0.05)

    def test_the_spectral_term_equals_a_computation_by_hand(self):
        rng = np.random.default_rng(0)
        a, b = rng.standard_normal((2, 16, 8))
        expected = np.mean(
            [
                np.abs((a - b).reshape(16 // n, n, 8 // n, n).mean((1, 3))).mean()
                for n in (1, 2, 4, 8)
            ]
        )
        found = spectral_error(torch.from_numpy(a)[None, None], torch.from_numpy(b)[None, None])
        assert found.item() == pytest.approx(expected)


class Halved(nn.Module):
    """An inverter that gives back its features, halved."""

    def forward(self, x):
        return x / 2


class TestErrors:
    @pytest.fixture(scope="class")
    @classmethod
    def identity(cls):
        """A classifier whose first layer is its input."""
        stages = nn.Sequential()
        stages.add_module("same", nn.Identity())
        stages.add_module("output", nn.Flatten())
        network = svdnet_subject(stages, LogMel())
        return network

    def test_nre_equals_its_definition(self, identity, segments):
        found = reconstruct(identity, "same", Halved(), segments, n_drawn=6, n_draws=3)
        with h5py.File(segments) as file:
            pictures = file["test/magnitude"][:].reshape(16, -1)
        expected = []
        for draw in found.draws:
            x = found.pictures[draw]
            assert all((pictures == row).all(1).any() for row in x)
            pairs = [np.linalg.norm(x[i] - x[j]) for i in range(6) for j in range(i)]
            distances = [np.linalg.norm(row - row / 2) for row in x]
            expected.append(np.mean(distances) / np.mean(pairs))
        table = normalised_errors(found).set_index("space")
        for space in ("input", "features"):
            assert table.loc[space, "nre"] == pytest.approx(np.mean(expected), rel=1e-4)
            assert table.loc[space, "nre_std"] == pytest.approx(np.std(expected, ddof=1), rel=1e-2)

    def test_what_excerpts_add_is_the_nre_together(self, identity, segments):
        found = reconstruct(identity, "same", Halved(), segments, n_drawn=6, n_draws=3)
        table, nre = excerpt_errors(found), normalised_errors(found).set_index("space")["nre"]
        for space, rows in table.groupby("space"):
            assert np.average(rows["error"], weights=rows["n_draws"]) == pytest.approx(nre[space])
        with h5py.File(segments) as file:
            rows = table[table["space"] == "input"]
            np.testing.assert_array_equal(rows["clip"], file["test/clip"][:][rows["excerpt"]])
        assert table["n_draws"].sum() == 2 * 6 * 3

    def test_the_mean_picture_is_that_of_the_training_set(self, identity, segments):
        found = reconstruct(identity, "same", Halved(), segments, n_drawn=16, n_draws=1)
        with h5py.File(segments) as file:
            mean = file["train/magnitude"][:].mean(0).ravel()
        expected = np.linalg.norm(found.pictures - mean, axis=1)
        np.testing.assert_allclose(found.mean_distances["input"], expected, rtol=1e-4)

    def test_no_elu_comes_nearer_than_the_bound(self, identity, tmp_path):
        with h5py.File(tmp_path / "s.h5", "w") as file:
            file.attrs["classes"] = ["a", "b"]
            for split in ("train", "test"):
                pictures = np.random.default_rng(0).normal(0, 2, (6, 8, 8)).astype(np.float32)
                file[f"{split}/magnitude"] = pictures
                file[f"{split}/label"] = file[f"{split}/clip"] = np.arange(6) % 2
        found = reconstruct(identity, "same", nn.ELU(), tmp_path / "s.h5", 6, 1)
        nearest = np.maximum(found.pictures, -1)
        np.testing.assert_allclose(
            found.bound, np.linalg.norm(found.pictures - nearest, axis=1), rtol=1e-5
        )
        assert (found.distances["input"] > found.bound).all()

    def test_fewer_excerpts_than_asked_for_are_all_drawn(self, identity, segments):
        found = reconstruct(identity, "same", Halved(), segments, n_drawn=99, n_draws=2)
        assert found.draws.shape == (2, 16)


def reconstructions(inversions, pictures, labels, clips):
    n = len(labels)
    return Reconstructions(
        pictures=pictures,
        inversions=inversions,
        shape=(5, pictures.shape[1] // 5),
        mean=pictures.mean(axis=0),
        distances={"input": np.where(labels == 1, 0.5, 1.0)},
        mean_distances={},
        bound=np.zeros(n),
        excerpts=np.arange(n),
        labels=labels,
        clips=clips,
        classes=("nosing", "sing"),
        draws=np.arange(n)[None],
        scales={"input": np.array([2.0])},
    )


class TestDependence:
    LABELS = np.arange(40) % 2
    CLIPS = np.arange(40) // 4

    def table(self, inversions, pictures):
        found = reconstructions(inversions, pictures, self.LABELS, self.CLIPS)
        return class_dependence(found).set_index("measure")

    def test_equals_a_loop_over_pairs(self):
        rng = np.random.default_rng(0)
        inversions, pictures = rng.standard_normal((2, 40, 30))
        table = self.table(inversions, pictures)
        r = np.corrcoef(inversions)
        pairs = [(i, j) for i in range(40) for j in range(40) if self.CLIPS[i] != self.CLIPS[j]]
        within = {
            label: np.mean([r[i, j] for i, j in pairs if self.LABELS[i] == self.LABELS[j] == label])
            for label in (0, 1)
        }
        both = np.mean([r[i, j] for i, j in pairs if self.LABELS[i] == self.LABELS[j]])
        between = np.mean([r[i, j] for i, j in pairs if self.LABELS[i] != self.LABELS[j]])
        assert table.loc["within_nosing", "value"] == pytest.approx(within[0])
        assert table.loc["within_sing", "value"] == pytest.approx(within[1])
        assert table.loc["between", "value"] == pytest.approx(between)
        assert table.loc["contrast", "value"] == pytest.approx(both - between)
        assert table.loc["nre_sing", "value"] == pytest.approx(0.25)
        assert table.loc["nre_difference", "value"] == pytest.approx(-0.25)

    def test_a_planted_dependence_is_found_and_none_is_invented(self):
        rng = np.random.default_rng(1)
        noise, pictures = rng.standard_normal((2, 40, 100))
        planted = noise + 2 * rng.standard_normal((2, 100))[self.LABELS]
        assert self.table(planted, pictures).loc["excess", "ci_low"] > 0.2
        nothing = self.table(noise, pictures).loc["excess"]
        assert nothing["ci_low"] < 0 < nothing["ci_high"]

    def test_excerpts_of_one_clip_are_not_compared(self):
        rng = np.random.default_rng(2)
        by_clip = rng.standard_normal((10, 100))[self.CLIPS]  # alike within a clip, not a class
        excess = self.table(by_clip, rng.standard_normal((40, 100))).loc["contrast"]
        assert excess["ci_low"] < 0.02 and abs(excess["value"]) < 0.1

    def test_too_few_clips_leave_the_interval_unknown(self):
        rng = np.random.default_rng(3)
        x = rng.standard_normal((6, 20))
        found = reconstructions(x, x, np.arange(6) % 2, np.arange(6) // 2)
        assert class_dependence(found)["ci_low"].isna().all()


def excerpts_table(classifier, errors, clips, layer="fc8"):
    return pd.DataFrame(
        {
            "classifier": classifier, "layer": layer, "space": "input",
            "excerpt": np.arange(len(errors)), "clip": clips, "error": errors, "n_draws": 2,
        }
    )  # fmt: skip


class TestIntervals:
    CLIPS = np.arange(60) // 10

    def test_hold_the_mean_and_widen_with_the_spread_of_clips(self):
        rng = np.random.default_rng(0)
        widths = []
        for spread in (0.01, 0.1):
            errors = 0.5 + spread * rng.standard_normal(6)[self.CLIPS]
            row = error_intervals(excerpts_table("a", errors, self.CLIPS)).iloc[0]
            assert row["ci_low"] < errors.mean() < row["ci_high"]
            assert row["n_clips"] == 6
            widths.append(row["ci_high"] - row["ci_low"])
        assert widths[1] > 5 * widths[0]

    @pytest.mark.slow
    def test_cover_the_truth_about_as_often_as_they_say(self):
        """Of clips that differ, most intervals over excerpts alone would miss it."""
        rng = np.random.default_rng(1)
        clips, held = np.arange(200) // 10, 0
        for _ in range(100):
            errors = rng.standard_normal(20)[clips] + 0.1 * rng.standard_normal(200)
            row = error_intervals(excerpts_table("a", errors, clips)).iloc[0]
            held += row["ci_low"] < 0 < row["ci_high"]
        assert 86 <= held <= 99

    def test_are_unknown_for_too_few_clips(self):
        table = excerpts_table("a", np.linspace(0, 1, 30), np.arange(30) // 10)
        assert error_intervals(table)[["ci_low", "ci_high"]].isna().all(axis=None)


def errors_table(values, classifier="svdnet-0", control=False, mean=0.7):
    nre = np.array(list(values.values()))
    return pd.DataFrame(
        {
            "classifier": classifier, "layer": list(values), "space": "input", "nre": nre,
            "nre_std": 0.01, "mean_picture": mean, "mean_picture_std": 0.01, "bound": 0.1,
            "n_excerpts": 60, "n_drawn": 32, "n_draws": 10, "ci_low": nre - 0.05,
            "ci_high": nre + 0.04, "n_clips": 8, "control": control,
        }
    )  # fmt: skip


def dependence_table(contrast, excess):
    names = [
        "nre_nosing", "nre_sing", "nre_difference", "within_nosing", "within_sing", "between",
        "contrast", "input_contrast", "excess",
    ]  # fmt: skip
    table = pd.DataFrame({"measure": names, "value": 0.1, "ci_low": -0.1, "ci_high": 0.2})
    table.loc[6, ["value", "ci_low", "ci_high"]] = contrast
    table.loc[8, ["value", "ci_low", "ci_high"]] = excess
    return table.assign(n_clips=8, classifier="svdnet-0", layer="fc8")


ABOVE, AROUND, BELOW, UNKNOWN = (
    (0.3, 0.1, 0.5), (0.1, -0.1, 0.5), (-0.3, -0.5, -0.1), (np.nan,) * 3,
)  # fmt: skip


def kept_table(values, classifier="svdnet-0"):
    rows = []
    for layer, nre in values.items():
        shown = {"inversion": nre, "mean": 0.7, "level": 0.6, "level + spectrum": 0.4}
        for name, own in shown.items():
            rows.append({"layer": layer, "shown": name, "nre": own})
    facts = {
        "level": 0.9, "spectrum": 0.8, "detail": 0.7, "retrieval": 0.25, "retrieval_low": 0.1,
        "retrieval_high": 0.4, "chance": 1 / 32, "n_drawn": 32, "n_clips": 8,
    }  # fmt: skip
    return pd.DataFrame(rows).assign(classifier=classifier, **facts)


def many_networks(n, n_untrained, difference=0.0, depth=0.0, seed=0):
    """NRE of trained and untrained networks in two layers, .01 of spread between seeds."""
    rng = np.random.default_rng(seed)
    tables = []
    for control, name, number in ((False, "svdnet", n), (True, "svdnet_untrained", n_untrained)):
        for k in range(number):
            values = 0.4 + 0.01 * rng.standard_normal(2) + (0 if control else difference)
            layers = {"conv1": values[0], "fc8": values[1] + depth}
            tables.append(errors_table(layers, f"{name}-{k}", control))
    controls = {
        f"svdnet-{k}": [f"svdnet_untrained-{m}" for m in range(n_untrained)] for k in range(n)
    }
    return findings.compare_inversions(pd.concat(tables), controls)


class TestComparison:
    def test_of_one_network_each_nothing_is_said(self):
        table = many_networks(1, 1, difference=0.3, depth=0.3)
        assert set(table["verdict"]) == {"unknown"}
        text = findings.describe_comparison(table, "svdnet")
        assert "Between layers: unknown, of 1 network; what could be said of other seeds" in text
        assert "Trained less untrained: unknown, of 1 against 1 network;" in text

    def test_what_is_beyond_the_seeds_spread_is_found(self):
        table = many_networks(5, 10, difference=-0.1, depth=0.2)
        assert list(table) == list(findings.COMPARED)
        verdicts = table.set_index(["layer", "against"])["verdict"]
        assert verdicts["fc8", "conv1"] == "higher"
        assert verdicts["conv1", "untrained"] == "lower"
        text = findings.describe_comparison(table, "svdnet")
        assert re.search(
            r"Between layers: .* spread of 5 networks at fc8 \+0\.\d+ from conv1", text
        )
        assert re.search(r"spread of 5 against 10 networks at conv1 -0\.\d+ from untrained", text)

    @pytest.mark.slow
    def test_what_is_within_the_seeds_spread_is_not(self):
        spoken = 0
        for seed in range(20):
            verdicts = many_networks(5, 10, seed=seed)["verdict"]
            spoken += verdicts.isin(["higher", "lower"]).any()
        assert spoken <= 4
        text = findings.describe_comparison(many_networks(5, 10, seed=1), "svdnet")
        assert "not beyond the spread of 5 against 10 networks: conv1, fc8" in text


class TestParts:
    @pytest.fixture(scope="class")
    @classmethod
    def pictures(cls):
        rng = np.random.default_rng(0)
        level = rng.standard_normal((40, 1, 1))
        spectrum = rng.standard_normal((40, 5, 1))
        return level + spectrum + rng.standard_normal((40, 5, 6))

    def kept(self, inversions, pictures):
        flat = (of.reshape(40, -1).astype(np.float32) for of in (inversions, pictures))
        found = reconstructions(*flat, np.arange(40) % 2, np.arange(40) // 4)
        return kept_parts(found).set_index("shown")

    def test_parts_sum_up_to_the_picture(self, pictures):
        parts = Parts.of(pictures)
        np.testing.assert_allclose(parts.level + parts.spectrum + parts.detail, pictures)
        assert np.abs(parts.spectrum.mean(axis=1)).max() < 1e-12
        assert np.abs(parts.detail.mean(axis=2)).max() < 1e-12

    def test_the_picture_itself_is_kept_whole(self, pictures):
        table = self.kept(pictures, pictures)
        assert table.loc["inversion", [*PARTS, "retrieval"]].to_numpy(float) == pytest.approx(1)
        assert table.loc["inversion", "nre"] == 0

    def test_oracles_know_what_they_know_and_no_more(self, pictures):
        table = self.kept(pictures, pictures)
        expected = {"mean": (0, 0, 0), "level": (1, 0, 0), "level + spectrum": (1, 1, 0)}
        for name, r2 in expected.items():
            assert table.loc[name, list(PARTS)].to_numpy(float) == pytest.approx(r2, abs=1e-4)
        assert table.loc["mean", "retrieval"] == pytest.approx(table.loc["mean", "chance"])
        retrieved = table.loc[list(expected), "retrieval"].to_numpy()
        assert (np.diff(retrieved) > 0).all()

    def test_an_inverter_that_returns_the_level_alone_is_the_oracle(self, pictures):
        parts = Parts.of(pictures)
        mean = Parts.of(pictures.mean(axis=0, keepdims=True))
        table = self.kept(parts.level + mean.spectrum + mean.detail, pictures)
        names = ["nre", *PARTS, "retrieval"]
        assert table.loc["inversion", names].to_numpy(float) == pytest.approx(
            table.loc["level", names].to_numpy(float), abs=1e-4
        )

    def test_r_squared_equals_its_definition(self, pictures):
        inversions = pictures + np.random.default_rng(1).standard_normal(pictures.shape)
        table = self.kept(inversions, pictures)
        spectra = [of.mean(axis=2) - of.mean(axis=(1, 2))[:, None] for of in (pictures, inversions)]
        error = np.square(spectra[1] - spectra[0]).sum()
        expected = 1 - error / np.square(spectra[0] - spectra[0].mean(axis=0)).sum()
        row = table.loc["inversion"]
        assert row["spectrum"] == pytest.approx(expected, rel=1e-4)
        assert row["spectrum_low"] < expected < row["spectrum_high"]


class TestFindings:
    def test_errors_are_given_with_intervals(self):
        text = findings.describe_errors(errors_table({"conv1": 0.1, "fc8": 0.6}), "svdnet-0")
        assert "conv1 0.100 ± 0.010 [0.050, 0.140], fc8 0.600 ± 0.010 [0.550, 0.640]" in text
        assert "10 draws of 32 out of 60 excerpts" in text
        assert "95 % interval over the 8 clips" in text
        assert "rise" not in text, "one network says nothing of other seeds"
        assert "do not beat" not in text

    def test_a_useless_inverter_is_named(self):
        table = errors_table({"conv1": 0.3, "conv2": 0.2, "fc8": 0.75})
        text = findings.describe_errors(table, "svdnet-0")
        assert "The inverters of fc8 do not beat the mean picture" in text

    def test_an_inverter_that_is_no_better_than_an_oracle_is_named(self):
        text = findings.describe_kept(
            kept_table({"conv1": 0.2, "mp3": 0.5, "fc8": 0.65}), "svdnet-0"
        )
        assert "conv1 0.90, 0.80, 0.70, 25% [10%, 40%]" in text
        assert "than to 31 others, by chance 3.1%" in text
        assert "only nothing 0.700, its level 0.600, its level + spectrum 0.400" in text
        assert "knows level alone: the inversions of fc8." in text
        assert "knows level and spectrum alone: the inversions of mp3, fc8." in text

    @pytest.mark.parametrize(
        ("contrast", "excess", "verdict"),
        [
            (ABOVE, ABOVE, "So what fc8 keeps depends on the class, more than the input"),
            (ABOVE, AROUND, "depends on the class; whether more or less than the input"),
            (ABOVE, BELOW, "So what fc8 keeps depends on the class, and less than the input"),
            (AROUND, AROUND, "it is not shown that what fc8 keeps depends on the class."),
            (AROUND, ABOVE, "it is not shown that what fc8 keeps depends on the class."),
            (BELOW, BELOW, "it is not shown that what fc8 keeps depends on the class."),
            (UNKNOWN, UNKNOWN, "is unknown: too few test clips"),
        ],
    )
    def test_the_verdict_follows_the_intervals(self, contrast, excess, verdict):
        table = dependence_table(contrast, excess)
        text = findings.describe_dependence(table, "svdnet-0", "fc8")
        assert verdict in text
        assert "bootstrap over 8 test clips" in text

    EVALUATION = {
        "n_songs": 8, "n_frames": 6728, "error": 0.2, "error_ci": [0.15, 0.25],
        "threshold": 0.4, "chance_error": 0.41, "precision": 0.9, "recall": 0.6, "f1": 0.7,
    }  # fmt: skip

    def test_too_few_songs_do_not_beat_chance(self):
        assert "better than chance" in findings.describe_evaluation(self.EVALUATION)
        text = findings.describe_evaluation(self.EVALUATION | {"error_ci": [None, None]})
        assert "20.0% [unknown interval]" in text
        assert "too few test songs to tell it from chance" in text

    def test_all_findings_stand_under_the_name_of_their_classifier(self):
        controls = {"svdnet-0": ["svdnet_untrained-0"]}
        clips = np.arange(60) // 10
        excerpts = pd.concat(
            [
                excerpts_table("svdnet-0", np.full(60, 0.6), clips),
                excerpts_table("svdnet_untrained-0", np.full(60, 0.5), clips),
                excerpts_table("square-0", np.full(60, 0.2), clips, "layer1"),
            ]
        )
        measured = pd.concat(
            [
                errors_table({"fc8": 0.6}),
                errors_table({"fc8": 0.5}, "svdnet_untrained-0"),
                errors_table({"layer1": 0.2}, "square-0"),
            ]
        ).drop(columns=["ci_low", "ci_high", "n_clips", "control"])
        dependence = dependence_table(ABOVE, AROUND)
        summary = findings.summarise_errors(measured, excerpts, controls)
        kept = kept_table({"fc8": 0.6})
        text = findings.describe_inversion(
            summary,
            pd.concat([kept, kept.assign(classifier="square-0", layer="layer1")]),
            findings.compare_inversions(summary, controls),
            pd.concat([dependence, dependence.assign(classifier="square-0", layer="layer1")]),
            {"svdnet-0": self.EVALUATION},
        )
        assert "## svdnet-0" in text and "## svdnet_untrained-0" not in text
        assert "frame error is 20.0% [15.0%, 25.0%]" in text and "better than chance" in text
        # One network each says nothing of others; one of another kind has no control at all.
        last = text[text.index("## Beyond the spread between seeds") :]
        assert "svdnet. Trained less untrained: unknown" in last
        assert "square. Nothing to compare with." in last


class TestBandsToBins:
    def test_bands_of_what_is_spread_are_the_bands_again(self):
        bank = torch.from_numpy(BANDS.filterbank(STFT.frequencies))
        magnitude = 0.1 + torch.rand(513, 7)
        spread = spread_bands(bank @ magnitude, bank)
        assert spread.min() >= 0 and not spread[STFT.frequencies > 8000].any()
        torch.testing.assert_close(bank @ spread, bank @ magnitude, atol=0, rtol=0.05)

    def test_a_bands_energy_is_spread_over_its_bins(self):
        bank = torch.from_numpy(BANDS.filterbank(STFT.frequencies))
        spread = spread_bands(torch.ones(80, 1), bank)[:, 0]
        inside = (STFT.frequencies > 200) & (STFT.frequencies < 7000)
        assert spread[inside].min() > 0.5 and spread[inside].max() < 2


class TestSongs:
    @pytest.fixture(scope="class")
    @classmethod
    def path(cls, tmp_path_factory):
        path = tmp_path_factory.mktemp("song") / "a song.wav"
        samples = sine(440, 3.0, 22050) + 0.01 * np.random.default_rng(0).standard_normal(66150)
        soundfile.write(path, samples, 22050)
        return path

    @pytest.fixture(scope="class")
    @classmethod
    def svdnet(cls):
        return svdnet_subject(initial_svdnet(0), LogMel(np.full(80, -3.0), np.full(80, 2.0)))

    def test_the_excerpt_begins_where_it_is_told(self, path, svdnet):
        time, spectrum = read_picture(path, svdnet, time=1.0)
        samples, _ = soundfile.read(path, dtype="float32")
        assert time == pytest.approx(1.0)
        whole = analyse_as_published(samples)
        np.testing.assert_allclose(spectrum, whole[:, 70:185], atol=1e-4)

    @pytest.mark.parametrize("time", [0.0, 1.0, 1.4285])
    def test_a_click_lies_on_the_published_grid(self, svdnet, tmp_path, time):
        """Frame t holds the samples from t · 315 on, as in the code of 2015 and 2018."""
        clicks = np.zeros(4 * 22050)
        at = [int(time * 22050) + 5000, int(time * 22050) + 17000]
        clicks[at] = 0.5
        soundfile.write(tmp_path / "click.wav", clicks, 22050, subtype="FLOAT")
        found, spectrum = read_picture(tmp_path / "click.wav", svdnet, time=time)
        first = round(time * 70)
        assert found == pytest.approx(first / 70)
        frames = np.lib.stride_tricks.sliding_window_view(clicks, 1024)[::315]
        expected = np.abs(np.fft.rfft(frames * scipy.signal.get_window("hann", 1024)))
        np.testing.assert_allclose(np.abs(spectrum), expected[first : first + 115].T, atol=1e-4)
        # So each is loudest in the frame whose middle lies nearest.
        loudest = scipy.signal.find_peaks(np.abs(spectrum).sum(0))[0]
        assert loudest.tolist() == [round((click - 512) / 315) - first for click in at]

    def test_of_a_genre_network_frames_are_centred_on_their_time(self, subject, tmp_path):
        clicks = np.zeros(22050)
        clicks[8 * SMALL.hop_length] = 0.5
        soundfile.write(tmp_path / "click.wav", clicks, SMALL.sample_rate, subtype="FLOAT")
        _, spectrum = read_picture(tmp_path / "click.wav", subject, time=0.0)
        assert np.abs(spectrum).sum(0).argmax() == 8

    def test_a_drawn_time_is_between_10_and_20_s_where_the_song_allows(self):
        rng = np.random.default_rng(0)
        long = [draw_time(200.0, 1.6, rng) for _ in range(50)]
        assert 10 <= min(long) < 12 and 18 < max(long) <= 20
        short = [draw_time(5.0, 1.6, rng) for _ in range(50)]
        assert 0 <= min(short) and max(short) <= 3.4
        assert draw_time(1.0, 1.6, rng) == 0

    def test_an_excerpt_beyond_the_end_is_refused(self, path, svdnet):
        with pytest.raises(AudioError, match=r"lasts 3.00 s, but the excerpt goes from 2 s to 3.6"):
            read_picture(path, svdnet, time=2.0)

    def test_whatever_is_drawn_fits(self, svdnet, tmp_path):
        """The frame nearest to the last possible beginning may be one too late."""
        n_samples = (114 + 3) * 315 + 1024 + 200
        noise = 0.1 * np.random.default_rng(0).standard_normal(n_samples)
        soundfile.write(tmp_path / "short.wav", noise, 22050)
        for seed in range(60):
            time, spectrum = read_picture(tmp_path / "short.wav", svdnet, seed=seed)
            assert spectrum.shape == (513, 115) and 0 <= time <= 3 * 315 / 22050 + 1e-9

    def test_a_song_shorter_than_an_excerpt_is_refused(self, svdnet, tmp_path):
        noise = 0.1 * np.random.default_rng(0).standard_normal(22050)
        soundfile.write(tmp_path / "short.wav", noise, 22050)
        with pytest.raises(AudioError, match=r"lasts 1.00 s, shorter than an excerpt of 1.68 s"):
            read_picture(tmp_path / "short.wav", svdnet)

    def test_a_song_that_cannot_be_used_is_left_out(self, path, svdnet, tmp_path, caplog):
        silent = tmp_path / "silent.wav"
        soundfile.write(silent, np.zeros(66150), 22050)
        invert = partial(invert_song, subject=svdnet, inverters={}, classifier="svdnet")
        invert_songs([silent, path], tmp_path / "out", invert)
        assert [folder.name for folder in (tmp_path / "out").iterdir()] == ["a song"]
        assert "left out: " in caplog.text and "silent.wav: silent" in caplog.text
        with pytest.raises(AudioError, match=r"silent.wav: silent"):
            invert_songs([silent], tmp_path / "none", invert)

    @pytest.mark.parametrize("phase", ["original", "griffin_lim"])
    @pytest.mark.slow
    def test_every_layer_is_seen_and_heard(self, path, svdnet, tmp_path, phase):
        inverters = {
            layer: initial_inverter(plan_for(layer, SHAPES[layer], (80, 115)), 0)
            for layer in ("mp6", "fc8")
        }
        found = invert_song(
            path, svdnet, inverters, tmp_path, classifier="svdnet", time=1.0, phase=phase
        )
        assert set(found.layers) == {"mp6", "fc8"}
        again = read_inversions(tmp_path / "inversions.npz")
        assert (again.song, again.time, again.prediction) == ("a song", 1.0, found.prediction)
        np.testing.assert_array_equal(again.layers["fc8"], found.layers["fc8"])
        for name in ("original", "input", "mp6", "fc8"):
            samples, rate = soundfile.read(tmp_path / f"{name}.wav")
            assert (rate, len(samples)) == (22050, 114 * 315)
        assert found.prediction.startswith("sing 0.")

    def test_what_the_bands_keep_of_a_tone_is_that_tone(self, path, svdnet, tmp_path):
        invert_song(path, svdnet, {}, tmp_path, classifier="svdnet", time=1.0)
        original, _ = soundfile.read(tmp_path / "original.wav")
        kept, _ = soundfile.read(tmp_path / "input.wav")
        spectra = [
            np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) for sound in (original, kept)
        ]
        peaks = [np.argmax(spectrum) * 22050 / len(original) for spectrum in spectra]
        assert peaks == pytest.approx([440, 440], abs=2)
        assert np.std(kept) == pytest.approx(np.std(original), rel=0.2)

    def test_a_foreign_file_of_inversions_is_refused(self, tmp_path):
        np.savez(tmp_path / "x.npz", a=np.zeros(3))
        whole = (tmp_path / "x.npz").read_bytes()
        (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
        (tmp_path / "empty.npz").touch()
        for name in ("x", "cut", "empty", "missing"):
            with pytest.raises(InversionError, match="no file of inversions"):
                read_inversions(tmp_path / f"{name}.npz")


class TestSubjects:
    def test_magnitudes_come_back_from_a_genre_networks_pictures(self, subject):
        magnitude = torch.rand(32, 24)
        torch.testing.assert_close(subject.to_magnitude(subject.to_picture(magnitude)), magnitude)

    def test_predictions_are_those_of_the_whole_network(self, subject):
        torch.manual_seed(0)
        network = build_network(ARCHITECTURE, 32, 24, 2).eval()
        magnitude = torch.rand(3, 1, 32, 24)
        with torch.inference_mode():
            expected = torch.softmax(network(magnitude), 1)
        found = subject.predict(subject.scaling(magnitude))
        torch.testing.assert_close(found, expected)

    def test_inverters_come_from_the_input_on_one_for_each_layer(self, subject, tmp_path):
        (tmp_path / "classifier").write_text("any")
        digest = sha256_of_file(tmp_path / "classifier")
        plan = derive_plan((4, 16, 12), (32, 24))

        def written(name, layer, digest):
            write_inverter(
                tmp_path / name, Inverter(layer, plan, initial_inverter(plan, 0), digest)
            )
            return tmp_path / name

        paths = [written(layer, layer, digest) for layer in ("dense1", "layer1", "layer2")]
        found = read_inverters(paths, subject, tmp_path / "classifier")
        assert list(found) == ["layer1", "layer2", "dense1"]
        for path, words in (
            (written("twice", "layer1", digest), "layer1 and .*twice are both for 'layer1'"),
            (written("foreign", "fc8", digest), "'fc8', a layer that .* does not have"),
            (written("other", "layer1", "0" * 64), "was trained on another classifier"),
        ):
            given = paths if path.name == "twice" else []
            with pytest.raises(AuraliseError, match=words):
                read_inverters([*given, path], subject, tmp_path / "classifier")

    def test_svdnet_is_read_with_its_normalisation(self, tmp_path):
        write_svdnet(tmp_path / "w", initial_svdnet(0))
        with pytest.raises(SettingsError, match="needs the mean and deviation"):
            read_subject(tmp_path / "w")
        write_mean_std(tmp_path / "m.npz", np.zeros(80), np.ones(80))
        found = read_subject(tmp_path / "w", tmp_path / "m.npz")
        assert found.layers == LAYERS

    def test_a_genre_network_is_read_with_its_transform(self, tmp_path):
        network = build_network(ARCHITECTURE, 32, 24, 2).eval()
        write_weights(
            tmp_path / "w", network, ARCHITECTURE, n_bins=32, n_frames=24, classes=["a", "b"]
        )
        with pytest.raises(SettingsError, match="a genre network.*takes SVDNet alone"):
            read_subject(tmp_path / "w")
        found = read_subject(tmp_path / "w", stft=SMALL)
        assert (found.picture, found.classes) == ((32, 24), ("a", "b"))
        assert json.dumps(found.layers) == '["layer1", "layer2", "dense1"]'
