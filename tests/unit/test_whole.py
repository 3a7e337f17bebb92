"""A network whose weights are given: what belongs to it, from where, and held against what."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import save_file

from auralise.cli.main import build_parser, main
from auralise.cli.networks import read_asked_network
from auralise.errors import NetworkError, SettingsError, WeightsError
from auralise.explainers.making import explainer_of, read_explainer
from auralise.networks.initialisation import redraw_weights
from auralise.stft import Stft
from auralise.training.controls import read_training_segments, untrain_network
from auralise.weights.own import safetensors_facts
from auralise.weights.whole import (
    Description,
    read_filled,
    read_whole,
    source_of,
    write_whole,
)
from tests.conftest import sine

CODE = """
import torch
from torch import nn

class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.entry = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.scale = nn.Parameter(torch.tensor([1.0, 2.0, 3.0, 4.0]))

    def forward(self, x):
        x = torch.relu(self.norm(self.entry(x))) * self.scale[:, None, None]
        return torch.sigmoid(x.mean((2, 3)))
"""
STEPS = [{"power": 2}, {"mel": {"n_bands": 16}}, {"log1p": {"gain": 100}}]
STFT = Stft(8000, 256, 128)
GRID = {"sample_rate": 8000, "n_fft": 256, "hop_length": 128}


@pytest.fixture
def given(tmp_path):
    """Weights of a module, without and with facts, and the module's name."""
    code = tmp_path / "tagger.py"
    code.write_text(CODE)
    space: dict = {}
    exec(CODE, space)
    torch.manual_seed(0)
    tensors = space["Tagger"]().state_dict()
    save_file(tensors, tmp_path / "bare.safetensors")
    facts = {"front_end": json.dumps(STEPS), "stft": json.dumps(GRID)}
    facts |= {"classes": json.dumps(list("abcd"))}
    save_file(tensors, tmp_path / "stating.safetensors", facts)
    (tmp_path / "front_end.yaml").write_text(yaml.safe_dump(STEPS))
    return tmp_path, f"{code}:Tagger"


def described(given, name="bare.safetensors", **changes):
    folder, module = given
    return Description(folder / name, module=module, **changes)


def test_three_ways_of_giving_a_front_end_lead_to_the_same_bytes(given):
    folder, module = given
    settings = {"weights": str(folder / "bare.safetensors"), "module": module, "front_end": STEPS}
    options = ["--weights", settings["weights"], "--module", module]
    options += ["--front-end", str(folder / "front_end.yaml")]
    options += [f"--{key.replace('_', '-')}={value}" for key, value in GRID.items()]
    ways = [
        read_whole(described(given, "stating.safetensors"), STFT),
        read_whole(Description.from_settings(settings), STFT),
        read_asked_network(build_parser().parse_args(["layers", *options])),
    ]
    magnitude = np.random.default_rng(0).uniform(size=(129, 40)).astype(np.float32)
    maps = set()
    for whole in ways:
        explainer = explainer_of(whole.convolutional, shape=magnitude.shape)
        _, found = next(explainer.deconvolve_all(magnitude))
        maps.add(found.tobytes() + explainer.mask_scale(129).tobytes())
    assert len(maps) == 1


def test_what_is_written_states_all_that_belongs_to_the_network(given, tmp_path):
    description = described(given, front_end=STEPS, classes=("a", "b", "c", "d"))
    whole = read_whole(description, STFT)
    path = tmp_path / "written.safetensors"
    write_whole(path, whole, **source_of(description, whole))
    facts = safetensors_facts(path)
    assert json.loads(facts["front_end"]) == STEPS
    assert json.loads(facts["stft"]) == GRID
    again = read_whole(described(given, "written.safetensors"), STFT)
    x = torch.rand(1, 1, 129, 20)
    assert torch.equal(again.network(x), whole.network(x))
    assert again.classes == ("a", "b", "c", "d")


def test_an_explainer_of_the_experiment_has_the_files_tensors(given, tmp_path):
    description = described(given, front_end=STEPS)
    whole = read_whole(description, STFT)
    torch.nn.init.constant_(whole.core.entry.weight, 0.25)
    write_whole(tmp_path / "weights.safetensors", whole)
    found = read_filled(tmp_path / "weights.safetensors", description, STFT)
    assert (found.core.entry.weight == 0.25).all()
    settings = {
        "weights": str(description.weights), "module": description.module, "front_end": STEPS,
        "stft": GRID,
    }  # fmt: skip
    how = {"biases": True, "device": "cpu", "precision": "float32"}
    explainer = read_explainer(tmp_path / "weights.safetensors", settings, how)
    magnitude = np.random.default_rng(0).uniform(size=(129, 40)).astype(np.float32)
    np.testing.assert_array_equal(
        explainer.feature_maps(magnitude)[0],
        explainer_of(whole.convolutional, shape=(129, 40)).feature_maps(magnitude)[0],
    )
    settings["explained_layers"] = ["1.norm"]
    chosen = read_explainer(tmp_path / "weights.safetensors", settings, how)
    assert [layer.path for layer in explainer.layers] == ["1.entry"]
    assert [layer.path for layer in chosen.layers] == ["1.norm"]
    with pytest.raises(WeightsError, match="lacks"):
        save_file({"other": torch.ones(1)}, tmp_path / "other.safetensors")
        read_filled(tmp_path / "other.safetensors", description, STFT)


