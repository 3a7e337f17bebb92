"""Training: learns, repeats itself, and goes on after an interruption."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

import auralise.training.fitting as fitting
import auralise.training.genre as training
from auralise.datasets.segments import Segments
from auralise.networks.genre import Architecture
from auralise.training.augmentation import Augmentation
from auralise.training.evaluation import evaluate_network
from auralise.training.fitting import EpochShuffle
from auralise.training.genre import initial_network, measure_speed, train_network
from tests.conftest import Killed, make_schedule, weights_of

pytestmark = pytest.mark.slow

ARCHITECTURE = Architecture(
    kernels=((3, 3),) * 2, features=(4, 4), dropout=(0.0, 0.25), dense=(8,), scaling="log"
)
SCHEDULE = make_schedule(epochs=4, batch_size=8, learning_rate=5e-3, accelerator="cpu")


@pytest.fixture(scope="module")
def segments(tmp_path_factory):
    """Two classes that differ in where their energy lies; two segments per clip."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("segments") / "segments.h5"
    with h5py.File(path, "w") as file:
        file.attrs.update(classes=["high", "low"], sample_rate=11025, duration=1.0)
        for split, n_clips in (("train", 24), ("validation", 8), ("test", 8)):
            clips = np.repeat(np.arange(n_clips), 2)
            labels = clips % 2
            magnitude = rng.uniform(0, 1, (len(clips), 32, 24)).astype(np.float32)
            magnitude[labels == 0, 16:] += 0.5
            magnitude[labels == 1, :16] += 0.5
            group = file.create_group(split)
            group["magnitude"], group["label"], group["clip"] = magnitude, labels, clips
    return path


NORMALISED = replace(
    ARCHITECTURE, scaling="normalised", batch_norm=True, initialisation="he", over_time="max"
)


def test_normalisations_hold_the_statistics_of_training_segments(segments):
    network = initial_network(NORMALISED, Segments.open(segments, "train"), seed=0)
    train = Segments.open(segments, "train")
    magnitudes = torch.from_numpy(train.read(range(len(train))))[:, None]
    scaled = network.convolutional.scaling(magnitudes)
    torch.testing.assert_close(scaled.mean((0, 1, 3)), torch.zeros(32), rtol=0, atol=1e-4)
    torch.testing.assert_close(scaled.std((0, 1, 3)), torch.ones(32), rtol=0, atol=1e-3)
    first = network.convolutional.layer1
    convolved = first.convolution(scaled)
    assert first.convolution.bias is None
    torch.testing.assert_close(
        first.batch_norm.running_mean, convolved.mean((0, 2, 3)), rtol=0, atol=1e-4
    )
    torch.testing.assert_close(
        first.batch_norm.running_var, convolved.var((0, 2, 3)), rtol=0.05, atol=1e-4
    )


@pytest.mark.parametrize("over_time", ["max", "max_mean"])
def test_statistics_over_time_take_segments_of_any_length(segments, tmp_path, over_time):
    """Trained on halves of segments, it knows whole ones."""
    architecture = replace(NORMALISED, over_time=over_time)
    schedule = replace(SCHEDULE, epochs=6, optimiser="adamw", one_cycle=True, label_smoothing=0.05)
    network, history = train_network(
        segments, architecture, schedule, 0, tmp_path / "c", Augmentation(crop=0.5)
    )
    assert evaluate_network(network, segments)["clip_accuracy"] > 0.8
    assert network(torch.rand(2, 1, 32, 99)).shape == (2, 2)


def test_a_smoothed_target_is_that_of_training_alone(segments, tmp_path):
    losses = {
        smoothing: train_network(
            segments,
            ARCHITECTURE,
            replace(SCHEDULE, epochs=1, learning_rate=1e-9, label_smoothing=smoothing),
            0,
            tmp_path / str(smoothing),
        )[1].iloc[0]
        for smoothing in (0.0, 0.5)
    }
    assert losses[0.0]["train_loss"] != pytest.approx(losses[0.5]["train_loss"], abs=1e-4)
    assert losses[0.0]["validation_loss"] == pytest.approx(losses[0.5]["validation_loss"], abs=1e-4)


