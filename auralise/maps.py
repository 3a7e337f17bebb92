"""The HDF5 file of one song's deconvolved maps."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from auralise.audio import Stft
from auralise.deconvnet import Deconvnet
from auralise.errors import MapsError
from auralise.files import whole_file
from auralise.provenance import versions

FORMAT = "auralise-maps/1"


def write_maps(
    path: str | Path,
    net: Deconvnet,
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
    layers = list(range(1, net.n_layers + 1) if layers is None else layers)
    chosen = {
        layer: [f for f in range(net.n_features[layer - 1]) if features is None or f in features]
        for layer in layers
    }
    spectrum = stft.analyse(samples)
    magnitude = np.abs(spectrum)
    feature_maps = net.feature_maps(magnitude)
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
            n_samples=len(samples),
        )
        frequency = _scale(file, "frequency", stft.frequencies, "Hz")
        time = _scale(file, "time", stft.times(magnitude.shape[1]), "s")
        _attach(file.create_dataset("stft", data=spectrum), frequency, time)
        for layer, maps in net.deconvolve_all(magnitude, layers, chosen):
            group = file.create_group(f"layer{layer}", track_order=True)
            feature = _scale(group, "feature", np.asarray(chosen[layer]), "")
            dataset = group.create_dataset(
                "deconvolved",
                data=maps,
                chunks=(1, *maps.shape[1:]),
                compression="gzip",
                compression_opts=1,
                shuffle=True,
                fletcher32=True,
            )
            _attach(dataset, feature, frequency, time)
            activations = feature_maps[layer - 1][chosen[layer]].astype(np.float64)
            energy = np.square(activations).sum(axis=(1, 2))
            peak = activations.max(axis=(1, 2))
            live = activations.any(axis=(1, 2))
            for name, values in {
                "activation_energy": energy.astype(np.float32),
                "activation_peak": peak.astype(np.float32),
                "live": live,
            }.items():
                _attach(group.create_dataset(name, data=values), feature)


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
    def spectrum(self) -> np.ndarray:
        """The song's STFT, complex64, shape (n_bins, n_frames)."""
        return self.file["stft"][:]

    def features(self, layer: int) -> np.ndarray:
        """Which features of `layer` the file holds, counted from 0."""
        return self._of(layer, "feature")[:]

    def live(self, layer: int) -> np.ndarray:
        """Which of them fired on this song, bool, shape (n_features,)."""
        return self._of(layer, "live")[:]

    def activation_energy(self, layer: int) -> np.ndarray:
        """Sum of the squared activations, float32, shape (n_features,)."""
        return self._of(layer, "activation_energy")[:]

    def deconvolved(self, layer: int, rows: slice = slice(None)) -> np.ndarray:
        """Maps, float32, shape (n_features, n_bins, n_frames).

        Raises
        ------
        MapsError
            The stored checksum does not fit the data.
        """
        try:
            return self._of(layer, "deconvolved")[rows]
        except OSError as error:
            raise MapsError(
                f"{self.file.filename}: the maps of layer {layer} are damaged ({error}); "
                "delete the file and run again"
            ) from None

    def _of(self, layer: int, name: str) -> h5py.Dataset:
        if layer not in self.layers:
            raise MapsError(f"{self.file.filename}: no layer {layer}, only {self.layers}")
        return self.file[f"layer{layer}/{name}"]


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
