"""Fitting: learning rates are what the schedule says, and an epoch is as long as it says."""

import numpy as np
import pytest
import torch

from auralise.errors import SettingsError
from auralise.training.fitting import _require_rows, fit
from tests.conftest import Killed, make_schedule

LINE = torch.utils.data.TensorDataset(torch.linspace(-1, 1, 24)[:, None])


def distance_from_three(network, batch):
    (x,) = batch
    return (network(x) - 3 * x).square().mean(), {}


def line_network():
    network = torch.nn.Linear(1, 1)
    with torch.no_grad():
        network.weight.fill_(0.5)
        network.bias.zero_()
    return network


def kill_at(n_calls):
    """A loss that fails like a killed process at that call."""
    calls = iter(range(10**6))

    def loss(network, batch):
        if next(calls) == n_calls:
            raise Killed
        return distance_from_three(network, batch)

    return loss


class TestRate:
    def test_is_constant_unless_told_otherwise(self):
        assert make_schedule(learning_rate=0.5).rate([3.0, 2.0, 4.0, 5.0, 6.0]) == 0.5

    def test_decays_by_a_factor_an_epoch(self):
        schedule = make_schedule(learning_rate=0.01, learning_rate_decay=0.85)
        assert schedule.rate([]) == 0.01
        assert schedule.rate([1.0] * 19) == pytest.approx(0.01 * 0.85**19)

    def test_is_halved_each_time_the_loss_stalls(self):
        schedule = make_schedule(learning_rate=1.0, stall=2)
        losses = [5.0, 4.0, 4.5, 4.2, 4.1, 4.0, 3.0]
        rates = [schedule.rate(losses[:n]) for n in range(len(losses) + 1)]
        assert rates == [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25]

    def test_of_one_cycle_is_that_of_torch(self):
        schedule = make_schedule(epochs=5, learning_rate=0.003, one_cycle=True)
        optimiser = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], 0.003)
        reference = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.003, total_steps=51)
        for step in range(50):
            losses, progress = [1.0] * (step // 10), step % 10 / 10
            expected = optimiser.param_groups[0]["lr"]
            # torch counts the first step and the last: ours lags by less than a step in fifty.
            assert schedule.rate(losses, progress) == pytest.approx(expected, abs=2e-4)
            optimiser.step()
            reference.step()
        assert schedule.rate([1.0] * 5) < 1e-7


def test_an_epoch_of_so_many_batches(tmp_path):
    seen = []

    def loss(network, batch):
        seen.append((network.training, batch[0][:, 0].tolist()))
        return distance_from_three(network, batch)

    schedule = make_schedule(epochs=2, batch_size=4, batches=3, accelerator="cpu")
    fit(line_network(), loss, LINE, LINE, schedule, 0, tmp_path / "c", "f")
    drawn = [tuple(x) for training, x in seen if training]
    assert len(drawn) == 2 * 3
    assert set(drawn[:3]) != set(drawn[3:])


def test_nesterov_is_the_published_momentum(tmp_path):
    """v ← .95 v − r g, w ← w + .95 v − r g, with the rate decayed after each epoch."""
    schedule = make_schedule(
        epochs=3,
        batch_size=24,
        optimiser="nesterov",
        learning_rate=0.05,
        learning_rate_decay=0.85,
        patience=9,
        accelerator="cpu",
    )
    network = line_network()
    fit(network, distance_from_three, LINE, LINE, schedule, 0, tmp_path / "c", "f")
    x = LINE.tensors[0].numpy()
    weight, velocity, rate = 0.5, 0.0, 0.05
    for _ in range(3):
        gradient = float(np.mean(2 * (weight - 3) * x**2))
        # torch scales the velocity by the rate when it is used, not when it is gathered.
        velocity = 0.95 * velocity + gradient
        weight -= rate * (gradient + 0.95 * velocity)
        rate *= 0.85
    assert network.weight.item() == pytest.approx(weight, rel=1e-5)


class TestEnd:
    def test_comes_after_so_many_epochs(self):
        schedule = make_schedule(epochs=3, patience=9)
        assert [schedule.is_over([1.0] * n) for n in range(4)] == [False, False, False, True]
        assert make_schedule(epochs=0).is_over([])

    def test_comes_when_patience_is_at_an_end(self):
        losses = [3.0, 2.0, 2.0, 2.5, 1.0]
        schedule = make_schedule(epochs=9, patience=2)
        assert [schedule.is_over(losses[:n]) for n in range(1, 5)] == [False, False, False, True]
        assert not schedule.is_over(losses)

    def test_comes_after_a_loss_that_is_no_number(self):
        assert make_schedule(epochs=9).is_over([1.0, float("nan")])
        assert make_schedule(epochs=9).is_over([1.0, float("inf")])


OVERSHOOTING = make_schedule(
    epochs=8, batch_size=8, optimiser="adam", learning_rate=4.0, stall=1, patience=9,
    accelerator="cpu",
)  # fmt: skip
EPOCH = 6  # calls of the loss: three batches to train, three to validate


def test_the_network_is_left_as_its_best_epoch_had_it(tmp_path):
    network = line_network()
    history = fit(network, distance_from_three, LINE, LINE, OVERSHOOTING, 0, tmp_path / "c", "f")
    assert history["validation_loss"].idxmin() < len(history) - 1
    found, _ = distance_from_three(network, LINE.tensors)
    assert found.item() == pytest.approx(history["validation_loss"].min(), rel=1e-5)


@pytest.mark.slow
def test_an_interrupted_training_may_be_moved(tmp_path):
    """The best epoch may lie before the interruption, and its file in another folder."""
    whole, moved = line_network(), line_network()
    best = fit(whole, distance_from_three, LINE, LINE, OVERSHOOTING, 0, tmp_path / "whole", "f")[
        "validation_loss"
    ].idxmin()
    with pytest.raises(Killed):
        kill = kill_at(EPOCH * (best + 1) + 1)
        fit(line_network(), kill, LINE, LINE, OVERSHOOTING, 0, tmp_path / "here", "f")
    (tmp_path / "here").rename(tmp_path / "there")
    fit(moved, distance_from_three, LINE, LINE, OVERSHOOTING, 0, tmp_path / "there", "f")
    assert moved.weight.item() == whole.weight.item()


@pytest.mark.parametrize("damage", ["missing", "cut short"])
@pytest.mark.slow
def test_what_cannot_be_resumed_begins_anew_and_is_told(tmp_path, caplog, damage):
    """The state to resume from is whole, but the best epoch's weights are not."""
    whole, again = line_network(), line_network()
    fit(whole, distance_from_three, LINE, LINE, OVERSHOOTING, 0, tmp_path / "whole", "f")
    with pytest.raises(Killed):
        kill = kill_at(EPOCH * 3 + 1)
        fit(line_network(), kill, LINE, LINE, OVERSHOOTING, 0, tmp_path / "c", "f")
    best = tmp_path / "c" / "best.pt"
    best.write_bytes(best.read_bytes()[:100])
    if damage == "missing":
        best.unlink()
    fit(again, distance_from_three, LINE, LINE, OVERSHOOTING, 0, tmp_path / "c", "f")
    assert "best.pt: missing or damaged, training starts again" in caplog.text
    assert again.weight.item() == whole.weight.item()


@pytest.mark.slow
def test_a_training_that_is_over_is_not_repeated(tmp_path):
    """As after a failure between the last epoch and the writing of the weights."""
    first, again = line_network(), line_network()
    history = fit(first, distance_from_three, LINE, LINE, OVERSHOOTING, 0, tmp_path / "c", "f")
    repeated = fit(again, kill_at(0), LINE, LINE, OVERSHOOTING, 0, tmp_path / "c", "f")
    np.testing.assert_array_equal(repeated, history)
    assert again.weight.item() == first.weight.item()
    assert history.attrs["device"] == "cpu" and not repeated.attrs


def test_a_loss_that_is_no_number_is_a_mistake_of_the_settings(tmp_path):
    def nothing(network, batch):
        loss, others = distance_from_three(network, batch)
        return loss * float("nan"), others

    with pytest.raises(SettingsError, match="choose a lower 'learning_rate' than 4"):
        fit(line_network(), nothing, LINE, LINE, OVERSHOOTING, 0, tmp_path / "c", "f")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_device_that_is_not_there_is_refused(tmp_path):
    schedule = make_schedule(accelerator="gpu")
    with pytest.raises(SettingsError, match="accelerator 'gpu'.* is not possible here"):
        fit(line_network(), distance_from_three, LINE, LINE, schedule, 0, tmp_path / "c", "f")


@pytest.mark.slow
def test_a_halved_rate_survives_an_interruption(tmp_path):
    """Overshooting makes the loss stall; the kill comes after the rate was halved."""
    whole = line_network()
    history = fit(whole, kill_at(None), LINE, LINE, OVERSHOOTING, 0, tmp_path / "whole", "f")
    assert OVERSHOOTING.rate(history["validation_loss"].iloc[:4].tolist()) < 4.0
    with pytest.raises(Killed):
        fit(
            line_network(),
            kill_at(EPOCH * 5 + 1),
            LINE,
            LINE,
            OVERSHOOTING,
            0,
            tmp_path / "cut",
            "f",
        )
    resumed = line_network()
    again = fit(resumed, kill_at(None), LINE, LINE, OVERSHOOTING, 0, tmp_path / "cut", "f")
    np.testing.assert_array_equal(again, history)
    assert resumed.weight.item() == whole.weight.item()


def test_more_devices_than_segments_are_refused():
    _require_rows(2, {"training": 2, "validation": 2})
    with pytest.raises(SettingsError, match="4 devices, but 2 segments for validation"):
        _require_rows(4, {"training": 8, "validation": 2})
