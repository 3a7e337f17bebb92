"""GTZAN through the workflow: from an archive to segments, and what stops it."""

import h5py
import pandas as pd
import pytest

from benchmarks.gtzan import (
    Imitation,
    compare_with_planted,
    pack_imitation,
    write_imitation,
)
from tests.workflow.test_mistakes import refused


@pytest.fixture(scope="module")
def archive(project):
    folder = project.folder / "an imitation"
    write_imitation(folder, Imitation(clips_per_genre=14, duration=1.0), 2)
    return pack_imitation(folder)


def configure(project, name, archive, **changes):
    dataset = {
        "name": "gtzan",
        "path": str(archive),
        "clips_per_class": 14,
        "clip_duration": 1.0,
        "split": [0.6, 0.2, 0.2],
    }
    return project.configure(name, experiment=name, dataset=dataset | changes)


def test_an_archive_becomes_segments_without_its_faults(project, archive):
    config = configure(project, "gtzan_small", archive, on_problem="exclude")
    results = project.folder / "results/gtzan_small"
    done = project.run("results/gtzan_small/segments.h5", config=config)
    assert done.returncode == 0, done.stdout
    assert "not the file once published" in done.stdout
    clips = pd.read_csv(results / "clips.csv", keep_default_na=False)
    planted = pd.read_csv(archive.parent / "planted.csv", keep_default_na=False)
    assert compare_with_planted(clips, planted).empty
    with h5py.File(results / "segments.h5") as file:
        names = [name for split in file.values() for name in split["clips"].asstr()[:]]
    assert sorted(names) == sorted(clips.loc[clips["problem"] == "", "clip"])


def test_new_problems_stop_it_with_a_table(project, archive):
    config = configure(project, "gtzan_stop", archive)
    done = project.run("results/gtzan_stop/clips.csv", config=config)
    refused(done, "13 of 141 clips cannot be used", "jazz.00006", "3 of 22050 samples are NaN")
    assert not (project.folder / "results/gtzan_stop/clips.csv").exists()


def test_another_archive_than_the_checksum_says_is_refused(project, archive):
    config = configure(project, "gtzan_other", archive, checksum="md5:00")
    done = project.run("results/gtzan_other/clips.csv", config=config)
    refused(done, "genres.tar.gz: its md5 is", "expected 00")
