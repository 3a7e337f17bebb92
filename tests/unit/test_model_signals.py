"""Model signals: what is played, and that it sounds."""

import itertools

import librosa
import numpy as np
import pandas as pd
import pytest

from auralise.attributes.signals import (
    CHORDS,
    INSTRUMENTS,
    KEYS,
    PATTERNS,
    compose,
    compose_drums,
    compose_signal,
    draw_onsets,
    render_signal,
    reverberate,
    signal_table,
    write_signals,
)
from auralise.errors import SettingsError

RATE = 11025

PLAIN = {
    "key": "A3",
    "instrument": "piano",
    "chord": "major",
    "register": 0,
    "pattern": None,
    "loudness": -20.0,
    "tempo": 3.0,
    "reverberation": 0.0,
}


def rendered(**changes):
    return render_signal(PLAIN | changes, 4.0, RATE)


def drums(pattern, **changes):
    return rendered(
        key=None, instrument=None, chord=None, register=None, pattern=pattern, **changes
    )


def voicings(chord):
    notes = compose_signal("Bb2", chord)
    slots = sorted({note.start for note in notes})
    return [tuple(n.pitch - KEYS["Bb2"] for n in notes if n.start == slot) for slot in slots]


class TestComposition:
    def test_roots_sound_an_octave_above_their_names(self):
        frequency = {key: 440 * 2 ** ((pitch - 69) / 12) for key, pitch in KEYS.items()}
        assert frequency == {
            "Bb2": pytest.approx(233, abs=0.5),
            "Eb2": pytest.approx(156, abs=0.5),
            "A3": pytest.approx(440, abs=0.5),
            "G4": pytest.approx(784, abs=0.5),
        }

    def test_eight_chord_types_have_twelve_slots_of_a_third_of_a_second(self):
        assert len(CHORDS) == 8
        for chord in CHORDS:
            notes = compose_signal("A3", chord)
            starts = sorted({note.start for note in notes})
            np.testing.assert_allclose(starts, np.arange(12) / 3)
            assert {round(note.duration, 9) for note in notes} == {round(1 / 3, 9)}

    def test_intervals_go_up_to_the_octave(self):
        assert voicings("intervals") == [(0, step) for step in range(1, 13)]

    def test_major_has_the_published_voicings(self):
        assert voicings("major")[:6] == [
            (0, 4, 7),
            (4, 7, 12),
            (7, 12, 16),
            (0, 7, 16),
            (4, 12, 19),
            (0, 7, 12, 16, 19, 24),
        ]
        assert voicings("major")[6:] == voicings("major")[:6]

    def test_dominant_seventh_has_the_published_voicings(self):
        assert voicings("dominant7")[:6] == [
            (0, 4, 7, 10),
            (4, 7, 10, 12),
            (7, 10, 12, 16),
            (10, 12, 16, 19),
            (0, 7, 10, 16),
            (7, 12, 16, 22),
        ]

    def test_diminished_seventh_has_the_published_voicings(self):
        assert voicings("diminished7")[:6] == [
            (0, 3, 6, 9),
            (3, 6, 9, 12),
            (6, 9, 12, 15),
            (9, 12, 15, 18),
            (0, 6, 9, 15),
            (0, 9, 15, 18),
        ]

    def test_tempo_is_slots_per_second_and_begins_anew_after_twelve(self):
        notes = compose_signal("A3", "intervals", duration=4.0, tempo=6.0)
        slots = sorted({note.start for note in notes})
        np.testing.assert_allclose(slots, np.arange(24) / 6)
        tops = [max(n.pitch for n in notes if n.start == slot) - KEYS["A3"] for slot in slots]
        assert tops == [*range(1, 13)] * 2

    def test_register_shifts_by_octaves(self):
        low, high = (compose_signal("A3", "sus4", register=r) for r in (-1, 1))
        assert {b.pitch - a.pitch for a, b in zip(low, high, strict=True)} == {24}

    def test_beats_have_the_strokes_that_their_names_say(self):
        hats = {
            name: sum(stroke != "." for stroke in bar.get("closed_hat", ""))
            for name, bar in PATTERNS.items()
        }
        assert hats == {"4beat": 4, "8beat": 8, "16beat": 16, "fills": 0}
        assert {len(bar) for pattern in PATTERNS.values() for bar in pattern.values()} == {16}

    def test_drums_play_two_bars_at_120_beats_a_minute(self):
        starts = sorted({note.start for note in compose_drums("16beat")})
        np.testing.assert_allclose(starts, np.arange(32) / 8)
        assert max(n.start for n in compose_drums("16beat", tempo=6.0)) == pytest.approx(4 - 1 / 16)


