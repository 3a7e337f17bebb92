"""Model signals: one chord progression per key, instrument and chord type, and drum patterns.

The keys, instruments, chord types and voicings are those of the recordings published with
Choi 2016. Those files hold two chord types of six voicings each; a signal here holds one type,
its six voicings played twice. The drum patterns have the published names. How those were played
is not documented, so the beats are our own.

Published, all signals have the same onsets, and whatever a feature makes of an onset is alike in
all of them. By default each signal has onsets of its own: the same chords in the same order, for
randomly longer and shorter times; and a drum pattern begins somewhere within its bar.

A signal is described by its attributes. What can vary stands in `FACTORS`, and nowhere else: the
settings, their checks and config/README.md follow it. A further factor is an entry there and its
rendering in `render_signal`.
"""

import itertools
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from auralise.audio import write_audio
from auralise.errors import SettingsError
from auralise.files import write_table
from auralise.instruments import DRUMS, PROGRAMS, Note, Part, normalise_level, render
from auralise.progress import tracked

# Every job checks the settings, and with them `FACTORS`: pandas and scipy are imported late.
if TYPE_CHECKING:
    import pandas as pd

# MIDI numbers of the sounding roots: Bb3 233 Hz, Eb3 156 Hz, A4 440 Hz, G5 784 Hz. The names
# are the published ones, in which middle C is C3.
KEYS = {"Bb2": 58, "Eb2": 51, "A3": 69, "G4": 79}

INSTRUMENTS = ("sine", "piano", "acoustic_guitar", "electric_guitar", "saxophone", "strings")

# Semitones above the root.
_TRIADS = {"major": (0, 4, 7), "minor": (0, 3, 7), "sus4": (0, 5, 7)}
_SEVENTHS = {
    "dominant7": (0, 4, 7, 10),
    "major7": (0, 4, 7, 11),
    "minor7": (0, 3, 7, 10),
    "diminished7": (0, 3, 6, 9),
}

# One bar in sixteenths; X is a strong stroke, x a weak one.
PATTERNS = {
    "4beat": {
        "closed_hat": "x...x...x...x...",
        "kick": "X.......X.......",
        "snare": "....X.......X...",
    },
    "8beat": {
        "closed_hat": "x.x.x.x.x.x.x.x.",
        "kick": "X.......X.X.....",
        "snare": "....X.......X...",
    },
    "16beat": {
        "closed_hat": "xxxxxxxxxxxxxxxx",
        "kick": "X..X..X...X..X..",
        "snare": "....X..x.x..X...",
    },
    "fills": {
        "crash": "X...............",
        "kick": "X...X...X...X...",
        "snare": "XxXx............",
        "high_tom": "....XxXx........",
        "mid_tom": "........XxXx....",
        "low_tom": "............XxXx",
    },
}
VELOCITIES = {"X": 100, "x": 70}

OWN, COMMON = "own", "common"  # onsets

N_SLOTS = 12
TEMPO = 3.0  # slots per second: twelve in four seconds
SLOTS_PER_BEAT = 1.5  # 120 beats a minute at that tempo
FADE = 0.01  # s, of a sine's ends
SHORTEST, LONGEST = 0.5, 1.5  # of a chord with its own onset, in slots
SEED_OF_REVERBERATION = 0


def _voicings() -> dict[str, tuple[tuple[int, ...], ...]]:
    """Semitones above the root of each slot's notes, by chord type."""
    octave = 12
    voicings: dict[str, tuple[tuple[int, ...], ...]] = {
        "intervals": tuple((0, step) for step in range(1, N_SLOTS + 1))
    }
    for name, (r, third, fifth) in _TRIADS.items():
        r1, third1, fifth1, r2 = r + octave, third + octave, fifth + octave, r + 2 * octave
        triad_voicings = (
            (r, third, fifth),
            (third, fifth, r1),
            (fifth, r1, third1),
            (r, fifth, third1),
            (third, r1, fifth1),
            (r, fifth, r1, third1, fifth1, r2),
        )
        voicings[name] = triad_voicings * 2
    for name, (r, third, fifth, seventh) in _SEVENTHS.items():
        r1, third1, fifth1 = r + octave, third + octave, fifth + octave
        last = (
            (r, seventh, third1, fifth1)
            if name == "diminished7"
            else (fifth, r1, third1, seventh + octave)
        )
        seventh_voicings = (
            (r, third, fifth, seventh),
            (third, fifth, seventh, r1),
            (fifth, seventh, r1, third1),
            (seventh, r1, third1, fifth1),
            (r, fifth, seventh, third1),
            last,
        )
        voicings[name] = seventh_voicings * 2
    return voicings


