"""Songs with labelled voices: the layout, the labels, and what is cut from them."""

import h5py
import numpy as np
import pytest
import torch

from auralise.audio import read_audio
from auralise.datasets.jamendo import (
    Spectra,
    find_songs_with_labels,
    find_test_songs,
    label_frames,
    measure_bands,
    read_passages,
    write_excerpts,
    write_passages,
)
from auralise.datasets.segments import Segments
from auralise.datasets.voices import SINGERS, compose_song, find_passages
from auralise.errors import SettingsError
from auralise.instruments import PROGRAMS, Note, render
from auralise.mel import LogMel, analyse_as_published

pytestmark = pytest.mark.slow


class TestLayout:
    def test_songs_stand_in_the_split_of_their_list(self, voices):
        songs = find_songs_with_labels(voices)
        assert songs["split"].value_counts().to_dict() == {"train": 3, "validation": 1, "test": 1}
        assert songs["clip"].is_unique
        assert [path.stem for path in find_test_songs(voices)] == songs["clip"].tolist()[-1:]

    @pytest.fixture
    def folder(self, tmp_path, write_sound):
        for name in ("a", "b", "c"):
            write_sound(f"audio/{name}.wav", np.zeros(9))
            write_passages(tmp_path / f"labels/{name}.lab", [(0.0, 1.0, True)])
        (tmp_path / "filelists").mkdir()
        for name, song in (("train", "a"), ("valid", "b"), ("test", "c")):
            (tmp_path / "filelists" / name).write_text(f"{song}.wav\n\n")
        return tmp_path

    def test_blank_lines_of_a_list_are_passed_over(self, folder):
        assert find_songs_with_labels(folder)["clip"].tolist() == ["a", "b", "c"]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda f: (f / "filelists/valid").unlink(), "filelists/valid is missing; expected"),
            (lambda f: (f / "filelists/test").write_text("\n"), "lists no song"),
            (lambda f: (f / "labels/a.lab").unlink(), "lists a.wav, but .*a.lab is missing"),
            (lambda f: (f / "audio/b.wav").unlink(), "lists b.wav, but .*b.wav is missing"),
            (lambda f: (f / "filelists/test").write_text("a.wav\n"), "'a' stands in 2 lines"),
            (
                lambda f: (f / "filelists/test").write_bytes("é.wav".encode("latin-1")),
                "filelists/test: cannot be read .* expected text in UTF-8",
            ),
        ],
    )
    def test_mistakes_are_named(self, folder, change, message):
        change(folder)
        with pytest.raises(SettingsError, match=message):
            find_songs_with_labels(folder)


class TestLabels:
    def test_are_read_as_they_were_written(self, tmp_path):
        passages = [(0.0, 1.25, False), (1.25, 3.5, True)]
        write_passages(tmp_path / "a.lab", passages)
        assert (tmp_path / "a.lab").read_text() == "0.000 1.250 nosing\n1.250 3.500 sing\n"
        assert read_passages(tmp_path / "a.lab") == passages

    @pytest.mark.parametrize("line", ["0 1", "0 1 song", "1 1 sing", "-1 2 sing", "a b sing"])
    def test_a_malformed_line_is_named(self, tmp_path, line):
        (tmp_path / "a.lab").write_text(f"0 1 sing\n\n{line}\n")
        with pytest.raises(SettingsError, match=r"a.lab, line 3: .*expected 'start end sing'"):
            read_passages(tmp_path / "a.lab")

    def test_a_passage_holds_its_start_and_not_its_end(self):
        passages = [(0.0, 0.1, False), (0.1, 0.3, True), (0.3, 0.4, False)]
        times = np.array([0.0, 0.1, 0.2, 0.3, 0.4])
        assert label_frames(passages, times).tolist() == [False, True, True, False, False]

    def test_what_no_passage_holds_is_not_sung(self):
        assert not label_frames([], np.arange(3.0)).any()


