"""What a user gets wrong is answered without a traceback, and costs nothing else."""

import shutil

import numpy as np
import pytest
import soundfile
import torch
import yaml

from auralise.files import read_table
from tests.workflow.conftest import SMALL, SONG


def refused(done, *words):
    assert done.returncode in (1, 2)
    for word in words:
        assert word in done.stdout, done.stdout
    assert "Traceback" not in done.stdout


USABLE = ("cut", "good", "short", "stereo 96k")


@pytest.fixture(scope="module")
def bad_songs(finished, song):
    """A folder of good songs and of others that cannot be explained, after a run with it."""
    folder = finished.folder / "bad songs"
    folder.mkdir()
    soundfile.write(folder / "good.wav", song, 11025)
    (folder / "empty.wav").touch()
    (folder / "text.mp3").write_text("Dear diary")
    soundfile.write(folder / "silent.flac", np.zeros(11025), 11025)
    broken = song.copy()
    broken[7] = np.nan
    soundfile.write(folder / "nan.wav", broken, 11025, subtype="FLOAT")
    content = (folder / "good.wav").read_bytes()
    (folder / "cut.wav").write_bytes(content[: len(content) // 3])
    soundfile.write(folder / "short.wav", song[:3000], 11025)
    soundfile.write(folder / "stereo 96k.wav", np.column_stack([song, song]), 96000)
    (folder / "br{a}ce.wav").write_bytes(content)
    config = finished.configure("bad", songs="bad songs")
    # What joins all songs needs those that can be explained, and no other.
    joined = "results/small/networks/square-0/predictions.csv"
    maps = [f"results/small/deconvolution/square-0/{name}.h5" for name in USABLE]
    runs = [finished.run(joined, *maps, "show_results", config=config) for _ in range(2)]
    answered = set(read_table(finished.folder / joined)["song"])
    finished.run()  # what joins all songs is again of those of the other tests
    return finished, runs, answered


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty.wav", "the file is empty"),
        ("text.mp3", "cannot be read as audio"),
        ("silent.flac", "silent"),
        ("nan.wav", "1 of 44100 samples are NaN or infinite"),
        ("br{a}ce.wav", "braces"),
        ("cut.wav", "truncated"),
    ],
)
def test_a_bad_song_is_named_with_the_reason(bad_songs, name, reason):
    _, (done, _), _ = bad_songs
    refused(done, f"bad songs/{name}: {reason}")


def test_each_run_counts_the_bad_songs_and_ends_with_status_1(bad_songs):
    for done in bad_songs[1]:
        assert done.returncode == 1
        refused(done, "5 of 9 songs failed:")
        assert "Error in rule" not in done.stdout


def test_the_other_songs_are_done_and_nothing_is_half_written(bad_songs):
    finished, _, answered = bad_songs
    assert answered == {"cut", "good"}, "the others are shorter than what the network takes"
    files = list((finished.folder / "results/small/deconvolution/square-0").iterdir())
    assert {path.stem for path in files} >= {*USABLE}
    assert not {path.stem for path in files} & {"empty", "text", "silent", "nan"}
    assert not [path for path in files if "partial" in path.name]


def test_a_short_song_is_padded_with_a_warning(bad_songs):
    _, (done, _), _ = bad_songs
    assert "short.wav: only 0.27 s" in done.stdout


def test_no_song_that_can_be_used_is_status_2(project):
    (project.folder / "bad alone").mkdir()
    (project.folder / "bad alone/empty.wav").touch()
    config = project.configure("alone", songs="bad alone")
    done = project.run("show_results", config=config)
    refused(done, "songs: none can be used: bad alone/empty.wav: the file is empty")
    assert done.returncode == 2


