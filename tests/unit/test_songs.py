"""The songs that come with the pipeline are what their notes say."""

import csv
import importlib.util

import numpy as np
import pytest
import soundfile
from scipy.signal import butter, sosfiltfilt

from auralise.instruments import DRUMS, PROGRAMS

SONGS = ("bach_prelude_c", "ballad_quartet", "uptempo_band")
EXCERPT = 4.0  # s, what the pipeline explains by default


@pytest.fixture(scope="module")
def folder(repository):
    return repository / "src_songs"


@pytest.fixture(scope="module")
def scores(folder):
    """The module that holds the scores."""
    spec = importlib.util.spec_from_file_location("make_songs", folder / "make_songs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def notes_of(folder, song) -> list[dict]:
    with (folder / f"{song}.notes.csv").open(encoding="utf-8") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def starts(notes, *, program=None, drum=None) -> np.ndarray:
    """When a program's notes or the strokes of a drum begin (s)."""
    return np.array(
        [
            note["start"]
            for note in notes
            if (drum and note["is_drum"] and note["pitch"] == DRUMS[drum])
            or (program and not note["is_drum"] and note["program"] == PROGRAMS[program])
        ]
    )


def rises(samples, rate, times, band, window=0.05) -> np.ndarray:
    """How much the energy in a band (Hz) grows at given times (dB)."""
    filtered = sosfiltfilt(butter(4, band, "bandpass", fs=rate, output="sos"), samples)
    width = round(window * rate)

    def energy(first):
        return np.mean(filtered[max(first, 0) : max(first, 0) + width] ** 2) + 1e-10

    first = np.round(np.asarray(times) * rate).astype(int)
    return np.array([10 * np.log10(energy(n) / energy(n - width)) for n in first])


@pytest.mark.parametrize("song", SONGS)
def test_format(folder, song):
    path = folder / f"{song}.flac"
    about = soundfile.info(path)
    assert (about.samplerate, about.channels, about.subtype) == (22050, 1, "PCM_16")
    assert 12 <= about.duration <= 20
    assert path.stat().st_size < 600_000


@pytest.mark.parametrize("song", SONGS)
def test_level(folder, song):
    samples, rate = soundfile.read(folder / f"{song}.flac")
    assert np.abs(samples).max() < 0.9
    whole, excerpt = (
        10 * np.log10(np.mean(part**2)) for part in (samples, samples[: round(EXCERPT * rate)])
    )
    assert whole == pytest.approx(-24, abs=0.5)
    assert excerpt == pytest.approx(-24, abs=2)
    assert np.abs(samples[-100:]).max() < 1e-3, "ends with a click"


@pytest.mark.parametrize("song", SONGS)
def test_notes_are_those_of_the_score(folder, scores, song):
    parts = getattr(scores, song)().parts
    notes = notes_of(folder, song)
    assert len(notes) == sum(len(part.notes) for part in parts)
    for number, part in enumerate(parts):
        written = sorted((n["start"], n["pitch"]) for n in notes if n["part"] == number)
        composed = sorted((round(n.start, 6), n.pitch) for n in part.notes)
        np.testing.assert_allclose(written, composed, atol=2e-6)


def test_bach_wrote_these_notes(folder):
    """Bars 1 and 2: C E G C E, then C D A D F, each half bar 1 2 3 4 5 3 4 5."""
    notes = notes_of(folder, "bach_prelude_c")
    played = [int(note["pitch"]) for note in notes]
    bar_1, bar_2 = [60, 64, 67, 72, 76, 67, 72, 76], [60, 62, 69, 74, 77, 69, 74, 77]
    assert played[:32] == bar_1 * 2 + bar_2 * 2
    assert {note["program"] for note in notes} == {PROGRAMS["piano"]}


@pytest.mark.slow
def test_bach_sounds_as_written(folder):
    """At each note's onset its pitch grows; the first note of all is middle C."""
    samples, rate = soundfile.read(folder / "bach_prelude_c.flac")
    notes = notes_of(folder, "bach_prelude_c")[1:40]
    growth = []
    for note in notes:
        frequency = 440 * 2 ** ((note["pitch"] - 69) / 12)
        band = (frequency * 0.97, frequency * 1.03)
        growth.append(rises(samples, rate, [note["start"]], band)[0])
    assert np.median(growth) > 6
    first = samples[: round(0.15 * rate)]
    spectrum = np.abs(np.fft.rfft(first * np.hanning(len(first)), 2**16))
    assert np.argmax(spectrum) * rate / 2**16 == pytest.approx(261.6, rel=0.02)


@pytest.mark.parametrize(
    ("song", "programs", "drums"),
    [
        ("ballad_quartet", "piano voice fretless_bass", "kick side_stick closed_hat"),
        (
            "uptempo_band",
            "pick_bass distortion_guitar electric_guitar brass rock_organ saxophone",
            "kick snare closed_hat crash",
        ),
    ],
)
def test_the_excerpt_holds_all_that_matters(folder, song, programs, drums):
    notes = notes_of(folder, song)
    for program in programs.split():
        assert (starts(notes, program=program) < EXCERPT).sum() >= 3, program
    for drum in drums.split():
        assert (starts(notes, drum=drum) < EXCERPT).any(), drum
    assert (starts(notes, drum="kick") < EXCERPT).sum() >= 3


@pytest.mark.parametrize("song", SONGS[1:])
def test_kicks_are_heard_where_the_notes_say(folder, song):
    """Below 120 Hz the energy grows at kicks and stays between them."""
    samples, rate = soundfile.read(folder / f"{song}.flac")
    notes = notes_of(folder, song)
    kicks = starts(notes, drum="kick")
    bass = starts(notes, program="fretless_bass" if song == "ballad_quartet" else "pick_bass")
    low = np.union1d(kicks, bass)
    between = (low[:-1] + low[1:]) / 2
    at_kicks = np.median(rises(samples, rate, kicks[1:], (35, 120)))
    assert at_kicks > 6
    assert at_kicks > np.median(rises(samples, rate, between, (35, 120))) + 6


@pytest.mark.parametrize("song", SONGS[1:])
def test_side_stick_and_snare_are_heard(folder, song):
    samples, rate = soundfile.read(folder / f"{song}.flac")
    drum = "side_stick" if song == "ballad_quartet" else "snare"
    strokes = starts(notes_of(folder, song), drum=drum)
    assert np.median(rises(samples, rate, strokes, (5000, 10500))) > 6
