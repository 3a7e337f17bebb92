"""One composer that plays any style."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from auralise.datasets.bands.notation import (
    BASS_LINES,
    FIGURES,
    FILLS,
    GROOVES,
    KITS,
    NATIVE_LEVEL_DB,
    PLAYED_LEVEL_DB,
    QUALITIES,
    RHYTHMS,
    ROMAN,
    SCALES,
    Accompaniment,
    Ensemble,
    Lead,
    Style,
)
from auralise.datasets.bands.styles import GENRES, STYLES
from auralise.errors import SettingsError
from auralise.instruments import DRUMS, PROGRAMS, Note, Part

# What a clip may borrow from a kindred genre, and how likely it borrows none, one or two of these.
ASPECTS = (
    ("tempo", "swing", "swung_steps", "grooves", "bass_lines"),
    ("harmonies",),
    ("ensembles", "drum_gain_db", "bass_gain_db"),
    ("rhythms", "rest", "leap", "grace"),
)
BORROWED = (0.84, 0.12, 0.04)

PHRASE = 4  # bars
STRENGTH = {"X": 1.0, "C": 1.0, "P": 1.0, "x": 0.84, "c": 0.78, "p": 0.72, "o": 0.45}


@dataclass(frozen=True)
class Chord:
    """A chord: pitch class of its root, and its tones in semitones above it."""

    root: int
    tones: tuple[int, ...]


@dataclass(frozen=True)
class ClipPlan:
    """What is decided about a clip before any note is written.

    Attributes
    ----------
    style : Style
        With what it borrowed.
    ensemble : Ensemble
    groove : Mapping of str to str
    metre : int
        Beats a bar.
    tempo : float
        Beats a minute.
    swing : float
    scale : tuple of int
        Semitones over the tonic.
    tonic : int
        Pitch class.
    progression : tuple of tuple of Chord
        The chords of each bar.
    velocity : int
    start : float
        Where in the piece the clip begins (s).
    """

    style: Style
    ensemble: Ensemble
    groove: Mapping[str, str]
    metre: int
    tempo: float
    swing: float
    scale: tuple[int, ...]
    tonic: int
    progression: tuple[tuple[Chord, ...], ...]
    velocity: int
    start: float

    @property
    def steps(self) -> int:
        """Sixteenths in a bar."""
        return 4 * self.metre

    @property
    def bar_seconds(self) -> float:
        return 60 * self.metre / self.tempo

    def time(self, bar: int, step: float) -> float:
        """Where a sixteenth of a bar falls in the clip (s), swing and rubato included."""
        unit = self.style.swung_steps
        within = step % unit / unit
        swung = (
            within * 2 * self.swing
            if within < 0.5
            else self.swing + (within - 0.5) * 2 * (1 - self.swing)
        )
        bars = bar + (step - step % unit + swung * unit) / self.steps
        bend = self.style.rubato * np.sin(np.pi * bars) / np.pi
        return float((bars + bend) * self.bar_seconds - self.start)

    def bars(self, duration: float) -> range:
        """The bars that sound in a clip of `duration` seconds, with one bar before it."""
        first = int(self.start // self.bar_seconds) - 1
        return range(first, int((self.start + duration) / self.bar_seconds) + 1)

    def chord(self, bar: int, step: int = 0) -> Chord:
        """The chord at a sixteenth of a bar; a step beyond the bar looks into the next."""
        chords = self.progression[(bar + step // self.steps) % len(self.progression)]
        return chords[step % self.steps * len(chords) // self.steps]


def plan_clip(genre: str, rng: np.random.Generator) -> ClipPlan:
    """Decide who plays what, in which key, metre and tempo.

    Parameters
    ----------
    genre : str
        One of `GENRES`.
    rng : numpy.random.Generator
        Decides everything that is left to chance.

    Raises
    ------
    SettingsError
        An unknown genre.
    """
    if genre not in STYLES:
        raise SettingsError(f"no genre {genre!r} in bands; expected one of {', '.join(GENRES)}")
    style = _borrow(STYLES[genre], rng)
    weights = np.array([ensemble.weight for ensemble in style.ensembles])
    ensemble = style.ensembles[rng.choice(len(weights), p=weights / weights.sum())]
    groove = GROOVES[_pick(style.grooves, rng)]
    metre = len(next(iter(groove.values())).split("|")[0]) // 4
    tempo = float(rng.uniform(*style.tempo))
    scales, numerals = style.harmonies[rng.integers(len(style.harmonies))]
    tonic = int(rng.integers(12))
    progression = parse_progression(numerals, tonic)
    cycle = len(progression) * metre * 60 / tempo
    return ClipPlan(
        style=style,
        ensemble=ensemble,
        groove=groove,
        metre=metre,
        tempo=tempo,
        swing=float(rng.uniform(*style.swing)),
        scale=SCALES[_pick(scales, rng)],
        tonic=tonic,
        progression=progression,
        velocity=int(rng.integers(*style.dynamics, endpoint=True)),
        start=float(rng.uniform(0, cycle)),
    )


def compose_clip(genre: str, rng: np.random.Generator, duration: float) -> list[Part]:
    """Compose an excerpt of a piece of the given genre.

    Parameters
    ----------
    genre : str
        One of `GENRES`.
    rng : numpy.random.Generator
        Decides everything that is left to chance.
    duration : float
        Length of the clip (s).

    Returns
    -------
    list of Part
        For `auralise.instruments.render`. Notes may begin before 0 and end after `duration`.

    Raises
    ------
    SettingsError
        An unknown genre.
    """
    plan = plan_clip(genre, rng)
    bars = plan.bars(duration)
    style, ensemble = plan.style, plan.ensemble
    parts = []
    if ensemble.kits:
        notes = _play_drums(plan, bars, rng)
        kit = KITS[_pick(ensemble.kits, rng)]
        parts.append(
            Part(kit, notes, is_drum=True, gain_db=float(rng.uniform(*style.drum_gain_db)))
        )
    if ensemble.bass:
        notes = _play_bass(plan, bars, BASS_LINES[_pick(style.bass_lines, rng)], rng)
        gain_db = rng.uniform(*style.bass_gain_db)
        parts.append(seat(_pick(ensemble.bass, rng), notes, gain_db, rng))
    for player in ensemble.players:
        notes = _play_chords(plan, bars, player, FIGURES[_pick(player.figures, rng)], rng)
        parts.append(seat(_pick(player.instruments, rng), notes, player.gain_db, rng))
    lead = ensemble.leads[rng.integers(len(ensemble.leads))]
    notes = play_lead(plan, bars, lead, rng)
    parts.append(seat(_pick(lead.instruments, rng), notes, lead.gain_db, rng))
    return [replace(part, notes=_cut(part.notes, duration)) for part in parts]


@cache
def parse_progression(numerals: str, tonic: int) -> tuple[tuple[Chord, ...], ...]:
    """Chords by bar of numerals such as ``I V,vi IV``, in the key of pitch class `tonic`."""
    return tuple(
        tuple(parse_chord(numeral, tonic) for numeral in bar.split(",")) for bar in numerals.split()
    )


def parse_chord(numeral: str, tonic: int) -> Chord:
    """A Roman numeral with its quality, such as ``bVII9``, as a chord; `tonic` 0 is C."""
    match = re.fullmatch(r"([b#]?)([iv]+|[IV]+)(.*)", numeral)
    if match is None or match[2].lower() not in ROMAN or match[3] not in QUALITIES:
        raise SettingsError(
            f"{numeral!r} is not a chord; expected a Roman numeral I to VII with one of "
            f"the qualities {', '.join(filter(None, QUALITIES))}"
        )
    accidental, roman, quality = match.groups()
    tones = QUALITIES[quality]
    if roman.islower():
        tones = tuple(3 if tone == 4 else tone for tone in tones)
    shift = {"b": -1, "": 0, "#": 1}[accidental]
    return Chord((tonic + ROMAN[roman.lower()] + shift) % 12, tones)


def _borrow(style: Style, rng: np.random.Generator) -> Style:
    """The style with none, one or two of its aspects taken from kindred genres."""
    n_borrowed = rng.choice(len(BORROWED), p=BORROWED)
    for aspect in rng.permutation(len(ASPECTS))[:n_borrowed]:
        lender = STYLES[_pick(style.kin, rng)]
        style = replace(style, **{name: getattr(lender, name) for name in ASPECTS[aspect]})
    return style


def _pick(names: str, rng: np.random.Generator) -> str:
    """One of several names separated by spaces."""
    choices = names.split()
    return choices[rng.integers(len(choices))]


def seat(instrument: str, notes: Sequence[Note], gain_db: float, rng: np.random.Generator) -> Part:
    """A part for an instrument, near `gain_db` however loud the instrument is by itself."""
    gain_db += PLAYED_LEVEL_DB - NATIVE_LEVEL_DB[instrument] + rng.uniform(-2, 2)
    return Part(PROGRAMS[instrument], notes, gain_db=float(gain_db))


def _cut(notes: Sequence[Note], duration: float) -> list[Note]:
    """The notes that sound within a clip."""
    return [note for note in notes if note.start < duration and note.start + note.duration > 0]


def _in_bar(figure: str, bar: int, steps: int) -> Iterator[tuple[int, str, int]]:
    """Every stroke (step, symbol, length in steps) of a figure in a bar of that many steps."""
    bars = figure.split("|")
    strokes = re.finditer(r"[^.\-]-*", bars[bar % len(bars)][:steps])
    return ((stroke.start(), stroke[0][0], len(stroke[0])) for stroke in strokes)


def _strike(
    plan: ClipPlan,
    bar: int,
    step: float,
    length: float,
    pitch: int,
    strength: float,
    rng: np.random.Generator,
    delay: float = 0.0,
) -> Note:
    """A note as a person plays it: some milliseconds off, beats a little stronger."""
    start = plan.time(bar, step)
    duration = max(0.04, plan.time(bar, step + length) - start)
    stress = 1.0 if step % 4 == 0 else 0.94
    velocity = round(plan.velocity * strength * stress + rng.normal(0, 4))
    return Note(
        start=start + delay + rng.normal(0, 0.004),
        duration=duration,
        pitch=int(pitch),
        velocity=min(max(velocity, 1), 127),
    )


def _play_drums(plan: ClipPlan, bars: range, rng: np.random.Generator) -> list[Note]:
    """The groove, with a fill at the end of most phrases and a crash after most fills."""
    notes = []
    filled = False
    for bar in bars:
        ends_phrase = bar % PHRASE == PHRASE - 1
        fill_from = plan.steps - 8 if ends_phrase and rng.random() < 0.6 else plan.steps
        strokes = [
            (drum, step, symbol)
            for drum, figure in plan.groove.items()
            for step, symbol, _ in _in_bar(figure, bar, plan.steps)
            if step < fill_from
        ]
        if fill_from < plan.steps:
            fill = FILLS[rng.integers(len(FILLS))]
            strokes += [
                (drum, fill_from + step, symbol)
                for drum, figure in fill.items()
                for step, symbol, _ in _in_bar(figure, 0, 8)
            ]
        if filled and rng.random() < 0.5:
            strokes.append(("crash", 0, "x"))
        filled = fill_from < plan.steps
        notes += [
            _strike(plan, bar, step, 1, DRUMS[drum], STRENGTH[symbol], rng)
            for drum, step, symbol in strokes
        ]
    return notes


def _play_bass(plan: ClipPlan, bars: range, line: str, rng: np.random.Generator) -> list[Note]:
    low = int(rng.integers(28, 34))
    hold = rng.uniform(0.7, 0.98)
    notes = []
    for bar in bars:
        for step, symbol, length in _in_bar(line, bar, plan.steps):
            chord = plan.chord(bar, step)
            root = low + (chord.root - low) % 12
            if symbol == "a":
                target = plan.chord(bar, step + length).root
                pitch = low + (target - low) % 12 + rng.choice((-1, 1))
            else:
                pitch = root + _degree(chord, symbol)
            notes.append(_strike(plan, bar, step, length * hold, pitch, 0.95, rng))
    return notes


def _degree(chord: Chord, symbol: str) -> int:
    """Semitones from a chord's root to the degree that a bass line names."""
    seventh = chord.tones[3] if len(chord.tones) > 3 else 10
    return {"R": 0, "3": chord.tones[1], "5": chord.tones[2], "6": 9, "7": seventh, "8": 12}[symbol]


