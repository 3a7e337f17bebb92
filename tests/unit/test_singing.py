"""Singing voice detection: augmentation, training, and evaluation frame by frame."""

import numpy as np
import pytest
import torch

from auralise.datasets.jamendo import Spectra, measure_bands, write_excerpts
from auralise.mel import LogMel
from auralise.networks.svdnet import initial_svdnet
from auralise.training import singing
from auralise.training.singing import (
    Variation,
    count_outcomes,
    evaluate_svdnet,
    filter_response,
    predict_singing,
    scores,
    smooth,
    train_svdnet,
    vary,
    warp,
)
from tests.conftest import Killed, make_schedule

SCHEDULE = make_schedule(
    epochs=2, batches=2, batch_size=4, optimiser="nesterov", learning_rate=0.01, accelerator="cpu"
)


def ones(value):
    return torch.tensor([value])


class TestWarp:
    def test_factors_of_one_keep_the_middle(self):
        x = torch.rand(1, 20, 165)
        found = warp(x, ones(1.0), ones(1.0), 12)
        torch.testing.assert_close(found, x[:, :12, 25:140], atol=1e-4, rtol=0)

    @pytest.mark.parametrize("shift", [0.7, 1.0, 1.3])
    def test_frequencies_are_multiplied(self, shift):
        x = torch.exp(-(((torch.arange(200.0) - 60) / 6) ** 2))[None, :, None].expand(1, 200, 115)
        found = warp(x, ones(1.0), ones(shift), 200)[0, :, 4]
        assert abs(int(found.argmax()) - 60 * shift) <= 0.5

    @pytest.mark.parametrize("stretch", [0.7, 1.0, 1.3])
    def test_events_move_apart_around_the_middle(self, stretch):
        x = torch.zeros(1, 4, 165)
        for place in (52, 82, 112):
            x[..., place - 1 : place + 2] = torch.tensor([0.5, 1.0, 0.5])
        found = warp(x, ones(stretch), ones(1.0), 4)[0, 0]
        peaks = [int(found[part].argmax()) + part.start for part in
                 (slice(0, 47), slice(47, 68), slice(68, 115))]  # fmt: skip
        assert np.abs(np.array(peaks) - (57 + 30 * stretch * np.array([-1, 0, 1]))).max() <= 0.5

    def test_what_comes_from_beyond_the_highest_bin_is_zero(self):
        found = warp(torch.ones(1, 100, 115), ones(1.0), ones(0.7), 100)
        assert found[0, :69].min() == pytest.approx(1) and found[0, 71:].max() == 0


class TestFilter:
    def test_is_a_bell_of_so_many_decibels_at_its_centre(self):
        frequencies = torch.linspace(0, 8000, 801)
        found = filter_response(ones(1000.0), ones(6.0), ones(-10.0), frequencies)[0]
        decibels = 20 * torch.log10(found)
        assert decibels.argmin() == 100
        assert decibels.min().item() == pytest.approx(-10)
        # A deviation away, here six semitones above the centre, a bell has exp(-1/2) of its height.
        above = filter_response(ones(1000.0), ones(6.0), ones(-10.0), ones(1000 * 2**0.5))
        assert 20 * np.log10(above.item()) == pytest.approx(-10 * np.exp(-0.5))
        assert decibels[-1].item() == pytest.approx(0, abs=1e-6)


class TestVary:
    def test_nothing_is_changed_by_nothing(self):
        x = torch.rand(2, 513, 115)
        found = vary(x, Variation(0, 0, 0), 372)
        torch.testing.assert_close(found, x[:, :372], atol=1e-3, rtol=0)

    def test_draws_are_those_of_torchs_generator(self):
        x = torch.rand(3, 513, 165)
        torch.manual_seed(4)
        first = vary(x, Variation(0.3, 0.3, 10), 372)
        torch.manual_seed(4)
        torch.testing.assert_close(vary(x, Variation(0.3, 0.3, 10), 372), first, rtol=0, atol=0)
        assert not torch.allclose(vary(x, Variation(0.3, 0.3, 10), 372), first)

    def test_every_excerpt_is_filled_at_the_slowest_tempo(self):
        n_frames = Variation(0.3, 0, 0).n_frames
        assert n_frames == 165
        # A ramp is reflected at an end that is passed, and then falls.
        ramp = torch.arange(float(n_frames)).expand(1, 9, n_frames)
        found = warp(ramp, ones(0.7), ones(1.0), 9)[0, 0]
        assert (found.diff() > 0).all()


