"""Notes → audio: the right notes at the right time, the same bits each time."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from auralise import instruments
from auralise.instruments import (
    DRUMS,
    MELODIC_CHANNELS,
    PROGRAMS,
    InstrumentError,
    Note,
    Part,
    default_soundfont,
    normalise_level,
    render,
)

RATE = 22050


def band_parts() -> list[Part]:
    piano = [Note(0.1 * step, 0.3, 48 + 3 * step, 60 + 4 * step) for step in range(12)]
    drums = [Note(0.25 * step, 0.1, key, 100) for step, key in enumerate(DRUMS.values())]
    return [
        Part(PROGRAMS["piano"], piano, gain_db=-3),
        Part(PROGRAMS["strings"], [Note(-0.5, 1.5, 60, 90)]),
        Part(0, drums, is_drum=True, gain_db=2),
    ]


def sha256(samples: np.ndarray) -> str:
    return hashlib.sha256(samples.tobytes()).hexdigest()


def first_sound(samples: np.ndarray, rate: int) -> float:
    """When a signal first rises above a hundredth of its peak (s)."""
    return np.argmax(np.abs(samples) > 0.01 * np.abs(samples).max()) / rate


def peak_frequency(samples: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 8 * len(samples)))
    return np.argmax(spectrum) * rate / (8 * len(samples))


# The same bits


def test_same_bits_whatever_was_rendered_before():
    first = render(band_parts(), 1.5, RATE)
    render([Part(PROGRAMS["distortion_guitar"], [Note(0, 3, 40, 127)])], 1, RATE)
    assert np.array_equal(first, render(band_parts(), 1.5, RATE))


@pytest.mark.slow
def test_same_bits_in_another_process():
    program = (
        "from tests.unit.test_instruments import *\nprint(sha256(render(band_parts(), 1.5, RATE)))"
    )
    other = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == sha256(render(band_parts(), 1.5, RATE))


def test_order_of_notes_does_not_matter():
    parts = band_parts()
    backwards = [Part(p.program, p.notes[::-1], p.is_drum, p.gain_db) for p in parts]
    assert np.array_equal(render(parts, 1, RATE), render(backwards, 1, RATE))


def test_a_longer_render_begins_as_a_shorter_one():
    short, long = render(band_parts(), 1, RATE), render(band_parts(), 2, RATE)
    # The resampling filter looks ahead, so the last moments of the short one differ.
    np.testing.assert_allclose(long[: RATE // 2], short[: RATE // 2], atol=1e-6)


# The right length, pitch and time


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
@pytest.mark.parametrize("duration", [0.01, 0.333, 1.0])
def test_exact_length(rate, duration):
    samples = render(band_parts(), duration, rate)
    assert samples.shape == (round(duration * rate),)
    assert samples.dtype == np.float32


@pytest.mark.parametrize("instrument", ["piano", "strings", "saxophone", "acoustic_guitar"])
@pytest.mark.parametrize(("pitch", "frequency"), [(57, 220.0), (69, 440.0)])
def test_pitch(instrument, pitch, frequency):
    samples = render([Part(PROGRAMS[instrument], [Note(0, 2, pitch, 100)])], 2, RATE)
    overtone = peak_frequency(samples, RATE) / frequency
    assert round(overtone) >= 1
    # 20 cents: strings and saxophones come with vibrato.
    assert abs(1200 * np.log2(overtone / round(overtone))) < 20


@pytest.mark.parametrize("start", [0.0, 0.1, 0.2503, 0.6])
@pytest.mark.parametrize("rate", [11025, 44100])
def test_onset_is_where_the_note_says(start, rate):
    stick = [Note(start, 0.1, DRUMS["side_stick"], 120)]
    samples = render([Part(0, stick, is_drum=True)], 1, rate)
    assert first_sound(samples, rate) == pytest.approx(start, abs=0.004)


def test_what_began_before_0_is_cut():
    late = render([Part(PROGRAMS["piano"], [Note(0.5, 1, 60, 100)])], 1.5, 44100)
    # On the grid of events, so that both are the same samples.
    shift = 345 * 64
    early = [Note(0.5 - shift / 44100, 1, 60, 100)]
    cut = render([Part(PROGRAMS["piano"], early)], 1.5 - shift / 44100, 44100)
    np.testing.assert_allclose(cut, late[shift:], atol=1e-6)


def test_what_begins_after_the_end_is_not_heard():
    assert not render([Part(0, [Note(2, 1, 60, 100)])], 1, RATE).any()


@pytest.mark.parametrize("instrument", ["saxophone", "synth_bass", "piano"])
def test_no_offset_from_zero(instrument):
    """The soundfont's saxophone alone would put half of its energy below 15 Hz."""
    samples = render([Part(PROGRAMS[instrument], [Note(0, 2, 60, 90)])], 2, RATE)
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE)
    assert power[frequencies < 15].sum() < 1e-4 * power.sum()


