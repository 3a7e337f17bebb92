"""The HDF5 file of one song's deconvolved maps."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from auralise.audio import Stft
from auralise.errors import MapsError, NetworkError
from auralise.files import whole_file
from auralise.provenance import versions

if TYPE_CHECKING:
    # Whoever reads maps needs no network, and no torch.
    from auralise.deconvnet.deconvnet import Deconvnet

FORMAT = "auralise-maps/1"


def write_maps(
    path: str | Path,
    net: "Deconvnet",
    samples: np.ndarray,
    stft: Stft,
    layers: Iterable[int] | None = None,
    features: Iterable[int] | None = None,
    *,
    song: str,
    network: str,
    weights_sha256: str,
    config: Mapping,
) -> None:
    """Deconvolve every feature of a song and write the maps, layer by layer.

    Parameters
    ----------
    path : str or Path
        Appears only when it is whole.
    net : Deconvnet
    samples : ndarray, shape (n_samples,)
        The song at ``stft.sample_rate``.
    stft : Stft
    layers : iterable of int, optional
        Counted from 1; all by default.
    features : iterable of int, optional
        Counted from 0; all by default. Numbers that a layer does not reach are left out.
    song, network, weights_sha256 : str
    config : mapping
        The settings that shaped the maps, kept as JSON.
    """
    chosen = choose_features(net, layers, features)
    spectrum = stft.analyse(samples)
    magnitude = np.abs(spectrum)
    feature_maps = net.feature_maps(magnitude)
    with create_maps(
        path,
        stft,
        len(samples),
        chosen,
        song=song,
        network=network,
        weights_sha256=weights_sha256,
        config=config,
        mask_scale=net.mask_scale(stft.n_bins),
    ) as writer:
        writer.write_spectrum(spectrum)
        for layer, maps in net.deconvolve_all(magnitude, list(chosen), chosen):
            writer.write_maps(layer, maps)
            activations = feature_maps[layer - 1][chosen[layer]].astype(np.float64)
            writer.write_activations(
                layer,
                energy=np.square(activations).sum(axis=(1, 2)),
                peak=activations.max(axis=(1, 2)),
                live=net.fired(layer, activations),
            )


def choose_features(
    net: "Deconvnet", layers: Iterable[int] | None = None, features: Iterable[int] | None = None
) -> dict[int, list[int]]:
    """Features of each layer, from layers and features as `write_maps` takes them.

    Raises
    ------
    NetworkError
        The network has no such layer, or a layer none of the features.
    """
    layers = list(range(1, net.n_layers + 1) if layers is None else layers)
    wanted = None if features is None else set(features)
    chosen = {}
    for layer in layers:
        if not 1 <= layer <= net.n_layers:
            raise NetworkError(f"no layer {layer}; the network has layers 1 to {net.n_layers}")
        n = net.n_features[layer - 1]
        chosen[layer] = [feature for feature in range(n) if wanted is None or feature in wanted]
        if not chosen[layer]:
            raise NetworkError(
                f"none of the features asked for is in layer {layer}, which has 0 to {n - 1}"
            )
    return chosen


@dataclass(frozen=True)
class MapsWriter:
    """A file of maps in the making: all frames at once, or some after the others.

    Attributes
    ----------
    file : h5py.File
    """

    file: h5py.File

    def write_spectrum(self, spectrum: np.ndarray, first: int = 0) -> None:
        """Write the song's STFT, complex64, shape (n_bins, n_frames), from frame `first` on."""
        self.file["stft"][:, first : first + spectrum.shape[1]] = spectrum

    def write_maps(self, layer: int, maps: np.ndarray, first: int = 0) -> None:
        """Write maps, float32, shape (n_features, n_bins, n_frames), from frame `first` on.

        Whole chunks are written once; parts of one would be read and checked again each time.
        """
        self.file[f"layer{layer}/deconvolved"][:, :, first : first + maps.shape[2]] = maps

    def write_activations(
        self, layer: int, energy: np.ndarray, peak: np.ndarray, live: np.ndarray
    ) -> None:
        """Write what a layer's feature maps came to over the song, each of shape (n_features,).

        Parameters
        ----------
        layer : int
        energy : ndarray
            Sum of the squared activations.
        peak : ndarray
            Largest activation.
        live : ndarray of bool
            Whether the feature fired at all.
        """
        group = self.file[f"layer{layer}"]
        for name, values in {
            "activation_energy": energy.astype(np.float32),
            "activation_peak": peak.astype(np.float32),
            "live": live,
        }.items():
            _attach(group.create_dataset(name, data=values), group["feature"])


