"""Fitting: learning rates are what the schedule says, and an epoch is as long as it says."""

import numpy as np
import pytest
import torch

from auralise.fitting import fit
from auralise.schedules import Schedule

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


class TestRate:
    def test_is_constant_unless_told_otherwise(self):
        assert Schedule(learning_rate=0.5).rate([3.0, 2.0, 4.0, 5.0, 6.0]) == 0.5

    def test_decays_by_a_factor_an_epoch(self):
        schedule = Schedule(learning_rate=0.01, learning_rate_decay=0.85)
        assert schedule.rate([]) == 0.01
        assert schedule.rate([1.0] * 19) == pytest.approx(0.01 * 0.85**19)

    def test_is_halved_each_time_the_loss_stalls(self):
        schedule = Schedule(learning_rate=1.0, stall=2)
        losses = [5.0, 4.0, 4.5, 4.2, 4.1, 4.0, 3.0]
        rates = [schedule.rate(losses[:n]) for n in range(len(losses) + 1)]
        assert rates == [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25]


def test_an_epoch_of_so_many_batches(tmp_path):
    seen = []

    def loss(network, batch):
        seen.append((network.training, batch[0][:, 0].tolist()))
        return distance_from_three(network, batch)

    schedule = Schedule(epochs=2, batch_size=4, batches=3, accelerator="cpu")
    fit(line_network(), loss, LINE, LINE, schedule, 0, tmp_path / "c", "f")
    drawn = [tuple(x) for training, x in seen if training]
    assert len(drawn) == 2 * 3
    assert set(drawn[:3]) != set(drawn[3:])


def test_nesterov_is_the_published_momentum(tmp_path):
    """v ← .95 v − r g, w ← w + .95 v − r g, with the rate decayed after each epoch."""
    schedule = Schedule(
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


def test_a_halved_rate_survives_an_interruption(tmp_path):
    """Overshooting makes the loss stall; the kill comes after the rate was halved."""

    class Killed(BaseException):
        pass

    def kill_at(n_calls):
        calls = iter(range(10**6))

        def loss(network, batch):
            if next(calls) == n_calls:
                raise Killed
            return distance_from_three(network, batch)

        return loss

    schedule = Schedule(
        epochs=8, batch_size=8, optimiser="adam", learning_rate=4.0, stall=1, patience=9,
        accelerator="cpu",
    )  # fmt: skip
    whole = line_network()
    history = fit(whole, kill_at(None), LINE, LINE, schedule, 0, tmp_path / "whole", "f")
    assert schedule.rate(history["validation_loss"].iloc[:4].tolist()) < 4.0
    with pytest.raises(Killed):
        fit(line_network(), kill_at(6 * 5 + 1), LINE, LINE, schedule, 0, tmp_path / "cut", "f")
    resumed = line_network()
    again = fit(resumed, kill_at(None), LINE, LINE, schedule, 0, tmp_path / "cut", "f")
    np.testing.assert_array_equal(again, history)
    assert resumed.weight.item() == whole.weight.item()
