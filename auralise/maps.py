"""The HDF5 file of one song's deconvolved maps."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from auralise.errors import MapsError
from auralise.files import parse_json, whole_file
from auralise.hdf5 import DAMAGE
from auralise.provenance import versions
from auralise.stft import Stft
from auralise.storage import PatientFile, patient_file, require_space

FORMAT = "auralise-maps/1"

SHOWN = 30.0  # s of a song, at most, on a page or a picture


@dataclass(frozen=True)
class Origin:
    """What a song's maps were made from.

    Attributes
    ----------
    song, network : str
        Their names.
    weights_sha256 : str
        Of the file of the network's weights.
    config : mapping
        The settings that shaped the maps; JSON can hold it.
    assumptions : tuple of str
        What the maps rest on beside network and method, in words.
    song_sha256 : str
        Of the song's file; empty where it is no file.
    """

    song: str
    network: str
    weights_sha256: str
    config: Mapping[str, Any]
    assumptions: tuple[str, ...] = ()
    song_sha256: str = ""


@dataclass(frozen=True)
class MapsWriter:
    """A file of maps that is being written, all frames at once or part by part.

    Attributes
    ----------
    file : h5py.File
    target : PatientFile
        What `file` is written to; a failed write is raised at once.
    """

    file: h5py.File
    target: PatientFile

    def write_spectrum(self, spectrum: np.ndarray, first: int = 0) -> None:
        """Write the song's STFT, complex64, shape (n_bins, n_frames), from frame `first` on."""
        self.file["stft"][:, first : first + spectrum.shape[1]] = spectrum
        self.target.raise_failure()

    def write_surroundings(self, spectrum: np.ndarray, where: str) -> None:
        """Write the frames analysed before or after the song, shape (n_bins, any); none: nothing.

        Parameters
        ----------
        spectrum : ndarray, complex64
        where : {'before', 'after'}
        """
        if spectrum.shape[1]:
            self.file[f"surroundings/{where}"] = spectrum

    def write_path(self, layer: int, path: str) -> None:
        """Write the path of a layer's module in the network."""
        self.file[f"layer{layer}"].attrs["path"] = path

    def write_maps(self, layer: int, maps: np.ndarray, first: int = 0) -> None:
        """Write maps, float32, shape (n_features, n_bins, n_frames), from frame `first` on.

        Whole chunks are written once; parts of one would be read and checked again each time.
        """
        self.file[f"layer{layer}/deconvolved"][:, :, first : first + maps.shape[2]] = maps
        self.target.raise_failure()

    def write_activations(
        self,
        layer: int,
        energy: np.ndarray,
        peak: np.ndarray,
        live: np.ndarray,
        responds: np.ndarray,
        silence: np.ndarray,
    ) -> None:
        """Write what is known of the activations of a layer's features, shape (n_features,).

        Activations are what an activation function lets through; what a batch norm adds behind
        it is taken off.

        Parameters
        ----------
        layer : int
        energy : ndarray
            Sum of the squared activations.
        peak : ndarray
            Largest activation.
        live : ndarray of bool
            Whether the feature fired at all.
        responds : ndarray of bool
            Whether it fired, and more than silence and quiet noise make it fire.
        silence : ndarray
            Largest activation on digital silence.
        """
        group = self.file[f"layer{layer}"]
        for name, values in {
            "activation_energy": energy.astype(np.float32),
            "activation_peak": peak.astype(np.float32),
            "live": live,
            "responds": responds,
            "silence_peak": silence.astype(np.float32),
        }.items():
            _attach(group.create_dataset(name, data=values), group["feature"])


