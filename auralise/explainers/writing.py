"""The maps of a song, made by any explainer and written to one file, window by window.

Windows begin where the network's pooling grid does, so that away from a window's ends, as far as
the network sees, its map is that of the whole song in one piece.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from auralise.errors import NetworkError
from auralise.excerpts import Excerpt
from auralise.explainers.edges import Section, activations, in_rows, margin_of, mostly_inside
from auralise.explainers.protocol import Explainer
from auralise.explainers.windows import Windows
from auralise.maps import Origin, create_maps
from auralise.progress import tracked
from auralise.stft import Stft

QUIET_DB = -60.0  # peak of the noise that a feature must surpass, relative to the song's


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
    song: np.ndarray | Excerpt,
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
    song : Excerpt, or ndarray of shape (n_samples,)
        At ``stft.sample_rate``; may be mapped from a file. An array is analysed with silence
        before and after it.
    stft : Stft
    origin : Origin
        The explainer's assumptions are added to its own.
    features : mapping of int to sequence of int, optional
        Features of each layer, as `choose_features` returns them; all by default.
    windows : Windows, optional
        Of the song's frames; one piece by default.

    Notes
    -----
    A feature responds if it fires and its peak activation on the song is above its peak on digital
    silence and on noise, both as long as a window and analysed as the song is. The noise is white
    and Gaussian, drawn once, with its peak 60 dB below the song's.
    """
    song = song if isinstance(song, Excerpt) else Excerpt(song)
    n_frames, margin = stft.n_frames(song.n_samples), margin_of(explainer, song.edges)
    features = choose_features(explainer) if features is None else features
    windows = windows or Windows.of(n_frames, n_frames)
    origin = replace(origin, assumptions=(*origin.assumptions, *explainer.assumptions))
    found = {layer: _Activations.none(len(own)) for layer, own in features.items()}
    overlap, last = windows.length - windows.hop, len(windows) - 1
    fading: dict[int, np.ndarray] = {}  # what a window leaves to the next one's first frames
    with create_maps(
        path,
        stft,
        song.n_samples,
        features,
        origin,
        explainer.mask_scale(stft.n_bins),
        windows.hop if last else None,
        compression=explainer.compression,
    ) as writer:
        for layer in features:
            writer.write_path(layer, explainer.layers[layer - 1].path)
        progress = tracked(windows, "deconvolve", unit="windows", disable=not last)
        for k, (first, stop) in enumerate(progress):
            weights = windows.weights(k)
            n_ready = stop - first if k == last else windows.hop
            part = Section.of(song, stft, first, stop, margin * (k == 0), margin * (k == last))
            spectrum = part.spectrum[:, part.inside]
            writer.write_spectrum(spectrum[:, :n_ready], first)
            writer.write_surroundings(part.spectrum[:, : part.before], "before")
            writer.write_surroundings(part.spectrum[:, part.inside.stop :], "after")
            feature_maps = explainer.feature_maps(part.magnitude)
            for layer, maps in explainer.deconvolve_all(part.magnitude, list(features), features):
                own = in_rows(feature_maps[layer - 1].astype(np.float64))
                chosen = features[layer]
                shares = part.shares(own.shape[-1], explainer.strides[layer - 1], weights)
                above = explainer.above_rest(layer, own)
                seen = shares > 0 if shares.any() else mostly_inside(shares)
                fired = explainer.fired(layer, own[..., seen])[chosen]
                found[layer].add(above[chosen], fired, shares)
                maps = maps[:, :, part.inside] * weights if last else maps[:, :, part.inside]
                if margin and not fired.all():
                    # What fired around the excerpt alone does not belong to it.
                    maps = maps * fired[:, None, None]
                if k > 0:
                    maps[:, :, :overlap] += fading[layer]
                writer.write_maps(layer, maps[:, :, :n_ready], first)
                fading[layer] = maps[:, :, n_ready:].copy()
        around, length = margin * stft.hop_length, (windows.length - 1) * stft.hop_length
        silence, noise = (
            activations(explainer, Excerpt(sound, around, length, song.edges), stft, margin)
            for sound in quiet_sounds(song.samples, length + 2 * around)
        )
        for layer, chosen in features.items():
            quiet = [sound[layer][chosen].max(axis=(1, 2)) for sound in (silence, noise)]
            of = found[layer]
            writer.write_activations(
                layer, of.energy, of.peak, of.live, of.responds(*quiet), quiet[0]
            )


def quiet_sounds(song: np.ndarray, n_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Digital silence, and noise with its peak 60 dB below the song's; float32, `n_samples` each.

    A feature that fires as strongly on these says nothing of the song.
    """
    noise = np.random.default_rng(0).normal(size=n_samples)
    peak = max(song.max(), -song.min())  # no copy of a song that is mapped
    noise *= 10 ** (QUIET_DB / 20) * peak / np.abs(noise).max()
    return np.zeros(n_samples, np.float32), noise.astype(np.float32)


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
        self.peak = np.maximum(self.peak, maps[:, :, mostly_inside(shares)].max(axis=(1, 2)))
        self.live |= fired

    def responds(self, silence: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """Which features fired, and more strongly than on silence and noise, whose peaks are given.

        A logarithm without a floor knows no silence: what is not a number decides nothing.
        """
        return self.live & (self.peak > np.fmax(silence, noise))
