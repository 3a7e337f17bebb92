"""GTZAN: its published facts, its layouts, its faults, and an imitation that has them all."""

import shutil

import numpy as np
import pandas as pd
import pytest

from auralise.datasets.clips import KNOWN, mark_replicas, split_clips
from auralise.datasets.gtzan.clips import (
    find_genres,
    find_gtzan_clips,
    mark_gtzan_problems,
    split_as_published,
)
from auralise.datasets.gtzan.published import GENRES, clip_name, published
from auralise.datasets.listing import list_clips
from auralise.errors import SettingsError
from auralise.files import sha256_of_file
from benchmarks.gtzan import (
    PLANTED,
    Imitation,
    compare_with_planted,
    main,
    pack_imitation,
    write_imitation,
)

pytestmark = pytest.mark.slow

SMALL = Imitation(clips_per_genre=14, duration=0.5)
SETTINGS = {
    "name": "gtzan",
    "clips_per_class": SMALL.clips_per_genre,
    "clip_duration": SMALL.duration,
    "split": [0.6, 0.2, 0.2],
    "seed": 0,
    "on_problem": "exclude",
}


@pytest.fixture(scope="module")
def imitation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gtzan")
    write_imitation(folder, SMALL)
    return folder


@pytest.fixture(scope="module")
def planted(imitation):
    return pd.read_csv(imitation / "planted.csv", keep_default_na=False)


@pytest.fixture(scope="module")
def clips(imitation):
    return list_clips(imitation, SETTINGS, n_threads=2)


def sound_gtzan():
    """The table of a GTZAN in which nothing is wrong with any file."""
    clips = [clip_name(genre, number) for genre in GENRES for number in range(100)]
    return pd.DataFrame(
        {
            "clip": clips,
            "path": clips,
            "genre": [clip.split(".")[0] for clip in clips],
            "seconds": 30.0,
            "sample_rate": 22050,
            "peak": 0.5,
            "clipping": 0.0,
            "sha256": clips,
            "problem": "",
        }
    )


class TestPublished:
    def test_the_split_has_the_published_sizes_and_leaves_seventy_out(self):
        facts = published()
        counts = pd.Series(facts.split).value_counts().to_dict()
        assert counts == {"train": 443, "test": 290, "validation": 197}
        assert len(facts.faults) == 1000 - 930
        assert not facts.split.keys() & facts.faults.keys()

    def test_there_are_fifty_replicas_and_no_group_has_two_in_the_split(self):
        facts = published()
        assert sum(len(group) - 1 for group in facts.replicas) == 50
        for group in facts.replicas:
            assert sum(clip in facts.split for clip in group) <= 1, group

    def test_a_fault_says_what_it_is_and_where_that_was_published(self):
        faults = published().faults
        assert faults["jazz.00033"] == "exact replica of jazz.00051 (Sturm 2013)"
        assert faults["reggae.00086"] == "25 s of it are distorted (Sturm 2013)"
        assert faults["pop.00037"].startswith("left out by the fault-filtered split (Kereliuk")


class TestLayouts:
    @pytest.mark.parametrize(
        "below", ["", "genres", "gtzan_genre/genres", "Data/genres_original", "a/b/c/genres"]
    )
    def test_the_genres_are_found_at_or_below_the_path(self, tmp_path, below):
        for genre in ("blues", "rock"):
            (tmp_path / below / genre).mkdir(parents=True)
            (tmp_path / below / genre / f"{genre}.00000.wav").touch()
        assert find_genres(tmp_path) == tmp_path / below

    def test_pictures_of_the_genres_are_not_taken_for_them(self, tmp_path):
        folder = tmp_path / "Data/images_original/blues"
        folder.mkdir(parents=True)
        (folder / "blues00000.png").touch()
        with pytest.raises(SettingsError, match="no folder in .* holds GTZAN's genres"):
            find_genres(tmp_path)

    def test_two_copies_side_by_side_are_refused(self, tmp_path):
        for copy in ("first", "second"):
            for genre in ("blues", "rock"):
                (tmp_path / copy / genre).mkdir(parents=True)
                (tmp_path / copy / genre / f"{genre}.00000.au").touch()
        with pytest.raises(SettingsError, match="several copies of GTZAN; give one of .*first"):
            find_genres(tmp_path)

    def test_folders_that_are_no_genres_are_passed_over_with_a_warning(self, imitation, caplog):
        other = imitation / "genres/polka"
        other.mkdir()
        shutil.copy(imitation / "genres/pop/pop.00001.au", other / "polka.00000.au")
        try:
            assert "polka" not in set(find_gtzan_clips(imitation)["genre"])
        finally:
            shutil.rmtree(other)
        assert "passed over, not genres of GTZAN: polka" in caplog.text


