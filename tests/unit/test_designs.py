"""Which sounds are compared: names, pairs, and what is missing."""

import itertools
import logging

import numpy as np
import pandas as pd
import pytest

from auralise.attributes.designs import (
    Magnitudes,
    describe_design,
    find_signals,
    pairs_by_attribute,
    pairs_in_everything,
    read_design,
    read_names,
)
from auralise.errors import SettingsError

PATTERN = "{key}_{instrument}_{chord}.wav"


def crossing(**levels):
    return pd.DataFrame(list(itertools.product(*levels.values())), columns=list(levels))


class TestPairs:
    def test_they_differ_in_one_attribute_alone(self):
        """By hand: C sine (0), C piano (1), D sine (2), D piano (3)."""
        signals = crossing(key=["C", "D"], instrument=["sine", "piano"])
        pairs = pairs_by_attribute(signals)
        assert pairs["key"].tolist() == [[0, 2], [1, 3]]
        assert pairs["instrument"].tolist() == [[0, 1], [2, 3]]

    def test_the_published_design_has_288_480_and_672(self):
        signals = crossing(key=range(4), instrument=range(6), chord=range(8)).astype(str)
        pairs = pairs_by_attribute(signals)
        assert {name: len(rows) for name, rows in pairs.items()} == {
            "key": 48 * 6,
            "instrument": 32 * 15,
            "chord": 24 * 28,
        }

    def test_missing_combinations_leave_fewer(self):
        signals = crossing(key=["C", "D"], instrument=["sine", "piano"]).iloc[:3]
        pairs = pairs_by_attribute(signals)
        assert pairs["key"].tolist() == [[0, 2]]
        assert pairs["instrument"].tolist() == [[0, 1]]

    def test_an_attribute_with_one_level_is_left_out(self):
        signals = crossing(key=["C", "D"], tempo=["3"])
        assert list(pairs_by_attribute(signals)) == ["key"]

    def test_any_attributes_will_do(self):
        signals = crossing(room=["dry", "wet"], singer=["a", "b", "c"])
        assert {n: len(p) for n, p in pairs_by_attribute(signals).items()} == {
            "room": 3,
            "singer": 6,
        }

    def test_signals_of_different_kinds_are_not_paired(self):
        """A drum pattern has no key; a chord without a key is not a chord in another key."""
        signals = pd.DataFrame(
            {
                "key": ["C", "D", "", "", ""],
                "chord": ["major", "major", "major", "", ""],
                "pattern": ["", "", "", "4beat", "fills"],
            }
        )
        pairs = pairs_by_attribute(signals)
        assert {name: rows.tolist() for name, rows in pairs.items()} == {
            "key": [[0, 1]],
            "pattern": [[3, 4]],
        }

    def test_what_differs_in_everything_by_hand(self):
        """C sine (0), C piano (1), D sine (2), D piano (3); drums are of another kind."""
        signals = crossing(key=["C", "D"], instrument=["sine", "piano"], pattern=[""])
        drums = crossing(key=[""], instrument=[""], pattern=["4beat", "8beat"])
        found = pairs_in_everything(pd.concat([signals, drums], ignore_index=True))
        assert {name: pairs.tolist() for name, pairs in found.items()} == {
            "key": [[0, 3], [1, 2]],
            "instrument": [[0, 3], [1, 2]],
        }

    def test_the_published_design_has_10080_pairs_that_differ_in_everything(self):
        signals = crossing(key=range(4), instrument=range(6), chord=range(8)).astype(str)
        found = pairs_in_everything(signals.assign(tempo="3"))
        assert set(found) == {"key", "instrument", "chord"}
        assert len(found["key"]) == 192 * 3 * 5 * 7 / 2

    def test_where_one_attribute_varies_nothing_differs_in_everything(self):
        assert pairs_in_everything(crossing(key=["C", "D", "E"], tempo=["3"])) == {}

    def test_two_signals_alike_are_refused(self):
        signals = crossing(key=["C", "D"], instrument=["sine"])
        twice = pd.concat([signals, signals.iloc[:1]], ignore_index=True)
        twice["file"] = ["a.wav", "b.wav", "a.flac"]
        with pytest.raises(SettingsError, match="a.wav and a.flac have the same attributes"):
            pairs_by_attribute(twice)

    def test_confounded_attributes_are_refused(self):
        signals = pd.DataFrame({"key": ["C", "D"], "instrument": ["sine", "piano"]})
        with pytest.raises(SettingsError, match="no two of 2 signals differ in one attribute"):
            pairs_by_attribute(signals)


