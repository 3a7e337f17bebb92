"""Model signals: one chord progression per key, instrument and chord type.

The keys, instruments, chord types and voicings are those of the recordings published with
Choi 2016; where those files hold two chord types of six voicings each, a signal here holds one
type, its six voicings played twice.
"""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from auralise.audio import Stft, read_excerpt, write_audio
from auralise.errors import SettingsError
from auralise.instruments import PROGRAMS, Note, Part, normalise_level, render

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

ATTRIBUTES = ("key", "instrument", "chord")

N_SLOTS = 12
LEVEL_DB = -20.0
FADE = 0.01  # s, of a sine's ends


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


def signal_table(
    keys: Sequence[str], instruments: Sequence[str], chords: Sequence[str]
) -> pd.DataFrame:
    """Every combination of the factors.

    Returns
    -------
    DataFrame
        Columns ``signal`` (``KEY_INSTRUMENT_CHORD``), ``key``, ``instrument``, ``chord``.

    Raises
    ------
    SettingsError
        A name is unknown or stands twice.
    """
    known: Mapping[str, Sequence[str]] = {
        "keys": tuple(KEYS),
        "instruments": INSTRUMENTS,
        "chords": tuple(CHORDS),
    }
    given = {"keys": keys, "instruments": instruments, "chords": chords}
    for factor, names in given.items():
        for name in names:
            if name not in known[factor]:
                raise SettingsError(
                    f"attributes.{factor}: {name!r} is unknown; expected some of "
                    f"{', '.join(known[factor])}"
                )
        if len(set(names)) < len(names):
            raise SettingsError(f"attributes.{factor}: a name stands twice in {list(names)}")
    rows = [("_".join(row), *row) for row in itertools.product(keys, instruments, chords)]
    return pd.DataFrame(rows, columns=["signal", "key", "instrument", "chord"])


def compose_signal(key: str, chord: str, duration: float = 4.0) -> list[Note]:
    """Notes of a model signal: twelve slots of equal length.

    Parameters
    ----------
    key : str
        One of `KEYS`.
    chord : str
        One of `CHORDS`.
    duration : float
        Of the whole signal (s).
    """
    slot = duration / N_SLOTS
    return [
        Note(number * slot, slot, KEYS[key] + step, 90)
        for number, steps in enumerate(CHORDS[chord])
        for step in steps
    ]


def render_signal(
    key: str, instrument: str, chord: str, duration: float, sample_rate: int
) -> np.ndarray:
    """Sound of a model signal at an RMS level of -20 dB.

    Parameters
    ----------
    key, chord
        As `compose_signal`.
    instrument : str
        One of `INSTRUMENTS`; 'sine' is synthesised, the others are played by the soundfont.
    duration : float
        In s.
    sample_rate : int
        In Hz.

    Returns
    -------
    ndarray, float32, shape (round(duration * sample_rate),)
    """
    notes = compose_signal(key, chord, duration)
    if instrument == "sine":
        samples = _sines(notes, duration, sample_rate)
    else:
        samples = render([Part(PROGRAMS[instrument], tuple(notes))], duration, sample_rate)
    return normalise_level(samples, LEVEL_DB)


def _sines(notes: Sequence[Note], duration: float, sample_rate: int) -> np.ndarray:
    samples = np.zeros(round(duration * sample_rate))
    for note in notes:
        first = round(note.start * sample_rate)
        time = np.arange(min(round(note.duration * sample_rate), len(samples) - first))
        frequency = 440 * 2 ** ((note.pitch - 69) / 12)
        ends = np.minimum(time, time[::-1]) / (FADE * sample_rate)
        samples[first : first + len(time)] += np.sin(
            2 * np.pi * frequency / sample_rate * time
        ) * np.minimum(1, ends)
    return samples.astype(np.float32)


def write_signals(
    folder: str | Path, signals: pd.DataFrame, duration: float, sample_rate: int
) -> None:
    """Write every signal as ``<signal>.wav``, and its notes as ``<signal>.notes.csv``.

    Parameters
    ----------
    folder : str or Path
    signals : DataFrame
        As `signal_table` returns it.
    duration : float
        Of each signal (s).
    sample_rate : int
        In Hz.
    """
    folder = Path(folder)
    for row in tqdm(list(signals.itertuples()), "render signals", unit="signal"):
        samples = render_signal(row.key, row.instrument, row.chord, duration, sample_rate)
        write_audio(folder / f"{row.signal}.wav", samples, sample_rate)
        notes = pd.DataFrame(compose_signal(row.key, row.chord, duration))
        notes.to_csv(folder / f"{row.signal}.notes.csv", index=False)


def read_signals(
    folder: str | Path, signals: pd.DataFrame, stft: Stft, duration: float
) -> np.ndarray:
    """Magnitudes of all signals, float32, shape ``(n_signals, n_bins, n_frames)``."""
    return np.stack(
        [
            np.abs(
                stft.analyse(
                    read_excerpt(Path(folder) / f"{name}.wav", stft.sample_rate, 0, duration)
                )
            )
            for name in signals["signal"]
        ]
    )