def test_a_run_in_which_all_is_done_still_tells_of_songs_that_are_left_out(project, song):
    folder = project.folder / "one of two"
    folder.mkdir()
    soundfile.write(folder / "good.wav", song, 11025)
    (folder / "empty.wav").touch()
    config = project.configure("told", songs="one of two")
    for _ in range(2):
        done = project.run("--until", "tell_songs_left_out", config=config)
        refused(done, "1 of 2 songs failed:", "empty.wav: the file is empty")
        assert done.returncode == 1


def test_two_songs_of_one_stem(project, song):
    folder = project.folder / "twins"
    folder.mkdir()
    soundfile.write(folder / "a.wav", song, 11025)
    soundfile.write(folder / "a.flac", song, 11025)
    config = project.configure("twins", songs="twins")
    refused(project.run("-n", config=config), "a.flac and twins/a.wav have the same stem", "rename")


def test_no_songs(project):
    (project.folder / "nothing").mkdir()
    config = project.configure("nothing", songs="nothing")
    refused(project.run("-n", config=config), "no sound file in nothing; put at least one there")


def test_a_typing_error_in_a_setting(project):
    config = project.configure("typo", trainng={"epochs": 3})
    refused(project.run("-n", config=config), "trainng", "did you mean 'training'")


def test_results_that_cannot_be_written(project):
    (project.folder / "results").mkdir(exist_ok=True)
    (project.folder / "results/blocked").write_text("a file in the way")
    config = project.configure("blocked", experiment="blocked")
    refused(project.run("-n", config=config), "cannot write to results/blocked")


def test_settings_that_contradict_each_other_or_the_machine(project):
    config = project.configure(
        "contrary",
        experiment="contrary",
        dataset={"name": "folder", "path": "nowhere"},
        deconvolution={"layers": [2, 9]},
    )
    done = project.run("--dry-run", config=config)
    refused(done, "dataset.path = 'nowhere': is not there", "square has no layer 9")
    assert not (project.folder / "results/contrary").exists()


def test_a_setting_that_stands_twice(project):
    config = project.configure("twice", experiment="twice")
    with open(project.folder / config, "a") as file:
        file.write("training: {epochs: 3}\n")
    refused(project.run("--dry-run", config=config), "training: in line", config)


def test_weights_that_do_not_fit_the_settings(finished):
    """As after copying weights of another experiment into place."""
    results = finished.folder / "results"
    shutil.copytree(results / "small", results / "misfit")
    narrower = SMALL | {"experiment": "misfit"}
    narrower["networks"] = {"square": {"features": 3, "dense": [8]}}
    (finished.folder / "config/misfit.yaml").write_text(yaml.safe_dump(narrower))
    target = f"results/misfit/deconvolution/square-0/{SONG}.h5"
    # `--allowed-rules` keeps the workflow from training the network that fits.
    done = finished.run(
        target, "--force", "--allowed-rules", "deconvolve_song", config="config/misfit.yaml"
    )
    refused(done, "networks/square-0/weights.safetensors", "features (4, 4, 4, 4, 4)", "Delete")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there(finished):
    config = finished.configure("gpu", deconvolution={"device": "cuda"}, songs="other songs")
    (finished.folder / "other songs").mkdir()
    shutil.copy(finished.folder / f"songs/{SONG}.flac", finished.folder / "other songs/any.flac")
    done = finished.run("results/small/deconvolution/square-0/any.h5", config=config)
    refused(done, "torch has no device 'cuda' here", "deconvolution.device")


def test_a_clip_added_to_ones_own_folder_is_seen(finished):
    """Snakemake looks at the folder alone, whose time a clip in a class does not change."""
    own = finished.folder / "own"
    shutil.copytree(finished.folder / "results/small/clips", own)
    dataset = SMALL["dataset"] | {"name": "folder", "path": "own"}
    config = finished.configure("own", experiment="own", dataset=dataset)
    assert finished.run("results/own/clips.csv", config=config).returncode == 0
    assert "list_clips" not in finished.planned(config)
    clip = next(own.glob("*/*.*"))
    shutil.copy(clip, clip.with_stem("another"))
    assert finished.planned(config)["list_clips"] == 1
