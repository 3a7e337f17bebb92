"""The clips of `bands` as files."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from tqdm import tqdm

from auralise.audio import write_audio
from auralise.datasets.bands import GENRES, render_clip

SAMPLE_RATE = 22050  # Hz, as GTZAN


def write_clips(
    folder: str | Path, clips_per_genre: int, duration: float, seed: int, n_processes: int = 1
) -> None:
    """Render the data set ``<genre>/<genre>.NNNNN.flac`` at 22,050 Hz.

    Parameters
    ----------
    folder : str or Path
    clips_per_genre : int
    duration : float
        Of a clip (s).
    seed : int
    n_processes : int
        Does not change the result.
    """
    names = [(genre, index) for genre in GENRES for index in range(clips_per_genre)]
    write = partial(_write_clip, Path(folder), seed, duration)
    with ProcessPoolExecutor(n_processes) as pool:
        for _ in tqdm(pool.map(write, names, chunksize=4), "render", len(names), unit="clip"):
            pass


def _write_clip(folder: Path, seed: int, duration: float, name: tuple[str, int]) -> None:
    genre, index = name
    samples = render_clip(genre, index, seed, duration, SAMPLE_RATE)
    write_audio(folder / genre / f"{genre}.{index:05d}.flac", samples, SAMPLE_RATE)