def _play_chords(
    plan: ClipPlan, bars: range, player: Accompaniment, figure: str, rng: np.random.Generator
) -> list[Note]:
    low = player.low + int(rng.integers(-3, 4))
    notes = []
    for bar in bars:
        for step, symbol, length in _in_bar(figure, bar, plan.steps):
            hold = length * (0.5 if symbol == "p" else player.hold)
            pitches = _voice(plan.chord(bar, step), symbol, low)
            strength = STRENGTH.get(symbol, 0.88)
            notes += [
                _strike(plan, bar, step, hold, pitch, strength, rng, string * player.strum)
                for string, pitch in enumerate(pitches)
            ]
    return notes


def _voice(chord: Chord, symbol: str, low: int) -> list[int]:
    """Pitches that an accompaniment's symbol stands for, chords within an octave above `low`."""
    root = low + (chord.root - low) % 12
    if symbol in "Cc":
        return sorted(low + (chord.root + tone - low) % 12 for tone in chord.tones)
    if symbol in "Pp":
        return [root, root + 7, root + 12]
    if symbol == "Q":
        return [root, root + 9, root + 12]
    if symbol in "BF":
        return [root - 12 + (chord.tones[2] if symbol == "F" else 0)]
    octave, place = divmod(int(symbol) - 1, len(chord.tones))
    return [_voice(chord, "C", low)[place] + 12 * octave]