@contextmanager
def create_maps(
    path: str | Path,
    stft: Stft,
    n_samples: int,
    chosen: Mapping[int, Sequence[int]],
    frames_at_once: int | None = None,
    *,
    song: str,
    network: str,
    weights_sha256: str,
    config: Mapping,
    mask_scale: np.ndarray | None = None,
) -> Iterator[MapsWriter]:
    """A new file of maps, to be filled while the context is open.

    Parameters
    ----------
    path : str or Path
        Appears only when the context closes without an error.
    stft : Stft
    n_samples : int
        Length of the song (samples).
    chosen : mapping of int to sequence of int
        Features of each layer.
    frames_at_once : int, optional
        Frames in a chunk; those of the whole song by default.
    song, network, weights_sha256, config
        As `write_maps`.
    mask_scale : ndarray, shape (n_bins,), optional
        What a map is multiplied with before it multiplies the STFT; 1 by default, for a network
        that hears the magnitude itself.

    Yields
    ------
    MapsWriter
    """
    n_frames = stft.n_frames(n_samples)
    frames_at_once = min(frames_at_once or n_frames, n_frames)
    with whole_file(path) as partial, h5py.File(partial, "w", track_order=True) as file:
        file.attrs.update(
            format=FORMAT,
            song=song,
            network=network,
            weights_sha256=weights_sha256,
            config=json.dumps(config, sort_keys=True),
            versions=json.dumps(versions(), sort_keys=True),
            sample_rate=stft.sample_rate,
            n_fft=stft.n_fft,
            hop_length=stft.hop_length,
            n_samples=n_samples,
        )
        frequency = _scale(file, "frequency", stft.frequencies, "Hz")
        time = _scale(file, "time", stft.times(n_frames), "s")
        scale = np.ones(stft.n_bins) if mask_scale is None else mask_scale
        _attach(file.create_dataset("mask_scale", data=scale.astype(np.float32)), frequency)
        size = (stft.n_bins, n_frames)
        spectrum = file.create_dataset(
            "stft",
            size,
            np.complex64,
            chunks=None if frames_at_once == n_frames else (stft.n_bins, frames_at_once),
        )
        _attach(spectrum, frequency, time)
        for layer, features in chosen.items():
            group = file.create_group(f"layer{layer}", track_order=True)
            feature = _scale(group, "feature", np.asarray(features, dtype=np.int64), "")
            # Not compressed: gzip would spare two fifths of the disk and cost as much time as
            # the deconvolution itself (benchmarks/writing.md); h5repack can do it afterwards.
            dataset = group.create_dataset(
                "deconvolved",
                (len(features), *size),
                np.float32,
                chunks=(1, stft.n_bins, frames_at_once),
                fletcher32=True,
            )
            _attach(dataset, feature, frequency, time)
        yield MapsWriter(file)


def _scale(group: h5py.Group, name: str, values: np.ndarray, units: str) -> h5py.Dataset:
    scale = group.create_dataset(name, data=values)
    if units:
        scale.attrs["units"] = units
    scale.make_scale(name)
    return scale


def _attach(dataset: h5py.Dataset, *scales: h5py.Dataset) -> None:
    for dimension, scale in zip(dataset.dims, scales, strict=True):
        dimension.attach_scale(scale)


