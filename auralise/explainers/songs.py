"""One's own network on one's own song, of any length: maps and sounds in constant memory.

A long song is deconvolved in overlapping windows, whose maps are cross-faded into one. Windows
begin where the network's pooling grid does, so that away from a window's ends, as far as the
network sees, its map is that of the whole song in one piece.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn
from tqdm import tqdm

from auralise.audio import Stft
from auralise.auralisation import write_auralisations
from auralise.choices import DURATION
from auralise.deconvnet.deconvnet import Deconvnet
from auralise.deconvnet.steps import Layer, pair
from auralise.errors import MapsError, SettingsError
from auralise.files import require_replaceable, whole_file, whole_folder
from auralise.maps import MapsWriter, choose_features, create_maps, open_maps

SOUNDS = ("original.wav", "layer*/feature*.wav")  # what a folder of results holds
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
        """Windows that overlap by half, or near it: `hop` is a multiple of `stride` if it can."""
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


@dataclass(frozen=True)
class LayerSummary:
    """What was found in a layer: how many features were explained, and how many fired at all."""

    layer: int
    n_features: int
    n_live: int

    @property
    def n_dead(self) -> int:
        return self.n_features - self.n_live


@dataclass(frozen=True)
class Explanation:
    """Where the explanation of a song lies, and what it came to.

    Attributes
    ----------
    maps : Path
        The HDF5 file.
    sounds : Path
        The folder of ``original.wav`` and ``layer1/feature00.wav`` …
    layers : list of LayerSummary
    n_windows : int
    duration : float
        Of the song (s).
    elapsed : float
        What explaining it took (s).
    """

    maps: Path
    sounds: Path
    layers: list[LayerSummary]
    n_windows: int
    duration: float
    elapsed: float


def explain_song(
    samples: np.ndarray,
    net: Deconvnet,
    stft: Stft,
    out: str | Path,
    layers: Iterable[int] | None = None,
    features: Iterable[int] | None = None,
    *,
    song: str,
    network: str,
    weights_sha256: str,
    window: float = DURATION,
    mode: str = "mask",
    loudness: str = "peak",
    config: Mapping | None = None,
) -> Explanation:
    """Write the maps and the sounds of every feature for a whole song.

    Memory depends on the window, the network and the number of features, not on the length of
    the song. A song of less than one and a half windows is explained in one piece.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        The song at ``stft.sample_rate``; may be mapped from a file.
    net : Deconvnet
    stft : Stft
    out : str or Path
        Folder that gets ``<song>.h5`` and ``<song>/``, in place of an earlier explanation of the
        song. They appear when both are whole.
    layers, features : iterable of int, optional
        As `auralise.maps.write_maps`.
    song, network, weights_sha256 : str
    window : float
        Length of a window (s).
    mode, loudness : str
        As `auralise.auralisation.write_auralisations`.
    config : mapping, optional
        The settings that shaped the maps, kept as JSON beside the windows' frames.

    Returns
    -------
    Explanation

    Raises
    ------
    NetworkError
        The network has no such layer, or a window is too small for it.
    SettingsError
        The window is shorter than a hop, or a folder ``<out>/<song>`` holds something else.
    """
    started = time.monotonic()
    maps_path, sounds_path = Path(out) / f"{song}.h5", Path(out) / song
    require_results(Path(out), song)
    if stft.n_samples(window) < stft.hop_length:
        raise SettingsError(
            f"a window of {window:g} s is shorter than one hop of the spectrogram, "
            f"{stft.hop_length / stft.sample_rate:g} s; choose a longer one"
        )
    windows = Windows.of(
        stft.n_frames(len(samples)), stft.n_frames(stft.n_samples(window)), total_stride(net)
    )
    chosen = choose_features(net, layers, features)
    cut = {"count": len(windows), "length": windows.length, "hop": windows.hop}
    frames_at_once = windows.hop if len(windows) > 1 else None
    with whole_file(maps_path) as new_maps, whole_folder(sounds_path) as new_sounds:
        with create_maps(
            new_maps,
            stft,
            len(samples),
            chosen,
            frames_at_once,
            song=song,
            network=network,
            weights_sha256=weights_sha256,
            config={**(config or {}), "windows": cut},
            mask_scale=net.mask_scale(stft.n_bins),
        ) as writer:
            _deconvolve(samples, net, stft, windows, chosen, writer)
        with open_maps(new_maps) as maps:
            write_auralisations(new_sounds, maps, mode, loudness)
            summaries = [
                LayerSummary(layer, len(maps.features(layer)), int(maps.live(layer).sum()))
                for layer in maps.layers
            ]
    return Explanation(
        maps_path,
        sounds_path,
        summaries,
        len(windows),
        len(samples) / stft.sample_rate,
        time.monotonic() - started,
    )


def require_results(out: Path, song: str) -> None:
    """Refuse to replace anything but the maps and sounds of an earlier explanation.

    Raises
    ------
    SettingsError
    """
    maps, sounds = out / f"{song}.h5", out / song
    require_replaceable(sounds, SOUNDS)
    if maps.exists():
        try:
            with open_maps(maps):
                return
        except (MapsError, OSError):
            foreign = maps
    elif sounds.is_dir() and any(sounds.iterdir()) and not any(sounds.glob("layer*")):
        foreign = sounds
    else:
        return
    raise SettingsError(
        f"{foreign} is where results would go, but was not written by an earlier explanation; "
        "choose another --out or move it"
    )


def total_stride(net: Deconvnet, n_steps: int | None = None) -> int:
    """Frames from one column of feature maps to the next, after some steps or all of them."""
    stride, time_axis = 1, 0 if net.time_first else 1
    for step in net.steps[:n_steps]:
        module = step.module
        if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
            stride *= pair(module.stride)[time_axis]
        elif isinstance(module, nn.Conv2d):
            stride *= module.stride[time_axis]
    return stride


def _stride(net: Deconvnet, layer: int, ratio: float) -> float:
    """Frames from one column of a layer's feature maps to the next; `ratio` if no chain says."""
    found = net.layers[layer - 1]
    return total_stride(net, found.end + 1) if isinstance(found, Layer) else ratio


