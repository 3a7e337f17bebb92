"""Augmentation: what each setting does to a picture that is easy to read."""

import pytest
import torch

from auralise.training.augmentation import Augmentation, resample_axes
from auralise.training.speed import convolution_rate


@pytest.fixture
def magnitudes():
    torch.manual_seed(0)
    return torch.rand(6, 1, 40, 30) + 0.1


def test_nothing_is_changed_unless_asked_for(magnitudes):
    assert Augmentation()(magnitudes) is magnitudes


def test_it_draws_from_torch_and_from_nothing_else(magnitudes):
    augmentation = Augmentation(6, 2, 0.2, 0.2, 0.2)
    changed = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        changed.append(augmentation(magnitudes))
    torch.testing.assert_close(changed[0], changed[1], rtol=0, atol=0)
    assert (changed[0] != changed[2]).any()
    assert changed[0].shape == magnitudes.shape
    assert (changed[0] >= 0).all()


def test_gain_is_one_factor_for_each_segment(magnitudes):
    ratio = Augmentation(gain=6)(magnitudes) / magnitudes
    factors = ratio[:, 0, 0, 0]
    torch.testing.assert_close(ratio, factors[:, None, None, None].expand_as(ratio))
    assert len(factors.unique()) == len(factors)
    assert (20 * factors.log10()).abs().max() <= 6


def test_a_crop_leaves_a_random_part_of_each_segment(magnitudes):
    frames = torch.arange(30.0).expand(6, 1, 40, 30)
    cropped = Augmentation(crop=0.5)(frames)
    assert cropped.shape == (6, 1, 40, 15)
    assert (cropped.diff(dim=3) == 1).all()
    assert len(cropped[:, 0, 0, 0].unique()) > 1


@pytest.mark.parametrize(("setting", "axis"), [("frequency_mask", 2), ("time_mask", 3)])
def test_a_mask_is_one_run_of_silence_no_longer_than_its_share(magnitudes, setting, axis):
    segments = torch.rand(500, 1, 40, 30) + 0.1
    silent = Augmentation(**{setting: 0.5})(segments) == 0
    across = silent.all(dim=5 - axis)[:, 0]
    assert (silent.any(dim=5 - axis)[:, 0] == across).all()
    steps = across.int().diff(dim=1, prepend=torch.zeros(500, 1), append=torch.zeros(500, 1))
    assert ((steps == 1).sum(1) <= 1).all()
    widths = across.sum(1)
    assert widths.max() == segments.shape[axis] // 2
    assert widths.min() == 0
    # Every place is reached, the ends too.
    assert (across.sum(0) > 5).all()


def partial(bin_, frame):
    """One partial at a bin, which begins at a frame."""
    segment = torch.zeros(1, 1, 101, 81)
    segment[0, 0, bin_, frame:] = 1
    return segment


def test_a_pitch_shift_scales_frequencies():
    octave = resample_axes(partial(20, 0), torch.tensor([2.0]), torch.ones(1), torch.zeros(1))
    assert octave[0, 0, :, 40].argmax() == 40
    torch.testing.assert_close(octave[0, 0, 40], torch.ones(81))
    down = resample_axes(partial(80, 0), torch.tensor([0.5]), torch.ones(1), torch.zeros(1))
    assert down[0, 0, :, 40].argmax() == 40
    assert down[0, 0, 51:].abs().max() == 0  # nothing is known from above the highest bin


@pytest.mark.parametrize(
    ("rate", "fixed", "onset"), [(2.0, 0.0, 20), (0.5, 0.0, 80), (2.0, 0.5, 40)]
)
def test_a_stretch_scales_time_about_an_instant(rate, fixed, onset):
    segment = partial(20, 40)
    found = resample_axes(segment, torch.ones(1), torch.tensor([rate]), torch.tensor([fixed]))
    row = found[0, 0, 20]
    assert row[onset - 2] < 1e-3 < 0.999 < row[onset]
    assert found[0, 0, 22:].abs().max() < 1e-5


def test_beyond_an_end_is_its_reflection():
    ramp = torch.arange(81.0).expand(1, 1, 3, 81)
    fast = resample_axes(ramp, torch.ones(1), torch.tensor([1.5]), torch.zeros(1))
    expected = torch.arange(81) * 1.5
    expected = torch.where(expected > 80, 160 - expected, expected)
    torch.testing.assert_close(fast[0, 0, 1], expected, rtol=1e-4, atol=1e-3)


def test_rate_one_and_factor_one_change_nothing(magnitudes):
    ones = torch.ones(6)
    torch.testing.assert_close(resample_axes(magnitudes, ones, ones, torch.rand(6)), magnitudes)


@pytest.mark.slow
def test_the_convolution_rate_counts_segments_and_leaves_no_gradient():
    layers = [torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3)]
    small = torch.nn.Sequential(*layers)
    large = torch.nn.Sequential(torch.nn.Conv2d(1, 64, 9), torch.nn.Conv2d(64, 64, 9))
    rates = [convolution_rate(net, (40, 40), 8, seconds=0.05) for net in (small, large)]
    assert rates[0] > rates[1] > 0
    assert all(parameter.grad is None for parameter in small.parameters())
