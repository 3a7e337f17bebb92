"""The maps of a song, made by any explainer and written to one file, window by window.

Windows begin where the network's pooling grid does, so that away from a window's ends, as far as
the network sees, its map is that of the whole song in one piece.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from auralise.audio import Stft
from auralise.errors import NetworkError
from auralise.explainers.protocol import Explainer
from auralise.explainers.windows import Windows
from auralise.maps import Origin, create_maps


def choose_features(
    explainer: Explainer,
    layers: Iterable[int] | None = None,
    features: Iterable[int] | None = None,
) -> dict[int, list[int]]:
    """The features to explain, of each layer.

    Parameters
    ----------
    explainer : Explainer
    layers : iterable of int, optional
        Counted from 1; all by default.
    features : iterable of int, optional
        Counted from 0; all by default. Numbers that a layer does not reach are left out.

    Raises
    ------
    NetworkError
        The network has no such layer, or a layer none of the features.
    """
    n_layers = len(explainer.n_features)
    wanted = None if features is None else set(features)
    chosen = {}
    for layer in range(1, n_layers + 1) if layers is None else layers:
        if not 1 <= layer <= n_layers:
            raise NetworkError(f"no layer {layer}; the network has layers 1 to {n_layers}")
        n = explainer.n_features[layer - 1]
        chosen[layer] = [feature for feature in range(n) if wanted is None or feature in wanted]
        if not chosen[layer]:
            raise NetworkError(
                f"none of the features asked for is in layer {layer}, which has 0 to {n - 1}"
            )
    return chosen


def write_maps(
    path: str | Path,
    explainer: Explainer,
    samples: np.ndarray,
    stft: Stft,
    origin: Origin,
    features: Mapping[int, Sequence[int]] | None = None,
    windows: Windows | None = None,
) -> None:
    """Explain features of a song and write their maps.

    Parameters
    ----------
    path : str or Path
        Appears only when it is whole.
    explainer : Explainer
    samples : ndarray, shape (n_samples,)
        The song at ``stft.sample_rate``; may be mapped from a file.
    stft : Stft
    origin : Origin
        The explainer's assumptions are added to its own.
    features : mapping of int to sequence of int, optional
        Features of each layer, as `choose_features` returns them; all by default.
    windows : Windows, optional
        Of the song's frames; one piece by default.
    """
    n_frames = stft.n_frames(len(samples))
    features = choose_features(explainer) if features is None else features
    windows = windows or Windows.of(n_frames, n_frames)
    origin = replace(origin, assumptions=(*origin.assumptions, *explainer.assumptions))
    activations = {layer: _Activations.none(len(own)) for layer, own in features.items()}
    overlap, last = windows.length - windows.hop, len(windows) - 1
    fading: dict[int, np.ndarray] = {}  # what a window leaves to the next one's first frames
    with create_maps(
        path,
        stft,
        len(samples),
        features,
        origin,
        explainer.mask_scale(stft.n_bins),
        windows.hop if last else None,
    ) as writer:
        for layer in features:
            writer.write_path(layer, explainer.layers[layer - 1].path)
        progress = tqdm(windows, "deconvolve", unit="window", disable=not last)
        for k, (first, stop) in enumerate(progress):
            weights = windows.weights(k)
            n_ready = stop - first if k == last else windows.hop
            spectrum = stft.analyse_frames(samples, first, stop)
            writer.write_spectrum(spectrum[:, :n_ready], first)
            magnitude = np.abs(spectrum)
            feature_maps = explainer.feature_maps(magnitude)
            for layer, maps in explainer.deconvolve_all(magnitude, list(features), features):
                if last:
                    maps = maps * weights
                if k > 0:
                    maps[:, :, :overlap] += fading[layer]
                writer.write_maps(layer, maps[:, :, :n_ready], first)
                fading[layer] = maps[:, :, n_ready:].copy()
                own, chosen = feature_maps[layer - 1].astype(np.float64), features[layer]
                # Behind convolutions of one dimension there is no height, behind a mean no width.
                width = own.shape[-1] if own.ndim > 1 else 1
                own = own.reshape(len(own), -1, width)
                shares = _shares(weights, own.shape[2], explainer.strides[layer - 1])
                found = activations[layer]
                found.add(own[chosen], explainer.fired(layer, own)[chosen], shares)
                if k == last:
                    writer.write_activations(layer, found.energy, found.peak, found.live)


def _shares(weights: np.ndarray, n_columns: int, stride: int | None) -> np.ndarray:
    """A window's share in each column of feature maps, from its `weights` in each frame."""
    n_frames = len(weights)
    centres = (np.arange(n_columns) + 0.5) * (stride or n_frames / n_columns) - 0.5
    return np.interp(centres, np.arange(n_frames), weights)


@dataclass
class _Activations:
    """Energy, peak and firing of a layer's features over the song, added up window by window."""

    energy: np.ndarray
    peak: np.ndarray
    live: np.ndarray

    @classmethod
    def none(cls, n_features: int) -> "_Activations":
        return cls(
            np.zeros(n_features), np.full(n_features, -np.inf), np.zeros(n_features, dtype=bool)
        )

    def add(self, maps: np.ndarray, fired: np.ndarray, shares: np.ndarray) -> None:
        """Take in feature maps ``(n_features, height, width)``, with a share for each column."""
        self.energy += (np.square(maps) * shares).sum(axis=(1, 2))
        # A faded end is left to the other window: here the network sees silence beyond it.
        main = shares >= min(0.5, shares.max()) - 1e-6
        self.peak = np.maximum(self.peak, maps[:, :, main].max(axis=(1, 2)))
        self.live |= fired
