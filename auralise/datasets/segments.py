"""Clips → the segments that the network sees, in one HDF5 file, read row by row."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch

from auralise.audio import read_audio
from auralise.choices import EDGES
from auralise.datasets.clips import SPLITS
from auralise.excerpts import Excerpt
from auralise.files import fingerprint_of, resumed_file
from auralise.hdf5 import create_hdf5, open_hdf5
from auralise.progress import tracked
from auralise.provenance import code_version
from auralise.stft import Stft
from auralise.storage import require_space

NOTED_AT_A_TIME = 32  # clips between two notes of what is done


def segment_spectra(
    samples: np.ndarray, n_segments: int, n_samples: int, stft: Stft, edges: str
) -> np.ndarray:
    """Magnitudes of a clip's segments, float32, shape ``(n_segments, n_bins, n_frames)``.

    Segments of `n_samples` lie one after the other, the last one padded with zeros; what is left
    over at the end sounds around it and belongs to none. `edges` is as `Excerpt` takes it.
    """
    samples = np.pad(samples, (0, max(0, n_segments * n_samples - len(samples))))
    segments = (Excerpt(samples, k * n_samples, n_samples, edges) for k in range(n_segments))
    return np.abs([segment.spectrum(stft) for segment in segments])


def write_segments(
    path: str | Path,
    clips: pd.DataFrame,
    stft: Stft,
    duration: float,
    n_threads: int = 1,
    edges: str = EDGES[0],
) -> None:
    """Write the magnitudes of all segments of all clips that have a split.

    The rows of a clip have their place before any is written, so clips can be transformed side
    by side, and after an interruption only those are transformed that are not noted as done.

    Parameters
    ----------
    path : str or Path
        Groups ``train``, ``validation`` and ``test`` with ``magnitude`` float32
        ``(n_segments, n_bins, n_frames)``, ``label`` and ``clip``, numbers into the root
        attribute ``classes`` and the group's ``clips``.
    clips : DataFrame
        With columns ``path``, ``clip``, ``genre``, ``split``, ``seconds`` and ``sha256``.
    stft : Stft
    duration : float
        Length of a segment (s).
    n_threads : int
        Clips that are transformed at a time; does not change the result.
    edges : {'surroundings', 'reflect', 'zero'}
        As in `segment_spectra`.
    """
    clips = clips[clips["split"] != ""].reset_index(drop=True)
    n_segments = np.maximum(1, np.floor(clips["seconds"] / duration + 1e-6)).astype(int)
    n_samples = stft.n_samples(duration)
    facts = clips[["clip", "genre", "split", "seconds", "sha256"]].to_csv()
    fingerprint = fingerprint_of(code_version(__file__), facts, repr(stft), str(duration), edges)
    with resumed_file(path, fingerprint) as (partial, journal):
        if not partial.exists():
            n_bytes = 4 * int(n_segments.sum()) * stft.n_bins * stft.n_frames(n_samples)
            require_space(partial.parent, n_bytes, f"{len(clips)} clips")
            _lay_out(partial, clips, n_segments, stft, duration)
            journal.note()
        places = _places(partial, clips, n_segments)

        def write(row: int) -> None:
            samples = read_audio(clips["path"][row], stft.sample_rate)
            # Resampling may round the length down by a sample.
            spectra = segment_spectra(samples, n_segments[row], n_samples, stft, edges)
            os.pwrite(file.fileno(), spectra.tobytes(), places[row])

        waiting = [row for row in clips.index if clips["clip"][row] not in journal.done]
        with (
            partial.open("r+b") as file,
            ThreadPoolExecutor(n_threads) as pool,
            tracked(
                desc="transform clips",
                total=len(clips),
                initial=len(clips) - len(waiting),
                unit="clips",
            ) as progress,
        ):
            for rows in _batches(waiting):
                for _ in pool.map(write, rows):
                    progress.update()
                journal.note(clips["clip"][rows])


def _batches(rows: list[int]) -> Iterator[list[int]]:
    """Runs of rows; after each run the file is flushed to disk."""
    for start in range(0, len(rows), NOTED_AT_A_TIME):
        yield rows[start : start + NOTED_AT_A_TIME]


def _lay_out(
    path: Path, clips: pd.DataFrame, n_segments: pd.Series, stft: Stft, duration: float
) -> None:
    """Write everything but the magnitudes, for which space is reserved."""
    classes = sorted(clips["genre"].unique())
    shape = (stft.n_bins, stft.n_frames(stft.n_samples(duration)))
    space = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    space.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    space.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    with create_hdf5(path) as file:
        file.attrs.update(classes=classes, sample_rate=stft.sample_rate, duration=duration)
        for split in SPLITS:
            members = clips[clips["split"] == split]
            numbers = np.repeat(np.arange(len(members)), n_segments[members.index])
            labels = members["genre"].map(classes.index).to_numpy(np.int64)
            group = file.create_group(split)
            group.create_dataset("magnitude", (len(numbers), *shape), "f4", dcpl=space)
            group["label"] = labels[numbers]
            group["clip"] = numbers.astype(np.int64)
            group["clips"] = members["clip"].to_list()


def _places(path: Path, clips: pd.DataFrame, n_segments: pd.Series) -> np.ndarray:
    """Where in the file the rows of each clip begin (bytes)."""
    places = np.zeros(len(clips), np.int64)
    with open_hdf5(path) as file:
        for split in SPLITS:
            magnitude = file[split]["magnitude"]
            members = clips.index[clips["split"] == split]
            if len(members):
                before = np.cumsum(n_segments[members]) - n_segments[members]
                row_bytes = magnitude.dtype.itemsize * int(np.prod(magnitude.shape[1:]))
                places[members] = magnitude.id.get_offset() + before * row_bytes
    return places


@dataclass(frozen=True)
class Segments(torch.utils.data.Dataset):
    """One split of a file of segments, read row by row.

    Attributes
    ----------
    path : Path
    split : str
    classes : tuple of str
    labels : ndarray of int, shape (n_segments,)
    clips : ndarray of int, shape (n_segments,)
        Which clip a segment comes from.
    shape : (int, int)
        ``(n_bins, n_frames)``.
    """

    path: Path
    split: str
    classes: tuple[str, ...]
    labels: np.ndarray
    clips: np.ndarray
    shape: tuple[int, int]

    @classmethod
    def open(cls, path: str | Path, split: str) -> "Segments":
        with open_hdf5(path) as file:
            group = file[split]
            return cls(
                Path(path),
                split,
                tuple(file.attrs["classes"]),
                group["label"][:],
                group["clip"][:],
                group["magnitude"].shape[1:],
            )

    def __len__(self) -> int:
        return len(self.labels)

    def permuted(self, seed: int) -> "Segments":
        """The same segments with labels dealt again among the clips, once.

        All segments of a clip keep one label, and every class keeps its number of clips.

        Parameters
        ----------
        seed : int
            Each split is permuted in a way of its own.
        """
        clips, first, numbers = np.unique(self.clips, return_index=True, return_inverse=True)
        rng = np.random.default_rng([seed, *self.split.encode()])
        return replace(self, labels=self.labels[first][rng.permutation(len(clips))][numbers])

    def one_of_each(self, n_clips: int) -> np.ndarray:
        """Rows of the first segment of each of `n_clips` clips, drawn by lot, or of all clips."""
        _, first = np.unique(self.clips, return_index=True)
        return np.sort(np.random.default_rng(0).permutation(first)[:n_clips])

    def read(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Magnitudes of some segments, float32, shape ``(len(rows), n_bins, n_frames)``."""
        with open_hdf5(self.path) as file:
            magnitude = file[self.split]["magnitude"]
            return np.stack([magnitude[row] for row in rows])

    def __getitems__(self, rows: Sequence[int]) -> list[tuple[torch.Tensor, int]]:
        magnitudes = torch.from_numpy(self.read(rows))[:, None]
        return list(zip(magnitudes, self.labels[rows].tolist(), strict=True))