def slots_of(samples, n=12):
    length = len(samples) // n
    return [samples[i * length : (i + 1) * length] for i in range(n)]


@pytest.mark.parametrize("instrument", INSTRUMENTS)
class TestSound:
    @pytest.mark.slow
    def test_every_note_of_every_slot_sounds_at_its_frequency(self, instrument):
        """Long windows; a note's own partial stands out of what lies between the notes."""
        for key, chord in (("Bb2", "major"), ("Eb2", "minor7")):
            samples = rendered(key=key, instrument=instrument, chord=chord)
            for slot, steps in zip(slots_of(samples), CHORDS[chord], strict=True):
                spectrum = np.abs(np.fft.rfft(slot * np.hanning(len(slot)), 4 * RATE))
                for step in steps:
                    at = 4 * 440 * 2 ** ((KEYS[key] + step - 69) / 12)
                    cents50 = slice(round(at * 2 ** (-1 / 24)), round(at * 2 ** (1 / 24)) + 1)
                    between = np.median(spectrum[round(at * 0.8) : round(at * 1.25)])
                    assert spectrum[cents50].max() > 2 * between

    @pytest.mark.slow
    def test_chroma_tells_root_and_chord_type(self, instrument):
        """Among all roots and chord types, the notes that were composed fit best."""
        partials = {1: 1.0, 2: 1.0, 3: 0.5, 4: 0.5, 5: 0.2}
        candidates = {}
        for chord, root in itertools.product(("major", "minor", "sus4", "dominant7"), range(12)):
            template = np.zeros((12, 12))
            for slot, steps in enumerate(CHORDS[chord]):
                for step, (partial, weight) in itertools.product(steps, partials.items()):
                    pitch_class = round(root + step + 12 * np.log2(partial)) % 12
                    template[pitch_class, slot] += weight
            candidates[chord, root] = template / np.linalg.norm(template, axis=0)
        for key, chord in (("A3", "minor"), ("Eb2", "dominant7")):
            samples = rendered(key=key, instrument=instrument, chord=chord)
            chroma = librosa.feature.chroma_stft(
                y=samples, sr=RATE, n_fft=2048, hop_length=len(samples) // 24, tuning=0.0
            )[:, 1:24:2]
            fit = {name: np.sum(template * chroma) for name, template in candidates.items()}
            assert max(fit, key=fit.get) == (chord, KEYS[key] % 12)

    @pytest.mark.parametrize("key", KEYS)
    def test_the_fundamental_of_an_octave_is_its_root(self, instrument, key):
        """The last of the intervals is the one whose period is the root's."""
        samples = rendered(key=key, instrument=instrument, chord="intervals")
        last = slots_of(samples)[-1][400:-400]
        found = librosa.yin(last, fmin=100, fmax=1200, sr=RATE, frame_length=1024, center=False)
        root = 440 * 2 ** ((KEYS[key] - 69) / 12)
        assert abs(12 * np.log2(np.median(found) / root)) < 0.5


