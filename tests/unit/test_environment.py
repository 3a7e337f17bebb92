"""What a process finds in its environment changes neither whether it works nor what it gives."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import torch

from auralise.environment import settle_environment
from auralise.training.fitting import fit
from auralise.weights.own import write_weights
from tests.conftest import make_schedule

CACHES = ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR")


@pytest.fixture
def nowhere(monkeypatch):
    for name in CACHES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/dev/null/home")


def test_a_user_without_a_home_keeps_caches_among_temporary_files(nowhere, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    settle_environment()
    for name in CACHES:
        assert Path(os.environ[name]).parent == tmp_path


def test_caches_of_a_users_own_are_left_alone(nowhere, monkeypatch, tmp_path):
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    settle_environment()
    assert os.environ["MPLCONFIGDIR"] == str(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in CACHES:
        monkeypatch.delenv(name, raising=False)
    settle_environment()
    assert not any(name in os.environ for name in CACHES)


def explained(folder, song, network, architecture, strange):
    """The sound of a feature, by a process in a strange environment."""
    names = {"n_bins": 257, "n_frames": 173, "classes": list("abc")}
    write_weights(folder / "w.safetensors", network, architecture, **names)
    soundfile.write(folder / "Größe 夜.wav", song[:11025], 11025)
    done = subprocess.run(
        [sys.executable, "-m", "auralise.cli", "explain", "Größe 夜.wav", "--weights"]
        + ["w.safetensors", "--out", "out", "--layers", "2", "--features", "1"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])} | strange,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0 and b"Traceback" not in done.stdout, done.stdout
    return (folder / "out/Größe 夜/layer2/feature01.wav").read_bytes()


@pytest.fixture(scope="module")
def plain(song, small_network, small_architecture, tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    return explained(folder, song, small_network, small_architecture, {})


@pytest.mark.slow
@pytest.mark.parametrize(
    "strange",
    [
        {"HOME": "/dev/null/home", "MPLBACKEND": "module://matplotlib_inline.backend_inline"},
        {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "MPLBACKEND": "TkAgg"},
        {"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "", "SLURM_NTASKS": "3"},
        {"http_proxy": "http://127.0.0.1:9", "https_proxy": "x", "HDF5_USE_FILE_LOCKING": "TRUE"},
    ],
    ids=",".join,
)
def test_explain_gives_the_same_bytes_in_every_environment(
    strange, plain, song, small_network, small_architecture, tmp_path
):
    assert explained(tmp_path, song, small_network, small_architecture, strange) == plain


def test_training_ignores_the_slurm_job_around_it(monkeypatch, tmp_path):
    for name, value in {"NTASKS": "4", "JOB_ID": "7", "PROCID": "3", "JOB_NAME": "mine"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    rows = torch.utils.data.TensorDataset(torch.linspace(-1, 1, 8)[:, None])

    def loss(network, batch):
        return (network(batch[0]) - batch[0]).square().mean(), {}

    schedule = make_schedule(epochs=2, batch_size=4)
    history = fit(torch.nn.Linear(1, 1), loss, rows, rows, schedule, 0, tmp_path, "any")
    assert len(history) == 2