def play_lead(plan: ClipPlan, bars: range, lead: Lead, rng: np.random.Generator) -> list[Note]:
    """A melody: three motifs, a bar each, in the form a b a c, that walk along the scale."""
    motifs = []
    for _ in range(3):
        rhythm = RHYTHMS[_pick(plan.style.rhythms, rng)]
        moves = np.where(
            rng.random(16) < plan.style.leap,
            rng.choice((-4, -3, 3, 4), 16),
            rng.choice((-1, 0, 1, 1, -1), 16),
        )
        motifs.append((rhythm, moves))
    low = lead.low + int(rng.integers(-3, 4))
    ladder = [
        pitch
        for pitch in range(low, low + lead.span + 1)
        if (pitch - plan.tonic) % 12 in plan.scale
    ]
    place = len(ladder) // 2
    notes = []
    for bar in bars:
        rhythm, moves = motifs[(0, 1, 0, 2)[bar % PHRASE]]
        if rng.random() < plan.style.rest:
            continue
        for (step, _, length), move in zip(_in_bar(rhythm, bar, plan.steps), moves, strict=False):
            place = _reflect(place + move, len(ladder))
            if step % 8 == 0 or length >= 4:
                place = _nearest_tone(ladder, place, plan.chord(bar, step))
            hold = length * lead.hold
            if rng.random() < plan.style.grace:
                grace = _strike(plan, bar, step, 1, ladder[place] - 1, 0.8, rng, delay=-0.06)
                notes.append(replace(grace, duration=0.055))
            notes.append(_strike(plan, bar, step, hold, ladder[place], 1.0, rng))
            if lead.double:
                below = ladder[place - lead.double] if place >= lead.double else ladder[place] - 12
                notes.append(_strike(plan, bar, step, hold, below, 0.85, rng))
    return notes


def _reflect(place: int, n_places: int) -> int:
    """A position on a scale, reflected at the ends of the scale."""
    return int(np.clip(n_places - 1 - abs(n_places - 1 - abs(place)), 0, n_places - 1))


def _nearest_tone(ladder: Sequence[int], place: int, chord: Chord) -> int:
    """Where on the ladder the tone of a chord nearest to a place is; the place if there is none."""
    tones = {(chord.root + tone) % 12 for tone in chord.tones}
    places = [number for number, pitch in enumerate(ladder) if pitch % 12 in tones]
    return min(places, key=lambda number: abs(number - place), default=place)
