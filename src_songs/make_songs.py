"""Play the three demonstration songs: ``python src_songs/make_songs.py --soundfont FILE``.

Writes, beside this script, ``<song>.flac`` and the notes that were played, ``<song>.notes.csv``.
With the same soundfont and the same releases of tinysoundfont and soxr, the files come out byte
for byte as they are in the repository.

A line of melody is written as ``pitch:beats`` with ``r`` for a rest (``A4:1.5 r:0.5``), a
rhythm as a string of sixteenths (``X`` accent, ``x`` stroke, ``o`` ghost stroke, ``.`` rest; ``-``
holds, ``|`` is a bar line).
"""

import argparse
import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from auralise.audio import write_audio
from auralise.files import whole_file
from auralise.instruments import DRUMS, PROGRAMS, Note, Part, normalise_level, render

FOLDER = Path(__file__).parent
SAMPLE_RATE = 22050
LEVEL_DB = -24.0
RING = 1.6  # s after the last bar: the last chord rings on, and fades out in the last FADE s
FADE = 1.4

STEPS = 16  # in a bar
ACCENT = {"X": 14, "x": 0, "o": -34}
PITCH_CLASSES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


@dataclass(frozen=True)
class Song:
    """A score: its parts, ready to play, and its length in seconds."""

    parts: list[Part]
    duration: float


def pitch(name: str) -> int:
    """MIDI number of a note's name, C4 being 60: ``F#4`` → 66."""
    letter, accidental, octave = re.fullmatch(r"([A-G])([b#]?)(\d)", name).groups()
    return 12 * (int(octave) + 1) + PITCH_CLASSES[letter] + {"": 0, "#": 1, "b": -1}[accidental]


def pitches(names: str) -> list[int]:
    """MIDI numbers of names separated by spaces."""
    return [pitch(name) for name in names.split()]


def line(score: str, beat: float, velocity: int, hold: float = 0.95) -> Iterator[Note]:
    """A melody; notes on the beat are a little stronger, long ones too."""
    now = 0.0
    for word in score.replace("|", " ").split():
        name, beats = word.split(":")
        if name != "r":
            stress = (5 if now % 1 == 0 else 0) + (4 if float(beats) >= 1.5 else 0)
            yield Note(now * beat, float(beats) * beat * hold, pitch(name), velocity + stress)
        now += float(beats)


def strokes(rhythm: str) -> Iterator[tuple[int, int, str]]:
    """Every stroke (step, length in steps, symbol) of a rhythm of any number of bars."""
    for stroke in re.finditer(r"[Xxo]-*", rhythm.replace("|", "")):
        yield stroke.start(), len(stroke[0]), stroke[0][0]


def chords(
    harmony: Iterable[str], rhythm: str, beat: float, velocity: int, hold: float = 0.9
) -> Iterator[Note]:
    """Chords, one a bar, in a rhythm that recurs in every bar (or every other, if it has two)."""
    rhythms = rhythm.split("|")
    for bar, names in enumerate(harmony):
        for step, length, symbol in strokes(rhythms[bar % len(rhythms)]):
            start = (bar * STEPS + step) * beat / 4
            for key in pitches(names):
                yield Note(start, length * beat / 4 * hold, key, velocity + ACCENT[symbol])


def drums(rhythms: Mapping[str, str], beat: float, velocity: int) -> list[Note]:
    """A drum part from the whole rhythm of each drum."""
    return [
        Note(step * beat / 4, beat / 4, DRUMS[drum], velocity + ACCENT[symbol])
        for drum, rhythm in rhythms.items()
        for step, _, symbol in strokes(rhythm)
    ]