class TestFaults:
    def test_every_planted_fault_is_found_and_none_invented(self, clips, planted):
        assert compare_with_planted(clips, planted).empty
        small = {name for name in PLANTED if int(name[-5:]) < SMALL.clips_per_genre}
        assert small <= set(planted["clip"])

    def test_the_same_holds_for_wav_files_in_the_other_layout(self, tmp_path):
        other = Imitation(11, 0.3, container="wav", layout="original")
        write_imitation(tmp_path, other)
        settings = SETTINGS | {"clips_per_class": 11, "clip_duration": 0.3}
        clips = list_clips(tmp_path, settings)
        planted = pd.read_csv(tmp_path / "planted.csv", keep_default_na=False)
        assert compare_with_planted(clips, planted).empty

    def test_only_sound_clips_get_a_split(self, clips):
        assert ((clips["split"] != "") == (clips["problem"] == "")).all()

    def test_facts_of_clips_are_told(self, clips):
        clips = clips.set_index("clip")
        assert clips.loc["blues.00000", "seconds"] == 0.5
        assert clips.loc["metal.00007", "sample_rate"] == 44100
        assert clips.loc["hiphop.00005", "peak"] == 0
        assert clips.loc["pop.00000", "peak"] > 0.9999
        assert 0.001 < clips.loc["pop.00000", "clipping"] < 1
        assert (clips["clipping"] > 0).sum() == 1
        assert clips.loc["pop.00008", "path"] == ""

    def test_new_problems_stop_the_run_with_a_table_and_known_ones_do_not(
        self, imitation, planted, caplog
    ):
        with pytest.raises(SettingsError) as error:
            list_clips(imitation, SETTINGS | {"on_problem": "stop"})
        new = planted[(planted["problem"] != "") & ~planted["problem"].str.startswith(KNOWN)]
        assert str(error.value).startswith(f"{len(new)} of 141 clips cannot be used")
        for row in new.itertuples():
            assert f"{row.clip}" in caplog.text
            assert row.problem in caplog.text
        assert f"and {len(new) - 2} more" in str(error.value) and len(str(error.value)) <= 500
        assert "metal.00004" not in caplog.text  # a published replica

    def test_a_damaged_clip_that_is_known_to_be_is_no_new_problem(self):
        clips = sound_gtzan().set_index("clip")
        clips.loc["jazz.00054", "problem"] = "cannot be read as audio"
        marked = mark_gtzan_problems(clips.reset_index(), 100, 30.0).set_index("clip")
        assert marked.loc["jazz.00054", "problem"].startswith(KNOWN + "damaged in many copies")
        assert (
            mark_gtzan_problems(sound_gtzan(), 100, 30.0)
            .set_index("clip")
            .loc["jazz.00054", "problem"]
            == ""
        )

    def test_a_comparison_names_what_was_overlooked_and_what_invented(self, clips, planted):
        changed = clips.assign(
            problem=clips["problem"]
            .where(clips["clip"] != "hiphop.00005", "")
            .where(clips["clip"] != "rock.00000", "silent")
        )
        assert set(compare_with_planted(changed, planted)["clip"]) == {"hiphop.00005", "rock.00000"}


class TestSplit:
    def test_a_sound_gtzan_is_split_as_published(self):
        clips = split_as_published(
            mark_replicas(mark_gtzan_problems(sound_gtzan(), 100, 30.0), published().split)
        )
        counts = clips["split"].value_counts().to_dict()
        assert counts == {"train": 443, "test": 290, "validation": 197, "": 70}
        assert clips.loc[clips["split"] == "", "problem"].str.startswith(KNOWN).all()

    @pytest.mark.parametrize("as_published", [True, False])
    def test_no_replica_crosses_splits(self, as_published):
        """Content shared at random, beside the published replicas."""
        clips = sound_gtzan()
        clips["sha256"] = np.random.default_rng(0).integers(0, 900, len(clips)).astype(str)
        split = published().split if as_published else {}
        clips = mark_replicas(mark_gtzan_problems(clips, 100, 30.0), split)
        clips = (
            split_as_published(clips) if as_published else split_clips(clips, (0.6, 0.2, 0.2), 0)
        )
        used = clips[clips["split"] != ""]
        assert len(used) > 500
        assert used["sha256"].is_unique
        assert used["clip"].is_unique
        crossing = clips["problem"].str.contains("across splits")
        assert crossing.any() == as_published

    def test_a_genre_without_test_clips_is_refused(self):
        clips = sound_gtzan()
        test = {clip for clip, name in published().split.items() if name == "test"}
        clips = clips[~((clips["genre"] == "jazz") & clips["clip"].isin(test))]
        marked = mark_gtzan_problems(clips, 100, 30.0)
        with pytest.raises(SettingsError, match="no usable clip of 'jazz' .* published test"):
            split_as_published(marked)


class TestImitation:
    def test_it_goes_on_after_an_interruption_to_the_same_bytes(self, imitation, tmp_path):
        again = tmp_path / "again"
        shutil.copytree(imitation, again)
        whole = {path.name: sha256_of_file(path) for path in again.rglob("*.au")}
        for path in [again / "genres/rock/rock.00003.au", *list(again.rglob("*.au"))[::5]]:
            path.unlink(missing_ok=True)
        write_imitation(again, SMALL, 2)
        assert {path.name: sha256_of_file(path) for path in again.rglob("*.au")} == whole
        assert not (again / "genres/pop/pop.00008.au").exists()

    def test_its_archive_is_repeatable(self, imitation, tmp_path):
        again = tmp_path / "again"
        shutil.copytree(imitation, again)
        assert sha256_of_file(pack_imitation(again)) == sha256_of_file(pack_imitation(imitation))
        (imitation / "genres.tar.gz").unlink()

    def test_the_command_makes_it_and_checks_how_it_was_read(
        self, imitation, clips, tmp_path, capsys
    ):
        table = tmp_path / "clips.csv"
        clips.to_csv(table, index=False)
        assert main([str(imitation), "--check", str(table)]) == 0
        assert "as planted, none invented" in capsys.readouterr().out
        clips.assign(problem="").to_csv(table, index=False)
        assert main([str(imitation), "--check", str(table)]) == 1
        with pytest.raises(SystemExit):
            main([str(tmp_path), "--clips", "5"])
