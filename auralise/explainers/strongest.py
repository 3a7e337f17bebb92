"""Networks of thousands of features: which are explained by default, and what that takes."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from auralise.explainers.protocol import Explainer
from auralise.explainers.windows import Windows
from auralise.stft import Stft

MANY = 1024  # features in all; above, the strongest of each layer are the default
STRONGEST = 64  # features of a layer
TRIED = 8  # features of a layer that are timed


def limit_features(
    explainer: Explainer,
    samples: np.ndarray,
    stft: Stft,
    features: Mapping[int, Sequence[int]],
    windows: Windows,
) -> dict[int, list[int]]:
    """The strongest features of each layer on a song, where all would be more than `MANY`.

    Strong is a feature whose maps have much energy over the whole song.

    Parameters
    ----------
    explainer : Explainer
    samples : ndarray, shape (n_samples,)
    stft : Stft
    features : mapping of int to sequence of int
        To choose from, of each layer.
    windows : Windows
        Of the song's frames.

    Returns
    -------
    dict of int to list of int
        In ascending order; all of `features` if they are few.
    """
    chosen = {layer: list(own) for layer, own in features.items()}
    if sum(map(len, chosen.values())) <= MANY:
        return chosen
    energy = {layer: np.zeros(len(own)) for layer, own in chosen.items()}
    for first, stop in windows:
        maps = explainer.feature_maps(np.abs(stft.analyse_frames(samples, first, stop)))
        for layer, own in chosen.items():
            of_layer = maps[layer - 1][own].reshape(len(own), -1).astype(np.float64)
            energy[layer] += np.square(of_layer).sum(axis=1)
    return {
        layer: sorted(own[i] for i in np.argsort(-energy[layer], kind="stable")[:STRONGEST])
        for layer, own in chosen.items()
    }


@dataclass(frozen=True)
class Cost:
    """What explaining a song takes, about.

    Attributes
    ----------
    seconds : float
        Of computing the maps.
    n_bytes : int
        Of the maps and the sounds.
    """

    seconds: float
    n_bytes: int

    def __str__(self) -> str:
        return f"about {self.seconds:.0f} s and {self.n_bytes / 1e9:.1f} GB of disk"


def estimate_cost(
    explainer: Explainer,
    samples: np.ndarray,
    stft: Stft,
    features: Mapping[int, Sequence[int]],
    windows: Windows,
) -> Cost:
    """What explaining features of a song will take, from a few of them in its first window.

    Parameters
    ----------
    explainer, samples, stft, windows
        As in `limit_features`.
    features : mapping of int to sequence of int
        Of each layer.
    """
    first, stop = next(iter(windows))
    magnitude = np.abs(stft.analyse_frames(samples, first, stop))
    seconds = 0.0
    for layer, own in features.items():
        tried = list(own)[:TRIED]
        started = time.perf_counter()
        for _ in explainer.deconvolve_all(magnitude, [layer], {layer: tried}):
            pass
        seconds += (time.perf_counter() - started) * len(own) / max(1, len(tried))
    n_features = sum(map(len, features.values()))
    per_feature = 4 * stft.n_bins * stft.n_frames(len(samples)) + 2 * len(samples)
    return Cost(seconds * len(windows), n_features * per_feature)
