"""An excerpt of a recording, and the sound assumed around it."""

from dataclasses import dataclass

import numpy as np

from auralise.choices import EDGES
from auralise.errors import SettingsError
from auralise.stft import Stft


@dataclass(frozen=True)
class Excerpt:
    """An excerpt of a recording, and the sound assumed around it.

    Attributes
    ----------
    recording : ndarray, shape (any,)
        May be mapped from a file.
    first : int
        Where in it the excerpt begins (samples).
    length : int, optional
        How long the excerpt is (samples); to the end of the recording by default.
    edges : {'zero', 'reflect', 'surroundings'}
        What sounds around the excerpt: nothing; its mirror image, as far as a window of the STFT
        reaches (2015); or what the recording holds there, mirrored at its ends.
    """

    recording: np.ndarray
    first: int = 0
    length: int | None = None
    edges: str = "zero"

    def __post_init__(self) -> None:
        if self.edges not in EDGES:
            raise SettingsError(f"edges: {self.edges!r}; expected one of {', '.join(EDGES)}")

    @property
    def n_samples(self) -> int:
        return len(self.recording) - self.first if self.length is None else self.length

    @property
    def samples(self) -> np.ndarray:
        return self.recording[self.first : self.first + self.n_samples]

    def spectrum(self, stft: Stft, first: int = 0, stop: int | None = None) -> np.ndarray:
        """Frames of the excerpt, counted from its start; all of them by default.

        Parameters
        ----------
        stft : Stft
        first, stop : int
            May lie before the excerpt, and behind it.

        Returns
        -------
        ndarray, complex64, shape (n_bins, stop - first)
        """
        stop = stft.n_frames(self.n_samples) if stop is None else stop
        start, n_frames = first * stft.hop_length, stop - first
        if self.edges == "surroundings":
            return stft.analyse_part(self.recording, self.first + start, n_frames, "reflect")
        return stft.analyse_part(self.samples, start, n_frames, self.edges)
