"""What a network answers for a whole song."""

import numpy as np
import torch
from torch import nn

from auralise.errors import AudioError


def predict_song(network: nn.Module, magnitude: np.ndarray, n_frames: int) -> np.ndarray:
    """A network's answer for a song: the mean over windows that follow each other.

    What is left at the end of the song, shorter than a window, is not heard.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode; from ``(batch, 1, n_bins, n_frames)`` to ``(batch, n_classes)``.
    magnitude : ndarray, shape (n_bins, n_song_frames)
        Of the song's STFT.
    n_frames : int
        Frames of a window.

    Returns
    -------
    ndarray, float64, shape (n_classes,)

    Raises
    ------
    AudioError
        The song is shorter than a window.
    """
    n_windows = magnitude.shape[1] // n_frames
    if n_windows == 0:
        raise AudioError(
            f"{magnitude.shape[1]} frames are too short for the network; expected at least "
            f"{n_frames} frames, so take a longer song"
        )
    total: np.ndarray | float = 0.0
    with torch.no_grad():
        for start in range(0, n_windows * n_frames, n_frames):
            window = np.ascontiguousarray(magnitude[:, start : start + n_frames], np.float32)
            total = total + network(torch.from_numpy(window)[None, None])[0].double().numpy()
    return np.asarray(total / n_windows)