@contextmanager
def create_maps(
    path: str | Path,
    stft: Stft,
    n_samples: int,
    features: Mapping[int, Sequence[int]],
    origin: Origin,
    mask_scale: np.ndarray,
    frames_at_once: int | None = None,
    compression: Sequence[Mapping] | None = (),
) -> Iterator[MapsWriter]:
    """A new file of maps, to be filled while the context is open.

    Parameters
    ----------
    path : str or Path
        Appears only when the context closes without an error.
    stft : Stft
    n_samples : int
        Length of the song (samples).
    features : mapping of int to sequence of int
        Features of each layer.
    origin : Origin
    mask_scale : ndarray, shape (n_bins,)
        What a map is multiplied with before it multiplies the STFT: 1 where the network hears the
        magnitude itself.
    frames_at_once : int, optional
        Frames in a chunk; those of the whole song by default.
    compression : sequence of mapping, or None
        Steps of the front end that compress each bin's magnitude by itself; None where there are
        others as well (bands, a normalisation), behind which no map stands for a magnitude.
    """
    n_frames = stft.n_frames(n_samples)
    frames_at_once = min(frames_at_once or n_frames, n_frames)
    n_maps = sum(map(len, features.values()))
    n_bytes = 4 * n_frames * stft.n_bins * (n_maps + 2)
    with (
        whole_file(path) as partial,
        patient_file(partial) as target,
        h5py.File(target, "w", track_order=True) as file,
    ):
        require_space(partial.parent, n_bytes, f"{n_maps} maps of {origin.song}")
        file.attrs.update(
            format=FORMAT,
            song=origin.song,
            network=origin.network,
            weights_sha256=origin.weights_sha256,
            song_sha256=origin.song_sha256,
            config=json.dumps(origin.config, sort_keys=True),
            assumptions=json.dumps(origin.assumptions, ensure_ascii=False),
            versions=json.dumps(versions(), sort_keys=True),
            sample_rate=stft.sample_rate,
            n_fft=stft.n_fft,
            hop_length=stft.hop_length,
            n_samples=n_samples,
            compression=json.dumps(None if compression is None else list(compression)),
        )
        frequency = _scale(file, "frequency", stft.frequencies, "Hz")
        time = _scale(file, "time", stft.times(n_frames), "s")
        _attach(file.create_dataset("mask_scale", data=mask_scale.astype(np.float32)), frequency)
        size = (stft.n_bins, n_frames)
        spectrum = file.create_dataset(
            "stft",
            size,
            np.complex64,
            chunks=None if frames_at_once == n_frames else (stft.n_bins, frames_at_once),
        )
        _attach(spectrum, frequency, time)
        for layer, chosen in features.items():
            group = file.create_group(f"layer{layer}", track_order=True)
            feature = _scale(group, "feature", np.asarray(chosen, dtype=np.int64), "")
            # Not compressed: gzip would spare two fifths of the disk and cost as much time as
            # the deconvolution itself (benchmarks/writing.md); h5repack can do it afterwards.
            dataset = group.create_dataset(
                "deconvolved",
                (len(chosen), *size),
                np.float32,
                chunks=(1, stft.n_bins, frames_at_once),
                fletcher32=True,
            )
            _attach(dataset, feature, frequency, time)
        yield MapsWriter(file, target)


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
    part : tuple of int, optional
        The first frame that is looked at and the one after the last; what is said of activations is
        of the whole song all the same.
    """

    file: h5py.File
    stft: Stft
    layers: list[int]
    part: tuple[int, int] | None = None

    def shown(self) -> "Maps":
        """The part that a page and pictures have room for: the loudest `SHOWN` seconds."""
        n_frames = self.stft.n_frames(self.stft.n_samples(SHOWN))
        if n_frames >= self.n_frames:
            return self
        first = self.loudest(n_frames)
        return replace(self, part=(first, first + n_frames))

    def loudest(self, n_frames: int) -> int:
        """The first frame of the loudest stretch of `n_frames` frames."""
        at_once = max(self.frames_at_once, 1)
        energies = np.concatenate(
            [
                np.square(np.abs(self.spectrum_of(slice(start, start + at_once)))).sum(axis=0)
                for start in range(0, self.n_frames, at_once)
            ]
        )
        return int(np.convolve(energies, np.ones(n_frames), "valid").argmax())

    @property
    def start(self) -> float:
        """Where in the song the frames begin (s)."""
        return self._first * self.stft.hop_length / self.stft.sample_rate

    @property
    def n_samples(self) -> int:
        """Length of the song, or of the frames that are looked at (samples)."""
        with self._naming_damage("n_samples"):
            n_samples = int(self.file.attrs["n_samples"])
        return n_samples if self.part is None else (self.n_frames - 1) * self.stft.hop_length

    @property
    def origin(self) -> Origin:
        """What the maps were made from."""
        with self._naming_damage("origin"):
            facts = self.file.attrs
            return Origin(
                facts["song"],
                facts["network"],
                facts["weights_sha256"],
                parse_json(facts["config"]),
                tuple(parse_json(facts.get("assumptions", "[]"))),  # older files have none
                facts.get("song_sha256", ""),
            )

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the libraries that made the maps."""
        with self._naming_damage("versions"):
            return parse_json(self.file.attrs["versions"])

    @property
    def n_frames(self) -> int:
        """Length of the song, or of the frames that are looked at (frames)."""
        if self.part is not None:
            return self.part[1] - self.part[0]
        with self._naming_damage("stft"):
            return self.file["stft"].shape[1]

    @property
    def frames_at_once(self) -> int:
        """Frames that are stored together; `n_frames` for a song explained in one piece."""
        with self._naming_damage("stft"):
            chunks = self.file["stft"].chunks
        return self.n_frames if chunks is None else min(chunks[1], self.n_frames)

    @property
    def spectrum(self) -> np.ndarray:
        """The song's STFT, complex64, shape (n_bins, n_frames)."""
        return self.spectrum_of(slice(None))

    @property
    def surrounded_spectrum(self) -> tuple[np.ndarray, slice]:
        """The STFT that was analysed, and which of its frames are the song's.

        Returns
        -------
        spectrum : ndarray, complex64, shape (n_bins, any)
        frames : slice
        """
        none = np.zeros((self.stft.n_bins, 0), np.complex64)
        with self._naming_damage("surroundings"):
            around = self.file.get("surroundings", {})
            before, after = (
                around[where][:] if where in around else none for where in ("before", "after")
            )
        spectrum = np.concatenate([before, self.spectrum, after], axis=1)
        return spectrum, slice(before.shape[1], spectrum.shape[1] - after.shape[1])

    def spectrum_of(self, frames: slice) -> np.ndarray:
        """Some frames of the song's STFT, complex64, shape (n_bins, n_frames)."""
        return self._read("stft", slice(None), self._in_song(frames))

    def features(self, layer: int) -> np.ndarray:
        """Which features of `layer` the file holds, counted from 0."""
        return self._of(layer, "feature")

    def live(self, layer: int) -> np.ndarray:
        """Which of the layer's features fired on this song, bool, shape (n_features,)."""
        return self._of(layer, "live")

    def activation_energy(self, layer: int) -> np.ndarray:
        """Sum of the squared activations, float32, shape (n_features,)."""
        return self._of(layer, "activation_energy")

    def activation_peak(self, layer: int) -> np.ndarray:
        """Largest activation, float32, shape (n_features,)."""
        return self._of(layer, "activation_peak")

    def responds(self, layer: int) -> np.ndarray:
        """Which of the features fired more than on silence and noise, bool, shape (n_features,)."""
        return self._of(layer, "responds")

    def silence_peak(self, layer: int) -> np.ndarray:
        """Largest activation on digital silence, float32, shape (n_features,)."""
        return self._of(layer, "silence_peak")

    def deconvolved(
        self, layer: int, rows: slice = slice(None), frames: slice = slice(None)
    ) -> np.ndarray:
        """Maps, float32, shape (n_features, n_bins, n_frames); some of them, or of their frames.

        Raises
        ------
        MapsError
            The stored checksum does not fit the data.
        """
        return self._of(layer, "deconvolved", rows, slice(None), self._in_song(frames))

    @property
    def compression(self) -> list[dict] | None:
        """Steps of the compression that the network hears; None if it cannot be undone."""
        with self._naming_damage("compression"):
            return parse_json(self.file.attrs.get("compression", "null"))

    @property
    def mask_scale(self) -> np.ndarray:
        """What a map is multiplied with before it multiplies the STFT, shape ``(n_bins,)``.

        1 where the network hears the magnitude itself, 0 where its front end hears nothing.
        """
        with self._naming_damage("mask_scale"):
            is_old = "mask_scale" not in self.file
        if is_old:  # written when every network heard the magnitude
            return np.ones(self.stft.n_bins, np.float32)
        return self._read("mask_scale")

    def masks(
        self, layer: int, rows: slice = slice(None), frames: slice = slice(None)
    ) -> np.ndarray:
        """Maps as `deconvolved`, times `mask_scale`: what multiplies the song's STFT."""
        return scale_maps(self.deconvolved(layer, rows, frames), self.mask_scale)

    def _in_song(self, frames: slice) -> slice:
        """Frames of those that are looked at, as frames of the song."""
        first, stop, _ = frames.indices(self.n_frames)
        return slice(self._first + first, self._first + stop)

    @property
    def _first(self) -> int:
        return 0 if self.part is None else self.part[0]

    def masks_one_by_one(self, layer: int) -> Iterator[np.ndarray]:
        """As `masks`, feature by feature, shape (n_bins, n_frames)."""
        for row in range(len(self.features(layer))):
            yield self.masks(layer, slice(row, row + 1))[0]

    def _of(self, layer: int, name: str, *where: slice) -> np.ndarray:
        if layer not in self.layers:
            raise MapsError(f"{self.file.filename}: no layer {layer}, only {self.layers}")
        with self._naming_damage(f"layer{layer}"):
            is_there = name in self.file[f"layer{layer}"]
        if not is_there:
            raise MapsError(
                f"{self.file.filename}: says nothing of '{name}', it was written by an earlier "
                "version; explain the song again"
            )
        return self._read(f"layer{layer}/{name}", *where)

    def _read(self, name: str, *where: slice) -> np.ndarray:
        with self._naming_damage(name):
            return self.file[name][where or slice(None)]

    @contextmanager
    def _naming_damage(self, name: str) -> Iterator[None]:
        try:
            yield
        except DAMAGE as error:
            raise _damaged(self.file.filename, f"'{name}' is damaged", error) from None