# J. S. Bach, The Well-Tempered Clavier I, prelude in C major, BWV 846, bars 1 to 11. Each bar says
# its five notes twice, in the order 1 2 3 4 5 3 4 5; the first two are held under the others.
BACH = (
    "C4 E4 G4 C5 E5",
    "C4 D4 A4 D5 F5",
    "B3 D4 G4 D5 F5",
    "C4 E4 G4 C5 E5",
    "C4 E4 A4 E5 A5",
    "C4 D4 F#4 A4 D5",
    "B3 D4 G4 D5 G5",
    "B3 C4 E4 G4 C5",
    "A3 C4 E4 G4 C5",
    "D3 A3 D4 F#4 C5",
    "G3 B3 D4 G4 B4",
)
# The recording ends where D7 resolves to G, in bar 7, to stay as short as the other songs.
BACH_PLAYED = BACH[:7]
BACH_FIGURE = (0, 1, 2, 3, 4, 2, 3, 4)
BACH_HELD = {0: 8, 1: 7}  # sixteenths that the first and second note of a half bar last
# Velocity by bar: up to the highest note in bar 5, then down to the half close.
BACH_DYNAMICS = (66, 70, 72, 68, 80, 76, 74, 68, 64, 68, 62)


def bach_prelude_c() -> Song:
    """Solo piano."""
    beat = 60 / 96
    notes = []
    for bar, names in enumerate(BACH_PLAYED):
        for half in (0, 8):
            for step, place in enumerate(BACH_FIGURE):
                start = (bar * STEPS + half + step) * beat / 4
                is_last = bar == len(BACH_PLAYED) - 1 and half
                length = (20 if is_last else BACH_HELD.get(step, 1)) * beat / 4
                velocity = BACH_DYNAMICS[bar] + (8 if step == 0 else 0) - (4 if half else 0)
                notes.append(Note(start, length * 0.98, pitches(names)[place], velocity))
    return Song([Part(PROGRAMS["piano"], notes)], len(BACH_PLAYED) * 4 * beat + RING)


BALLAD_VOICE = """
    A4:1.5 C5:0.5 C5:1 D5:0.5 C5:0.5 | G4:2 r:0.5 E4:0.5 G4:0.5 A4:0.5 |
    A4:1.5 F4:0.5 F5:1.5 E5:0.5      | D5:2.5 C5:0.5 Bb4:0.5 A4:0.5    |
    Bb4:1 A4:0.5 Bb4:0.5 C5:1 E5:1   | F5:6
"""
BALLAD_BASS = """
    F2:1.5 F2:0.5 C2:2               | E2:1.5 E2:0.5 C2:1 E2:1           |
    D2:1.5 D2:0.5 A1:1 C2:1          | Bb1:1.5 Bb1:0.5 F2:1 A1:1         |
    G1:1.5 G1:0.5 C2:1.5 C2:0.5      | F1:6
"""
BALLAD_PIANO = (  # one bar each: what the left hand breaks, what the right hand holds
    ("F3 C4 F4 A4", "A4 C5 F5"),
    ("E3 C4 E4 G4", "G4 C5 E5"),
    ("D3 A3 D4 F4", "F4 A4 C5"),
    ("Bb2 F3 Bb3 D4", "F4 Bb4 C5"),
    ("G3 Bb3 D4 F4", "F4 Bb4 D5"),
    ("F2 C3 F3 A3", "A4 C5 F5"),
)
BALLAD_DRUMS = {
    "kick": "X.........x.....|X......x..x....." * 2 + "|X.....x...x.....|X...............",
    "side_stick": "....x.......x...|....x.......x..." * 2 + "|....x...........|................",
    "snare": "................|................" * 2 + "|........o.x.xxxX|................",
    "closed_hat": "x.o.x.o.x.o.x.o.|x.o.x.o.x.o.x.oo" * 2 + "|x.o.x.o.........|................",
    "crash": "................|................" * 2 + "|................|x...............",
}


