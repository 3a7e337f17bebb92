"""Networks whose weights are given go the whole way, beside one that is trained here."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from auralise.maps import open_maps
from tests.conftest import sine
from tests.workflow.conftest import SMALL, copy_project

CODE = """
import torch
from torch import nn

class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.entry = nn.Conv2d(1, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.block = nn.Conv2d(3, 3, 3, padding=1)
        self.head = nn.Linear(3, 2)

    def forward(self, x):
        x = torch.relu(self.norm(self.entry(x)))
        x = nn.functional.max_pool2d(torch.relu(self.block(x) + x), 2)
        return torch.sigmoid(self.head(x.mean((2, 3))))
"""
TAGGER = {
    "weights": "tagger.pt",
    "module": "code/tagger.py:Tagger",
    "front_end": [{"power": 2}, {"mel": {"n_bands": 16}}, {"log1p": {"gain": 100}}],
    "stft": {"sample_rate": 8000, "n_fft": 256, "hop_length": 128},
    "classes": ["calm", "wild"],
}
SQUARE = {"features": 3, "layers": 2, "dropout": 0, "dense": []}
SMALLEST = SMALL | {
    "methods": ["deconvolution"],
    "networks": {
        "square": {"features": 3, "layers": 2, "dropout": 0, "dense": []},
        "tagger": TAGGER,
    },
    "training": {"epochs": 1, "batch_size": 4, "accelerator": "cpu"},
    "attributes": {"keys": ["Bb2", "A3"], "instruments": ["sine"], "chords": ["major", "minor"]},
}


@pytest.fixture(scope="module")
def project(repository, tmp_path_factory):
    project = copy_project(repository, tmp_path_factory.mktemp("given") / "a project")
    for name in ("songs", "code"):
        (project.folder / name).mkdir()
    soundfile.write(project.folder / "songs/a.wav", sine(440, 1.5, 22050), 22050)
    (project.folder / "code/tagger.py").write_text(CODE)
    space: dict = {}
    exec(CODE, space)
    torch.manual_seed(0)
    torch.save(space["Tagger"]().state_dict(), project.folder / "tagger.pt")
    return project


def configure(project, name, **changes):
    return project.configure(name, **(SMALLEST | {"experiment": name} | changes))


@pytest.fixture(scope="module")
def mixed(project):
    done = project.run(config=configure(project, "mixed"))
    assert done.returncode == 0, done.stdout
    return project.folder / "results/mixed"


NETWORKS = {"square-0", "tagger", "untrained-0", "tagger-untrained-0"}


def test_every_stage_has_every_network(mixed):
    for network in NETWORKS:
        assert (mixed / f"networks/{network}/weights.safetensors").is_file()
        assert (mixed / f"networks/{network}/predictions.csv").is_file()
        assert list((mixed / f"auralisation/{network}/a").glob("layer2/feature02*.wav"))
        assert (mixed / f"figures/{network}/sheets/a/layer2.png").is_file()
        assert (mixed / f"attributes/{network}/correlation.csv").is_file()
    assert not (mixed / "networks/tagger/evaluation.json").exists()
    assert (mixed / "figures/tagger/attributes.png").is_file()
    assert pd.read_csv(mixed / "checks.csv")["passed"].all()
    catalogue = (mixed / "listening/data/catalogue.js").read_text(encoding="utf-8")
    assert all(f'"{network}"' in catalogue for network in NETWORKS)


def test_a_network_hears_its_own_transform_in_all_stages(mixed):
    for network, rate in {"tagger": 8000, "tagger-untrained-0": 8000, "square-0": 11025}.items():
        with open_maps(mixed / f"deconvolution/{network}/a.h5") as maps:
            assert maps.stft.sample_rate == rate
            assert maps.origin.config["stft"]["sample_rate"] == rate
        assert soundfile.info(mixed / f"auralisation/{network}/a/original.wav").samplerate == rate
    with open_maps(mixed / "deconvolution/tagger/a.h5") as maps:
        assert (maps.mask_scale != 1).any()
    signal = next((mixed / "attributes/signals").glob("*.wav"))
    assert soundfile.info(signal).samplerate == 11025  # the highest rate of all


def test_its_features_are_examined_at_its_own_transform_beside_those_of_untrained_ones(mixed):
    for network, n_layers in {"tagger": 2, "square-0": 2, "tagger-untrained-0": 2}.items():
        names = pd.read_csv(mixed / f"dissection/{network}/names.csv")
        assert set(names["layer"]) == set(range(1, n_layers + 1))
        assert (names.groupby("layer")["feature"].nunique() == 3).all()
        assert (mixed / f"dissection/{network}/own_songs.csv").is_file()
    for folder, rate in {"exam": 11025, "exam-tagger": 8000}.items():
        clips = list((mixed / "dissection" / folder).glob("*.flac"))
        assert clips and all(soundfile.info(clip).samplerate == rate for clip in clips)
    nulls = set(pd.read_csv(mixed / "dissection/nulls.csv")["null"])
    claims = "masks of other clips", "untrained against untrained"
    assert nulls == {f"{claim}, {of}" for claim in claims for of in ("square", "tagger")}


def test_the_control_has_forgotten_what_was_learned_and_has_statistics_of_music(mixed):
    from safetensors.torch import load_file

    own = load_file(mixed / "networks/tagger/weights.safetensors")
    control = load_file(mixed / "networks/tagger-untrained-0/weights.safetensors")
    assert own.keys() == control.keys()
    for name in ("entry.weight", "block.weight", "head.weight"):
        assert not torch.allclose(own[name], control[name])
    assert torch.equal(own["norm.running_mean"], torch.zeros(3))
    assert (control["norm.running_mean"] != 0).all()


def test_each_network_stands_beside_the_controls_of_its_architecture(mixed):
    comparison = pd.read_csv(mixed / "attributes/comparison.csv")
    assert set(comparison["variant"]) == {"square", "tagger"}
    s = pd.read_csv(mixed / "attributes/summary.csv").set_index("network")["s"]
    for variant, control in {"square": "untrained-0", "tagger": "tagger-untrained-0"}.items():
        found = comparison[comparison["variant"] == variant]["s_untrained"]
        np.testing.assert_allclose(found, s.loc[control])
    for network in NETWORKS:
        ranked = pd.read_csv(mixed / "attributes" / network / "correlation.csv")
        assert set(ranked["network"]) == {network} and "percentile" in ranked


def test_predictions_are_those_of_the_command(project, mixed):
    table = (mixed / "networks/tagger/predictions.csv").read_text()
    assert table.startswith("song,class,probability\na,")
    assert set(pd.read_csv(mixed / "networks/tagger/predictions.csv")["class"]) == {"calm", "wild"}
    weights = mixed / "networks/tagger/weights.safetensors"  # states front end, STFT and classes
    options = ["--weights", str(weights), "--module", TAGGER["module"]]
    done = subprocess.run(
        [sys.executable, "-m", "auralise.cli", "predict", "songs/a.wav", *options],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
    )
    assert done.stdout == table, done.stderr


def test_a_second_run_has_nothing_to_do_and_other_code_runs_again(project, mixed):
    assert project.planned("config/mixed.yaml") == {}
    code = project.folder / "code/tagger.py"
    code.write_text(CODE + "\n# another word\n")
    planned = project.planned("config/mixed.yaml")
    assert planned["read_network"] == planned["untrain_network"] == 1
    assert "train_network" not in planned


def test_alone_it_is_the_first_network_and_nothing_is_trained(project):
    config = configure(project, "alone", networks={"tagger": TAGGER})
    planned = project.planned(config)
    assert planned["read_network"] == planned["untrain_network"] == 1
    assert planned["deconvolve_song"] == planned["predict_songs"] == 2
    assert not {"train_network", "evaluate_network", "write_segments"} & planned.keys()
    control = "results/alone/networks/untrained-0/predictions.csv"
    assert project.run(control, config=config).returncode == 0
    assert (project.folder / control).is_file()
