"""The five-layer network and its variants."""

from dataclasses import replace

import pytest
import torch

from auralise.errors import NetworkError
from auralise.experiment.settings import complete_settings
from auralise.networks.genre import Architecture, LogScaling, build_network, first_kernels
from auralise.networks.initialisation import INITIALISATIONS, fit_batch_norms, initialise
from tests.conftest import CHOI_2015


def test_the_default_is_the_network_of_2015_but_for_the_scaling(repository):
    settings = complete_settings({}, repository / "workflow/schemas/config.schema.yaml")
    architecture = Architecture.from_settings(settings["networks"]["square"])
    assert replace(architecture, scaling="linear") == CHOI_2015


def test_the_network_of_2015():
    network = build_network(CHOI_2015, 257, 173, 10)
    kinds = [type(m).__name__ for m in network.convolutional.layer2]
    assert kinds == ["Conv2d", "ReLU", "MaxPool2d", "Dropout"]
    assert [layer.dropout.p for layer in network.convolutional] == [0, 0.25, 0.25, 0.25, 0.5]
    first_dense = network.classifier[1]
    assert (first_dense.in_features, first_dense.out_features) == (64 * 8 * 5, 512)
    assert network(torch.rand(2, 1, 257, 173)).shape == (2, 10)


def test_settings_and_their_shorthands():
    architecture = Architecture.from_settings(
        {
            "layers": 3,
            "kernel": [3, 5],
            "first_kernel": [9, 9],
            "features": 8,
            "dropout": [0, 0, 0.5],
        }
    )
    assert architecture.kernels == ((9, 9), (3, 5), (3, 5))
    assert architecture.features == (8, 8, 8)
    assert architecture.dropout == (0, 0, 0.5)


def test_settings_survive_json():
    import json

    architecture = Architecture(kernels=((3, 3), (5, 1)), features=(2, 3), dropout=(0.0, 0.1))
    again = Architecture.from_settings(json.loads(json.dumps(architecture.to_settings())))
    assert again == architecture


@pytest.mark.parametrize(
    ("change", "module"),
    [("batch_norm", "batch_norm"), ("local_response_norm", "response_norm")],
)
def test_a_normalisation_is_a_module_of_each_layer(change, module):
    network = build_network(replace(CHOI_2015, **{change: True}), 64, 64, 3)
    assert all(hasattr(layer, module) for layer in network.convolutional)


def test_log_scaling_leaves_silence_silent():
    magnitude = torch.tensor([0.0, 0.1, 10.0])
    scaled = LogScaling()(magnitude)
    assert scaled[0] == 0
    assert scaled[2] / scaled[1] < 10 / 0.1
    network = build_network(replace(CHOI_2015, scaling="log"), 64, 64, 3)
    assert isinstance(network.convolutional.scaling, LogScaling)


def test_impossible_networks_are_refused():
    with pytest.raises(NetworkError, match="one entry per layer"):
        replace(CHOI_2015, features=(64, 64))
    with pytest.raises(NetworkError, match="odd sides"):
        replace(CHOI_2015, kernels=((2, 3),) * 5)
    with pytest.raises(NetworkError, match="'decibel'"):
        replace(CHOI_2015, scaling="decibel")
    with pytest.raises(NetworkError, match="too small for 5 layers"):
        build_network(CHOI_2015, 257, 20, 10)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_first_kernels_have_the_normalisation_folded_in(batch_norm):
    """Seen from outside: the response to an impulse is the flipped kernel."""
    torch.manual_seed(0)
    architecture = Architecture(((5, 3),), (4,), (0.0,), batch_norm, dense=())
    network = build_network(architecture, 32, 32, 2).eval()
    layer = network.convolutional.layer1
    if batch_norm:
        torch.nn.init.uniform_(layer.batch_norm.running_var, 0.5, 4)
        torch.nn.init.uniform_(layer.batch_norm.weight, -2, 2)
    impulse = torch.zeros(1, 1, 11, 11)
    impulse[0, 0, 5, 5] = 1
    linear = torch.nn.Sequential(*[m for n, m in layer.named_children() if n in LINEAR])
    response = (linear(impulse) - linear(0 * impulse))[0, :, 3:8, 4:7].flip(1, 2)
    torch.testing.assert_close(torch.from_numpy(first_kernels(network)), response.detach())


LINEAR = ("convolution", "batch_norm")


def test_the_first_scores_of_he_tell_little():
    """A loss far above that of guessing would cost the first epochs."""
    architecture = Architecture(
        features=(8,) * 3, kernels=((3, 3),) * 3, dropout=(0.0,) * 3, dense=(), over_time="max",
        batch_norm=True,
    )  # fmt: skip
    network = initialise(build_network(architecture, 64, 64, 10), INITIALISATIONS["he"], 0)
    inputs = torch.rand(16, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    fit_batch_norms(network, inputs)
    loss = torch.nn.functional.cross_entropy(network(inputs), torch.arange(16) % 10)
    assert loss.item() == pytest.approx(2.303, abs=0.7)