@pytest.mark.slow
class TestTraining:
    @pytest.fixture(scope="class")
    @classmethod
    def data(cls, spectra, tmp_path_factory):
        front_end = LogMel(*measure_bands(spectra))
        path = tmp_path_factory.mktemp("excerpts") / "excerpts.h5"
        write_excerpts(path, spectra, front_end, 115, 60)
        return spectra, path, front_end

    def train(self, data, seed, checkpoints, schedule=SCHEDULE):
        network, history = train_svdnet(*data, Variation(0.3, 0.3, 10), schedule, seed, checkpoints)
        weights = torch.cat([p.flatten() for p in network.state_dict().values()])
        return weights.numpy(), history

    def test_repeats_itself_by_its_seed(self, data, tmp_path):
        (first, history), (again, _), (other, _) = (
            self.train(data, seed, tmp_path / "c") for seed in (0, 0, 1)
        )
        np.testing.assert_array_equal(first, again)
        assert np.abs(first - other).max() > 1e-3
        assert list(history) == [
            "epoch", "train_loss", "train_error", "validation_loss", "validation_error",
        ]  # fmt: skip

    def test_an_interrupted_training_ends_in_the_same_weights(self, data, tmp_path, monkeypatch):
        whole, history = self.train(data, 0, tmp_path / "whole")

        original, calls = singing.vary, []

        def kill_in_second_epoch(*arguments):
            calls.append(1)
            if len(calls) == 4:
                raise Killed
            return original(*arguments)

        monkeypatch.setattr(singing, "vary", kill_in_second_epoch)
        with pytest.raises(Killed):
            self.train(data, 0, tmp_path / "cut")
        monkeypatch.setattr(singing, "vary", original)
        resumed, again = self.train(data, 0, tmp_path / "cut")
        np.testing.assert_array_equal(resumed, whole)
        np.testing.assert_array_equal(again, history)

    def test_no_epoch_leaves_the_first_weights(self, data, tmp_path):
        weights, history = self.train(data, 5, tmp_path / "c", make_schedule(epochs=0))
        first = torch.cat([p.flatten() for p in initial_svdnet(5).state_dict().values()])
        np.testing.assert_array_equal(weights, first)
        assert history.empty

    def test_evaluation_is_that_of_every_frame_of_the_test_songs(self, data):
        path, _, front_end = data
        network = initial_svdnet(0)
        found = evaluate_svdnet(network, front_end, path)
        source = Spectra.open(path, "test", 1)
        wrong = n_frames = 0
        for name, sung in zip(source.songs, source.sung, strict=True):
            says = smooth(predict_singing(network, front_end, source.song(name)))
            wrong += int(((says > found["threshold"]) != sung).sum())
            n_frames += len(sung)
        assert found["n_frames"] == n_frames
        assert found["error"] == pytest.approx(wrong / n_frames)
        assert 0 <= found["chance_error"] <= 1


class TestScores:
    def test_equal_counts_by_hand(self):
        predictions = np.array([0.9, 0.8, 0.3, 0.6, 0.1])
        sung = np.array([True, False, True, True, False])
        (outcomes,) = count_outcomes(predictions, sung, np.array([0.5]))
        assert outcomes.tolist() == [2, 1, 1, 1]
        assert scores(outcomes) == pytest.approx(
            {"error": 2 / 5, "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3}
        )

    def test_what_nothing_counts_for_is_unknown(self):
        found = scores(np.array([0, 0, 0, 4]))
        assert found["error"] == 0 and np.isnan(found["precision"]) and np.isnan(found["recall"])

    def test_short_slips_are_smoothed_away(self):
        predictions = np.ones(300)
        predictions[100:120] = 0
        assert smooth(predictions).min() == 1
        predictions[200:270] = 0
        assert smooth(predictions)[235] == 0


def test_a_prediction_belongs_to_the_frame_in_the_middle():
    network = initial_svdnet(0)
    front_end = LogMel()
    magnitude = np.abs(np.random.default_rng(0).standard_normal((513, 150))).astype(np.float32)
    found = predict_singing(network, front_end, magnitude)
    assert found.shape == (150,)
    picture = front_end(torch.from_numpy(magnitude))
    with torch.inference_mode():
        expected = torch.sigmoid(network(picture[None, None, :, 20:135]))[0, 0]
    assert found[20 + 57] == pytest.approx(expected.item(), abs=1e-6)