class TestFactors:
    @pytest.mark.parametrize("level", [-20.0, -35.0])
    def test_signals_are_as_loud_as_asked(self, level):
        sounds = [rendered(instrument=i, loudness=level) for i in INSTRUMENTS]
        levels = 10 * np.log10([np.mean(np.square(s)) for s in (*sounds, drums("8beat"))])
        np.testing.assert_allclose(levels[:-1], level, atol=0.5)
        assert levels[-1] == pytest.approx(-20, abs=0.5)

    def test_loudness_changes_nothing_but_the_level(self):
        loud, soft = rendered(loudness=-20.0), rendered(loudness=-40.0)
        np.testing.assert_allclose(loud, soft * 10, atol=1e-5)

    def test_a_sine_above_half_the_sample_rate_is_left_out_rather_than_folded(self):
        samples = rendered(key="G4", instrument="sine", chord="major", register=2)
        slot = slots_of(samples)[5]  # notes up to 12.5 kHz; below 5.5 kHz R, 5, R' and ...
        frequencies = np.fft.rfftfreq(8 * len(slot), 1 / RATE)
        spectrum = np.abs(np.fft.rfft(slot * np.hanning(len(slot)), 8 * len(slot)))
        loud = frequencies[spectrum > spectrum.max() / 10]
        roots = [784 * 4 * 2 ** (step / 12) for step in CHORDS["major"][5]]
        for frequency in loud:
            assert min(abs(frequency - root) for root in roots) < 30

    def test_reverberation_leaves_a_tail_that_decays_by_60_db(self):
        click = np.zeros(2 * RATE, np.float32)
        click[0] = 1
        response = reverberate(click, 1.0, RATE)
        assert response[0] == pytest.approx(1, abs=0.05)
        levels = 10 * np.log10(
            [np.mean(response[round(t * RATE) :][:1000] ** 2) for t in (0.05, 0.25, 0.45, 0.65)]
        )
        np.testing.assert_allclose(np.diff(levels), -12, atol=1.5)
        assert np.abs(response[RATE:]).max() < 1e-9

    def test_reverberation_is_the_same_each_time_and_none_for_zero_seconds(self):
        samples = rendered()
        np.testing.assert_array_equal(reverberate(samples, 0.0, RATE), samples)
        np.testing.assert_array_equal(
            reverberate(samples, 0.5, RATE), reverberate(samples, 0.5, RATE)
        )

    @pytest.mark.parametrize("pattern", ["4beat", "8beat"])
    def test_drums_sound_where_they_are_struck(self, pattern):
        """Third differences let the attacks through and the boom of the kick not."""
        attacks = np.diff(drums(pattern), 3, prepend=[0] * 353, append=[0] * 350) ** 2
        starts = np.arange(32) * RATE // 8 + 350
        rises = [attacks[i : i + 350].mean() / (attacks[i - 350 : i].mean() + 1e-9) for i in starts]
        struck = {round(note.start * 8) for note in compose_drums(pattern)}
        assert {number for number, rise in enumerate(rises) if rise > 4} == struck


LEVELS = {"keys": ["Bb2", "A3"], "instruments": ["sine", "piano"], "chords": ["major", "minor"]}


