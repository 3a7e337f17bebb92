"""Untrained controls of networks whose weights are given."""

import logging

import numpy as np
import pandas as pd
import torch
from torch import nn

from auralise.audio import read_audio
from auralise.choices import EDGES
from auralise.errors import NetworkError, cause_of
from auralise.excerpts import Excerpt
from auralise.networks.initialisation import fit_batch_norms, redraw_weights
from auralise.stft import Stft

log = logging.getLogger(__name__)

N_SEGMENTS = 64  # from which the statistics of batch normalisations are taken
AT_ONCE = 8


def untrain_network(network: nn.Module, magnitudes: np.ndarray, seed: int) -> None:
    """Turn a network into its own untrained control, in place.

    Its weights are drawn anew (`auralise.networks.initialisation.redraw_weights`), and its batch
    normalisations get the statistics of training segments, as those of the networks trained here
    do: with the old ones, or none, its features would fire nowhere or everywhere.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode; takes magnitudes ``(batch, 1, n_bins, n_frames)``.
    magnitudes : ndarray, float32, shape (n_segments, n_bins, n_frames)
        Training segments, as `read_training_segments` returns them.
    seed : int

    Raises
    ------
    NetworkError
        The network fails on several segments at a time.
    """
    shuffled = redraw_weights(network, seed)
    if shuffled:
        log.info("shuffled, since it is not known how to draw them: %s", ", ".join(shuffled))
    n_segments, n_bins, n_frames = magnitudes.shape
    try:
        fit_batch_norms(network, torch.from_numpy(magnitudes)[:, None], AT_ONCE)
    except (RuntimeError, ValueError, IndexError) as error:
        raise NetworkError(
            f"the untrained control fails on {AT_ONCE} segments of {n_bins} bins × "
            f"{n_frames} frames at a time ({cause_of(error)}); expected "
            "a network that takes (batch, 1, bins, frames)"
        ) from None


def read_training_segments(
    clips: pd.DataFrame, stft: Stft, duration: float, edges: str = EDGES[0]
) -> np.ndarray:
    """Magnitudes, float32, of one segment of each of `N_SEGMENTS` training clips, or of all.

    Parameters
    ----------
    clips : DataFrame
        With columns ``path``, ``split`` and ``seconds``; those taken are spread over the whole set.
    stft : Stft
    duration : float
        Of a segment (s).
    edges : {'surroundings', 'reflect', 'zero'}
        What sounds around a segment, as `auralise.excerpts.Excerpt` takes it.
    n_segments : int

    Returns
    -------
    ndarray, shape (n_segments, n_bins, n_frames)
    """
    paths = clips.loc[clips["split"] == "train", "path"].to_list()
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(N_SEGMENTS, len(paths))).astype(int))
    n_samples, magnitudes = stft.n_samples(duration), []
    for number, row in enumerate(chosen):
        samples = read_audio(paths[row], stft.sample_rate)
        samples = np.pad(samples, (0, max(0, n_samples - len(samples))))
        start = number % (len(samples) // n_samples) * n_samples
        magnitudes.append(np.abs(Excerpt(samples, start, n_samples, edges).spectrum(stft)))
    return np.stack(magnitudes)
