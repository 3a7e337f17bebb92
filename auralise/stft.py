"""The short-time Fourier transform: samples ↔ spectra."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from auralise.choices import HOP_LENGTH, N_FFT, SAMPLE_RATE
from auralise.errors import SettingsError


@dataclass(frozen=True)
class Stft:
    """The short-time Fourier transform that the network sees, and its inverse.

    Hann window, frames centred on their time, zero-padded at both ends: the same numbers as
    ``librosa.stft`` to float32 rounding. The defaults are those of 2015 (257 bins of 21.5 Hz,
    hops of 23.2 ms; Choi 2015, code).

    Attributes
    ----------
    sample_rate : int
        Samples per second (Hz).
    n_fft : int
        Window and transform length (samples).
    hop_length : int
        Distance between frames (samples), at most half a window: else sound would be lost
        between the windows.

    Raises
    ------
    SettingsError
        `hop_length` is larger than that.

    Examples
    --------
    >>> stft = Stft()
    >>> sound = np.sin(2 * np.pi * 440 * np.arange(11025) / 11025)
    >>> spectrum = stft.analyse(sound)
    >>> spectrum.shape  # bins, frames
    (257, 44)
    >>> float(stft.frequencies[np.abs(spectrum[:, 20]).argmax()])  # Hz
    430.6640625
    >>> bool(np.allclose(stft.synthesise(spectrum, len(sound)), sound, atol=1e-5))
    True
    """

    sample_rate: int = SAMPLE_RATE
    n_fft: int = N_FFT
    hop_length: int = HOP_LENGTH

    def __post_init__(self) -> None:
        if self.hop_length > self.n_fft // 2:
            raise SettingsError(
                f"stft.hop_length = {self.hop_length}: expected at most half of stft.n_fft, "
                f"{self.n_fft // 2}"
            )

    @property
    def n_bins(self) -> int:
        return self.n_fft // 2 + 1

    @property
    def frequencies(self) -> np.ndarray:
        """Centre frequency of every bin (Hz), shape ``(n_bins,)``."""
        return np.fft.rfftfreq(self.n_fft, 1 / self.sample_rate)

    def times(self, n_frames: int) -> np.ndarray:
        """Centre time of every frame (s), shape ``(n_frames,)``."""
        return np.arange(n_frames) * (self.hop_length / self.sample_rate)

    def n_samples(self, duration: float) -> int:
        """Samples in `duration` seconds."""
        return round(duration * self.sample_rate)

    def n_frames(self, n_samples: int) -> int:
        """Frames that `analyse` makes of `n_samples` samples."""
        return 1 + n_samples // self.hop_length

    def analyse(self, samples: np.ndarray) -> np.ndarray:
        """Spectrum of a signal.

        Parameters
        ----------
        samples : ndarray, shape (..., n_samples)
            Signal; leading axes are a batch.

        Returns
        -------
        ndarray, complex64, shape (..., n_bins, n_frames)
        """
        around = (self.n_fft // 2,) * 2
        return self._transform(np.pad(samples, [(0, 0)] * (np.ndim(samples) - 1) + [around]))

    def analyse_part(
        self, samples: np.ndarray, start: int, n_frames: int, beyond: str = "zero"
    ) -> np.ndarray:
        """The STFT of a part of a signal, which may begin at any sample.

        The windows at its ends hear the signal around it.

        Parameters
        ----------
        samples : ndarray, shape (n_samples,)
            The whole signal; may be mapped from a file.
        start : int
            Centre of the first frame (samples); it may lie before the signal, and the last frame
            behind it.
        n_frames : int
        beyond : {'zero', 'reflect'}
            What is taken to sound before and after the signal: nothing, or its mirror image.

        Returns
        -------
        ndarray, complex64, shape (n_bins, n_frames)
        """
        first = start - self.n_fft // 2
        stop = first + (n_frames - 1) * self.hop_length + self.n_fft
        return self._transform(take(samples, first, stop, beyond))

    def _transform(self, samples: np.ndarray) -> np.ndarray:
        """All whole frames of samples, along the last axis."""
        import torch  # here, because most jobs transform nothing and it takes seconds to load

        batch = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))
        spectrum = torch.stft(
            batch.reshape(-1, batch.shape[-1]),
            self.n_fft,
            self.hop_length,
            window=torch.hann_window(self.n_fft),
            center=False,
            return_complex=True,
        )
        return spectrum.reshape(*batch.shape[:-1], *spectrum.shape[-2:]).numpy()

    def synthesise(self, spectrum: np.ndarray, n_samples: int) -> np.ndarray:
        """Signal whose spectrum is nearest, in the least-squares sense, to `spectrum`.

        Parameters
        ----------
        spectrum : ndarray, complex, shape (..., n_bins, n_frames)
        n_samples : int
            Length of the signal (samples).

        Returns
        -------
        ndarray, float32, shape (..., n_samples)
        """
        import torch

        batch = torch.from_numpy(np.ascontiguousarray(spectrum, dtype=np.complex64))
        frames = batch.reshape(-1, *batch.shape[-2:])
        if n_samples - (frames.shape[-1] - 1) * self.hop_length > self.n_fft // 4:
            # Past the last centre one window alone reaches, and dividing by its end would make a
            # click of what a mask has left there. The frame that would follow is silent.
            frames = torch.nn.functional.pad(frames, (0, 1))
        samples = torch.istft(
            frames,
            self.n_fft,
            self.hop_length,
            window=torch.hann_window(self.n_fft),
            center=True,
            length=n_samples,
        )
        return samples.reshape(*batch.shape[:-2], n_samples).numpy()

    def synthesise_blocks(
        self, spectra: Iterable[np.ndarray], n_samples: int
    ) -> Iterator[np.ndarray]:
        """Yield `synthesise`'s signal block by block.

        Parameters
        ----------
        spectra : iterable of ndarray, complex, each of shape (..., n_bins, any)
            The spectrum's frames in their order; `n_frames` of `n_samples` in all.
        n_samples : int
            Length of the signal (samples).

        Yields
        ------
        ndarray, float32, shape (..., any)
            `n_samples` in all.
        """
        n_frames, hop = self.n_frames(n_samples), self.hop_length
        pending, first, seen, done = None, 0, 0, 0
        for spectrum in spectra:
            seen += spectrum.shape[-1]
            pending = spectrum if pending is None else np.concatenate([pending, spectrum], axis=-1)
            # Samples that a frame still to come reaches have to wait for it.
            ready = n_samples if seen == n_frames else (seen - self._reach) * hop
            if ready <= done:
                continue
            yield self.synthesise(pending, ready - first * hop)[..., done - first * hop :]
            done = ready
            kept = max(first, seen - 2 * self._reach)
            pending, first = pending[..., kept - first :], kept

    @property
    def _reach(self) -> int:
        """Frames from a frame's centre to the end of its window, rounded up."""
        return -(-(self.n_fft // 2) // self.hop_length)


def take(samples: np.ndarray, start: int, stop: int, beyond: str = "zero") -> np.ndarray:
    """Part of a signal, which may begin before it and end behind it.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        May be mapped from a file; no more of it is read than is asked for.
    start, stop : int
    beyond : {'zero', 'reflect'}
        What lies outside: zeros, or the signal mirrored at its first and last sample.

    Returns
    -------
    ndarray, shape (stop - start,)

    Examples
    --------
    >>> signal = np.array([1, 2, 3])
    >>> take(signal, -2, 5).tolist()
    [0, 0, 1, 2, 3, 0, 0]
    >>> take(signal, -2, 5, "reflect").tolist()
    [3, 2, 1, 2, 3, 2, 1]
    """
    n = len(samples)
    if beyond == "reflect" and (start < 0 or stop > n):
        places = np.arange(start, stop) % max(1, 2 * (n - 1))
        return samples[np.minimum(places, 2 * (n - 1) - places)]
    inside = samples[max(0, start) : max(0, stop)]
    before = min(max(0, -start), stop - start)
    return np.pad(inside, (before, stop - start - before - len(inside)))
