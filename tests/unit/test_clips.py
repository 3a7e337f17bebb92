"""Clips of a data set: found, examined, split by clip, cut into segments."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import soundfile

import auralise.datasets.segments as segments
import auralise.files as files
from auralise.audio import read_audio
from auralise.datasets.clips import (
    examine_clips,
    find_classes,
    find_clips,
    mark_replicas,
    refuse_problems,
    split_clips,
)
from auralise.datasets.listing import list_clips
from auralise.datasets.segments import Segments, segment_spectra, write_segments
from auralise.errors import SettingsError
from auralise.files import sha256_of_file
from tests.conftest import sine

SETTINGS = {
    "name": "folder",
    "clips_per_class": None,
    "clip_duration": None,
    "split": [0.6, 0.2, 0.2],
    "seed": 0,
    "on_problem": "stop",
}


@pytest.fixture
def folder(tmp_path, write_sound):
    """Two classes of five clips of different pitch."""
    for number, genre in enumerate(["dub", "ska"]):
        for index in range(5):
            write_sound(
                f"set/{genre}/{genre}.{index:05d}.wav", sine(200 + 70 * index + number, 1.0)
            )
    return tmp_path / "set"


def listed(folder, n_threads=1):
    return mark_replicas(examine_clips(find_clips(folder), n_threads))


class TestFind:
    def test_clips_are_named_by_file_and_class_by_folder(self, folder):
        (folder / "dub" / "._dub.00000.wav").touch()
        (folder / "notes.txt").touch()
        clips = find_clips(folder)
        assert len(clips) == 10
        assert clips.iloc[0].to_dict() == {
            "clip": "dub.00000",
            "path": str(folder / "dub/dub.00000.wav"),
            "genre": "dub",
        }

    def test_a_missing_folder_and_a_single_class_are_refused(self, folder, tmp_path):
        with pytest.raises(SettingsError, match="is not a folder"):
            find_clips(tmp_path / "nowhere")
        with pytest.raises(SettingsError, match="two classes"):
            find_clips(folder / "dub")

    def test_two_clips_of_one_name_are_refused(self, folder):
        for name in ("dub.00000.wav", "dub.00001.wav"):
            (folder / "ska" / name).write_bytes((folder / "ska/ska.00000.wav").read_bytes())
        with pytest.raises(SettingsError, match=r"names of their own.*clashes: 2") as error:
            find_clips(folder)
        assert str(error.value).endswith(
            f"rename one of {folder}/dub/dub.00000.wav and {folder}/ska/dub.00000.wav"
        )


class TestOuterFolders:
    """Archives are often of one folder, with the classes in it."""

    def test_the_only_folder_is_looked_into(self, folder, tmp_path):
        (tmp_path / "packed/data").mkdir(parents=True)
        (tmp_path / "packed/__MACOSX").mkdir()
        (tmp_path / "packed/LICENCE").touch()
        folder.rename(tmp_path / "packed/data/set")
        assert find_classes(tmp_path / "packed") == tmp_path / "packed/data/set"
        clips = list_clips(tmp_path / "packed", SETTINGS)
        assert clips["genre"].value_counts().to_dict() == {"dub": 5, "ska": 5}

    def test_a_class_is_none(self, folder, write_sound):
        assert find_classes(folder) == folder
        shutil.rmtree(folder / "ska")
        write_sound("set/dub/album/a.wav", sine())
        assert find_classes(folder) == folder

    def test_nor_is_one_beside_sound(self, tmp_path, write_sound):
        write_sound("album/live/a.wav", sine())
        write_sound("album/b.wav", sine())
        (tmp_path / "album/live/more").mkdir()
        assert find_classes(tmp_path / "album") == tmp_path / "album"

    def test_a_link_that_leads_back_is_not_followed_for_ever(self, tmp_path):
        (tmp_path / "loop").symlink_to(".")
        assert find_classes(tmp_path).is_dir()

    def test_a_file_is_told_with_the_endings_that_are_read(self, tmp_path):
        (tmp_path / "set.iso").touch()
        with pytest.raises(SettingsError, match="set.iso is not a folder, nor .*\\.tar.xz"):
            list_clips(tmp_path / "set.iso", SETTINGS)


class TestLeftOut:
    def test_sound_that_is_not_read_is_a_row_with_its_reason_and_stops_nothing(
        self, folder, caplog
    ):
        (folder / "ska/new.m4a").write_bytes(b"ftypM4A")
        (folder / "ska/cover.jpg").touch()
        clips = list_clips(folder, SETTINGS)
        row = clips.set_index("clip").loc["new"]
        assert row["problem"].startswith("passed over: .m4a is not read; convert it")
        assert (row["genre"], row["split"], row["path"]) == ("ska", "", f"{folder}/ska/new.m4a")
        assert len(clips) == 11
        assert caplog.text.count("new.m4a") == 1

    def test_aiff_and_opus_are_clips(self, folder, write_sound):
        write_sound("set/ska/a.aiff", sine(300))
        write_sound("set/ska/b.opus", sine(300, 1.0, 48000), 48000, format="OGG", subtype="OPUS")
        assert {"a", "b"} <= set(find_clips(folder)["clip"])

    @pytest.mark.parametrize("suffix", ["m4a", "wma", "mp4"])
    def test_a_class_of_nothing_but_unread_sound_refuses_the_set(self, folder, suffix):
        (folder / "folk").mkdir()
        (folder / f"folk/a.{suffix}").touch()
        with pytest.raises(SettingsError, match=f"class 'folk' would be left out.*a.{suffix}"):
            find_clips(folder)

    def test_a_class_whose_sound_lies_deeper_refuses_the_set(self, folder, write_sound):
        write_sound("set/folk/album/a.wav", sine())
        with pytest.raises(SettingsError, match="'folk' would be left out: its sound lies deeper"):
            find_clips(folder)

    def test_a_class_that_may_not_be_read_refuses_the_set(self, folder, monkeypatch):
        iterdir = Path.iterdir

        def refuse(path):
            if path.name == "ska":
                raise PermissionError(13, "Permission denied")
            return iterdir(path)

        monkeypatch.setattr(Path, "iterdir", refuse)
        with pytest.raises(SettingsError, match="set/ska cannot be read .Permission denied"):
            find_clips(folder)

    def test_a_class_that_leads_nowhere_refuses_the_set_and_a_linked_one_counts(self, folder):
        (folder / "ska").rename(folder.parent / "elsewhere")
        (folder / "ska").symlink_to(folder.parent / "elsewhere")
        assert set(find_clips(folder)["genre"]) == {"dub", "ska"}
        (folder / "folk").symlink_to(folder.parent / "nowhere")
        with pytest.raises(SettingsError, match="folk is a link to nothing"):
            find_clips(folder)

    def test_folders_of_systems_and_without_sound_are_no_classes(self, folder, caplog):
        caplog.set_level("INFO")
        for name in ("lost+found", "__MACOSX", ".Trash", "docs"):
            (folder / name).mkdir()
        (folder / "docs/readme.txt").touch()
        (folder / "__MACOSX/a.wav").touch()
        assert set(list_clips(folder, SETTINGS)["genre"]) == {"dub", "ska"}
        for name in ("lost+found", "__MACOSX", ".Trash", "docs", "readme.txt"):
            assert name in caplog.text

    def test_a_copy_beside_its_source_counts_once(self, folder):
        path = folder / "ska/ska.00000.wav"
        (folder / "ska/ska.00000.wav.flac").write_bytes(path.read_bytes())
        clips = list_clips(folder, SETTINGS).set_index("clip")
        assert clips.loc["ska.00000.wav", "problem"] == "passed over: a copy of ska.00000.wav"
        assert clips.loc["ska.00000", "problem"] == ""

    def test_a_class_with_nothing_left_is_refused_with_the_reasons_counted(self, folder):
        for number in range(3):
            (folder / f"ska/ska.0000{number}.wav").write_text("not audio")
        for number in (3, 4):
            (folder / f"ska/ska.0000{number}.wav").write_bytes(b"")
        with pytest.raises(
            SettingsError,
            match="class 'ska' has 0 usable clips.*left out: 3 × cannot be read as audio, "
            "2 × the file is empty",
        ):
            list_clips(folder, SETTINGS | {"on_problem": "exclude"})

    def test_a_clip_that_has_what_is_needed_may_be_shorter_than_its_header_says(self, folder):
        path = folder / "ska/ska.00000.wav"
        path.write_bytes(path.read_bytes()[:-8000])
        clips = find_clips(folder)
        problems = [
            examine_clips(clips, duration=needed).set_index("clip").loc["ska.00000", "problem"]
            for needed in (None, 0.9, 0.5)
        ]
        assert problems[0].startswith("truncated, 0.6")
        assert problems[1].startswith("truncated, 0.6")
        assert problems[2] == ""


class TestExamine:
    def test_sound_clips_have_no_problem(self, folder):
        clips = listed(folder)
        assert (clips["problem"] == "").all()
        assert (clips["seconds"] == 1.0).all()
        assert (clips["sample_rate"] == 11025).all()
        assert clips["peak"].between(0.49, 0.51).all()
        assert (clips["clipping"] == 0).all()
        assert clips["sha256"].is_unique

    def test_clips_keep_their_own_rate_and_tell_what_is_clipped(self, tmp_path, write_sound):
        loud = np.clip(4 * sine(440, 1.0, 22050), -1, 1)
        write_sound("set/dub/loud.wav", loud, 22050)
        write_sound("set/ska/stereo.flac", np.column_stack([loud, 0 * loud]), 22050)
        clips = examine_clips(find_clips(tmp_path / "set")).set_index("clip")
        share = np.mean(np.abs(loud) >= 1)
        assert clips.loc["loud", "clipping"] == pytest.approx(share, abs=1e-3)
        assert clips.loc["stereo", "clipping"] == pytest.approx(share / 2, abs=1e-3)
        assert (clips["sample_rate"] == 22050).all()

    def test_faults_are_found_and_named(self, folder):
        broken = folder / "dub/dub.00001.wav"
        broken.write_bytes(broken.read_bytes()[:5000])
        (folder / "ska/ska.00002.wav").write_text("not audio")
        replica = folder / "ska/ska.00003.wav"
        replica.write_bytes((folder / "dub/dub.00003.wav").read_bytes())
        clips = listed(folder, 2).set_index("clip")
        problems = clips["problem"]
        assert "truncated" in problems["dub.00001"]
        assert 0 < clips.loc["dub.00001", "seconds"] < 0.5  # what could be decoded
        assert "cannot be read" in problems["ska.00002"]
        assert problems["ska.00003"] == "replica of dub.00003, in another class"
        assert (problems != "").sum() == 3

    def test_a_replica_of_a_clip_with_a_problem_is_the_first_of_its_content(self, folder):
        clips = examine_clips(find_clips(folder))
        clips.loc[:2, "sha256"] = "same"
        clips.loc[0, "problem"] = "short"
        assert mark_replicas(clips)["problem"].tolist()[:3] == ["short", "", "replica of dub.00001"]

    def test_problems_stop_with_a_list(self, folder):
        (folder / "ska/ska.00002.wav").write_text("not audio")
        with pytest.raises(SettingsError, match=r"1 of 10 clips cannot be used(.|\n)*ska.00002"):
            refuse_problems(listed(folder))


class TestSplit:
    def test_every_class_is_split_by_the_fractions(self, folder):
        clips = split_clips(listed(folder), (0.6, 0.2, 0.2), 0)
        counts = clips.groupby(["genre", "split"]).size().unstack()
        assert counts.to_dict("index") == {
            genre: {"train": 3, "validation": 1, "test": 1} for genre in ("dub", "ska")
        }

    def test_the_seed_decides(self, folder):
        clips = listed(folder)
        splits = [split_clips(clips, (0.6, 0.2, 0.2), seed)["split"].tolist() for seed in (0, 0, 1)]
        assert splits[0] == splits[1] != splits[2]

    @pytest.mark.parametrize("fractions", [(0.5, 0.1, 0.1), (0.6, 0.3, 0.3)])
    def test_fractions_have_to_make_one(self, folder, fractions):
        with pytest.raises(SettingsError, match="expected three fractions that make 1"):
            split_clips(pd.DataFrame(), fractions, 0)

    def test_clips_with_a_problem_get_no_split(self, folder):
        clips = listed(folder)
        clips.loc[2, "problem"] = "silent"
        assert split_clips(clips, (0.5, 0.25, 0.25), 0)["split"][2] == ""

    def test_too_few_clips_are_refused(self, folder):
        clips = listed(folder)
        clips.loc[2:4, "problem"] = "silent"
        with pytest.raises(SettingsError, match="class 'dub' has 2 usable clips"):
            split_clips(clips, (0.6, 0.2, 0.2), 0)


class TestSegments:
    @pytest.mark.parametrize("edges", ["surroundings", "reflect", "zero"])
    def test_segments_follow_each_other(self, song, stft, edges):
        found = segment_spectra(song[:9000], 2, 4096, stft, edges)
        assert found.shape == (2, 257, 17)
        assert found.dtype == np.float32
        # Their inner frames are those of the clip; around them is what the setting says.
        whole = np.abs(stft.analyse(song[:9000]))
        for k in range(2):
            np.testing.assert_allclose(
                found[k][:, 1:-1], whole[:, 16 * k + 1 : 16 * k + 16], atol=1e-5
            )
        seam = whole[:, 16]
        apart = [np.abs(column - seam).max() > 1e-3 for column in (found[0][:, -1], found[1][:, 0])]
        assert apart == [edges != "surroundings"] * 2

    def test_a_short_clip_is_padded_to_one_segment(self, stft):
        found = segment_spectra(np.ones(1000, np.float32), 1, 4096, stft, "surroundings")
        assert found.shape == (1, 257, 17)
        assert not found[0][:, 5:].any()

    @pytest.mark.slow
    def test_segments_read_back_with_class_and_clip(self, folder, tmp_path, stft):
        clips = split_clips(listed(folder), (0.6, 0.2, 0.2), 0)
        path = tmp_path / "segments.h5"
        write_segments(path, clips, stft, 0.5)
        train = Segments.open(path, "train")
        assert train.classes == ("dub", "ska")
        assert len(train) == 2 * 6
        members = clips[clips["split"] == "train"]
        for row in (0, 7):
            clip = members.iloc[train.clips[row]]
            assert train.classes[train.labels[row]] == clip["genre"]
            samples = read_audio(clip["path"], 11025)
            spectra = segment_spectra(samples, 2, stft.n_samples(0.5), stft, "surroundings")
            np.testing.assert_array_equal(train.read([row])[0], spectra[row % 2])

    @pytest.mark.slow
    def test_no_clip_is_in_two_splits(self, folder, tmp_path, stft):
        clips = split_clips(listed(folder), (0.6, 0.2, 0.2), 0)
        write_segments(tmp_path / "segments.h5", clips, stft, 0.5)
        with h5py.File(tmp_path / "segments.h5") as file:
            names = pd.Series(
                [name for split in ("train", "validation", "test") for name in file[split]["clips"]]
            )
        assert names.is_unique
        assert len(names) == 10

    def test_the_bytes_do_not_depend_on_the_threads(self, folder, tmp_path, stft):
        clips = split_clips(listed(folder), (0.6, 0.2, 0.2), 0)
        for n_threads in (1, 3):
            write_segments(tmp_path / f"{n_threads}.h5", clips, stft, 0.3, n_threads)
        assert sha256_of_file(tmp_path / "1.h5") == sha256_of_file(tmp_path / "3.h5")

    def test_an_interrupted_writing_goes_on_and_ends_in_the_same_bytes(
        self, folder, tmp_path, stft, monkeypatch
    ):
        clips = split_clips(listed(folder), (0.6, 0.2, 0.2), 0)
        write_segments(tmp_path / "whole.h5", clips, stft, 0.3)
        monkeypatch.setattr(segments, "NOTED_AT_A_TIME", 2)
        read, killed_at = [], 7

        def read_or_be_killed(path, sample_rate):
            read.append(path)
            if len(read) == killed_at:
                raise KeyboardInterrupt
            return read_audio(path, sample_rate)

        monkeypatch.setattr(segments, "read_audio", read_or_be_killed)
        path = tmp_path / "again.h5"
        with pytest.raises(KeyboardInterrupt):
            write_segments(path, clips, stft, 0.3)
        assert not path.exists()
        read.clear()
        write_segments(path, clips, stft, 0.3)
        assert len(read) == len(clips) - 6  # three batches of two were noted
        assert sha256_of_file(path) == sha256_of_file(tmp_path / "whole.h5")
        assert not list(tmp_path.glob(".*"))

    def test_what_was_written_under_other_settings_is_not_gone_on_with(
        self, folder, tmp_path, stft, monkeypatch
    ):
        clips = split_clips(listed(folder), (0.6, 0.2, 0.2), 0)
        path = tmp_path / "segments.h5"
        with monkeypatch.context() as patch:
            patch.setattr(segments, "NOTED_AT_A_TIME", 1)
            patch.setattr(files.Journal, "note", break_off(files.Journal.note, 4))
            with pytest.raises(KeyboardInterrupt):
                write_segments(path, clips, stft, 0.3)
        assert list(tmp_path.glob(".journal*"))
        write_segments(path, clips, stft, 0.5)
        write_segments(tmp_path / "fresh.h5", clips, stft, 0.5)
        assert sha256_of_file(path) == sha256_of_file(tmp_path / "fresh.h5")


def break_off(function, at):
    """The function, interrupted after its so-manyth call."""
    calls = []

    def called(*arguments):
        function(*arguments)
        calls.append(arguments)
        if len(calls) == at:
            raise KeyboardInterrupt

    return called


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        ("rock/Song.wav", "pop/song.wav", "clips need names of their own"),
        ("rock/caf\u00e9.wav", "pop/cafe\u0301.wav", "clips need names of their own"),
        ("rock/a.wav", "Rock/b.wav", "the classes Rock and rock differ by nothing but"),
    ],
)
def test_names_that_are_one_on_some_machines_are_refused(tmp_path, first, second, what):
    for name in (first, second, "jazz/other.wav"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, sine(), 11025)
    with pytest.raises(SettingsError, match=what):
        find_clips(tmp_path)