def scale_maps(maps: np.ndarray, mask_scale: np.ndarray) -> np.ndarray:
    """Maps ``(n_features, n_bins, n_frames)`` times ``(n_bins,)``; `maps` where all are 1."""
    return maps if (mask_scale == 1).all() else maps * mask_scale[:, None]


@contextmanager
def open_maps(path: str | Path) -> Iterator[Maps]:
    """Open a file that `create_maps` made.

    Raises
    ------
    MapsError
        The file is missing, not HDF5, or of another format.

    Examples
    --------
    >>> import tempfile
    >>> stft, origin = Stft(), Origin("a song", "a network", "", {})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "song.h5")
    ...     with create_maps(path, stft, 11025, {1: range(4)}, origin, np.ones(257)) as writer:
    ...         writer.write_maps(1, np.ones((4, 257, 44), np.float32))
    ...     with open_maps(path) as maps:
    ...         maps.layers, maps.deconvolved(1, slice(0, 2)).shape  # features, bins, frames
    ([1], (2, 257, 44))
    """
    try:
        # Nobody writes a file that has its final name: locks, which some file systems lack, are
        # not needed.
        file = h5py.File(path, "r", locking=False)
    except OSError as error:
        raise MapsError(f"{path}: not a readable HDF5 file ({error})") from None
    with file:
        try:
            found = file.attrs.get("format")
            if found != FORMAT:
                raise MapsError(f"{path}: format is {found!r}, expected {FORMAT!r}")
            stft = Stft(*(int(file.attrs[key]) for key in ("sample_rate", "n_fft", "hop_length")))
            names = (name.removeprefix("layer") for name in file if name.startswith("layer"))
            maps = Maps(file, stft, sorted(int(name) for name in names))
        except DAMAGE as error:
            raise _damaged(path, "the file is damaged", error) from None
        yield maps


def _damaged(path: object, what: str, error: Exception) -> MapsError:
    return MapsError(
        f"{path}: {what} ({str(error)[:120]}); delete it and run again, and it is made again"
    )
