"""What a network answers for a whole song."""

import numpy as np
import torch
from torch import nn

from auralise.errors import AudioError, NetworkError


def predict_song(
    network: nn.Module, magnitude: np.ndarray, n_frames: int | None = None
) -> np.ndarray:
    """A network's answer for a song: the mean over windows that follow each other.

    What is left at the end of the song, shorter than a window, is not heard.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode; from ``(batch, 1, n_bins, n_frames)`` to probabilities, or scores of
        which a softmax makes some, ``(batch, n_classes)``.
    magnitude : ndarray, shape (n_bins, n_song_frames)
        Of the song's STFT.
    n_frames : int, optional
        Frames of a window; by default the song is one.

    Returns
    -------
    ndarray, float64, shape (n_classes,)

    Raises
    ------
    AudioError
        The song is shorter than a window.
    NetworkError
        The network gives no answer of that shape.
    """
    n_frames = n_frames or magnitude.shape[1]
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
            total = total + _answer(network, torch.from_numpy(window)[None, None])
    return np.asarray(total / n_windows)


def _answer(network: nn.Module, magnitudes: torch.Tensor) -> np.ndarray:
    try:
        found = network(magnitudes)
    except (RuntimeError, ValueError, TypeError) as error:
        size = " × ".join(map(str, magnitudes.shape[2:]))
        raise NetworkError(
            f"the network fails on a magnitude of {size} ({type(error).__name__}: {error}); check "
            "--n-fft, --sample-rate and --front-end"
        ) from None
    if not isinstance(found, torch.Tensor) or found.ndim != 2 or len(found) != 1:
        shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
        raise NetworkError(f"the network gives {shape}; expected one answer (1, n_classes)")
    answer = found[0].double()
    is_probability = bool(((answer >= 0) & (answer <= 1)).all())
    return (answer if is_probability else answer.softmax(0)).numpy()