def test_learns_what_can_be_learned(segments, tmp_path):
    schedule = replace(SCHEDULE, epochs=8)
    network, history = train_network(segments, ARCHITECTURE, schedule, 0, tmp_path / "c")
    assert len(history) <= 8
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]
    evaluation = evaluate_network(network, segments)
    assert evaluation["clip_accuracy"] > 0.8
    assert evaluation["baseline_clip_accuracy"] > 0.8
    assert evaluation["chance_accuracy"] == 0.5
    assert np.sum(evaluation["confusion"]) == evaluation["n_clips"] == 8
    assert evaluation["n_parameters"] == sum(p.numel() for p in network.parameters())
    counted = np.asarray(evaluation["confusion"])
    for number, name in enumerate(("high", "low")):
        of_class = evaluation["by_class"][name]
        assert of_class["n_clips"] == 4
        assert of_class["recall"] == counted[number, number] / 4
        assert of_class["precision"] == counted[number, number] / counted[:, number].sum()
    assert sum(evaluation["calibration"]["count"]) == 8
    for name in ("clip_accuracy", "segment_accuracy", "baseline_clip_accuracy"):
        low, high = evaluation["intervals"][name]
        assert low <= evaluation[name] <= high
    json.dumps(evaluation)


def test_same_seed_same_weights_another_seed_others(segments, tmp_path):
    first, again, other = (
        weights_of(train_network(segments, ARCHITECTURE, SCHEDULE, seed, tmp_path / "c")[0])
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_an_interrupted_training_ends_in_the_same_weights(segments, tmp_path, monkeypatch):
    whole, history = train_network(segments, ARCHITECTURE, SCHEDULE, 0, tmp_path / "whole")

    original = fitting._Fitting.on_train_epoch_start

    def kill_in_third_epoch(self):
        original(self)
        if self.current_epoch == 2:
            raise Killed

    monkeypatch.setattr(fitting._Fitting, "on_train_epoch_start", kill_in_third_epoch)
    with pytest.raises(Killed):
        train_network(segments, ARCHITECTURE, SCHEDULE, 0, tmp_path / "cut")
    monkeypatch.setattr(fitting._Fitting, "on_train_epoch_start", original)
    assert (tmp_path / "cut/last.ckpt").is_file()
    resumed, resumed_history = train_network(segments, ARCHITECTURE, SCHEDULE, 0, tmp_path / "cut")
    np.testing.assert_array_equal(weights_of(resumed), weights_of(whole))
    np.testing.assert_array_equal(resumed_history, history)


def test_a_checkpoint_of_other_settings_is_not_resumed(segments, tmp_path, caplog):
    checkpoints = tmp_path / "c"
    checkpoints.mkdir()
    torch.save({"fingerprint": "another"}, checkpoints / "last.ckpt")
    train_network(segments, ARCHITECTURE, SCHEDULE, 0, checkpoints)
    assert "made with other settings" in caplog.text


def test_a_damaged_checkpoint_is_not_resumed(segments, tmp_path, caplog):
    checkpoints = tmp_path / "c"
    checkpoints.mkdir()
    (checkpoints / "last.ckpt").write_bytes(b"PK half a file")
    train_network(segments, ARCHITECTURE, SCHEDULE, 0, checkpoints)
    assert "unreadable" in caplog.text


def test_no_epoch_leaves_the_first_weights(segments, tmp_path):
    network, history = train_network(
        segments, ARCHITECTURE, make_schedule(epochs=0), 7, tmp_path / "c"
    )
    first = initial_network(ARCHITECTURE, Segments.open(segments, "train"), 7)
    np.testing.assert_array_equal(weights_of(network), weights_of(first))
    assert history.empty
    assert "validation_loss" in history


def test_dropout_is_at_work_in_training_and_not_after(segments, tmp_path):
    dropped = []

    class Watched(torch.nn.Dropout):
        def forward(self, x):
            dropped.append(self.training)
            return super().forward(x)

    network = initial_network(ARCHITECTURE, Segments.open(segments, "train"), 0)
    network.convolutional.layer2.dropout = Watched(0.25)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "initial_network", lambda *_: network)
        trained, _ = train_network(
            segments, ARCHITECTURE, make_schedule(epochs=1), 0, tmp_path / "c"
        )
    assert any(dropped)
    assert not trained.training


AUGMENTATION = Augmentation(gain=3, pitch_shift=1, time_stretch=0.1, time_mask=0.2)


