"""The clips on which names are chosen and examined, with the masks of all concepts, on disk."""

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from auralise.audio import write_audio
from auralise.dissection.concepts import CONCEPTS, Masked, mask_concepts
from auralise.dissection.pieces import Piece, compose_pieces
from auralise.dissection.stems import render_stems
from auralise.files import parse_json, whole_folder
from auralise.hdf5 import create_hdf5, open_hdf5
from auralise.progress import tracked
from auralise.stft import Stft

FILE = "concepts.h5"


@dataclass(frozen=True)
class Exam:
    """Clips and masks.

    Attributes
    ----------
    clips : tuple of str
    held_out : ndarray of bool, shape (n_clips,)
        Of the exam; names are chosen on the others.
    magnitudes : ndarray, float32, shape (n_clips, n_bins, n_frames)
    masks : ndarray of bool, shape (n_clips, n_concepts, n_bins, n_frames)
    present : ndarray of bool, shape (n_clips, n_concepts, n_frames)
        In which frames there is anything of a concept.
    concepts : tuple of str
    hop : float
        From one frame to the next (s).
    """

    clips: tuple[str, ...]
    held_out: np.ndarray
    magnitudes: np.ndarray
    masks: np.ndarray
    present: np.ndarray
    concepts: tuple[str, ...]
    hop: float

    @classmethod
    def read(cls, folder: str | Path) -> "Exam":
        """Read what `write_exam` wrote."""
        with open_hdf5(Path(folder) / FILE) as file:
            magnitudes = file["magnitude"][:]
            packed, n_frames = file["masks"][:], magnitudes.shape[2]
            return cls(
                tuple(parse_json(file.attrs["clips"])),
                file["held_out"][:],
                magnitudes,
                np.unpackbits(packed, axis=-1, count=n_frames).astype(bool),
                file["present"][:],
                tuple(parse_json(file.attrs["concepts"])),
                float(file.attrs["hop"]),
            )


def render_exam(
    n_clips: int, duration: float, stft: Stft, seed: int, n_processes: int = 1
) -> tuple[list[Masked], np.ndarray]:
    """Compose and play the clips, and find every concept in them.

    Parameters
    ----------
    n_clips : int
    duration : float
        Of a clip (s).
    stft : Stft
    seed : int
    n_processes : int
        Does not change the result.

    Returns
    -------
    clips : list of Masked
    held_out : ndarray of bool, shape (n_clips,)
    """
    pieces, held_out = compose_pieces(n_clips, duration, seed)
    find = partial(_play, stft)
    with ProcessPoolExecutor(n_processes) as pool:
        playing = tracked(pool.map(find, pieces), "render", n_clips, unit="clips")
        return list(playing), held_out


def _play(stft: Stft, piece: Piece) -> Masked:
    return mask_concepts(piece, render_stems(piece, stft.sample_rate), stft)


def exam_of(clips: list[Masked], held_out: np.ndarray, stft: Stft) -> Exam:
    """Clips and masks as arrays."""
    return Exam(
        tuple(clip.name for clip in clips),
        held_out,
        np.stack([clip.magnitude for clip in clips]),
        np.stack([clip.masks for clip in clips]),
        np.stack([clip.present for clip in clips]),
        CONCEPTS,
        stft.hop_length / stft.sample_rate,
    )


def write_exam(
    folder: str | Path, n_clips: int, duration: float, stft: Stft, seed: int, n_processes: int = 1
) -> None:
    """Write the clips to be heard, ``<clip>.flac``, and magnitudes and masks, ``concepts.h5``.

    Parameters
    ----------
    folder : str or Path
    n_clips, duration, stft, seed, n_processes
        As `render_exam` takes them.
    """
    clips, held_out = render_exam(n_clips, duration, stft, seed, n_processes)
    exam = exam_of(clips, held_out, stft)
    with whole_folder(folder) as partial_folder:
        for clip in clips:
            write_audio(partial_folder / f"{clip.name}.flac", clip.samples, stft.sample_rate)
        with create_hdf5(partial_folder / FILE) as file:
            file.attrs.update(
                clips=json.dumps(exam.clips), concepts=json.dumps(exam.concepts), hop=exam.hop
            )
            file["held_out"] = exam.held_out
            file["magnitude"] = exam.magnitudes
            file["present"] = exam.present
            packed = np.packbits(exam.masks, axis=-1)
            chunks = (1, *packed.shape[1:])
            file.create_dataset("masks", data=packed, chunks=chunks, compression="gzip")
