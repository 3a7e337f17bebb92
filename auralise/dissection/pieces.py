"""What is played to the features: bands clips of no data set, and studies of a few sounds each.

A piece knows its notes, who plays them, and its chords. In the studies onsets are sparse, and low
notes come from others than the bass: in the clips of `bands` everything sounds at once, and what
always sounds together cannot be told apart. Songs are none: the notes of the demonstration songs
are known, but not the sound of each stem, since the soundfont that played them is not here.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np

from auralise.datasets.bands.composer import Chord, ClipPlan, compose_clip, plan_clip, seat
from auralise.datasets.bands.rendering import LEVEL_DB
from auralise.datasets.bands.styles import GENRES
from auralise.instruments import DRUMS, Note, Part

ROLES = ("drums", "bass", "chords", "melody")
FIRST_INDEX = 1_000_000  # of clips within their genre: far beyond any data set's

# What plays in a study: drums, roles, or "low", accompaniment in the bass's register.
STUDIES: tuple[tuple[str, ...], ...] = (
    ("low",),
    ("kick",),
    ("melody",),
    ("bass",),
    ("kick",),
    ("chords",),
    ("snare",),
    ("low", "kick"),
    ("kick",),
    ("voices",),
    ("low", "melody"),
    ("cymbals",),
    ("bass", "kick"),
    ("kick",),
    ("chords", "kick"),
    ("voices", "bass"),
    ("kick",),
    ("melody", "kick"),
    ("low", "voices"),
    ("chords", "cymbals"),
)
DRUMS_OF = {
    "kick": ("kick",),
    "snare": ("snare", "electric_snare", "side_stick"),
    "cymbals": ("closed_hat", "open_hat", "ride", "crash"),
}
KITS = (0, 16, 16, 24, 25)
PLAYERS = {
    "low": "piano cello contrabass trombone bassoon drawbar_organ slow_strings synth_strings",
    "chords": "piano strings nylon_guitar rock_organ brass saw_lead drawbar_organ vibraphone",
    "melody": "flute violin clarinet trumpet saxophone square_lead vibraphone accordion",
    "bass": "finger_bass acoustic_bass pick_bass fretless_bass synth_bass",
    "voices": "voice choir synth_voice",
}
LOWEST = {"low": 29, "chords": 55, "melody": 65, "bass": 28, "voices": 57}
CHORDS = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 10))
SPACING = 0.55  # s from one onset of a study to the next, at least


@dataclass(frozen=True)
class Piece:
    """A clip as notes, before it becomes sound.

    Attributes
    ----------
    name : str
    parts : tuple of (str, Part)
        Each with its role, one of `ROLES`.
    chords : tuple of (float, Chord)
        When each chord begins (s), in order; empty where there are none.
    level_db : float
        RMS of the clip (dB re full scale).
    duration : float
        In seconds.
    """

    name: str
    parts: tuple[tuple[str, Part], ...]
    chords: tuple[tuple[float, Chord], ...]
    level_db: float
    duration: float


def compose_pieces(n_pieces: int, duration: float, seed: int) -> tuple[list[Piece], np.ndarray]:
    """Compose clips of genres and studies by turns, and say which are held out for the exam.

    Half of the clips and half of the studies are held out. Features get their names on the others.
    """
    pieces, held_out = [], []
    for number in range(n_pieces):
        k, is_study = divmod(number, 2)
        kinds = STUDIES if is_study else GENRES
        turn, kind = divmod(k, len(kinds))
        if is_study:
            pieces.append(compose_study(k, seed, duration))
        else:
            pieces.append(bands_piece(GENRES[kind], FIRST_INDEX + turn, seed, duration))
        held_out.append((kind + turn) % 2 == 1)
    return pieces, np.array(held_out)


def bands_piece(genre: str, index: int, seed: int, duration: float) -> Piece:
    """The notes of the clip that `auralise.datasets.bands.rendering.render_clip` plays.

    Parameters
    ----------
    genre, index, seed, duration
        As `render_clip` takes them.
    """
    rng = np.random.default_rng([seed, GENRES.index(genre), index])
    level_db = rng.uniform(*LEVEL_DB)
    plan = plan_clip(genre, deepcopy(rng))
    parts = compose_clip(genre, rng, duration)
    roles = ["drums"] * bool(plan.ensemble.kits) + ["bass"] * bool(plan.ensemble.bass)
    roles += ["chords"] * len(plan.ensemble.players) + ["melody"]
    chords = tuple(_chords_of(plan, duration))
    name = f"{genre}.{index}"
    return Piece(name, tuple(zip(roles, parts, strict=True)), chords, level_db, duration)


def _chords_of(plan: ClipPlan, duration: float) -> Iterator[tuple[float, Chord]]:
    """Every change of chord of a plan (s)."""
    last = None
    for bar in plan.bars(duration):
        for step in range(plan.steps):
            chord = plan.chord(bar, step)
            if chord != last:
                yield plan.time(bar, step), chord
                last = chord


def compose_study(number: int, seed: int, duration: float) -> Piece:
    """A few sounds with silence between, of the kinds that `STUDIES` lists; `number` says which.

    Onsets are at least `SPACING` apart, so that the frames within 50 ms of one are less than a
    fifth of all.
    """
    kinds = STUDIES[number % len(STUDIES)]
    rng = np.random.default_rng([seed, len(GENRES), number])
    level_db = rng.uniform(*LEVEL_DB)
    chord = Chord(int(rng.integers(12)), CHORDS[rng.integers(len(CHORDS))])
    times = _times(duration, rng)
    parts = []
    kit = [kind for kind in kinds if kind in DRUMS_OF]
    if kit:
        strokes = [_stroke(DRUMS_OF[kind], time, rng) for kind in kit for time in times]
        parts.append(("drums", Part(int(rng.choice(KITS)), strokes, is_drum=True, gain_db=4.0)))
    for kind in kinds:
        if kind not in DRUMS_OF:
            players = PLAYERS[kind].split()
            instrument = players[int(rng.integers(len(players)))]
            notes = list(_held(kind, times, duration, chord, rng))
            role = {"low": "chords", "voices": "melody"}.get(kind, kind)
            parts.append((role, seat(instrument, notes, 0.0, rng)))
    has_chords = "chords" in kinds
    name = f"study.{number:05d}"
    return Piece(name, tuple(parts), ((0.0, chord),) if has_chords else (), level_db, duration)


def _times(duration: float, rng: np.random.Generator) -> list[float]:
    """Onsets of a study (s): at least `SPACING` apart, after a silence."""
    times = [float(rng.uniform(0.1, 0.9) * min(1, duration / 4))]
    while (following := times[-1] + SPACING * rng.uniform(1, 1.6)) < duration - 0.1:
        times.append(following)
    return times


def _stroke(drums: Sequence[str], time: float, rng: np.random.Generator) -> Note:
    return Note(time, 0.2, DRUMS[drums[int(rng.integers(len(drums)))]], int(rng.integers(70, 120)))


def _held(
    kind: str, times: Sequence[float], duration: float, chord: Chord, rng: np.random.Generator
) -> Iterator[Note]:
    """A note or chord at each time, short or nearly up to the next."""
    for time, following in zip(times, [*times[1:], duration + 1], strict=True):
        length = 0.25 if rng.random() < 0.3 else (following - time) * rng.uniform(0.6, 0.95)
        velocity = int(rng.integers(60, 110))
        low = LOWEST[kind]
        if kind == "chords":
            pitches = [low + (chord.root + tone - low) % 12 for tone in chord.tones]
        else:
            pitches = [low + int(rng.integers(14))]
        for pitch in pitches:
            yield Note(time, length, pitch, velocity)