CHORDS = _voicings()

HARMONIC, PERCUSSIVE = "harmonic", "percussive"
ALL = (HARMONIC, PERCUSSIVE)


@dataclass(frozen=True)
class Factor:
    """Something in which model signals differ.

    Attributes
    ----------
    setting : str
        Its name among the settings `attributes`, a list of levels.
    attribute : str
        Its column in the table of signals.
    level : dict
        What a level may be, as a JSON schema.
    default : tuple
        Levels.
    meaning : str
        For config/README.md.
    kinds : tuple of {'harmonic', 'percussive'}
        Signals that have it.
    label : str
        A level within a signal's name.
    is_named_always : bool
        Whether the level is in the name even where it is the only one.
    """

    setting: str
    attribute: str
    level: dict
    default: tuple
    meaning: str
    kinds: tuple[str, ...]
    label: str = "{}"
    is_named_always: bool = False

    @property
    def schema(self) -> dict:
        """The setting as a JSON schema."""
        rule = {"type": "array", "items": self.level, "uniqueItems": True}
        rule |= {"minItems": 1} if self.default else {}
        return rule | {"description": self.meaning, "default": list(self.default)}


# In the order of the columns, and of the levels in a signal's name.
FACTORS = (
    Factor(
        "keys",
        "key",
        {"enum": list(KEYS)},
        ("Bb2", "A3"),
        "names of 2016; they sound an octave higher",
        (HARMONIC,),
        is_named_always=True,
    ),
    Factor(
        "instruments",
        "instrument",
        {"enum": list(INSTRUMENTS)},
        ("piano", "saxophone", "strings"),
        "a sine is synthesised, the others are played by the soundfont",
        (HARMONIC,),
        is_named_always=True,
    ),
    Factor(
        "chords",
        "chord",
        {"enum": list(CHORDS)},
        ("major", "minor", "dominant7", "diminished7"),
        "types of chord, each in six voicings; `intervals` are the twelve above the root",
        (HARMONIC,),
        is_named_always=True,
    ),
    Factor(
        "register",
        "register",
        {"type": "integer", "minimum": -2, "maximum": 2},
        (0,),
        "octaves by which the harmonic signals are shifted",
        (HARMONIC,),
        "{:+g}oct",
    ),
    Factor(
        "drums",
        "pattern",
        {"enum": list(PATTERNS)},
        (),
        "patterns that are signals of their own; their attribute is called `pattern`",
        (PERCUSSIVE,),
        is_named_always=True,
    ),
    Factor(
        "loudness",
        "loudness",
        {"type": "number", "minimum": -80, "maximum": 0},
        (-20,),
        "RMS levels (dB re full scale); less where a peak would clip",
        ALL,
        "{:g}dB",
    ),
    Factor(
        "tempo",
        "tempo",
        {"type": "number", "minimum": 0.25, "maximum": 20},
        (3,),
        "slots (chords) per second; drums play 40 beats a minute for each",
        ALL,
        "{:g}slots",
    ),
    Factor(
        "reverberation",
        "reverberation",
        {"type": "number", "minimum": 0, "maximum": 20},
        (0,),
        "times in which a synthetic room decays by 60 dB (s)",
        ALL,
        "{:g}s",
    ),
)


