"""The command line takes networks as people have them: a class, weights, a front end."""

import csv
import io
import os
import pty
import re
import subprocess
import sys

import h5py
import pytest
import torch

from auralise.cli.main import main
from tests.conftest import REPOSITORY, sine

RATE = 8000
CODE = """
import torch
from torch import nn

class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.entry = nn.Conv2d(1, 4, 3, padding=1)
        self.block = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = torch.relu(self.entry(x))
        x = nn.functional.max_pool2d(torch.relu(self.block(x) + x), 2)
        return torch.sigmoid(self.head(x.mean((2, 3))))
"""
FRONT_END = "- power: 2\n- mel: {n_bands: 16}\n- log1p: {gain: 10000, base: 10}\n"


@pytest.fixture
def files(tmp_path, write_sound):
    """Options that name a residual network on mel bands, and a song."""
    code, weights = tmp_path / "tagger.py", tmp_path / "tagger.pt"
    code.write_text(CODE)
    space: dict = {}
    exec(CODE, space)
    torch.manual_seed(0)
    torch.save(space["Tagger"]().state_dict(), weights)
    (tmp_path / "mel.yaml").write_text(FRONT_END)
    song = write_sound("song.wav", sine(440, 1.0, RATE), RATE)
    grid = ["--sample-rate", str(RATE), "--n-fft", "256", "--hop-length", "128"]
    network = ["--weights", str(weights), "--module", f"{code}:Tagger", *grid]
    return str(song), [*network, "--front-end", str(tmp_path / "mel.yaml")]


def test_layers_lists_what_can_be_explained(files, capsys):
    _, network = files
    assert main(["layers", *network]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[1:3] == [["1", "4", "1.entry"], ["2", "4", "1.block"]]


def test_predict_prints_the_answers_of_ones_own_network(files, capsys):
    song, network = files
    assert main(["predict", song, *network, "--top", "2"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["song"] for row in rows] == ["song", "song"]
    assert float(rows[0]["probability"]) >= float(rows[1]["probability"]) > 0


@pytest.mark.parametrize("layers", [[], ["--layers", "2"], ["--layers", "1.block"]])
@pytest.mark.slow
def test_explain_writes_maps_on_the_grid_of_the_stft(files, tmp_path, layers):
    song, network = files
    out = tmp_path / "out"
    assert main(["explain", song, *network, "--out", str(out), *layers]) == 0
    with h5py.File(out / "song.h5") as file:
        names = [name for name in file if name.startswith("layer")]
        assert len(names) == (1 if layers else 2)
        assert file[names[-1]]["deconvolved"].shape[:2] == (4, 129)
        assert file["mask_scale"].shape == (129,)
        assert file["mask_scale"][:].any()


@pytest.mark.slow
def test_layers_before_a_refused_one_are_explained_as_the_message_says(files, tmp_path, capsys):
    song, network = files
    code = CODE.replace("x.mean(", "self.entry(x.sort(-1)[0][:, :1]).mean(")
    (tmp_path / "tagger.py").write_text(code)
    explain = ["explain", song, *network, "--no-page", "--features", "0"]
    explain += ["--out", str(tmp_path / "out")]
    assert main(explain) == 2
    error = capsys.readouterr().err
    assert "layer '1.entry': cannot deconvolve" in error and "(Sort)" in error
    assert main([*explain, *re.search(r"(--layers) ([\d-]+)", error).groups()]) == 0
    with h5py.File(tmp_path / "out" / "song.h5") as file:
        assert [name for name in file if name.startswith("layer")] == ["layer1", "layer2"]
    assert main([*explain, "--layers", "2"]) == 0
    with h5py.File(tmp_path / "out" / "song.h5") as file:
        assert [name for name in file if name.startswith("layer")] == ["layer2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "either --weights FILE or --network NAME"),
        (["--weights", "x.pt", "--network", "musicnn/MTT_vgg"], "either --weights FILE or"),
        (["--network", "musicnn/MTT_vgg", "--n-fft", "64"], "--n-fft: musicnn/MTT_vgg has its own"),
        (["--network", "musicnn/VGG"], "is not a published network that auralise knows"),
    ],
)
def test_a_network_is_named_once(capsys, arguments, message):
    assert main(["layers", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_front_end_of_another_grid_is_refused(files, tmp_path, capsys):
    song, network = files
    matrix = tmp_path / "matrix.yaml"
    matrix.write_text(f"- filterbank: {{matrix: {[[1.0] * 100] * 2}}}\n")
    arguments = [*network[:-1], str(matrix), "--out", str(tmp_path / "out")]
    assert main(["explain", song, *arguments]) == 2
    error = capsys.readouterr().err
    assert "matrix.yaml: step 1, filterbank: its matrix takes 100 bins" in error


def test_tensors_without_an_architecture_are_not_guessed_at(tmp_path, capsys):
    """A residual network read as a chain of 2015 would give maps that mean nothing."""
    weights = tmp_path / "bare.pt"
    torch.save(torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3)).state_dict(), weights)
    assert main(["layers", "--weights", str(weights)]) == 2
    assert "bare.pt holds no architecture; give the class" in capsys.readouterr().err
    assert main(["layers", "--weights", str(weights), "--assume"]) == 0
    assert "assumed: the file holds no architecture, so that of 2015" in capsys.readouterr().out


@pytest.mark.slow
def test_a_terminal_that_cannot_show_a_name_does_not_end_the_command(write_sound, tmp_path):
    song = write_sound("夜.wav", sine(440, 1.0))
    weights = tmp_path / "bare.pt"
    torch.save(torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3)).state_dict(), weights)
    reader, terminal = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "auralise.cli", "explain", str(song), "--weights", str(weights)]
        + ["--assume", "--out", str(tmp_path / "out")],
        env=os.environ | {"PYTHONIOENCODING": "latin-1", "PYTHONPATH": str(REPOSITORY)},
        stdout=terminal,
        stderr=subprocess.PIPE,
    )
    os.close(terminal)
    assert done.returncode == 0, done.stderr
    assert b"\\u591c" in os.read(reader, 10_000)
    os.close(reader)
