"""The front end of Schlüter & Grill 2015: magnitudes ↔ normalised log-mel pictures."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from auralise.stft import Stft

# 70 frames a second of 46 ms (Schlüter & Grill 2015, section 3), which begin at their time.
STFT = Stft(sample_rate=22050, n_fft=1024, hop_length=315)
FRAME_RATE = STFT.sample_rate / STFT.hop_length
LEAD = STFT.n_fft // 2  # samples from a frame's time to its centre

SILENCE = 1e-7  # mel magnitudes below it count as it


def analyse_as_published(samples: np.ndarray) -> np.ndarray:
    """Spectrum of a song on the published grid: frame t begins t/70 s after the song does.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)

    Returns
    -------
    ndarray, complex64, shape (513, n_frames)
        Every frame that lies within the song; of a song shorter than one, one frame.
    """
    n_frames = max(1, STFT.n_frames(len(samples) - 2 * LEAD))
    return STFT.analyse_part(samples, LEAD, n_frames)


@dataclass(frozen=True)
class MelBands:
    """Triangular bands, spaced evenly on the mel scale, each of weight 1 in all.

    Attributes
    ----------
    n_bands : int
    lowest, highest : float
        Where the first band begins and the last one ends (Hz).
    """

    n_bands: int = 80
    lowest: float = 27.5
    highest: float = 8000.0

    @property
    def edges(self) -> np.ndarray:
        """Where bands begin, peak and end (Hz), shape ``(n_bands + 2,)``."""
        first, last = 1127 * np.log1p(np.array([self.lowest, self.highest]) / 700)
        return 700 * np.expm1(np.linspace(first, last, self.n_bands + 2) / 1127)

    def filterbank(self, frequencies: np.ndarray) -> np.ndarray:
        """Weights of every bin in every band.

        As published, a flank's slope counts its bins rather than its hertz, which makes the
        lowest bands, two or three bins wide, a little different from sampled triangles.

        Parameters
        ----------
        frequencies : ndarray, shape (n_bins,)
            In Hz, ascending.

        Returns
        -------
        ndarray, float32, shape (n_bands, n_bins)
        """
        left, top, right = (self.edges[start : start + self.n_bands, None] for start in range(3))
        rising = (frequencies >= left) & (frequencies < top)
        falling = (frequencies >= top) & (frequencies < right)
        weights = rising * (frequencies - left) / np.maximum(rising.sum(1, keepdims=True), 1)
        weights += falling * (right - frequencies) / np.maximum(falling.sum(1, keepdims=True), 1)
        return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


BANDS = MelBands()


class LogMel(nn.Module):
    """SVDNet's input: log-mel bands, each normalised to mean 0 and deviation 1.

    Parameters
    ----------
    mean, std : ndarray, shape (n_bands,), optional
        Of the log-mel bands of the training set; without them bands stay as they are.
    """

    filterbank: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, mean: np.ndarray | None = None, std: np.ndarray | None = None):
        super().__init__()
        filterbank = torch.from_numpy(BANDS.filterbank(STFT.frequencies))
        n_bands = len(filterbank)
        mean = np.zeros(n_bands) if mean is None else mean
        std = np.ones(n_bands) if std is None else std
        self.register_buffer("filterbank", filterbank)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32)[:, None])
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32)[:, None])

    @property
    def n_bins_used(self) -> int:
        """Bins up to the highest that is part of a band."""
        return int(self.filterbank.any(0).nonzero().max()) + 1

    def forward(self, magnitude: Tensor) -> Tensor:
        """Pictures, shape ``(..., n_bands, n_frames)``, of magnitudes ``(..., n_bins, n_frames)``.

        Magnitudes may leave out the highest bins, from `n_bins_used` on.
        """
        bands = self.filterbank[:, : magnitude.shape[-2]] @ magnitude
        return (bands.clamp(min=SILENCE).log() - self.mean) / self.std

    def mel_magnitude(self, picture: Tensor) -> Tensor:
        """Mel magnitudes of a picture: undo normalisation and logarithm, not the filterbank."""
        return (picture * self.std + self.mean).exp()