def test_no_parts_are_silence():
    assert not render([], 0.5, RATE).any()


# Parts


def test_drums_are_drums():
    """Key 42 is a closed hi-hat, all treble; on a piano it is the F sharp of 92 Hz."""
    notes = [Note(0, 0.5, DRUMS["closed_hat"], 100)]
    hat = render([Part(0, notes, is_drum=True)], 0.5, RATE)
    piano = render([Part(0, notes)], 0.5, RATE)
    assert peak_frequency(hat, RATE) > 3000
    assert peak_frequency(piano, RATE) < 300


@pytest.mark.parametrize("gain_db", [-12.0, 6.0])
def test_gain_is_in_decibels(gain_db):
    notes = [Note(0, 0.5, 60, 100)]
    plain, scaled = (render([Part(0, notes, gain_db=g)], 0.5, RATE) for g in (0, gain_db))
    np.testing.assert_allclose(scaled, plain * 10 ** (gain_db / 20), atol=2e-3 * scaled.max())


def test_parts_add_up():
    parts = band_parts()
    apart = sum(render([part], 1, RATE) for part in parts)
    np.testing.assert_allclose(render(parts, 1, RATE), apart, atol=1e-3)


def test_fifteen_melodic_parts_and_drums():
    parts = [Part(number, [Note(0, 0.1, 60, 90)]) for number in range(len(MELODIC_CHANNELS))]
    drums = Part(0, [Note(0, 0.1, 36, 90)], is_drum=True)
    assert len(parts) == 15
    assert render([*parts, drums], 0.2, RATE).any()
    with pytest.raises(InstrumentError, match="16 melodic parts .* 15 .* render in groups"):
        render([*parts, parts[0]], 0.2, RATE)
    with pytest.raises(InstrumentError, match="one drum channel; join their notes"):
        render([drums, drums], 0.2, RATE)


# Errors


@pytest.mark.parametrize(
    "note", [Note(0, 1, 128, 90), Note(0, 1, -1, 90), Note(0, 1, 60, 0), Note(0, 0, 60, 90)]
)
def test_impossible_notes_are_refused(note):
    with pytest.raises(InstrumentError, match="pitch in 0…127, a velocity in 1…127"):
        render([Part(0, [note])], 1, RATE)


def test_impossible_programs_and_durations_are_refused():
    with pytest.raises(InstrumentError, match="program 128 is outside 0…127"):
        render([Part(128, [])], 1, RATE)
    with pytest.raises(InstrumentError, match="make it longer"):
        render([], 0, RATE)


def test_an_unusable_soundfont_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(instruments, "default_soundfont", lambda: tmp_path / "text.sf2")
    for write in (lambda: None, lambda: (tmp_path / "text.sf2").write_text("not a soundfont")):
        write()
        with pytest.raises(InstrumentError, match="text.sf2: cannot be loaded"):
            render([], 1, RATE)


# Tables


def test_default_soundfont_is_there():
    assert default_soundfont().is_file()


@pytest.mark.slow
def test_every_program_and_drum_of_the_tables_sounds():
    for program in PROGRAMS.values():
        assert render([Part(program, [Note(0, 0.2, 60, 100)])], 0.2, 11025).any(), program
    for key in DRUMS.values():
        assert render([Part(0, [Note(0, 0.1, key, 100)], True)], 0.1, 11025).any(), key


def test_instruments_of_the_attribute_experiment():
    names = ("piano", "acoustic_guitar", "electric_guitar", "saxophone", "strings")
    assert [PROGRAMS[name] for name in names] == [0, 25, 27, 65, 48]


# Levels


def test_normalise_level():
    samples = render(band_parts(), 1, RATE)
    levelled = normalise_level(samples, -30)
    assert 10 * np.log10(np.mean(levelled**2)) == pytest.approx(-30, abs=1e-3)
    assert not normalise_level(np.zeros(8, np.float32), -30).any()


def test_normalise_level_never_clips():
    click = np.zeros(1000, np.float32)
    click[500] = 0.3
    assert np.abs(normalise_level(click, -6)).max() == 1.0