def signal_table(levels: Mapping[str, Sequence]) -> "pd.DataFrame":
    """Every combination of the levels of the factors.

    Parameters
    ----------
    levels : mapping of str to sequence
        By the setting's name of each of `FACTORS`; a factor that is left out has its default.

    Returns
    -------
    DataFrame
        Columns ``signal`` (``KEY_INSTRUMENT_CHORD`` or ``drums_PATTERN``, and the levels of the
        other factors that have several), ``file``, and one per attribute, None where a signal
        does not have it.

    Raises
    ------
    SettingsError
        A level is unknown or stands twice.
    """
    import pandas as pd

    given = {
        factor.setting: tuple(levels.get(factor.setting, factor.default)) for factor in FACTORS
    }
    for factor in FACTORS:
        chosen = given[factor.setting]
        for level in chosen:
            if level not in factor.level.get("enum", chosen):
                raise SettingsError(
                    f"attributes.{factor.setting}: {level!r} is unknown; expected some of "
                    f"{', '.join(factor.level['enum'])}"
                )
        if len(set(chosen)) < len(chosen):
            raise SettingsError(
                f"attributes.{factor.setting}: a level stands twice in {list(chosen)}"
            )
    rows = [row for kind in (HARMONIC, PERCUSSIVE) for row in _combinations(kind, given)]
    attributes = [factor.attribute for factor in FACTORS]
    table = pd.DataFrame(rows, columns=["signal", "file", *attributes], dtype=object)
    return table.where(table.notna(), None)


def _combinations(kind: str, levels: Mapping[str, Sequence]) -> Iterator[dict]:
    factors = [factor for factor in FACTORS if kind in factor.kinds]
    for chosen in itertools.product(*(levels[factor.setting] for factor in factors)):
        words = ["drums"] if kind == PERCUSSIVE else []
        words += [
            factor.label.format(level)
            for factor, level in zip(factors, chosen, strict=True)
            if factor.is_named_always or len(levels[factor.setting]) > 1
        ]
        names = {"signal": "_".join(words), "file": "_".join(words) + ".wav"}
        yield names | {f.attribute: level for f, level in zip(factors, chosen, strict=True)}


def compose_signal(
    key: str,
    chord: str,
    duration: float = 4.0,
    tempo: float = TEMPO,
    register: int = 0,
    onsets: np.ndarray | None = None,
) -> list[Note]:
    """Notes of a model signal: the twelve voicings of a chord type in turn, again and again.

    One begins with each slot, of which there are `tempo` a second; or at each of `onsets` (s),
    lasting until the next one, the last to the end. `register` shifts all by octaves.
    """
    if onsets is None:
        onsets = np.arange(_n_slots(duration, tempo)) / tempo
        ends = onsets + 1 / tempo
    else:
        ends = np.append(onsets[1:], duration)
    return [
        Note(float(start), float(end - start), KEYS[key] + 12 * register + step, 90)
        for number, (start, end) in enumerate(zip(onsets, ends, strict=True))
        for step in CHORDS[chord][number % N_SLOTS]
    ]


def _n_slots(duration: float, tempo: float) -> int:
    return int(np.ceil(duration * tempo - 1e-6))


def draw_onsets(n: int, duration: float, rng: np.random.Generator) -> np.ndarray:
    """Random onsets (s) of `n` chords that together fill the signal.

    Chords last between `SHORTEST` and `LONGEST` of a common unit; before the first is up to one
    unit of silence.
    """
    times = np.cumsum([rng.uniform(), *rng.uniform(SHORTEST, LONGEST, n)])
    return times[:-1] * duration / times[-1]


def compose_drums(pattern: str, duration: float = 4.0, tempo: float = TEMPO) -> list[Note]:
    """Strokes of a drum pattern, its bar repeated.

    Parameters
    ----------
    pattern : str
        One of `PATTERNS`.
    duration : float
        Of the whole signal (s).
    tempo : float
        Slots per second, of which `SLOTS_PER_BEAT` make a beat.
    """
    sixteenth = SLOTS_PER_BEAT / 4 / tempo
    n_steps = int(np.ceil(duration / sixteenth - 1e-6))
    return [
        Note(number * sixteenth, sixteenth, DRUMS[drum], VELOCITIES[stroke])
        for number in range(n_steps)
        for drum, bar in PATTERNS[pattern].items()
        if (stroke := bar[number % len(bar)]) != "."
    ]