class TestTable:
    def test_it_has_every_combination(self):
        table = signal_table(LEVELS)
        assert len(table) == 8
        assert table["signal"].iloc[0] == "Bb2_sine_major"
        assert not table.duplicated(["key", "instrument", "chord"]).any()

    def test_the_published_design_has_192_signals_and_four_of_drums(self):
        full = {"keys": KEYS, "instruments": INSTRUMENTS, "chords": CHORDS, "drums": PATTERNS}
        table = signal_table({name: list(levels) for name, levels in full.items()})
        assert table["pattern"].isna().sum() == 192
        assert table["signal"].tolist()[-4:] == [
            "drums_4beat",
            "drums_8beat",
            "drums_16beat",
            "drums_fills",
        ]
        drums = table[table["pattern"].notna()]
        assert drums[["key", "instrument", "chord", "register"]].isna().all(axis=None)

    def test_names_say_the_levels_of_factors_that_vary(self):
        table = signal_table(LEVELS | {"register": [-1, 0], "tempo": [3, 6], "drums": ["fills"]})
        assert table["signal"].iloc[0] == "Bb2_sine_major_-1oct_3slots"
        assert table["signal"].tolist()[-2:] == ["drums_fills_3slots", "drums_fills_6slots"]
        assert table["signal"].is_unique

    @pytest.mark.parametrize(
        ("change", "answer"),
        [
            ({"keys": ["H"]}, "attributes.keys: 'H' is unknown"),
            ({"drums": ["swing"]}, "attributes.drums: 'swing' is unknown"),
            ({"tempo": [3, 3]}, "attributes.tempo: a level stands twice"),
        ],
    )
    def test_impossible_levels_are_refused(self, change, answer):
        with pytest.raises(SettingsError, match=answer):
            signal_table(LEVELS | change)

    def test_written_signals_have_their_notes_and_a_table_beside_them(self, tmp_path):
        table = signal_table(LEVELS | {"drums": ["4beat"]}).iloc[[0, -1]]
        write_signals(tmp_path, table, 1.0, RATE)
        notes = pd.read_csv(tmp_path / "Bb2_sine_major.notes.csv")
        assert list(notes) == ["start", "duration", "pitch", "velocity"]
        assert notes["pitch"].tolist()[:3] == [58, 62, 65]
        assert (tmp_path / "drums_4beat.wav").is_file()
        written = pd.read_csv(tmp_path / "signals.csv")
        assert written["file"].tolist() == ["Bb2_sine_major.wav", "drums_4beat.wav"]
        assert written.loc[1, ["key", "chord"]].isna().all()


class TestOnsets:
    SIGNAL = PLAIN | {"signal": "A3_piano_major"}

    def starts(self, seed=0, duration=4.0, **changes):
        notes = compose(self.SIGNAL | changes, duration, "own", seed)
        return np.array(sorted({note.start for note in notes}))

    def test_published_ones_are_common_to_all_signals(self):
        notes = compose(self.SIGNAL, 4.0, "common")
        assert notes == compose(self.SIGNAL | {"signal": "other"}, 4.0, "common")
        np.testing.assert_allclose(sorted({note.start for note in notes}), np.arange(12) / 3)

    def test_own_ones_are_those_of_seed_and_name(self):
        np.testing.assert_array_equal(self.starts(), self.starts())
        assert not np.intersect1d(self.starts(), self.starts(signal="A3_piano_minor")).size
        assert not np.intersect1d(self.starts(), self.starts(seed=1)).size

    def test_the_chords_are_the_same_and_fill_the_signal(self):
        own = sorted(compose(self.SIGNAL, 4.0, "own"), key=lambda note: (note.start, note.pitch))
        common = compose_signal("A3", "major")
        assert [note.pitch for note in own] == [
            note.pitch for note in sorted(common, key=lambda note: (note.start, note.pitch))
        ]
        assert own[-1].start + own[-1].duration == pytest.approx(4)

    def test_a_chord_lasts_between_half_and_one_and_a_half_units(self):
        onsets = draw_onsets(2000, 100.0, np.random.default_rng(0))
        lengths = np.diff([*onsets, 100.0])
        assert lengths.max() < 3.01 * lengths.min()
        assert onsets[0] >= 0
        assert np.corrcoef(lengths[:-1], lengths[1:])[0, 1] == pytest.approx(0, abs=0.1)

    def test_a_drum_pattern_begins_within_its_bar_and_stays_itself(self):
        drums = {"signal": "drums_8beat", "pattern": "8beat"}
        own = self.starts(**drums)
        whole = self.starts(duration=60.0, **drums)
        assert own[0] >= 0
        # Two eighths a beat, 120 beats a minute.
        np.testing.assert_allclose(np.diff(own), 0.25, atol=1e-9)
        assert len(own) in (16, 17)
        assert 0 <= whole[0] < 0.25

    def test_what_is_rendered_is_what_was_composed(self):
        own, common = (
            render_signal(self.SIGNAL, 4.0, RATE, onsets) for onsets in ("own", "common")
        )
        assert abs(np.corrcoef(own, common)[0, 1]) < 0.2
        np.testing.assert_array_equal(own, render_signal(self.SIGNAL, 4.0, RATE, "own"))