class TestDescription:
    def test_a_complete_crossing_misses_nothing(self):
        design = describe_design(crossing(key=["C", "D"], chord=["major", "minor", "sus4"]))
        assert design["attribute"].tolist() == ["key", "chord"]
        assert design["n_pairs"].tolist() == design["n_pairs_complete"].tolist() == [3, 6]
        assert (design["n_missing"] == 0).all()
        assert design["levels"].tolist() == ["C, D", "major, minor, sus4"]

    def test_missing_cells_and_their_pairs_are_counted(self):
        signals = crossing(key=["C", "D"], chord=["major", "minor", "sus4"]).drop(index=4)
        design = describe_design(signals).set_index("attribute")
        assert design["n_missing"].tolist() == [1, 1]
        assert design["n_signals"].tolist() == [5, 5]
        assert design.loc["key", ["n_pairs", "n_pairs_complete"]].tolist() == [2, 3]
        assert design.loc["chord", ["n_pairs", "n_pairs_complete"]].tolist() == [4, 6]

    def test_kinds_stand_apart(self):
        signals = pd.concat(
            [crossing(key=["C", "D"], chord=["a", "b"]), crossing(pattern=["x", "y", "z"])],
            ignore_index=True,
        ).fillna("")
        design = describe_design(signals)
        assert design["kind"].tolist() == ["key x chord", "key x chord", "pattern"]
        assert design["n_pairs"].tolist() == [2, 2, 3]


class TestNames:
    def test_the_names_of_the_published_files_are_read(self):
        """Levels hold the separator, and one is misspelt, as in the files of 2016."""
        levels = {
            "key": ["Bb2", "Eb2", "A3", "G4"],
            "instrument": [
                "Sine", "Piano", "Acoustic_guitar", "Electric_guiar", "Saxophone", "Strings",
            ],
            "chord": ["intevals", "M_m", "7_m", "sus4_M7", "dim_blank"],
        }  # fmt: skip
        cells = list(itertools.product(*levels.values()))
        found = read_names([f"{'_'.join(cell)}.wav" for cell in cells], [PATTERN])
        assert [tuple(reading.values()) for reading in found.values()] == cells

    def test_so_are_those_of_the_rendered_signals(self):
        from auralise.attributes.signals import CHORDS, INSTRUMENTS, KEYS

        cells = list(itertools.product(KEYS, INSTRUMENTS, CHORDS))
        found = read_names([f"{'_'.join(cell)}.flac" for cell in cells], [PATTERN])
        assert [tuple(reading.values()) for reading in found.values()] == cells

    def test_the_first_pattern_that_fits_counts(self):
        found = read_names(
            ["drums_4beat.wav", "A3_piano_major.wav"], [PATTERN, "drums_{pattern}.wav"]
        )
        assert found == {
            "drums_4beat.wav": {"pattern": "4beat"},
            "A3_piano_major.wav": {"key": "A3", "instrument": "piano", "chord": "major"},
        }

    def test_names_of_equally_good_readings_are_refused_with_both(self):
        with pytest.raises(SettingsError, match="can be read as .*'guitar_E'.* and as .*guitar'"):
            read_names(["a_guitar_E.wav"], ["{instrument}_{chord}.wav"])

    @pytest.mark.slow
    def test_names_of_any_length_are_told_in_a_few_words(self):
        with pytest.raises(SettingsError, match="can be read as") as told:
            read_names([f"{'9' * 20_000}_piano_major.wav"], ["{key}_{chord}.wav"])
        assert len(str(told.value)) < 1000

    def test_a_field_may_say_what_it_looks_like(self):
        found = read_names(["a_guitar_E.wav"], ["{instrument}_{chord:[A-G]}.wav"])
        assert found["a_guitar_E.wav"] == {"instrument": "a_guitar", "chord": "E"}
        assert read_names(["x12.wav"], [r"x{take:\d{2}}.wav"])["x12.wav"] == {"take": "12"}

    @pytest.mark.parametrize(
        "pattern", ["plain.wav", "{key}_{key}", "{file}_{key}", "{key:[}.wav", "{key}_{.wav"]
    )
    def test_impossible_patterns_are_refused(self, pattern):
        with pytest.raises(SettingsError, match="attributes.pattern"):
            read_names(["a.wav"], [pattern])