def compose(
    signal: Mapping[Hashable, Any], duration: float, onsets: str = COMMON, seed: int = 0
) -> list[Note]:
    """Notes of a row of `signal_table`, for a duration (s).

    `onsets` are 'common' to all signals, or its 'own', drawn by the seed and the signal's name.
    """
    tempo = float(signal["tempo"])
    rng = np.random.default_rng([seed, *str(signal["signal"]).encode()]) if onsets == OWN else None
    if signal["pattern"] is not None:
        bar = 4 * SLOTS_PER_BEAT / tempo
        skipped = rng.uniform(0, bar) if rng else 0.0
        notes = compose_drums(signal["pattern"], duration + skipped, tempo)
        moved = [replace(note, start=note.start - skipped) for note in notes]
        return [note for note in moved if note.start >= 0]
    drawn = draw_onsets(_n_slots(duration, tempo), duration, rng) if rng else None
    register = int(signal["register"])
    return compose_signal(signal["key"], signal["chord"], duration, tempo, register, drawn)


def render_signal(
    signal: Mapping[Hashable, Any],
    duration: float,
    sample_rate: int,
    onsets: str = COMMON,
    seed: int = 0,
) -> np.ndarray:
    """Sound of a model signal, float32, from a row of `signal_table`.

    The instrument 'sine' is synthesised, the others and the drums are played by the soundfont.
    The loudness is an RMS level, not reached where a peak would clip. `onsets` and `seed` are as
    `compose` takes them.
    """
    notes = compose(signal, duration, onsets, seed)
    if signal["instrument"] == "sine":
        samples = _sines(notes, duration, sample_rate)
    else:
        is_drum = signal["pattern"] is not None
        program = 0 if is_drum else PROGRAMS[signal["instrument"]]
        samples = render([Part(program, tuple(notes), is_drum)], duration, sample_rate)
    samples = reverberate(samples, float(signal["reverberation"]), sample_rate)
    return normalise_level(samples, float(signal["loudness"]))


def _sines(notes: Sequence[Note], duration: float, sample_rate: int) -> np.ndarray:
    samples = np.zeros(round(duration * sample_rate))
    for note in notes:
        first = round(note.start * sample_rate)
        time = np.arange(min(round(note.duration * sample_rate), len(samples) - first))
        frequency = 440 * 2 ** ((note.pitch - 69) / 12)
        if frequency >= sample_rate / 2:
            continue  # it would sound as another note
        ends = np.minimum(time, time[::-1]) / (FADE * sample_rate)
        samples[first : first + len(time)] += np.sin(
            2 * np.pi * frequency / sample_rate * time
        ) * np.minimum(1, ends)
    return samples.astype(np.float32)


def reverberate(samples: np.ndarray, seconds: float, sample_rate: int) -> np.ndarray:
    """A signal in a synthetic room: itself, and a tail of noise that decays by 60 dB in `seconds`.

    The noise is the same for all signals, and its impulse response has as much energy as the
    direct sound (Moorer 1979, "About this reverberation business"). The length stays.
    """
    from scipy.signal import fftconvolve

    n_tail = round(seconds * sample_rate)
    if n_tail == 0:
        return samples
    noise = np.random.default_rng(SEED_OF_REVERBERATION).standard_normal(n_tail)
    response = noise * 10 ** (-3 * np.arange(n_tail) / n_tail)
    response /= np.linalg.norm(response)
    response[0] += 1
    return fftconvolve(samples, response)[: len(samples)].astype(np.float32)


def write_signals(
    folder: str | Path,
    signals: "pd.DataFrame",
    duration: float,
    sample_rate: int,
    onsets: str = COMMON,
    seed: int = 0,
) -> None:
    """Write every signal, its notes as ``<signal>.notes.csv``, and the table as ``signals.csv``.

    `signals` are as `signal_table` returns them, `onsets` and `seed` as `compose` takes them; the
    duration is in seconds.
    """
    import pandas as pd

    folder = Path(folder)
    for signal in tracked(signals.to_dict("records"), "render signals", unit="signals"):
        samples = render_signal(signal, duration, sample_rate, onsets, seed)
        write_audio(folder / signal["file"], samples, sample_rate)
        notes = pd.DataFrame(compose(signal, duration, onsets, seed))
        write_table(folder / f"{signal['signal']}.notes.csv", notes)
    write_table(folder / "signals.csv", signals)
