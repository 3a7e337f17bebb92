"""A long song is explained in overlapping windows, whose maps are cross-faded into one."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

LARGEST_HOP = 0.75  # of a window: the rest is what neighbours share


@dataclass(frozen=True)
class Windows:
    """How the frames of a song are cut into overlapping windows.

    Window ``k`` begins at frame ``k * hop``. All are `length` frames long but the last, which
    takes what is left, less than ``length + hop``.

    Attributes
    ----------
    n_frames : int
        Of the song.
    length, hop : int
        In frames; no frame lies in more than two windows.
    """

    n_frames: int
    length: int
    hop: int

    @classmethod
    def of(cls, n_frames: int, length: int, stride: int = 1) -> "Windows":
        """Windows that overlap by about half; `hop` is a multiple of `stride` if possible."""
        half = -(-length // 2)
        aligned = -(-half // stride) * stride
        return cls(n_frames, length, aligned if aligned <= LARGEST_HOP * length else half)

    def __len__(self) -> int:
        return 1 + max(0, self.n_frames - self.length) // self.hop

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """First frame, and the one after the last, of each window."""
        last = len(self) - 1
        for k in range(last):
            yield k * self.hop, k * self.hop + self.length
        yield last * self.hop, self.n_frames

    def weights(self, k: int) -> np.ndarray:
        """Share of window `k` in each of its frames, float32, shape (n_frames of the window,).

        Where two windows overlap, one fades linearly into the other; at every frame of the song
        the shares sum to one.
        """
        overlap = self.length - self.hop
        fade = np.arange(1, overlap + 1) / (overlap + 1)
        is_last = k == len(self) - 1
        weights = np.ones(self.n_frames - k * self.hop if is_last else self.length)
        if k > 0:
            weights[:overlap] = fade
        if not is_last:
            weights[self.hop :] = 1 - fade
        return weights.astype(np.float32)