@dataclass(frozen=True)
class Maps:
    """An open file of maps.

    Attributes
    ----------
    file : h5py.File
    stft : Stft
    layers : list of int
    """

    file: h5py.File
    stft: Stft
    layers: list[int]

    @property
    def n_samples(self) -> int:
        """Length of the song (samples)."""
        return int(self.file.attrs["n_samples"])

    @property
    def config(self) -> dict:
        return json.loads(self.file.attrs["config"])

    @property
    def n_frames(self) -> int:
        """Length of the song (frames)."""
        return self.file["stft"].shape[1]

    @property
    def frames_at_once(self) -> int:
        """Frames that are stored together; `n_frames` for a song explained in one piece."""
        chunks = self.file["stft"].chunks
        return self.n_frames if chunks is None else chunks[1]

    @property
    def spectrum(self) -> np.ndarray:
        """The song's STFT, complex64, shape (n_bins, n_frames)."""
        return self.spectrum_of(slice(None))

    def spectrum_of(self, frames: slice) -> np.ndarray:
        """Some frames of the song's STFT, complex64, shape (n_bins, n_frames)."""
        return self.file["stft"][:, frames]

    def features(self, layer: int) -> np.ndarray:
        """Which features of `layer` the file holds, counted from 0."""
        return self._of(layer, "feature")[:]

    def live(self, layer: int) -> np.ndarray:
        """Which of them fired on this song, bool, shape (n_features,)."""
        return self._of(layer, "live")[:]

    def activation_energy(self, layer: int) -> np.ndarray:
        """Sum of the squared activations, float32, shape (n_features,)."""
        return self._of(layer, "activation_energy")[:]

    def deconvolved(
        self, layer: int, rows: slice = slice(None), frames: slice = slice(None)
    ) -> np.ndarray:
        """Maps, float32, shape (n_features, n_bins, n_frames); some of them, or of their frames.

        Raises
        ------
        MapsError
            The stored checksum does not fit the data.
        """
        try:
            return self._of(layer, "deconvolved")[rows, :, frames]
        except OSError as error:
            raise MapsError(
                f"{self.file.filename}: the maps of layer {layer} are damaged ({error}); "
                "delete the file and run again"
            ) from None

    @property
    def mask_scale(self) -> np.ndarray:
        """What a map is multiplied with before it multiplies the STFT, shape ``(n_bins,)``.

        1 where the network hears the magnitude itself, 0 where its front end hears nothing.
        """
        if "mask_scale" not in self.file:  # written when every network heard the magnitude
            return np.ones(self.stft.n_bins, np.float32)
        return self.file["mask_scale"][:]

    def masks(
        self, layer: int, rows: slice = slice(None), frames: slice = slice(None)
    ) -> np.ndarray:
        """Maps as `deconvolved`, times `mask_scale`: what multiplies the song's STFT."""
        return scale_maps(self.deconvolved(layer, rows, frames), self.mask_scale)

    def _of(self, layer: int, name: str) -> h5py.Dataset:
        if layer not in self.layers:
            raise MapsError(f"{self.file.filename}: no layer {layer}, only {self.layers}")
        return self.file[f"layer{layer}/{name}"]


def scale_maps(maps: np.ndarray, mask_scale: np.ndarray) -> np.ndarray:
    """Maps ``(n_features, n_bins, n_frames)`` times ``(n_bins,)``; `maps` where all are 1."""
    return maps if (mask_scale == 1).all() else maps * mask_scale[:, None]


@contextmanager
def open_maps(path: str | Path) -> Iterator[Maps]:
    """Open a file that `write_maps` wrote.

    Raises
    ------
    MapsError
        The file is missing, not HDF5, or of another format.
    """
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise MapsError(f"{path}: not a readable HDF5 file ({error})") from None
    with file:
        found = file.attrs.get("format")
        if found != FORMAT:
            raise MapsError(f"{path}: format is {found!r}, expected {FORMAT!r}")
        stft = Stft(*(int(file.attrs[key]) for key in ("sample_rate", "n_fft", "hop_length")))
        names = (name.removeprefix("layer") for name in file if name.startswith("layer"))
        yield Maps(file, stft, sorted(int(name) for name in names))
