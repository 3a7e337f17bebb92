"""Clips of a data set: found, examined, split by clip, cut into segments."""

import h5py
import numpy as np
import pandas as pd
import pytest

from auralise.audio import read_audio
from auralise.datasets.clips import examine_clips, find_clips, refuse_problems, split_clips
from auralise.datasets.segments import Segments, cut_segments, write_segments
from auralise.errors import SettingsError
from tests.conftest import sine


@pytest.fixture
def folder(tmp_path, write_sound):
    """Two classes of five clips of different pitch."""
    for number, genre in enumerate(["dub", "ska"]):
        for index in range(5):
            write_sound(
                f"set/{genre}/{genre}.{index:05d}.wav", sine(200 + 70 * index + number, 1.0)
            )
    return tmp_path / "set"


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
        (folder / "ska/dub.00000.wav").write_bytes((folder / "ska/ska.00000.wav").read_bytes())
        with pytest.raises(SettingsError, match="names of their own"):
            find_clips(folder)


class TestExamine:
    def test_sound_clips_have_no_problem(self, folder):
        clips = examine_clips(find_clips(folder), 11025)
        assert (clips["problem"] == "").all()
        assert (clips["seconds"] == 1.0).all()
        assert clips["sha256"].is_unique

    def test_faults_are_found_and_named(self, folder):
        broken = folder / "dub/dub.00001.wav"
        broken.write_bytes(broken.read_bytes()[:5000])
        (folder / "ska/ska.00002.wav").write_text("not audio")
        replica = folder / "ska/ska.00003.wav"
        replica.write_bytes((folder / "dub/dub.00003.wav").read_bytes())
        problems = examine_clips(find_clips(folder), 11025, 2).set_index("clip")["problem"]
        assert "truncated" in problems["dub.00001"]
        assert "cannot be read" in problems["ska.00002"]
        assert problems["ska.00003"] == "replica of dub.00003"
        assert (problems != "").sum() == 3

    def test_problems_stop_with_a_list(self, folder):
        (folder / "ska/ska.00002.wav").write_text("not audio")
        clips = examine_clips(find_clips(folder), 11025)
        with pytest.raises(SettingsError, match=r"1 of 10 clips cannot be used(.|\n)*ska.00002"):
            refuse_problems(clips)


class TestSplit:
    def test_every_class_is_split_by_the_fractions(self, folder):
        clips = split_clips(examine_clips(find_clips(folder), 11025), (0.6, 0.2, 0.2), 0)
        counts = clips.groupby(["genre", "split"]).size().unstack()
        assert counts.to_dict("index") == {
            genre: {"train": 3, "validation": 1, "test": 1} for genre in ("dub", "ska")
        }

    def test_the_seed_decides(self, folder):
        clips = examine_clips(find_clips(folder), 11025)
        splits = [split_clips(clips, (0.6, 0.2, 0.2), seed)["split"].tolist() for seed in (0, 0, 1)]
        assert splits[0] == splits[1] != splits[2]

    def test_clips_with_a_problem_get_no_split(self, folder):
        clips = examine_clips(find_clips(folder), 11025)
        clips.loc[2, "problem"] = "silent"
        assert split_clips(clips, (0.5, 0.25, 0.25), 0)["split"][2] == ""

    def test_too_few_clips_are_refused(self, folder):
        clips = examine_clips(find_clips(folder), 11025)
        clips.loc[2:4, "problem"] = "silent"
        with pytest.raises(SettingsError, match="class 'dub' has 2 usable clips"):
            split_clips(clips, (0.6, 0.2, 0.2), 0)


class TestSegments:
    def test_segments_follow_each_other_and_the_rest_is_dropped(self):
        segments = cut_segments(np.arange(10), 4)
        assert segments.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]

    def test_a_short_clip_is_padded_to_one_segment(self):
        assert cut_segments(np.array([1, 2]), 4).tolist() == [[1, 2, 0, 0]]

    def test_segments_read_back_with_class_and_clip(self, folder, tmp_path, stft):
        clips = split_clips(examine_clips(find_clips(folder), 11025), (0.6, 0.2, 0.2), 0)
        path = tmp_path / "segments.h5"
        write_segments(path, clips, stft, 0.5)
        train = Segments.open(path, "train")
        assert train.classes == ("dub", "ska")
        assert len(train) == 2 * 6
        members = clips[clips["split"] == "train"]
        for row in (0, 7):
            clip = members.iloc[train.clips[row]]
            assert train.classes[train.labels[row]] == clip["genre"]
            cut = cut_segments(read_audio(clip["path"], 11025), stft.n_samples(0.5))[row % 2]
            np.testing.assert_array_equal(train.read([row])[0], np.abs(stft.analyse(cut)))

    def test_no_clip_is_in_two_splits(self, folder, tmp_path, stft):
        clips = split_clips(examine_clips(find_clips(folder), 11025), (0.6, 0.2, 0.2), 0)
        write_segments(tmp_path / "segments.h5", clips, stft, 0.5)
        with h5py.File(tmp_path / "segments.h5") as file:
            names = pd.Series(
                [name for split in ("train", "validation", "test") for name in file[split]["clips"]]
            )
        assert names.is_unique
        assert len(names) == 10
