"""Model signals: what is played, and that it sounds."""

import numpy as np
import pytest

from auralise.audio import Stft
from auralise.errors import SettingsError
from auralise.model_signals import (
    CHORDS,
    INSTRUMENTS,
    KEYS,
    compose_signal,
    read_signals,
    render_signal,
    signal_table,
    write_signals,
)


def voicings(chord):
    notes = compose_signal("Bb2", chord)
    slots = sorted({note.start for note in notes})
    return [tuple(n.pitch - KEYS["Bb2"] for n in notes if n.start == slot) for slot in slots]


def test_roots_sound_an_octave_above_their_names():
    frequency = {key: 440 * 2 ** ((pitch - 69) / 12) for key, pitch in KEYS.items()}
    assert frequency == {
        "Bb2": pytest.approx(233, abs=0.5),
        "Eb2": pytest.approx(156, abs=0.5),
        "A3": pytest.approx(440, abs=0.5),
        "G4": pytest.approx(784, abs=0.5),
    }


def test_there_are_eight_chord_types_of_twelve_slots():
    assert len(CHORDS) == 8
    for chord in CHORDS:
        assert len(voicings(chord)) == 12
        assert max(n.start + n.duration for n in compose_signal("A3", chord)) == pytest.approx(4.0)


def test_intervals_go_up_to_the_octave():
    assert voicings("intervals") == [(0, step) for step in range(1, 13)]


def test_major_has_the_published_voicings():
    assert voicings("major")[:6] == [
        (0, 4, 7),
        (4, 7, 12),
        (7, 12, 16),
        (0, 7, 16),
        (4, 12, 19),
        (0, 7, 12, 16, 19, 24),
    ]
    assert voicings("major")[6:] == voicings("major")[:6]


def test_dominant_seventh_has_the_published_voicings():
    assert voicings("dominant7")[:6] == [
        (0, 4, 7, 10),
        (4, 7, 10, 12),
        (7, 10, 12, 16),
        (10, 12, 16, 19),
        (0, 7, 10, 16),
        (7, 12, 16, 22),
    ]


def test_diminished_seventh_ends_otherwise():
    assert voicings("diminished7")[5] == (0, 9, 15, 18)


@pytest.mark.parametrize(("key", "root"), [("Bb2", 233.1), ("A3", 440.0)])
@pytest.mark.parametrize("instrument", INSTRUMENTS)
def test_the_notes_are_what_sounds(key, root, instrument):
    samples = render_signal(key, instrument, "major", 4.0, 11025)
    first_slot = samples[: 11025 // 3] * np.hanning(11025 // 3)
    spectrum = np.abs(np.fft.rfft(first_slot, 4 * 11025))
    for step in (0, 4, 7):
        at = round(4 * root * 2 ** (step / 12))
        near = spectrum[at - 12 : at + 13].max()
        between = np.median(spectrum[at - 100 : at + 100])
        assert near > 2.5 * between


def test_signals_are_equally_loud():
    levels = [
        np.sqrt(np.mean(render_signal("A3", instrument, "minor", 4.0, 11025) ** 2))
        for instrument in INSTRUMENTS
    ]
    np.testing.assert_allclose(20 * np.log10(levels), -20, atol=0.5)


def test_the_table_has_every_combination():
    table = signal_table(["Bb2", "A3"], ["sine", "piano", "strings"], ["major", "minor"])
    assert len(table) == 12
    assert table["signal"].iloc[0] == "Bb2_sine_major"
    assert not table.duplicated(["key", "instrument", "chord"]).any()


def test_unknown_names_are_refused():
    with pytest.raises(SettingsError, match="attributes.keys: 'H' is unknown"):
        signal_table(["H"], ["sine"], ["major"])
    with pytest.raises(SettingsError, match="stands twice"):
        signal_table(["A3"], ["sine", "sine"], ["major"])


def test_written_signals_read_back(tmp_path):
    table = signal_table(["A3"], ["sine"], ["major", "minor"])
    write_signals(tmp_path, table, 4.0, 11025)
    magnitudes = read_signals(tmp_path, table, Stft(), 4.0)
    assert magnitudes.shape == (2, 257, 173)
    assert (tmp_path / "A3_sine_major.notes.csv").read_text().startswith("start,duration,pitch")