def ballad_quartet() -> Song:
    """Piano, wordless voices, fretless bass and drums; a slow song in F major."""
    beat = 60 / 84
    order = (0, 1, 2, 3, 2, 1, 2, 3)
    left = " ".join(
        f"{names.split()[place]}:0.5" for names, _ in BALLAD_PIANO[:-1] for place in order
    )
    last = 4 * beat * (len(BALLAD_PIANO) - 1)
    piano = [
        *line(left, beat, 58, hold=1.6),
        *chords((right for _, right in BALLAD_PIANO), "x-------x-----x-", beat, 60),
        *(Note(last, 6 * beat, key, 60) for key in pitches(BALLAD_PIANO[-1][0])),
    ]
    parts = [
        Part(PROGRAMS["piano"], piano, gain_db=7.0),
        Part(PROGRAMS["voice"], list(line(BALLAD_VOICE, beat, 92, hold=1.0)), gain_db=-2.0),
        Part(PROGRAMS["fretless_bass"], list(line(BALLAD_BASS, beat, 84)), gain_db=-5.0),
        Part(0, drums(BALLAD_DRUMS, beat, 84), is_drum=True, gain_db=7.0),
    ]
    return Song(parts, 6 * 4 * beat + RING)


UPTEMPO_BARS = 10
UPTEMPO_POWER = ("E2 B2 E3", "G2 D3 G3", "A2 E3 A3", "C3 G3 C4") * 2 + ("D3 A3 D4", "E2 B2 E3")
UPTEMPO_CHORDS = ("G4 B4 E5", "G4 B4 D5", "A4 C#5 E5", "G4 C5 E5") * 2 + ("F#4 A4 D5", "G4 B4 E5")
UPTEMPO_BASS = """
    E2:0.5 E2:0.5 E2:0.5 D2:0.5 E2:0.5 E2:0.5 B1:0.5 D2:0.5 |
    G2:0.5 G2:0.5 G2:0.5 F#2:0.5 G2:0.5 G2:0.5 D2:0.5 G2:0.5 |
    A2:0.5 A2:0.5 A2:0.5 G2:0.5 A2:0.5 A2:0.5 E2:0.5 A2:0.5 |
    C2:0.5 C2:0.5 C2:0.5 G2:0.5 C2:0.5 C2:0.5 B1:0.5 D2:0.5 |
    E2:0.5 E2:0.5 E2:0.5 D2:0.5 E2:0.5 E2:0.5 B1:0.5 D2:0.5 |
    G2:0.5 G2:0.5 G2:0.5 F#2:0.5 G2:0.5 G2:0.5 D2:0.5 G2:0.5 |
    A2:0.5 A2:0.5 A2:0.5 G2:0.5 A2:0.5 A2:0.5 E2:0.5 A2:0.5 |
    C2:0.5 C2:0.5 C2:0.5 G2:0.5 C2:0.5 C2:0.5 B1:0.5 C2:0.5 |
    D2:0.5 D2:0.5 D2:0.5 C2:0.5 D2:0.5 D2:0.5 A1:0.5 D2:0.5 | E2:8
"""
UPTEMPO_LEAD = """
    B4:0.5 D5:0.5 E5:1 r:0.5 D5:0.5 E5:0.5 G5:0.5 | D5:1.5 B4:0.5 r:0.5 G4:0.5 A4:0.5 B4:0.5 |
    C#5:1 E5:1 A5:0.75 G5:0.25 E5:1               | G5:0.5 E5:0.5 D5:0.5 C5:0.5 D5:1 r:1 |
    B4:0.5 D5:0.5 E5:0.5 G5:0.5 A5:1 G5:0.5 E5:0.5 | G5:1.5 E5:0.5 D5:0.5 B4:0.5 D5:1 |
    E5:0.25 G5:0.25 A5:1.5 G5:0.5 E5:0.5 C#5:1     | E5:0.5 D5:0.5 C5:0.5 E5:0.5 G5:2 |
    F#5:1 A5:1 F#5:0.5 E5:0.5 D5:1                 | E5:8
"""
UPTEMPO_DRUMS = {
    "kick": "X.x...x.X.x.....|X.x...x.X.x..x.." * 4 + "|X...X...X...X.x.|X",
    "snare": "....X.......X...|....X..o.o..X..." * 4 + "|....X...x.xxXXXX|",
    "closed_hat": "x.x.x.x.x.x.x.x.|x.x.x.x.x.x.x..." * 4 + "|x.x.x.x.........|",
    "open_hat": "................|..............x." * 4 + "|................|",
    "crash": "X...............|................" * 2
    + "|X...............|................" * 2
    + "|................|X",
    "cowbell": "................" * 4 + "x...x...x...x..." * 4,
}