@dataclass
class _Activations:
    """What a layer's feature maps come to, gathered window by window."""

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
        maps = maps.astype(np.float64)
        self.energy += np.square(maps).sum(axis=1) @ shares
        # The other window knows better what lies in a faded end: here it is padded with silence.
        main = shares >= min(0.5, shares.max()) - 1e-6
        self.peak = np.maximum(self.peak, maps[:, :, main].max(axis=(1, 2)))
        self.live |= fired


def _deconvolve(
    samples: np.ndarray,
    net: Deconvnet,
    stft: Stft,
    windows: Windows,
    chosen: Mapping[int, list[int]],
    writer: MapsWriter,
) -> None:
    activations = {layer: _Activations.none(len(own)) for layer, own in chosen.items()}
    overlap = windows.length - windows.hop
    fading: dict[int, np.ndarray] = {}  # what a window leaves to the next one's first frames
    progress = tqdm(windows, "deconvolve", unit="window")
    for k, (first, stop) in enumerate(progress):
        weights = windows.weights(k)
        n_ready = stop - first if k == len(windows) - 1 else windows.hop
        spectrum = stft.analyse_frames(samples, first, stop)
        writer.write_spectrum(spectrum[:, :n_ready], first)
        magnitude = np.abs(spectrum)
        feature_maps = net.feature_maps(magnitude)
        for layer, maps in net.deconvolve_all(magnitude, list(chosen), chosen):
            if len(windows) > 1:
                maps = maps * weights
            if k > 0:
                maps[:, :, :overlap] += fading[layer]
            writer.write_maps(layer, maps[:, :, :n_ready], first)
            fading[layer] = maps[:, :, n_ready:].copy()
            own = feature_maps[layer - 1][chosen[layer]]
            stride = _stride(net, layer, magnitude.shape[1] / own.shape[2])
            centres = (np.arange(own.shape[2]) + 0.5) * stride - 0.5
            shares = np.interp(centres, np.arange(len(weights)), weights)
            activations[layer].add(own, net.fired(layer, own), shares)
    for layer, found in activations.items():
        writer.write_activations(layer, found.energy, found.peak, found.live)