class TestHeldAgainstEachOther:
    @pytest.mark.parametrize(
        ("stft", "message"),
        [
            (Stft(16000, 256, 128), "takes sample_rate = 8000, and 16000 is given; set sample_rat"),
            (Stft(8000, 512, 128), "takes n_fft = 256, and 512 is given"),
        ],
    )
    def test_another_transform_than_the_weights_state(self, given, stft, message):
        with pytest.raises(SettingsError, match=message):
            read_whole(described(given, "stating.safetensors"), stft)

    def test_the_command_takes_what_the_weights_state_and_refuses_another(self, given, capsys):
        folder, module = given
        options = ["--weights", str(folder / "stating.safetensors"), "--module", module]
        assert main(["layers", *options]) == 0
        assert main(["layers", *options, "--n-fft", "2048"]) == 2
        error = capsys.readouterr().err
        assert "stating.safetensors: the network takes n_fft = 256, and 2048 is given" in error

    def test_another_front_end_than_the_weights_state(self, given):
        with pytest.raises(SettingsError, match="states another front end"):
            read_whole(described(given, "stating.safetensors", front_end=STEPS[:1]), STFT)
        same = read_whole(described(given, "stating.safetensors", front_end=STEPS), STFT)
        assert len(same.convolutional) == 2

    def test_facts_of_another_kind(self, tmp_path):
        facts = {"stft": "8000"}
        save_file({"a": torch.ones(1)}, tmp_path / "bad.safetensors", facts)
        with pytest.raises(WeightsError, match="bad.safetensors: its metadata give stft as '8000'"):
            read_whole(Description(tmp_path / "bad.safetensors"), STFT)

    def test_svdnet_without_its_front_end(self, tmp_path, capsys):
        from tests.unit.test_weights_svdnet import save, svdnet_arrays

        weights = save(tmp_path / "svdnet.npz", svdnet_arrays())
        assert main(["layers", "--weights", str(weights)]) == 2
        assert "svdnet.npz: the network takes 80 bands" in capsys.readouterr().err


class TestControls:
    @pytest.fixture
    def clips(self, write_sound):
        rows = []
        for number, split in enumerate(["train", "train", "test", "train"]):
            path = write_sound(f"{number}.wav", sine(200 * (number + 1), 1.0, 8000), 8000)
            rows.append({"path": str(path), "split": split, "seconds": 1.0})
        return pd.DataFrame(rows)

    def test_only_training_clips_are_heard(self, clips):
        magnitudes = read_training_segments(clips, STFT, 0.5)
        assert magnitudes.shape == (3, 129, 32)
        peaks = STFT.frequencies[magnitudes[:, :, 10].argmax(axis=1)]
        np.testing.assert_allclose(peaks, [200, 400, 800], atol=32)

    def test_statistics_are_those_of_the_segments_behind_the_front_end(self, given, clips):
        whole = read_whole(described(given, front_end=STEPS), STFT)
        before = {name: of.clone() for name, of in whole.core.state_dict().items()}
        segments = read_training_segments(clips, STFT, 0.5)
        untrain_network(whole.convolutional, segments, seed=3)
        assert not torch.equal(whole.core.entry.weight, before["entry.weight"])
        with torch.no_grad():
            seen = whole.core.entry(whole.convolutional[0](torch.from_numpy(segments)[:, None]))
        torch.testing.assert_close(whole.core.norm.running_mean, seen.mean((0, 2, 3)))

    def test_a_seed_gives_the_same_control_and_another_one_another(self, given):
        drawn = []
        for seed in (0, 0, 1):
            whole = read_whole(described(given, front_end=STEPS), STFT)
            assert redraw_weights(whole.network, seed) == ["1.scale"]
            drawn.append(whole.core.entry.weight)
        assert torch.equal(drawn[0], drawn[1])
        assert not torch.equal(drawn[0], drawn[2])

    def test_what_cannot_be_drawn_keeps_its_values_in_another_order(self, given):
        whole = read_whole(described(given, front_end=STEPS), STFT)
        redraw_weights(whole.network, 1)
        assert sorted(whole.core.scale.tolist()) == [1, 2, 3, 4]

    def test_a_network_that_takes_no_batch_is_refused(self, clips):
        network = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.BatchNorm2d(2))
        with pytest.raises(NetworkError, match="the untrained control fails on 8 segments"):
            untrain_network(network, read_training_segments(clips, STFT, 0.5), 0)
