"""Voices: an embedded data set for singing voice detection, in the layout of `jamendo`.

Bands as in `auralise.datasets.bands`, in which a singer, played by one of the soundfont's choirs
and voices, and the solo instrument take turns. No words and no consonants: what is learned here is
the timbre of those programs, not that of people.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from auralise.audio import write_audio
from auralise.datasets.bands.composer import compose_clip, plan_clip, play_lead, seat
from auralise.datasets.bands.notation import Lead
from auralise.datasets.bands.rendering import LEVEL_DB, SAMPLE_RATE
from auralise.datasets.bands.styles import GENRES
from auralise.datasets.jamendo import LISTS, Passage, write_passages
from auralise.files import write_text
from auralise.instruments import PROGRAMS, Note, Part, normalise_level, render
from auralise.progress import tracked

SINGERS = ("choir", "voice", "synth_voice", "voice_lead")
SINGING = Lead(" ".join(SINGERS), low=60, span=16, hold=1.0, gain_db=6.0)
# Shortest and longest turn (s) of the singer, who also rests, and of the solo instrument.
TURNS = {True: (2.5, 6.0), False: (1.5, 3.5)}
BREATH = 0.4  # longest gap between notes that still counts as sung (s)
# Level of the noise below that of the music (dB): rendered rests are silent as no recording is.
NOISE_DB = (45.0, 60.0)
FRACTIONS = (0.6, 0.2, 0.2)  # of the songs, for training, validation and test


def compose_song(index: int, seed: int, duration: float) -> tuple[list[Part], list[Passage]]:
    """A band with a singer, and when she sings.

    `index` chooses the genre of the band, each in its turn. The passages (s) are sung and unsung
    in turns, from 0 to the duration.
    """
    genre = GENRES[index % len(GENRES)]
    # The composer draws its plan first, so that the same seed gives the band's own plan.
    plan = plan_clip(genre, np.random.default_rng([seed, index]))
    *band, solo = compose_clip(genre, np.random.default_rng([seed, index]), duration)
    rng = np.random.default_rng([seed, index, 1])
    turns = _take_turns(rng, duration)
    singer = SINGERS[rng.integers(len(SINGERS))]
    sung = _within(play_lead(plan, plan.bars(duration), SINGING, rng), turns[True])
    voice = seat(singer, sung, SINGING.gain_db, rng)
    programs = {PROGRAMS[name] for name in SINGERS}
    if solo.program in programs:
        solo = replace(solo, program=PROGRAMS["violin"])
    solo = replace(solo, notes=_within(solo.notes, turns[False]))
    band = [part for part in band if part.is_drum or part.program not in programs]
    return [*band, solo, voice], find_passages(sung, duration)


def _take_turns(rng: np.random.Generator, duration: float) -> dict[bool, list[tuple[float, float]]]:
    """Times (start, end) of the singer (True) and of the solo instrument (False)."""
    turns: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    start, sings = -rng.uniform(0, 1.5), bool(rng.integers(2))
    while start < duration:
        end = start + rng.uniform(*TURNS[sings])
        turns[sings].append((start, end))
        start, sings = end, not sings
    return turns


def _within(notes: Sequence[Note], turns: Iterable[tuple[float, float]]) -> list[Note]:
    """The notes that begin in one of the turns, ended with it."""
    return [
        replace(note, duration=min(note.duration, end - note.start))
        for start, end in turns
        for note in notes
        if start <= note.start < end
    ]


def find_passages(notes: Sequence[Note], duration: float) -> list[Passage]:
    """Where notes sound and where none does (s), in turns; gaps up to `BREATH` count as sung."""
    sung: list[list[float]] = []
    for start, end in sorted((note.start, note.start + note.duration) for note in notes):
        start, end = max(start, 0.0), min(end, duration)
        if end <= start:
            continue
        if sung and start - sung[-1][1] <= BREATH:
            sung[-1][1] = max(sung[-1][1], end)
        else:
            sung.append([start, end])
    passages: list[Passage] = []
    now = 0.0
    for start, end in sung:
        if start > now:
            passages.append((now, start, False))
        passages.append((start, end, True))
        now = end
    if now < duration:
        passages.append((now, duration, False))
    return passages


def write_songs(
    folder: str | Path, n_songs: int, duration: float, seed: int, n_processes: int = 1
) -> None:
    """Render the data set into ``audio/``, ``labels/`` and ``filelists/``.

    At least one song for each split; the duration of each is in seconds. The number of processes
    does not change the result.
    """
    folder = Path(folder)
    with ProcessPoolExecutor(n_processes) as pool:
        write = partial(_write_song, folder, seed, duration)
        names = list(tracked(pool.map(write, range(n_songs)), "render", n_songs, unit="songs"))
    order = np.random.default_rng(seed).permutation(n_songs)
    stops = np.round(np.cumsum(FRACTIONS)[:2] * n_songs).astype(int)
    for name, members in zip(LISTS.values(), np.split(order, stops), strict=True):
        listed = "".join(f"{names[number]}\n" for number in sorted(members))
        write_text(folder / "filelists" / name, listed)


def _write_song(folder: Path, seed: int, duration: float, index: int) -> str:
    parts, passages = compose_song(index, seed, duration)
    rng = np.random.default_rng([seed, index, 2])
    level_db = rng.uniform(*LEVEL_DB)
    samples = normalise_level(render(parts, duration, SAMPLE_RATE), level_db)
    noise_level = 10 ** ((level_db - rng.uniform(*NOISE_DB)) / 20)
    samples = samples + noise_level * rng.standard_normal(len(samples), dtype=np.float32)
    name = f"voices.{index:05d}"
    write_audio(folder / "audio" / f"{name}.flac", samples, SAMPLE_RATE)
    write_passages(folder / "labels" / f"{name}.lab", passages)
    return f"{name}.flac"