class TestFolders:
    def test_what_does_not_fit_is_told_and_left_out(self, write_sound, tmp_path, caplog):
        for name in ("A3_piano_major.wav", "G4_piano_major.flac", "readme_first.ogg"):
            write_sound(name, np.full(100, 0.1))
        (tmp_path / "notes.txt").write_text("no sound")
        with caplog.at_level(logging.WARNING):
            signals = find_signals(tmp_path, [PATTERN])
        assert signals["file"].tolist() == ["A3_piano_major.wav", "G4_piano_major.flac"]
        assert "1 of 3 sound files do not fit" in caplog.text
        assert "readme_first.ogg" in caplog.text

    def test_a_table_in_the_folder_goes_before_the_names(self, write_sound, tmp_path):
        for name in ("one.wav", "two.wav"):
            write_sound(name, np.full(100, 0.1))
        table = "file,singer,vowel\none.wav,Ann,NA\ntwo.wav,Bob,NA\n"
        (tmp_path / "signals.csv").write_text(table)
        signals = find_signals(tmp_path, [PATTERN])
        assert signals.to_dict("list") == {
            "signal": ["one", "two"],
            "file": ["one.wav", "two.wav"],
            "singer": ["Ann", "Bob"],
            "vowel": ["NA", "NA"],
        }

    def test_files_of_the_table_that_are_not_there_are_named(self, tmp_path):
        (tmp_path / "signals.csv").write_text("file,key\ngone.wav,C\n")
        with pytest.raises(SettingsError, match="1 of 1 files are not there, such as gone.wav"):
            find_signals(tmp_path, [PATTERN])
        (tmp_path / "signals.csv").write_text("name,key\ngone.wav,C\n")
        with pytest.raises(SettingsError, match="no column 'file'; found name, key"):
            find_signals(tmp_path, [PATTERN])

    def test_nothing_that_fits_is_refused(self, write_sound, tmp_path):
        write_sound("song.wav", np.full(100, 0.1))
        with pytest.raises(SettingsError, match="none of the 1 sound files"):
            find_signals(tmp_path, [PATTERN])
        with pytest.raises(SettingsError, match="is not a folder"):
            find_signals(tmp_path / "gone", [PATTERN])

    def test_signals_are_read_when_asked_for(self, write_sound, tmp_path, stft, song):
        write_sound("a.wav", song)
        write_sound("b.wav", song[:11025])  # shorter: padded with silence
        signals = pd.DataFrame({"signal": ["a", "b"], "file": ["a.wav", "b.wav"]})
        magnitudes = Magnitudes(tmp_path, signals, stft, 4.0)
        assert len(magnitudes) == 2
        assert magnitudes[0].shape == magnitudes[1].shape == (257, 173)
        np.testing.assert_allclose(magnitudes[0], np.abs(stft.analyse(song)), atol=0.01)
        assert not magnitudes[1][:, 50:].any()

    def test_a_written_table_reads_back_as_text(self, tmp_path):
        table = pd.DataFrame({"signal": ["a"], "file": ["a.wav"], "key": [""], "tempo": ["3"]})
        table.to_csv(tmp_path / "t.csv", index=False)
        pd.testing.assert_frame_equal(read_design(tmp_path / "t.csv"), table)


class TestTables:
    @pytest.mark.parametrize(
        ("table", "message"),
        [
            (b"file\na.wav\n", "no attribute; expected a column for each"),
            (b"", "signals.csv: cannot be read"),
            ("file,key\na.wav,é\n".encode("latin-1"), "signals.csv: cannot be read .*in UTF-8"),
            (b"file,layer\na.wav,1\n", "an attribute cannot be called layer; rename it"),
            (b"file,key\na.wav,C\nx/a.wav,D\n", "a.wav and x/a.wav would both be the signal 'a'"),
        ],
    )
    def test_what_cannot_be_used_is_named(self, tmp_path, table, message):
        (tmp_path / "x").mkdir()
        for name in ("a.wav", "x/a.wav"):
            (tmp_path / name).touch()
        (tmp_path / "signals.csv").write_bytes(table)
        with pytest.raises(SettingsError, match=message):
            find_signals(tmp_path, ["{key}.wav"])

    def test_names_may_not_differ_in_their_ending_alone(self, write_sound, tmp_path):
        for name in ("C.wav", "C.flac"):
            write_sound(name, np.zeros(9))
        with pytest.raises(SettingsError, match="would both be the signal 'C'"):
            find_signals(tmp_path, ["{key}.wav"])
