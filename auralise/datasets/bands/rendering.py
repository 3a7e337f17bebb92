"""The clips of `bands`: composed, played, written."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from auralise.audio import write_audio
from auralise.datasets.bands.composer import compose_clip
from auralise.datasets.bands.styles import GENRES
from auralise.errors import SettingsError
from auralise.instruments import normalise_level, render
from auralise.progress import tracked

SAMPLE_RATE = 22050  # Hz, as GTZAN

# RMS of a clip (dB re full scale): one range for all genres, low enough that none would clip.
LEVEL_DB = (-36.0, -24.0)


def render_clip(genre: str, index: int, seed: int, duration: float, sample_rate: int) -> np.ndarray:
    """Compose and play one clip of the data set: float32, never above full scale.

    The clip depends on the arguments alone, not on how many others are made, or when. `index`
    counts the clips of a genre from 0, `seed` is that of the data set, the duration is in seconds.
    """
    if genre not in GENRES:
        raise SettingsError(f"no genre {genre!r} in bands; expected one of {', '.join(GENRES)}")
    rng = np.random.default_rng([seed, GENRES.index(genre), index])
    level_db = rng.uniform(*LEVEL_DB)
    return normalise_level(
        render(compose_clip(genre, rng, duration), duration, sample_rate), level_db
    )


def write_clips(
    folder: str | Path, clips_per_genre: int, duration: float, seed: int, n_processes: int = 1
) -> None:
    """Render the data set ``<genre>/<genre>.NNNNN.flac`` at 22,050 Hz.

    The duration of a clip is in seconds. The number of processes does not change the result.
    """
    names = [(genre, index) for genre in GENRES for index in range(clips_per_genre)]
    write = partial(_write_clip, Path(folder), seed, duration)
    with ProcessPoolExecutor(n_processes) as pool:
        for _ in tracked(pool.map(write, names, chunksize=4), "render", len(names), unit="clips"):
            pass


def _write_clip(folder: Path, seed: int, duration: float, name: tuple[str, int]) -> None:
    genre, index = name
    samples = render_clip(genre, index, seed, duration, SAMPLE_RATE)
    write_audio(folder / genre / f"{genre}.{index:05d}.flac", samples, SAMPLE_RATE)
