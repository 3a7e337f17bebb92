"""Augmentation: a batch of magnitudes, changed at random as other recordings might differ.

Everything is drawn from torch's own generator, which training seeds for every batch, so that an
interrupted training draws the same. Stretching and shifting resample the axes of the magnitude,
without phases: pitches keep their distance in semitones, but partials become wider or narrower
with the axis.
"""

from dataclasses import dataclass

import torch
from torch.nn import functional as F


@dataclass(frozen=True)
class Augmentation:
    """How much a segment may be changed; 0 for not at all.

    Attributes
    ----------
    gain : float
        Level, up to so many dB up or down.
    pitch_shift : float
        Up to so many semitones up or down; what would come from above the highest bin is
        silent.
    time_stretch : float
        Faster or slower by up to this share, about a random instant; what would come from
        beyond an end is the reflection there.
    frequency_mask : float
        One band of up to this share of the bins is silenced (Park 2019, SpecAugment).
    time_mask : float
        One run of up to this share of the frames is silenced.
    crop : float
        This share of the frames is cut away, so that a random part is left; for networks that
        take segments of any length.
    """

    gain: float = 0.0
    pitch_shift: float = 0.0
    time_stretch: float = 0.0
    frequency_mask: float = 0.0
    time_mask: float = 0.0
    crop: float = 0.0

    def __call__(self, magnitudes: torch.Tensor) -> torch.Tensor:
        """Augment every segment of a batch independently.

        Parameters
        ----------
        magnitudes : Tensor, shape (n, 1, n_bins, n_frames)
            Linear.

        Returns
        -------
        Tensor
            On the same device; of the same shape, but for the frames that are cut away.
        """
        n, _, n_bins, n_frames = magnitudes.shape
        if self.pitch_shift or self.time_stretch:
            factor = 2 ** (_uniform(n, self.pitch_shift) / 12)
            rate = 1 + _uniform(n, self.time_stretch)
            magnitudes = resample_axes(magnitudes, factor, rate, torch.rand(n))
        if self.gain:
            level = 10 ** (_uniform(n, self.gain) / 20)
            magnitudes = magnitudes * level.to(magnitudes)[:, None, None, None]
        if self.frequency_mask:
            kept = ~_runs(n, n_bins, self.frequency_mask)
            magnitudes = magnitudes * kept.to(magnitudes)[:, None, :, None]
        if self.time_mask:
            kept = ~_runs(n, n_frames, self.time_mask)
            magnitudes = magnitudes * kept.to(magnitudes)[:, None, None, :]
        if self.crop:
            length = max(1, n_frames - round(self.crop * n_frames))
            starts = torch.randint(n_frames - length + 1, (n,))
            parts = zip(magnitudes, starts.tolist(), strict=True)
            magnitudes = torch.stack([part[..., i : i + length] for part, i in parts])
        return magnitudes


def resample_axes(
    magnitudes: torch.Tensor, factor: torch.Tensor, rate: torch.Tensor, fixed: torch.Tensor
) -> torch.Tensor:
    """Scale frequencies and times, by linear interpolation between bins and frames.

    Parameters
    ----------
    magnitudes : Tensor, shape (n, 1, n_bins, n_frames)
    factor : Tensor, shape (n,)
        What lay at frequency f lies at ``factor * f``.
    rate : Tensor, shape (n,)
        How many times faster it goes.
    fixed : Tensor, shape (n,)
        The instant that stays where it is, as a share of the length.
    """
    n, _, n_bins, n_frames = magnitudes.shape
    last = n_frames - 1
    bins = torch.arange(n_bins) / factor[:, None]
    frames = (torch.arange(n_frames) - last * fixed[:, None]) * rate[:, None]
    frames = (frames + last * fixed[:, None]).remainder(2 * last)
    frames = last - (frames - last).abs()
    # grid_sample counts from -1 to 1, and takes what is outside for zero.
    grid = torch.stack(
        [
            (2 * frames / last - 1)[:, None, :].expand(n, n_bins, n_frames),
            (2 * bins / (n_bins - 1) - 1)[:, :, None].expand(n, n_bins, n_frames),
        ],
        dim=-1,
    )
    return F.grid_sample(magnitudes, grid.to(magnitudes), align_corners=True)


def _uniform(n: int, width: float) -> torch.Tensor:
    return width * (2 * torch.rand(n) - 1)


def _runs(n: int, length: int, share: float) -> torch.Tensor:
    """One run of random length and place in each of n rows, shape ``(n, length)``."""
    width = (torch.rand(n) * share * length).round()[:, None]
    start = (torch.rand(n)[:, None] * (length - width + 1)).floor()
    places = torch.arange(length)
    return (places >= start) & (places < start + width)
