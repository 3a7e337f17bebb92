"""Concepts: something in the music whose place in time and frequency is known exactly.

A mask is where the concept's stem has at least half of the power and lies above −60 dB of the
clip's peak. Onsets and note ends are the frames within 50 ms of one; loud, soft and silent frames
come from the frames' levels; registers are their bins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from auralise.datasets.bands.composer import Chord
from auralise.dissection.pieces import Piece
from auralise.dissection.stems import OTHER_DRUMS, Stem, sum_of
from auralise.instruments import Note
from auralise.stft import Stft

NEAR = 0.05  # s from an onset or a note's end
FLOOR = 1e-6  # −60 dB of power
FAINT = 1e-8  # −80 dB
REGISTERS = (0, 130, 260, 520, 1040, 2080)  # Hz; the last one reaches up to the highest bin

# General MIDI programs, counted from 0.
FAMILIES: Mapping[str, Sequence[int]] = {
    "keyboards": range(0, 8),
    "mallets": (*range(8, 16), 108, 112, 114),
    "organs": range(16, 24),
    "guitars": (*range(24, 32), 105),
    "strings": (*range(40, 47), *range(48, 52)),
    "brass": range(56, 64),
    "woodwinds": range(64, 80),
    "synthesisers": (80, 81, *range(86, 104)),
    "voices": (52, 53, 54, 85),
}
DRUMMED = ("kick", "snare", "cymbals", OTHER_DRUMS)
QUALITIES = ("major chords", "minor chords", "seventh chords")


def name_register(low: float, high: float | None) -> str:
    """A register in words."""
    if low == 0:
        return f"below {high:g} Hz"
    return f"above {low:g} Hz" if high is None else f"{low:g} to {high:g} Hz"


REGISTER_NAMES = tuple(
    name_register(low, high) for low, high in zip(REGISTERS, (*REGISTERS[1:], None), strict=True)
)
CONCEPTS: tuple[str, ...] = (
    *("onsets", "note ends", "sustained sound"),
    *DRUMMED,
    *("bass", "melody", "fundamentals of the melody", "overtones of the melody"),
    *QUALITIES,
    *FAMILIES,
    *("loud", "soft", "silence"),
    *REGISTER_NAMES,
)
# Whatever their masks: a low note of another instrument is not the bass.
APART = ("bass", REGISTER_NAMES[0])


@dataclass(frozen=True)
class Masked:
    """A clip with the masks of all concepts.

    Attributes
    ----------
    name : str
    samples : ndarray, float32, shape (n_samples,)
    magnitude : ndarray, float32, shape (n_bins, n_frames)
    masks : ndarray of bool, shape (n_concepts, n_bins, n_frames)
        In the order of `CONCEPTS`.
    present : ndarray of bool, shape (n_concepts, n_frames)
        In which frames there is anything of a concept.
    """

    name: str
    samples: np.ndarray
    magnitude: np.ndarray
    masks: np.ndarray
    present: np.ndarray


def mask_concepts(piece: Piece, stems: list[Stem], stft: Stft) -> Masked:
    """Find where every concept is in a clip.

    Parameters
    ----------
    piece : Piece
    stems : list of Stem
        As `auralise.dissection.stems.render_stems` plays them.
    stft : Stft
    """
    samples = sum_of(stems)
    spectrum = stft.analyse(samples)
    spectra = stft.analyse(np.stack([stem.samples for stem in stems]))
    power = np.square(np.abs(spectrum))
    floor = FLOOR * power.max()
    times = stft.times(power.shape[1])

    def of(chosen: Sequence[bool] | np.ndarray) -> np.ndarray:
        own = spectra[np.asarray(chosen, bool)].sum(axis=0)
        return dominates(own, spectrum - own, floor)

    pitched = [note for stem in stems if not stem.drum for note in stem.part.notes]
    struck = [note for stem in stems if stem.drum for note in stem.part.notes]
    onsets = near(times, [note.start for note in (*pitched, *struck)])
    ends = near(times, [note.start + note.duration for note in pitched])
    held = [of(np.arange(len(stems)) == k) & is_held(times, s) for k, s in enumerate(stems)]
    accompaniment = of([stem.role == "chords" for stem in stems])
    melody = of([stem.role == "melody" for stem in stems])
    tune = [note for stem in stems if stem.role == "melody" for note in stem.part.notes]
    fundamentals = melody & near_fundamentals(stft, times, tune)
    found = {
        "onsets": np.broadcast_to(onsets, power.shape),
        "note ends": np.broadcast_to(ends, power.shape),
        "sustained sound": np.any(held, axis=0),
        "bass": of([stem.role == "bass" for stem in stems]),
        "melody": melody,
        "fundamentals of the melody": fundamentals,
        "overtones of the melody": melody & sounding(times, tune) & ~fundamentals,
    }
    found |= {drum: of([stem.drum == drum for stem in stems]) for drum in DRUMMED}
    kinds = chords_at(times, piece.chords)
    found |= {kind: accompaniment & (kinds == kind) for kind in QUALITIES}
    found |= {
        family: of([not stem.drum and stem.part.program in programs for stem in stems])
        for family, programs in FAMILIES.items()
    }
    levels = power.sum(axis=0)
    for kind, frames in zip(("loud", "soft", "silence"), by_level(levels), strict=True):
        found[kind] = np.broadcast_to(frames, power.shape)
    for name, bins in zip(REGISTER_NAMES, registers(stft.frequencies), strict=True):
        found[name] = np.broadcast_to(bins[:, None], power.shape)
    masks = np.stack([found[name] for name in CONCEPTS])
    # A register is there where anything sounds in it; sustained sound may be wherever anything
    # sounds, however softly, since attacks come with what follows them.
    heard = power >= floor
    there = found | {name: found[name] & heard for name in REGISTER_NAMES}
    there["sustained sound"] = power >= FAINT * power.max()
    present = np.stack([there[name].any(axis=0) for name in CONCEPTS])
    return Masked(piece.name, samples, np.abs(spectrum), masks, present)


def dominates(own: np.ndarray, rest: np.ndarray, floor: float) -> np.ndarray:
    """Where a spectrum has at least as much power as the rest, and at least `floor`.

    >>> import numpy as np
    >>> dominates(np.array([2.0, 1.0, 0.1]), np.array([1.0, 2.0, 0.0]), floor=0.5)
    array([ True, False, False])
    """
    power = np.square(np.abs(own))
    return (power >= np.square(np.abs(rest))) & (power >= floor) & (power > 0)


def near(times: np.ndarray, events: Sequence[float]) -> np.ndarray:
    """Which times lie within `NEAR` of an event (all in s).

    >>> import numpy as np
    >>> near(np.array([0.0, 0.1, 0.2, 0.3]), [0.14])
    array([False,  True, False, False])
    """
    distances = np.abs(times[:, None] - np.asarray(events, float)[None, :])
    return (distances <= NEAR).any(axis=1)


def sounding(times: np.ndarray, notes: Sequence[Note], margin: float = 0.0) -> np.ndarray:
    """Which times lie within a note, at least `margin` from its beginning and end (s)."""
    starts = np.array([note.start for note in notes]) + margin
    ends = np.array([note.start + note.duration for note in notes]) - margin
    within = (times[:, None] >= starts) & (times[:, None] <= ends)
    return np.asarray(within.any(axis=1))


def is_held(times: np.ndarray, stem: Stem) -> np.ndarray:
    """Where an instrument's notes sound, and none of them begins or ends within `NEAR`."""
    if stem.drum:
        return np.zeros(len(times), bool)
    notes = stem.part.notes
    events = [time for note in notes for time in (note.start, note.start + note.duration)]
    return sounding(times, notes, NEAR) & ~near(times, events)


