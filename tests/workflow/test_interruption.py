"""A run that is killed goes on to the same results."""

import os
import shutil
import signal
import subprocess
import time

import pytest

from auralise.files import sha256_of_file
from tests.workflow.conftest import SONG

TARGETS = (
    "networks/square-0/weights.safetensors",
    "networks/square-0/history.csv",
    f"deconvolution/square-0/{SONG}.h5",
    "auralisation/square-0/songs.csv",
)


def kill_when(finished, config, condition, seconds=300):
    """Start a run and kill all of it when `condition` holds."""
    process = subprocess.Popen(
        finished.command("--configfile", config, "--", *(f"results/again/{t}" for t in TARGETS)),
        cwd=finished.folder,
        env=finished.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + seconds
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None, "the run ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert condition()


@pytest.fixture
def again(finished):
    """The small experiment under another name, with its data set, and its results folder."""
    config = finished.configure("again", experiment="again")
    results = finished.folder / "results/again"
    shutil.copytree(finished.folder / "results/small/clips", results / "clips")
    for name in ("clips.csv", "segments.h5"):
        shutil.copy2(finished.folder / "results/small" / name, results)
    return config, results


def test_killed_in_training_and_in_writing_maps(finished, again):
    config, results = again
    whole = finished.folder / "results/small"
    weights = "networks/square-0/weights.safetensors"

    kill_when(finished, config, (results / "networks/square-0/checkpoints/last.ckpt").is_file)
    assert not (results / weights).exists()

    maps = results / "deconvolution"
    kill_when(finished, config, lambda: any(maps.glob("square-0/*")))
    assert (results / weights).is_file()

    done = finished.run(*(f"results/again/{target}" for target in TARGETS), config=config)
    assert done.returncode == 0, done.stdout
    for name in (
        weights,
        "networks/square-0/history.csv",
        f"auralisation/square-0/{SONG}/layer3/feature01.wav",
    ):
        assert sha256_of_file(results / name) == sha256_of_file(whole / name), name
    assert not list(results.rglob(".partial*"))
    assert not list(results.rglob("checkpoints"))
