"""What explaining takes, and which features of a network of thousands are explained by default."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from auralise.excerpts import Excerpt
from auralise.explainers.protocol import Explainer
from auralise.explainers.windows import Windows
from auralise.progress import in_time
from auralise.stft import Stft
from auralise.storage import in_bytes

MANY = 1024  # features in all; above, the strongest of each layer are the default
STRONGEST = 64  # features of a layer
TRIED = 8  # features of a layer that are timed


def sample_features(
    n_features: Mapping[int, int], n: int | None, seed: int
) -> dict[int, list[int]]:
    """Draw features of each layer by lot, the same in every network of these sizes.

    Parameters
    ----------
    n_features : mapping of int to int
        How many features each layer has.
    n : int or None
        How many to draw of each layer, at most; None for all.
    seed : int

    Returns
    -------
    dict of int to list of int
        The features of each layer, in ascending order.
    """
    return {
        layer: sorted(
            np.random.default_rng([seed, layer]).permutation(size)[: size if n is None else n]
        )
        for layer, size in n_features.items()
    }


def limit_features(
    explainer: Explainer,
    samples: np.ndarray,
    stft: Stft,
    features: Mapping[int, Sequence[int]],
    windows: Windows,
) -> dict[int, list[int]]:
    """The strongest features of each layer on a song if there are more than `MANY`, else all.

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
        maps = explainer.feature_maps(np.abs(Excerpt(samples).spectrum(stft, first, stop)))
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
        Of maps, sounds, and hearing the sounds again.
    n_bytes : int
        Of the maps and the sounds, those that cannot be heard included.
    """

    seconds: float
    n_bytes: int

    def __str__(self) -> str:
        return f"about {in_time(self.seconds)}, and {in_bytes(self.n_bytes)} of disk at most"


@dataclass(frozen=True)
class Pace:
    """How fast a network is explained here: measured once, on a few features, for any song.

    Attributes
    ----------
    per_frame : float
        Time that the maps of a frame take (s).
    forward_per_frame : float
        Time of running the network alone (s).
    sound_per_sample : float
        Time of making a sample of one sound (s).
    """

    per_frame: float
    forward_per_frame: float
    sound_per_sample: float

    @classmethod
    def measure(
        cls,
        explainer: Explainer,
        samples: np.ndarray,
        stft: Stft,
        features: Mapping[int, Sequence[int]],
        windows: Windows,
    ) -> "Pace":
        """Measure on a song's first window, with an eighth of each layer's features, at most 8.

        Parameters
        ----------
        explainer, samples, stft, windows
            As in `limit_features`.
        features : mapping of int to sequence of int
            Of each layer.
        """
        first, stop = next(iter(windows))
        spectrum = Excerpt(samples).spectrum(stft, first, stop)
        magnitude = np.abs(spectrum)
        explainer.feature_maps(magnitude)  # what torch prepares once is not of the pace
        forward = _seconds_of(lambda: explainer.feature_maps(magnitude))
        per_window = 0.0
        for layer, own in features.items():
            tried = list(own)[: min(TRIED, -(-len(own) // 8))]
            maps = explainer.deconvolve_all(magnitude, [layer], {layer: tried})
            taken = max(0.0, _seconds_of(functools.partial(list, maps)) - forward)
            per_window += taken * len(own) / max(1, len(tried))
        n_samples = min(len(samples), (stop - first) * stft.hop_length)
        sound = _seconds_of(lambda: stft.synthesise(spectrum[None], n_samples))
        n_frames = stop - first
        return cls((per_window + forward) / n_frames, forward / n_frames, sound / n_samples)

    def cost(
        self, n_samples: int, stft: Stft, n_features: int, windows: Windows, rehearing: bool
    ) -> Cost:
        """What explaining a song of so many samples, and so many features, will take.

        Parameters
        ----------
        n_samples : int
        stft : Stft
        n_features : int
            Of all layers.
        windows : Windows
            Of the song's frames.
        rehearing : bool
            Whether the sounds are given back to the network.
        """
        n_frames = stft.n_frames(n_samples)
        in_windows = sum(stop - first for first, stop in windows)
        seconds = self.per_frame * in_windows + self.sound_per_sample * n_samples * n_features
        if rehearing:
            seconds += self.forward_per_frame * min(windows.length, n_frames) * n_features
        return Cost(seconds, n_features * (4 * stft.n_bins * n_frames + 2 * n_samples))


def _seconds_of(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started