def uptempo_band() -> Song:
    """A dense, fast band in E: drums, bass, two guitars, brass, organ and a saxophone."""
    beat = 60 / 152
    last = UPTEMPO_BARS - 1
    end = last * 4 * beat

    def ending(harmony: tuple[str, ...], velocity: int) -> list[Note]:
        return [Note(end, 8 * beat, key, velocity) for key in pitches(harmony[last])]

    guitar = [*chords(UPTEMPO_POWER[:last], "X-x-..x-X-x-x-x-", beat, 96)]
    clean = [*chords(UPTEMPO_CHORDS[:last], "..xo.oX...xo.oX.", beat, 94, hold=0.7)]
    brass = [
        *chords(UPTEMPO_CHORDS[:last], "X.....x-........|..X...x-....X.x.", beat, 98, hold=0.8)
    ]
    organ = [*chords(UPTEMPO_CHORDS[:last], "x---------------", beat, 80, hold=0.98)]
    parts = [
        Part(PROGRAMS["pick_bass"], list(line(UPTEMPO_BASS, beat, 96, hold=0.85)), gain_db=-4.0),
        Part(PROGRAMS["distortion_guitar"], guitar + ending(UPTEMPO_POWER, 104), gain_db=-14.0),
        Part(PROGRAMS["electric_guitar"], clean + ending(UPTEMPO_CHORDS, 90), gain_db=-8.0),
        Part(PROGRAMS["brass"], brass + ending(UPTEMPO_CHORDS, 100), gain_db=-3.0),
        Part(PROGRAMS["rock_organ"], organ + ending(UPTEMPO_CHORDS, 84), gain_db=-12.0),
        Part(PROGRAMS["saxophone"], list(line(UPTEMPO_LEAD, beat, 104)), gain_db=-4.0),
        Part(0, drums(UPTEMPO_DRUMS, beat, 100), is_drum=True, gain_db=3.0),
    ]
    return Song(parts, UPTEMPO_BARS * 4 * beat + RING)


SONGS = (bach_prelude_c, ballad_quartet, uptempo_band)


def play(song: Song, soundfont: Path) -> np.ndarray:
    """Samples of a song at `LEVEL_DB`, its end faded out."""
    samples = render(song.parts, song.duration, SAMPLE_RATE, soundfont)
    n_fade = round(FADE * SAMPLE_RATE)
    samples[-n_fade:] *= np.linspace(1, 0, n_fade, dtype=np.float32) ** 2
    return normalise_level(samples, LEVEL_DB)


def write_notes(path: Path, parts: Iterable[Part]) -> None:
    """Write what was played as a table, one note a row, times in seconds."""
    rows = [
        (number, part.program, int(part.is_drum), f"{note.start:.6f}", f"{note.duration:.6f}")
        + (note.pitch, note.velocity)
        for number, part in enumerate(parts)
        for note in sorted(part.notes, key=lambda note: (note.start, note.pitch))
    ]
    with whole_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("part", "program", "is_drum", "start", "duration", "pitch", "velocity"))
        writer.writerows(rows)


def main() -> None:
    """Play every song."""
    parser = argparse.ArgumentParser(description="Play the demonstration songs.")
    parser.add_argument("--soundfont", type=Path, required=True, help="FluidR3_GM.sf2")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to")
    arguments = parser.parse_args()
    for compose in SONGS:
        song = compose()
        samples = play(song, arguments.soundfont)
        write_audio(arguments.out / f"{compose.__name__}.flac", samples, SAMPLE_RATE)
        write_notes(arguments.out / f"{compose.__name__}.notes.csv", song.parts)


if __name__ == "__main__":
    main()
