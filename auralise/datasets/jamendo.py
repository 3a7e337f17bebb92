"""Songs with sung and unsung passages, in the layout of the Jamendo set of Ramona 2008.

``audio/<song>.<suffix>``, ``labels/<song>.lab`` with lines ``start end sing|nosing`` (seconds), and
``filelists/train``, ``valid`` and ``test`` with one file name of ``audio/`` a line.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from auralise.audio import read_audio
from auralise.errors import SettingsError, counted
from auralise.files import whole_file, write_text
from auralise.hdf5 import create_hdf5, open_hdf5
from auralise.mel import STFT, LogMel, analyse_as_published
from auralise.progress import tracked
from auralise.songs import read_lines

LISTS = {"train": "train", "validation": "valid", "test": "test"}
SUNG = {"sing": True, "nosing": False}
CLASSES = ("nosing", "sing")
LAYOUT = "audio/, labels/<song>.lab and filelists/train, valid and test"

CHUNK = 64  # frames that are read at a time from a file of spectra

# From when to when something is sung, or not (s).
Passage = tuple[float, float, bool]


def find_songs_with_labels(folder: str | Path) -> pd.DataFrame:
    """The songs of a folder in the layout above.

    Returns
    -------
    DataFrame
        Columns ``clip``, ``path``, ``labels`` (the .lab file) and ``split`` ('train',
        'validation' or 'test'), in the order of the lists.

    Raises
    ------
    SettingsError
        A folder, list or file is missing, a list is empty, or a song stands in two lists.
    """
    folder = Path(folder)
    rows = []
    for split, name in LISTS.items():
        path = folder / "filelists" / name
        if not path.is_file():
            raise SettingsError(f"inversion.data.path: {path} is missing; expected {LAYOUT}")
        listed = [line.strip() for line in read_lines(path) if line.strip()]
        if not listed:
            raise SettingsError(f"{path}: lists no song; expected a file name of audio/ a line")
        for entry in listed:
            audio = folder / "audio" / entry
            labels = folder / "labels" / f"{Path(entry).stem}.lab"
            for needed in (audio, labels):
                if not needed.is_file():
                    raise SettingsError(f"{path}: lists {entry}, but {needed} is missing")
            rows.append((audio.stem, str(audio), str(labels), split))
    songs = pd.DataFrame(rows, columns=["clip", "path", "labels", "split"])
    twice = songs[songs["clip"].duplicated(keep=False)]
    if len(twice):
        raise SettingsError(
            f"{folder / 'filelists'}: '{twice['clip'].iloc[0]}' stands in {len(twice)} lines; "
            "a song belongs to one split"
        )
    return songs


def find_test_songs(folder: str | Path) -> list[Path]:
    """Sound files of the songs in the list ``test``, in its order."""
    songs = find_songs_with_labels(folder)
    return [Path(path) for path in songs.loc[songs["split"] == "test", "path"]]


def read_passages(path: str | Path) -> list[Passage]:
    """Sung and unsung passages from a ``.lab`` file.

    Raises
    ------
    SettingsError
        Names the line that is not ``start end sing`` or ``start end nosing``.
    """
    passages = []
    for number, line in enumerate(read_lines(Path(path)), start=1):
        if not line.strip():
            continue
        try:
            start, end, word = line.split()
            passages.append((float(start), float(end), SUNG[word]))
            if not 0 <= float(start) < float(end):
                raise ValueError
        except (ValueError, KeyError):
            raise SettingsError(
                f"{path}, line {number}: {line.strip()!r}; expected 'start end sing' or "
                "'start end nosing', in seconds, start before end"
            ) from None
    return passages


def write_passages(path: str | Path, passages: Iterable[Passage]) -> None:
    """Write a ``.lab`` file."""
    lines = (f"{start:.3f} {end:.3f} {CLASSES[sung]}\n" for start, end, sung in passages)
    write_text(path, "".join(lines))


def label_frames(passages: Iterable[Passage], times: np.ndarray) -> np.ndarray:
    """Whether something is sung at each time (s), bool, of the shape of `times`.

    A passage holds its start and not its end; what no passage holds is not sung.
    """
    sung = np.zeros(len(times), dtype=bool)
    for start, end, is_sung in passages:
        first, stop = np.searchsorted(times, (start, end))
        sung[first:stop] = is_sung
    return sung


def write_spectra(path: str | Path, songs: pd.DataFrame) -> None:
    """Write magnitude and labels of every song.

    Parameters
    ----------
    path : str or Path
        HDF5: a group per split, in it one per song with ``magnitude`` float32
        ``(n_bins, n_frames)`` and ``sung`` bool ``(n_frames,)``.
    songs : DataFrame
        As `find_songs_with_labels` returns it.
    """
    with whole_file(path) as partial, create_hdf5(partial) as file:
        for song in tracked(songs.itertuples(), "spectra", len(songs), unit="songs"):
            magnitude = np.abs(analyse_as_published(read_audio(song.path, STFT.sample_rate)))
            group = file.require_group(song.split).create_group(song.clip)
            chunks = (len(magnitude), min(CHUNK, magnitude.shape[1]))
            group.create_dataset("magnitude", data=magnitude, chunks=chunks)
            times = STFT.times(magnitude.shape[1])
            group["sung"] = label_frames(read_passages(song.labels), times)


@dataclass(frozen=True)
class Spectra(torch.utils.data.Dataset):
    """All excerpts of one length from one split of a file of spectra, read one by one.

    A row is ``(magnitude, sung)``: float32 ``(n_bins, n_frames)``, and whether the frame in the
    middle is sung.

    Attributes
    ----------
    path : Path
    split : str
    n_frames : int
        Of an excerpt.
    hop : int
        Frames from one excerpt to the next.
    songs : tuple of str
    sung : tuple of ndarray of bool
        Of every frame of each song.
    firsts : tuple of ndarray of int
        The first frame of each song's excerpts.
    """

    path: Path
    split: str
    n_frames: int
    hop: int
    songs: tuple[str, ...]
    sung: tuple[np.ndarray, ...]
    firsts: tuple[np.ndarray, ...]

    @classmethod
    def open(cls, path: str | Path, split: str, n_frames: int, hop: int = 1) -> "Spectra":
        with open_hdf5(path) as file:
            songs = tuple(file[split])
            sung = tuple(file[split][song]["sung"][:] for song in songs)
        firsts = tuple(np.arange(0, len(labels) - n_frames + 1, hop) for labels in sung)
        if not sum(map(len, firsts)):
            raise SettingsError(
                f"{path}: no song of its {split} part has {counted(n_frames, 'frame')}; use "
                "longer songs"
            )
        return cls(Path(path), split, n_frames, hop, songs, sung, firsts)

    def __len__(self) -> int:
        return sum(map(len, self.firsts))

    def locate(self, rows: Sequence[int] | np.ndarray) -> list[tuple[int, int]]:
        """Which song (counted from 0) and which first frame each excerpt has."""
        stops = np.cumsum([len(firsts) for firsts in self.firsts])
        found = np.searchsorted(stops, rows, side="right")
        return [
            (int(song), int(self.firsts[song][row - (stops[song] - len(self.firsts[song]))]))
            for song, row in zip(found, rows, strict=True)
        ]

    def labels(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Whether the middle of some excerpts is sung, bool, shape ``(len(rows),)``."""
        middle = self.n_frames // 2
        return np.array([self.sung[song][first + middle] for song, first in self.locate(rows)])

    def read(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Magnitudes of some excerpts, float32, shape ``(len(rows), n_bins, n_frames)``."""
        with open_hdf5(self.path) as file:
            songs = file[self.split]
            return np.stack(
                [
                    songs[self.songs[song]]["magnitude"][:, first : first + self.n_frames]
                    for song, first in self.locate(rows)
                ]
            )

    def song(self, name: str) -> np.ndarray:
        """Magnitude of a whole song, float32, shape ``(n_bins, n_frames)``."""
        with open_hdf5(self.path) as file:
            return file[self.split][name]["magnitude"][:]

    def __getitems__(self, rows: Sequence[int]) -> list[tuple[torch.Tensor, float]]:
        labels = self.labels(rows).astype(np.float32).tolist()
        return list(zip(torch.from_numpy(self.read(rows)), labels, strict=True))


def measure_bands(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each log-mel band over the frames of the training set.

    Parameters
    ----------
    path : str or Path
        As `write_spectra` writes it.

    Returns
    -------
    mean, std : ndarray, float64, shape (n_bands,)
    """
    front_end, count = LogMel(), 0
    total = squares = np.zeros(len(front_end.filterbank))
    with open_hdf5(path) as file:
        for song in file["train"].values():
            bands = front_end(torch.from_numpy(song["magnitude"][:])).double().numpy()
            total, squares = total + bands.sum(1), squares + np.square(bands).sum(1)
            count += bands.shape[1]
    mean = total / count
    # A band that never changes says nothing; 1 keeps it at zero.
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return mean, np.where(std > 0, std, 1.0)


def write_excerpts(
    path: str | Path, spectra: str | Path, front_end: LogMel, n_frames: int, hop: int
) -> None:
    """Write normalised log-mel excerpts in the layout of `auralise.datasets.segments`.

    Parameters
    ----------
    path : str or Path
        HDF5: ``magnitude`` holds the excerpts, float32 ``(n, n_bands, n_frames)``; ``label`` is 1
        where the middle frame is sung.
    spectra : str or Path
        As `write_spectra` writes it.
    front_end : LogMel
    n_frames, hop : int
        Frames of an excerpt, and from one to the next.
    """
    with whole_file(path) as partial, create_hdf5(partial) as file:
        file.attrs["classes"] = CLASSES
        for split in LISTS:
            source = Spectra.open(spectra, split, n_frames, hop)
            group = file.create_group(split)
            rows = np.arange(len(source))
            shape = (len(front_end.filterbank), n_frames)
            excerpts = group.create_dataset(
                "magnitude", (len(rows), *shape), "f4", chunks=(1, *shape)
            )
            numbers = np.array([song for song, _ in source.locate(rows)])
            for number, song in enumerate(tracked(source.songs, split, unit="songs")):
                picture = front_end(torch.from_numpy(source.song(song))).numpy()
                cuts = [picture[:, first : first + n_frames] for first in source.firsts[number]]
                if cuts:
                    excerpts[np.flatnonzero(numbers == number)] = np.stack(cuts)
            group["label"] = source.labels(rows).astype(np.int64)
            group["clip"] = numbers
            group["clips"] = list(source.songs)