def near_fundamentals(stft: Stft, times: np.ndarray, notes: Sequence[Note]) -> np.ndarray:
    """Bins at most two from the fundamental of a note that sounds, ``(n_bins, n_frames)``.

    Two bins are half of the main lobe of a Hann window.
    """
    found = np.zeros((stft.n_bins, len(times)), bool)
    width = stft.sample_rate / stft.n_fft
    for note in notes:
        place = round(440 * 2 ** ((note.pitch - 69) / 12) / width)
        found[max(0, place - 2) : place + 3] |= sounding(times, [note])
    return found


def chords_at(times: np.ndarray, chords: Sequence[tuple[float, Chord]]) -> np.ndarray:
    """The kind of the chord at each time, of `QUALITIES`; empty where there is none."""
    kinds = np.full(len(times), "", object)
    for start, chord in chords:
        kinds[times >= start] = _quality(chord)
    return kinds


def _quality(chord: Chord) -> str:
    if 10 in chord.tones and 4 in chord.tones:
        return "seventh chords"
    return {4: "major chords", 3: "minor chords"}.get(chord.tones[1], "")


def by_level(levels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Loud, soft and silent frames, by the power of each.

    Silent are those below −60 dB of the loudest; loud and soft the upper and the lower third of
    the others.

    >>> import numpy as np
    >>> loud, soft, silent = by_level(np.array([0.0, 1.0, 2.0, 3.0]))
    >>> loud.nonzero()[0], soft.nonzero()[0], silent.nonzero()[0]
    (array([3]), array([1]), array([0]))
    """
    silent = levels <= FLOOR * levels.max()
    if silent.all():
        return np.zeros_like(silent), np.zeros_like(silent), silent
    low, high = np.quantile(levels[~silent], [1 / 3, 2 / 3])
    return (levels >= high) & ~silent, (levels <= low) & ~silent, silent


def registers(frequencies: np.ndarray) -> list[np.ndarray]:
    """The bins of each register, bool, by their frequencies (Hz)."""
    highs = (*REGISTERS[1:], np.inf)
    return [
        (frequencies >= low) & (frequencies < high)
        for low, high in zip(REGISTERS, highs, strict=True)
    ]