class TestVoices:
    def test_are_the_same_each_time_and_differ_by_seed(self):
        first, again, other = (compose_song(3, seed, 6.0) for seed in (0, 0, 1))
        assert first == again
        assert first != other

    def test_a_singer_sounds_where_the_labels_say_and_nowhere_else(self):
        programs = {PROGRAMS[name] for name in SINGERS}
        for index in range(6):
            parts, passages = compose_song(index, 0, 8.0)
            voice = [part for part in parts if not part.is_drum and part.program in programs]
            assert len(voice) == 1
            samples = np.abs(render(voice, 8.0, 11025))
            times = np.arange(len(samples)) / 11025
            sung = label_frames(passages, times)
            # A second after a passage its last note has faded away.
            faded = ~label_frames([(a, b + 1.0, s) for a, b, s in passages if s], times)
            assert samples[faded].max(initial=0) < 0.05 * samples.max()
            assert samples[sung].mean() > 5 * samples[faded].mean()

    def test_passages_cover_the_song_in_turns(self):
        for index in range(6):
            _, passages = compose_song(index, 0, 8.0)
            assert (passages[0][0], passages[-1][1]) == (0.0, 8.0)
            for before, after in zip(passages[:-1], passages[1:], strict=True):
                assert before[1] == after[0] and before[2] != after[2]

    def test_a_breath_between_notes_is_sung_and_a_rest_is_not(self):
        notes = [Note(-1.0, 1.5, 60, 90), Note(0.8, 0.2, 60, 90), Note(2.0, 9.0, 60, 90)]
        expected = [(0.0, 1.0, True), (1.0, 2.0, False), (2.0, 3.0, True)]
        assert find_passages(notes, 3.0) == expected
        assert find_passages([], 3.0) == [(0.0, 3.0, False)]

    def test_no_rest_is_as_silent_as_no_recording_is(self, voices):
        samples = read_audio(next((voices / "audio").iterdir()), 22050)
        blocks = samples[: len(samples) // 2205 * 2205].reshape(-1, 2205)
        assert np.sqrt(np.square(blocks).mean(1)).min() > 1e-5


class TestSpectra:
    def test_hold_magnitude_and_labels_of_every_song(self, voices, spectra):
        songs = find_songs_with_labels(voices)
        song = songs.iloc[0]
        samples = read_audio(song["path"], 22050)
        with h5py.File(spectra) as file:
            group = file["train"][song["clip"]]
            np.testing.assert_array_equal(group["magnitude"], np.abs(analyse_as_published(samples)))
            times = np.arange(group["magnitude"].shape[1]) * 315 / 22050
            expected = label_frames(read_passages(song["labels"]), times)
            np.testing.assert_array_equal(group["sung"], expected)

    def test_excerpts_are_all_that_fit_in_every_song(self, spectra):
        excerpts = Spectra.open(spectra, "train", 115, hop=10)
        whole = [excerpts.song(name) for name in excerpts.songs]
        expected = [x[:, t : t + 115] for x in whole for t in range(0, x.shape[1] - 114, 10)]
        assert len(excerpts) == len(expected)
        rows = [0, len(excerpts) - 1, len(excerpts) // 2]
        np.testing.assert_array_equal(excerpts.read(rows), [expected[row] for row in rows])

    def test_the_label_is_that_of_the_frame_in_the_middle(self, spectra):
        excerpts = Spectra.open(spectra, "train", 115)
        (song, first), (_, last) = excerpts.locate([0, len(excerpts.firsts[0]) - 1])
        found = excerpts.labels(np.arange(last - first + 1))
        np.testing.assert_array_equal(found, excerpts.sung[song][57 : 57 + len(found)])
        ((magnitude, label),) = excerpts.__getitems__([7])
        assert magnitude.shape == (513, 115) and label == float(found[7])

    def test_songs_that_are_too_short_are_refused(self, spectra):
        with pytest.raises(SettingsError, match="no song of its test part has 999 frames"):
            Spectra.open(spectra, "test", 999)

    def test_training_bands_have_mean_0_and_deviation_1(self, spectra):
        front_end = LogMel(*measure_bands(spectra))
        source = Spectra.open(spectra, "train", 1)
        bands = np.concatenate(
            [front_end(torch.from_numpy(source.song(name))).numpy() for name in source.songs], 1
        )
        np.testing.assert_allclose(bands.mean(1), 0, atol=1e-4)
        np.testing.assert_allclose(bands.std(1), 1, atol=1e-4)

    def test_written_excerpts_are_segments_of_the_same_excerpts(self, spectra, tmp_path):
        front_end = LogMel(*measure_bands(spectra))
        write_excerpts(tmp_path / "e.h5", spectra, front_end, 115, 20)
        segments = Segments.open(tmp_path / "e.h5", "train")
        source = Spectra.open(spectra, "train", 115, 20)
        rows = np.arange(len(source))
        assert (segments.classes, segments.shape) == (("nosing", "sing"), (80, 115))
        np.testing.assert_array_equal(segments.labels, source.labels(rows))
        np.testing.assert_array_equal(segments.clips, [song for song, _ in source.locate(rows)])
        expected = front_end(torch.from_numpy(source.read(rows)))
        np.testing.assert_allclose(segments.read(rows), expected, atol=1e-4)