def test_augmentation_changes_the_training_and_repeats_itself(segments, tmp_path):
    plain, first, again = (
        weights_of(
            train_network(
                segments, ARCHITECTURE, make_schedule(epochs=2), 0, tmp_path / "c", augmentation
            )[0]
        )
        for augmentation in (None, AUGMENTATION, AUGMENTATION)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(plain - first).max() > 1e-4


def test_an_interrupted_training_with_augmentation_ends_in_the_same_weights(
    segments, tmp_path, monkeypatch
):
    arguments = (segments, ARCHITECTURE, SCHEDULE, 0)
    whole, _ = train_network(*arguments, tmp_path / "whole", AUGMENTATION)
    original = fitting._Fitting.on_train_epoch_start

    def interrupt_in_third_epoch(self):
        original(self)
        if self.current_epoch == 2:
            raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(fitting._Fitting, "on_train_epoch_start", interrupt_in_third_epoch)
        with pytest.raises(SystemExit):
            train_network(*arguments, tmp_path / "cut", AUGMENTATION)
    resumed, _ = train_network(*arguments, tmp_path / "cut", AUGMENTATION)
    np.testing.assert_array_equal(weights_of(resumed), weights_of(whole))


def test_speed_is_told_beside_that_of_the_convolutions(segments, tmp_path):
    network, history = train_network(segments, ARCHITECTURE, SCHEDULE, 0, tmp_path / "c")
    speed = measure_speed(network, Segments.open(segments, "train"), SCHEDULE, history)
    assert speed["device"] == "cpu"
    assert 0 < speed["segments_per_second"] < speed["convolution_segments_per_second"]
    ratio = speed["convolution_segments_per_second"] / speed["segments_per_second"]
    assert speed["times_slower"] == ratio
    untrained = train_network(segments, ARCHITECTURE, make_schedule(epochs=0), 0, tmp_path / "c")
    assert list(measure_speed(*untrained[:1], None, SCHEDULE, untrained[1])) == ["threads"]


def test_devices_share_the_rows_of_an_epoch():
    whole = set(EpochShuffle(11, 3))
    shares = [list(EpochShuffle(11, 3, device, 3)) for device in range(3)]
    assert [len(share) for share in shares] == [3, 3, 3]
    rows = {row for share in shares for row in share}
    assert len(rows) == 9
    assert rows <= whole


class TestPermutedLabels:
    @pytest.fixture
    def partner(self, tmp_path):
        path = tmp_path / "history.csv"
        path.write_text("epoch,validation_loss\n0,1\n1,2\n2,3\n")
        return path

    def test_they_are_dealt_clip_by_clip(self, segments):
        train = Segments.open(segments, "train")
        permuted = train.permuted(0)
        assert (permuted.labels[::2] == permuted.labels[1::2]).all()  # two segments of a clip
        assert np.bincount(permuted.labels).tolist() == np.bincount(train.labels).tolist()
        assert 0.2 < (permuted.labels == train.labels).mean() < 0.8
        np.testing.assert_array_equal(permuted.labels, train.permuted(0).labels)
        assert (permuted.labels != train.permuted(1).labels).any()
        np.testing.assert_array_equal(permuted.read([3]), train.read([3]))

    def test_training_lasts_as_long_as_its_partners_and_keeps_the_last_epoch(
        self, segments, tmp_path, partner, monkeypatch
    ):
        """Patience would end it, and the lowest validation loss is not that of the last epoch."""
        seen = []
        is_kept = training.Schedule.is_kept
        monkeypatch.setattr(
            training.Schedule,
            "is_kept",
            lambda s, losses: seen.append(is_kept(s, losses)) or seen[-1],
        )
        schedule = replace(SCHEDULE, patience=1, learning_rate=0.05)
        arguments = (segments, ARCHITECTURE, schedule, 0)
        network, history = train_network(*arguments, tmp_path / "a", None, partner)
        assert len(history) == 3
        assert seen == [True] * 3
        again, _ = train_network(*arguments, tmp_path / "b", None, partner)
        np.testing.assert_array_equal(weights_of(network), weights_of(again))
        true, _ = train_network(*arguments, tmp_path / "c")
        assert (weights_of(network) != weights_of(true)).any()

    def test_nothing_is_learned_of_the_test_clips(self, segments, tmp_path, partner):
        """True labels are learned in three epochs, as `test_learns_what_can_be_learned` shows."""
        network, history = train_network(
            segments, ARCHITECTURE, SCHEDULE, 0, tmp_path / "p", None, partner
        )
        assert history["validation_accuracy"].iloc[-1] < 0.8

    @pytest.mark.parametrize(
        ("losses", "best", "last"),
        [([1.0], True, True), ([1.0, 2.0], False, True), ([2.0, 1.0], True, True),
         ([1.0, float("nan")], False, False)],
    )  # fmt: skip
    def test_which_epoch_is_kept(self, losses, best, last):
        assert SCHEDULE.is_kept(losses) is best
        assert replace(SCHEDULE, keep_last=True).is_kept(losses) is last
