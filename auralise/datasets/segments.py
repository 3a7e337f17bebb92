"""Clips → the segments that the network sees, in one HDF5 file that is read row by row."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from auralise.audio import Stft, read_audio
from auralise.datasets.clips import SPLITS
from auralise.files import whole_file


def cut_segments(samples: np.ndarray, n_samples: int) -> np.ndarray:
    """Cut a clip into whole segments, one after the other.

    Parameters
    ----------
    samples : ndarray, shape (n_clip,)
    n_samples : int
        Length of a segment (samples).

    Returns
    -------
    ndarray, shape (n_segments, n_samples)
        What is left over at the end is dropped; a clip shorter than one segment is
        zero-padded to one.
    """
    if len(samples) < n_samples:
        samples = np.pad(samples, (0, n_samples - len(samples)))
    n_segments = len(samples) // n_samples
    return samples[: n_segments * n_samples].reshape(n_segments, n_samples)


def write_segments(path: str | Path, clips: pd.DataFrame, stft: Stft, duration: float) -> None:
    """Write the magnitudes of all segments of all clips that have a split.

    Parameters
    ----------
    path : str or Path
        Groups ``train``, ``validation`` and ``test`` with ``magnitude`` float32
        ``(n_segments, n_bins, n_frames)``, ``label`` and ``clip``, numbers into the root
        attribute ``classes`` and the group's ``clips``.
    clips : DataFrame
        With columns ``path``, ``clip``, ``genre`` and ``split``.
    stft : Stft
    duration : float
        Length of a segment (s).
    """
    classes = sorted(clips.loc[clips["split"] != "", "genre"].unique())
    n_samples = stft.n_samples(duration)
    shape = (stft.n_bins, stft.n_frames(n_samples))
    with whole_file(path) as partial, h5py.File(partial, "w") as file:
        file.attrs.update(classes=classes, sample_rate=stft.sample_rate, duration=duration)
        for split in SPLITS:
            members = clips[clips["split"] == split]
            group = file.create_group(split)
            magnitude = group.create_dataset(
                "magnitude", (0, *shape), "f4", maxshape=(None, *shape), chunks=(1, *shape)
            )
            labels, origins = [], []
            for number, clip in enumerate(
                tqdm(members.itertuples(), split, total=len(members), unit="clip")
            ):
                samples = read_audio(clip.path, stft.sample_rate)
                spectra = np.abs(stft.analyse(cut_segments(samples, n_samples)))
                magnitude.resize(len(magnitude) + len(spectra), axis=0)
                magnitude[-len(spectra) :] = spectra
                labels += [classes.index(clip.genre)] * len(spectra)
                origins += [number] * len(spectra)
            group["label"] = np.asarray(labels, dtype=np.int64)
            group["clip"] = np.asarray(origins, dtype=np.int64)
            group["clips"] = members["clip"].to_list()


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
        with h5py.File(path, "r") as file:
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

    def read(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Magnitudes of some segments, float32, shape ``(len(rows), n_bins, n_frames)``."""
        with h5py.File(self.path, "r") as file:
            magnitude = file[self.split]["magnitude"]
            return np.stack([magnitude[row] for row in rows])

    def __getitems__(self, rows: Sequence[int]) -> list[tuple[torch.Tensor, int]]:
        magnitudes = torch.from_numpy(self.read(rows))[:, None]
        return list(zip(magnitudes, self.labels[rows].tolist(), strict=True))

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        return self.__getitems__([row])[0]
