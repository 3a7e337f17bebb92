"""What `Deconvnet` promises: the procedure of 2015 to the letter, for any chain of modules."""

from copy import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from auralise.deconvnet.at_once import PooledAtOnce
from auralise.deconvnet.deconvnet import Deconvnet, _inference
from auralise.deconvnet.pooled import PooledNetwork
from auralise.deconvnet.steps import STEPS, ForwardPass, StepByStep
from auralise.errors import NetworkError, SettingsError
from auralise.networks.genre import (
    Architecture,
    NormalisedLogScaling,
    build_convolutional_part,
    build_network,
)
from benchmarks.references import Loops, by_autograd, by_captum, by_zennit
from tests.conftest import CHOI_2015

TOLERANCE = 1e-5


def relative_error(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


def magnitude_of(shape, seed=0):
    return np.abs(np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def random_network(*features, biases=True, seed=0, **settings):
    torch.manual_seed(seed)
    n_layers = len(features)
    network = build_convolutional_part(
        Architecture(((3, 3),) * n_layers, features, (0.1,) * n_layers, **settings), 257
    )
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            parameter.data.uniform_(0.0, 0.1).mul_(biases)
    return network


def ways_back(net):
    """The same `Deconvnet`, by every way back that takes its network."""
    for way_back in [PooledNetwork, PooledAtOnce, StepByStep]:
        if way_back is StepByStep or way_back.takes(net.steps, net.layers):
            way = copy(net)
            way._way_back = way_back(net.steps, net.layers, torch.float32)
            yield way


# The procedure of 2015


def whole_numbers(n_features, shape, seed=0):
    """A network and a magnitude in small whole numbers, five layers.

    Their forward pass is exact in float32, so that the reference finds the same switches
    whatever the order of its sums; and many windows tie, so that it matters which maximum is
    the first.
    """
    rng = np.random.default_rng(seed)
    kernels = []
    for n_inputs in (1, *[n_features] * 4):
        size = (n_features, n_inputs, 3, 3)
        dense = 1.0 if n_inputs == 1 else min(1.0, 2.0 / n_inputs)
        kernels.append(rng.integers(-2, 3, size) * (rng.random(size) < dense))
    network = random_network(*[n_features] * 5, biases=False)
    for layer, kernel in zip(network, kernels, strict=True):
        layer.convolution.weight.data = torch.from_numpy(kernel).float()
    return network, kernels, rng.integers(0, 8, shape).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_features", "shape", "n_maps"),
    [(64, (257, 173), 1), (8, (257, 173), 3), (8, (256, 172), 3), (8, (258, 175), 3)],
)
def test_every_layer_is_that_of_the_reference(n_features, shape, n_maps):
    network, kernels, magnitude = whole_numbers(n_features, shape)
    net, reference = Deconvnet(network), Loops(kernels, magnitude)
    feature_maps = net.feature_maps(magnitude)
    for layer in range(1, 6):
        np.testing.assert_array_equal(feature_maps[layer - 1], reference.pooled[layer - 1])
        live = np.flatnonzero(reference.pooled[layer - 1].any(axis=(1, 2)))
        assert len(live) >= n_maps
        features = live[-n_maps:]
        expected = [reference.deconvolve(layer, feature) for feature in features]
        for way in ways_back(net):
            maps = way.deconvolve(magnitude, layer, features)
            for found, wanted in zip(maps, expected, strict=True):
                assert wanted.any() and (wanted < 0).any()
                assert relative_error(found, wanted) <= TOLERANCE


def test_the_first_of_equal_maxima_is_the_switch():
    network = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.MaxPool2d(2))
    network[0].weight.data[:] = 2
    magnitude = np.ones((3, 4), np.float32)
    expected = np.zeros((3, 4))
    expected[0, 0::2] = 4  # forward twice, back twice; row 2 is dropped by the pooling
    for net in ways_back(Deconvnet(network)):
        np.testing.assert_array_equal(net.deconvolve(magnitude, 1)[0], expected)


@pytest.mark.filterwarnings("ignore:Setting backward hooks:UserWarning")
@pytest.mark.parametrize("oracle", [by_captum, by_zennit, by_autograd])
@pytest.mark.parametrize("layer", [1, 2, 3])
def test_other_libraries_agree(oracle, layer):
    network = random_network(6, 7, 8).eval()
    magnitude = magnitude_of((61, 46))
    maps = Deconvnet(network).deconvolve(magnitude, layer)
    live = np.flatnonzero(maps.any(axis=(1, 2)))
    assert len(live) > 2
    for feature in live:
        expected = oracle(network[:layer], magnitude, feature)
        assert relative_error(maps[feature], expected) <= TOLERANCE


def test_biases_take_part_forward():
    network = random_network(4, 4)
    magnitude = magnitude_of((30, 30))
    maps = Deconvnet(network).deconvolve(magnitude, 2)
    for layer in network:
        layer.convolution.bias.data.zero_()
    assert not np.allclose(maps, Deconvnet(network).deconvolve(magnitude, 2))


# Properties

sizes = st.tuples(st.integers(16, 40), st.integers(16, 40))
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=10, deadline=None, derandomize=True)


@few
@given(sizes, seeds)
@pytest.mark.slow
def test_silence_gives_zero_maps(shape, seed):
    net = Deconvnet(random_network(3, 4, biases=False, seed=seed))
    for _, maps in net.deconvolve_all(np.zeros(shape)):
        assert not maps.any()


@few
@given(sizes, seeds, st.floats(0.01, 100))
@pytest.mark.slow
def test_a_louder_song_scales_the_maps(shape, seed, factor):
    net = Deconvnet(random_network(3, 4, biases=False, seed=seed))
    magnitude = magnitude_of(shape, seed)
    louder = dict(net.deconvolve_all(factor * magnitude))
    for layer, maps in net.deconvolve_all(magnitude):
        assert maps.any()
        np.testing.assert_allclose(
            louder[layer], factor * maps, atol=1e-5 * factor * np.abs(maps).max()
        )


@few
@given(sizes, seeds, st.integers(0, 3))
def test_a_feature_that_never_fires_has_an_exactly_zero_map(shape, seed, dead):
    network = random_network(3, 4, seed=seed)
    network.layer2.convolution.weight.data[dead] = 0
    network.layer2.convolution.bias.data[dead] = -1
    maps = Deconvnet(network).deconvolve(magnitude_of(shape, seed), 2)
    assert not maps[dead].any()
    assert maps.any()


@few
@given(seeds, st.integers(1, 2), st.integers(1, 2))
@pytest.mark.slow
def test_a_shift_by_the_total_stride_shifts_the_maps(seed, down, right):
    net = Deconvnet(random_network(3, 4, biases=False, seed=seed))
    magnitude = np.zeros((48, 52), np.float32)
    magnitude[16:26, 16:28] = magnitude_of((10, 12), seed)
    shifted = dict(net.deconvolve_all(np.roll(magnitude, (4 * down, 4 * right), (0, 1))))
    for layer, maps in net.deconvolve_all(magnitude):
        expected = np.roll(maps, (4 * down, 4 * right), (1, 2))
        np.testing.assert_allclose(shifted[layer], expected, atol=1e-5 * np.abs(maps).max())


@few
@given(sizes, seeds, st.data())
@pytest.mark.slow
def test_what_is_asked_for_together_changes_no_value(shape, seed, data):
    net = Deconvnet(random_network(5, 20, 7, seed=seed))
    magnitude = magnitude_of(shape, seed)
    whole = dict(net.deconvolve_all(magnitude))
    layers = data.draw(st.permutations([1, 2, 3]))[: data.draw(st.integers(1, 3))]
    features = {n: data.draw(st.lists(st.integers(0, 4), max_size=6)) for n in layers}
    for way in ways_back(net):
        found = list(way.deconvolve_all(magnitude, layers, features))
        assert [layer for layer, _ in found] == layers
        for layer, maps in found:
            scale = np.abs(whole[layer]).max()
            np.testing.assert_allclose(maps, whole[layer][features[layer]], atol=1e-5 * scale)


def test_batches_change_no_value(monkeypatch):
    net = Deconvnet(random_network(5, 9, 7))
    magnitude = magnitude_of((40, 37))
    whole = dict(net.deconvolve_all(magnitude))
    monkeypatch.setattr("auralise.deconvnet.pooled.FEATURES_AT_ONCE", 8)
    monkeypatch.setattr("auralise.deconvnet.steps.WORKING_MEMORY", 1)
    monkeypatch.setattr("auralise.deconvnet.at_once.WORKING_MEMORY", 4 * 5 * 40 * 37 * 2)
    monkeypatch.setattr("auralise.deconvnet.at_once.STAMP_MEMORY", 4 * 1000)
    for way in ways_back(net):
        for layer, maps in way.deconvolve_all(magnitude):
            scale = np.abs(whole[layer]).max()
            np.testing.assert_allclose(maps, whole[layer], atol=1e-5 * scale)


def test_a_few_features_walk_step_by_step(monkeypatch):
    network, magnitude = random_network(5, 32), magnitude_of((40, 37))
    whole = Deconvnet(network).deconvolve(magnitude, 2)
    monkeypatch.setattr(PooledNetwork, "_maps", lambda *given: pytest.fail("on pooled grids"))
    some = Deconvnet(network).deconvolve(magnitude, 2, range(16))
    np.testing.assert_allclose(some, whole[:16], atol=1e-5 * np.abs(whole).max())
    with pytest.raises(pytest.fail.Exception, match="on pooled grids"):
        Deconvnet(network).deconvolve(magnitude, 2)


# Any network


LINEAR_STEPS = [
    nn.Conv2d(3, 4, 3, padding="same"),
    nn.Conv2d(3, 4, (2, 4), padding="same"),
    nn.Conv2d(3, 4, (4, 3), padding="same", dilation=(1, 3)),
    nn.Conv2d(3, 4, (1, 9), padding="valid"),
    nn.Conv2d(3, 4, (5, 2), stride=(2, 3), padding=(3, 1)),
    nn.Conv2d(3, 4, 3, stride=3),
    nn.Conv2d(3, 4, 3, dilation=2, padding=4),
    nn.Conv2d(4, 6, 3, groups=2, padding=1),
    nn.Conv2d(4, 4, (3, 5), groups=4, stride=2),
    nn.MaxPool2d(2),
    nn.MaxPool2d(3),
    nn.MaxPool2d((1, 3), stride=(2, 1)),
    nn.MaxPool2d(3, stride=2, padding=1),
    nn.MaxPool2d(3, stride=2, ceil_mode=True),
    nn.MaxPool2d(2, stride=1, dilation=2),
    nn.AvgPool2d(2),
    nn.AvgPool2d((3, 2), stride=(2, 1), padding=(1, 0)),
    nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
    nn.AvgPool2d(3, stride=2, ceil_mode=True),
    nn.AvgPool2d(2, divisor_override=3),
    nn.BatchNorm2d(4),
    nn.BatchNorm2d(4, affine=False),
]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize("module", LINEAR_STEPS, ids=str)
def test_a_linear_step_walks_back_by_its_transpose(module):
    torch.manual_seed(0)
    module.eval()
    if isinstance(module, nn.BatchNorm2d):
        module.running_var.uniform_(0.2, 3)
        module.running_mean.uniform_(-1, 1)
        if module.affine:
            nn.init.uniform_(module.weight, -2, 2)
    channels = getattr(module, "in_channels", 4)
    x = torch.randn(1, channels, 19, 22, requires_grad=True)
    y = module(x)
    signal = torch.randn_like(y)
    (expected,) = torch.autograd.grad(y, x, signal)
    with torch.inference_mode():
        step = STEPS[type(module)](module)
        found, memory = step.forward(x)
        torch.testing.assert_close(found, y.detach())
        torch.testing.assert_close(step.back(signal, memory), expected, rtol=1e-5, atol=1e-5)


def test_batch_normalisation_is_used_as_trained_even_in_training_mode():
    network = random_network(4, 5, batch_norm=True)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.uniform_(0.3, 3)
            module.running_mean.uniform_(-0.2, 0.2)
            nn.init.uniform_(module.weight, -1.5, 1.5)
    folded = random_network(4, 5)
    for with_norm, without in zip(network, folded, strict=True):
        norm, convolution = with_norm.batch_norm, with_norm.convolution
        gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        without.convolution.weight.data = convolution.weight * gain[:, None, None, None]
        without.convolution.bias.data = norm.bias - norm.running_mean * gain
    magnitude = magnitude_of((33, 37))
    net = Deconvnet(network.train())
    assert network.training
    expected = Deconvnet(folded).deconvolve(magnitude, 2)
    for way in ways_back(net):
        assert relative_error(way.deconvolve(magnitude, 2), expected) <= TOLERANCE


def svdnet():
    """The convolutional part of Schlüter and Grill 2015, with fewer features."""
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 8, 3), nn.LeakyReLU(0.01)),
        nn.Sequential(nn.Conv2d(8, 6, 3), nn.LeakyReLU(0.01), nn.MaxPool2d(3)),
        nn.Sequential(nn.Conv2d(6, 8, 3), nn.LeakyReLU(0.01)),
        nn.Sequential(nn.Conv2d(8, 6, 3), nn.LeakyReLU(0.01), nn.MaxPool2d(3)),
    )


def layers_of(*rows):
    """Layers with everything unusual that still fits the pooled way back."""
    return nn.Sequential(
        *[
            nn.Sequential(nn.Conv2d(n_in, n_out, kernel, padding=padding), *others)
            for n_in, n_out, kernel, padding, *others in rows
        ]
    )


REGULAR = {
    "wide and high": layers_of(
        (1, 6, (1, 9), "same", nn.ReLU(), nn.MaxPool2d((2, 3))),
        (6, 5, (5, 1), "same", nn.Dropout(), nn.ELU(), nn.MaxPool2d((3, 2))),
    ),
    "even kernels": layers_of(
        (1, 6, 4, "same", nn.BatchNorm2d(6), nn.LeakyReLU(), nn.MaxPool2d(2)),
        (6, 5, (2, 4), 1, nn.MaxPool2d(2), nn.ReLU()),
    ),
    "valid, pooled by three": layers_of(
        (1, 6, 3, 0, nn.ReLU(), nn.MaxPool2d(3)), (6, 5, 5, 0, nn.ReLU(), nn.MaxPool2d(2))
    ),
    "kernels of one": layers_of(
        (1, 6, 1, 0, nn.ReLU(), nn.MaxPool2d(2)), (6, 5, 1, 0, nn.ReLU(), nn.MaxPool2d(4))
    ),
    "padding beyond the kernel": layers_of(
        (1, 6, 3, 5, nn.ReLU(), nn.MaxPool2d(2)), (6, 5, 3, 4, nn.ReLU(), nn.MaxPool2d(3))
    ),
    "large kernels": layers_of(
        (1, 6, 7, 3, nn.ReLU(), nn.MaxPool2d(2)), (6, 5, 11, 5, nn.ReLU(), nn.MaxPool2d(2))
    ),
}
POOLED = {
    "svdnet": svdnet(),
    "musicnn": layers_of(
        (1, 6, 3, 1, nn.ReLU(), nn.BatchNorm2d(6), nn.MaxPool2d((1, 4), (2, 2)), nn.Dropout()),
        (6, 5, 3, 1, nn.ReLU(), nn.BatchNorm2d(5), nn.MaxPool2d(2)),
        (5, 4, 3, 1, nn.ReLU(), nn.BatchNorm2d(4), nn.MaxPool2d(4)),
    ),
    "overlapping pools": layers_of(
        (1, 6, 3, 1, nn.ReLU(), nn.MaxPool2d(3, 2, 1)),
        (6, 5, 3, 1, nn.ReLU(), nn.MaxPool2d((5, 2), 1, (2, 0))),
        (5, 4, 3, 1, nn.ReLU(), nn.MaxPool2d((3, 5), (2, 1))),
    ),
    "overlapping before the activation": layers_of(
        (1, 6, 3, 1, nn.BatchNorm2d(6), nn.MaxPool2d(3, 1), nn.BatchNorm2d(6), nn.ReLU()),
        (6, 5, 3, 1, nn.MaxPool2d(3, 2), nn.ELU()),
    ),
    "normalised after the activation": layers_of(
        (1, 6, 3, 1, nn.ReLU(), nn.BatchNorm2d(6), nn.MaxPool2d(2), nn.BatchNorm2d(6)),
        (6, 5, 3, 1, nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2)),
    ),
    "no activation": layers_of((1, 6, 3, 1, nn.MaxPool2d(2)), (6, 5, 3, 1)),
    "no activation, overlapping": layers_of((1, 6, 3, 1, nn.MaxPool2d(3, 2)), (6, 5, 3, 1)),
    "strides and dilations": nn.Sequential(
        nn.Conv2d(1, 6, (7, 5), stride=(3, 2), padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(6, 5, 3, dilation=(1, 2), stride=(1, 2), padding=3),
        nn.LeakyReLU(),
        nn.Conv2d(5, 4, (2, 3), dilation=2, padding="same"),
        nn.BatchNorm2d(4),
        nn.ReLU(),
    ),
    "pools with gaps": layers_of(
        (1, 6, 3, 1, nn.ReLU(), nn.MaxPool2d(2, 3)), (6, 5, 1, 0, nn.ReLU(), nn.MaxPool2d(1, 2))
    ),
}
IRREGULAR = {
    "average": layers_of((1, 6, 3, 0, nn.ReLU()), (6, 5, 3, 1, nn.ELU(), nn.AvgPool2d(2))),
    "ceil": layers_of(
        (1, 6, 3, 1, nn.ReLU(), nn.MaxPool2d(3, 2, 1)),
        (6, 5, 3, 1, nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)),
    ),
    "groups": nn.Sequential(
        nn.Conv2d(1, 6, 3, dilation=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 6, 3, groups=3, stride=2),
        nn.ReLU(),
    ),
    "normalised between activations": layers_of(
        (1, 6, 3, 1, nn.ReLU(), nn.BatchNorm2d(6), nn.ELU()), (6, 5, 3, 1, nn.ReLU())
    ),
    "pooled twice": layers_of(
        (1, 6, 3, 1, nn.ReLU(), nn.MaxPool2d(2), nn.MaxPool2d(2)), (6, 5, 3, 1, nn.ReLU())
    ),
}


def randomise(network):
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.reset_parameters()
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.uniform_(0.3, 3)
            module.running_mean.uniform_(-0.2, 0.2)
            nn.init.uniform_(module.weight, -1.5, 1.5)
    return network


@pytest.mark.parametrize("shape", [(60, 53), (61, 64)])
@pytest.mark.parametrize("name", [*REGULAR, *POOLED, *IRREGULAR])
def test_any_chain_is_explained(name, shape):
    network = randomise((REGULAR | POOLED | IRREGULAR)[name])
    magnitude = magnitude_of(shape)
    net = Deconvnet(network)
    assert isinstance(net._way_back, PooledNetwork) == (name not in IRREGULAR)
    assert PooledAtOnce.takes(net.steps, net.layers) == (name in REGULAR)
    n_features = net.n_features[-1]
    expected = [by_autograd(network, magnitude, feature) for feature in range(n_features)]
    for way in ways_back(net):
        maps = way.deconvolve(magnitude, net.n_layers)
        assert maps.any()
        fired = net.fired(net.n_layers, net.feature_maps(magnitude)[-1])
        for found, wanted, is_live in zip(maps, expected, fired, strict=True):
            scale, wanted = np.abs(wanted).max(), wanted * is_live
            np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE * scale)


def test_what_ends_the_convolutional_part_is_found():
    torch.manual_seed(0)
    whole = build_network(replace(CHOI_2015, features=(4,) * 5), 64, 64, 3)
    magnitude = magnitude_of((64, 64))
    np.testing.assert_array_equal(
        Deconvnet(whole).deconvolve(magnitude, 5),
        Deconvnet(whole.convolutional).deconvolve(magnitude, 5),
    )


class Written(nn.Module):
    """A network as people write them, with functions in place of modules."""

    def __init__(self, forward, **modules):
        super().__init__()
        torch.manual_seed(2)
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 5, 3, padding=1)
        self.dense = nn.Linear(5, 2)
        for name, module in modules.items():
            setattr(self, name, module)
        self.steps = forward

    def forward(self, x):
        return self.steps(self, x)


PLAIN = (nn.ReLU(), nn.MaxPool2d(2))


@pytest.mark.parametrize(
    ("forward", "between", "after"),
    [
        (lambda m, x: m.second(functional.max_pool2d(functional.relu(m.first(x)), 2)), PLAIN, ()),
        (
            lambda m, x: m.second(torch.max_pool2d(torch.relu(m.first(x)), 3, 2, 1, 1, True)),
            (nn.ReLU(), nn.MaxPool2d(3, 2, 1, 1, ceil_mode=True)),
            (),
        ),
        (
            lambda m, x: m.second(
                functional.max_pool2d(input=m.first(x).relu_(), kernel_size=(2, 3), ceil_mode=True)
            ),
            (nn.ReLU(), nn.MaxPool2d((2, 3), ceil_mode=True)),
            (),
        ),
        (
            lambda m, x: m.second(
                functional.max_pool2d(functional.elu(m.first(x), 0.5, True), 3, 2, 1, 1, True)
            ),
            (nn.ELU(0.5), nn.MaxPool2d(3, 2, 1, 1, ceil_mode=True)),
            (),
        ),
        (
            lambda m, x: functional.avg_pool2d(
                functional.leaky_relu(m.second(functional.dropout(m.first(x), 0.9, m.training))),
                *(3, 2, 1, True, False),
            ),
            (),
            (nn.LeakyReLU(), nn.AvgPool2d(3, 2, 1, True, False)),
        ),
        (
            lambda m, x: m.dense(m.second(m.first(x).relu()).mean((2, 3))),
            (nn.ReLU(),),
            (),
        ),
        (
            lambda m, x: (lambda y: y.view(y.size(0), -1))(m.second(m.first(x).relu()).relu()),
            (nn.ReLU(),),
            (nn.ReLU(),),
        ),
        (
            lambda m, x: (lambda y: y.reshape(y.shape[0], -1))(m.second(m.first(x).relu())),
            (nn.ReLU(),),
            (),
        ),
    ],
    ids=lambda value: None,
)
def test_functions_do_what_their_modules_do(forward, between, after):
    network = Written(forward)
    expected = Deconvnet(nn.Sequential(network.first, *between, network.second, *after))
    magnitude = magnitude_of((29, 34))
    for mode in (True, False):
        net = Deconvnet(network.train(mode))
        assert [type(s.module) for s in net.steps if not isinstance(s.module, nn.Dropout)] == [
            type(s.module) for s in expected.steps
        ]
        for (_, found), (_, wanted) in zip(
            net.deconvolve_all(magnitude), expected.deconvolve_all(magnitude), strict=True
        ):
            np.testing.assert_array_equal(found, wanted)


def test_a_module_may_be_used_twice():
    convolution, pooling = nn.Conv2d(1, 1, 3, padding=1), nn.MaxPool2d(2)
    torch.nn.init.uniform_(convolution.weight, 0, 1)
    shared = nn.Sequential(convolution, nn.ReLU(), pooling, convolution, nn.ReLU(), pooling)
    net = Deconvnet(shared)
    assert net.n_features == [1, 1]
    magnitude = magnitude_of((20, 21))
    expected = by_autograd(shared, magnitude, 0)
    assert relative_error(net.deconvolve(magnitude, 2)[0], expected) <= TOLERANCE


def test_several_ends_are_one():
    def forward(m, x):
        y = m.second(m.first(x).relu())
        return torch.cat([y.mean((2, 3)), y.amax((2, 3))], 1), y

    assert Deconvnet(Written(forward)).n_layers == 2


def dynamic(m, x):
    return m.second(m.first(x).relu()) if x.sum() > 0 else m.first(x)


@pytest.mark.parametrize(
    ("network", "paths"),
    [
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.Sigmoid())), ["0"]),
        (Written(lambda m, x: m.second(m.first(x).mT)), ["first", "second"]),
        (Written(lambda m, x: m.second(m.first(x).transpose(2, 3))), ["first", "second"]),
        (
            Written(lambda m, x: functional.avg_pool2d(m.first(x), m.first(x).shape[2:])),
            ["first", "first"],
        ),
        (Written(dynamic), ["first", "second"]),
        (nn.Sequential(nn.Conv2d(3, 4, 3)), ["0"]),
    ],
    ids=lambda value: "",
)
def test_what_is_no_chain_is_explained_all_the_same(network, paths):
    net = Deconvnet(network)
    assert not net.steps
    assert [layer.path for layer in net.layers] == paths


def test_a_network_without_convolutions_is_refused():
    with pytest.raises(NetworkError, match="Sequential has no Conv1d or Conv2d that an input"):
        Deconvnet(nn.Sequential(nn.Flatten(), nn.Linear(3, 3)))


def test_hooks_take_part():
    network = random_network(3, 4, biases=False)
    magnitude = magnitude_of((20, 20))
    expected = Deconvnet(network).deconvolve(magnitude, 2)
    network.layer1.relu.register_forward_hook(lambda module, inputs, output: output * 2)
    assert relative_error(Deconvnet(network).deconvolve(magnitude, 2), 4 * expected) <= TOLERANCE


# Inputs and settings


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_weights_of_any_precision(dtype):
    network = random_network(4, 5).to(dtype)
    magnitude = magnitude_of((30, 31))
    expected = Deconvnet(network.float()).deconvolve(magnitude, 2)
    np.testing.assert_array_equal(Deconvnet(network.to(dtype)).deconvolve(magnitude, 2), expected)


def test_the_network_is_left_as_it_was():
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2)).double()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    Deconvnet(network).deconvolve(magnitude_of((12, 12)), 1)
    assert network.training and network[1].inplace and network[0].weight.requires_grad
    for name, value in network.state_dict().items():
        assert value.dtype == torch.float64
        assert torch.equal(value, before[name])


def test_magnitudes_of_any_memory_layout_and_precision():
    net = Deconvnet(random_network(4, 5))
    magnitude = magnitude_of((30, 31))
    expected = net.deconvolve(magnitude, 2)
    read_only = magnitude.copy()
    read_only.flags.writeable = False
    for same in (
        np.asfortranarray(magnitude),
        magnitude[::-1].copy()[::-1],
        np.repeat(magnitude, 2, axis=1)[:, ::2],
        magnitude.astype(np.float64),
        read_only,
    ):
        np.testing.assert_array_equal(net.deconvolve(same, 2), expected)


def test_the_magnitude_is_left_as_it_was():
    network = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(1, 3, 3))
    magnitude = -magnitude_of((12, 12))
    Deconvnet(network).deconvolve(magnitude, 1)
    assert (magnitude <= 0).all()


@pytest.mark.parametrize(
    ("magnitude", "message"),
    [
        (np.zeros((2, 30, 30)), r"float64 array of shape \(2, 30, 30\)"),
        (np.zeros((30, 30), complex), r"complex128 array"),
        (np.full((30, 30), np.nan), r"NaN or infinite"),
        (np.full((30, 30), np.inf), r"NaN or infinite"),
        (
            np.zeros((3, 30)),
            r"3 bins × 30 frames does not pass 'layer2.pooling' .* a longer sound",
        ),
    ],
)
def test_a_magnitude_that_cannot_be_used_is_refused(magnitude, message):
    net = Deconvnet(random_network(3, 4))
    with pytest.raises(NetworkError, match=message):
        net.deconvolve_all(magnitude)
    with pytest.raises(NetworkError, match=message):
        net.feature_maps(magnitude)


@pytest.mark.parametrize(
    ("layers", "features", "message"),
    [
        ([0], None, "no layer 0; the network has layers 1 to 2"),
        ([3], None, "no layer 3; the network has layers 1 to 2"),
        ([2], {2: [4]}, "no feature 4 in layer 2; it has features 0 to 3"),
        ([2], {2: [-1]}, "no feature -1 in layer 2"),
    ],
)
def test_what_the_network_does_not_have_is_refused(layers, features, message):
    with pytest.raises(NetworkError, match=message):
        Deconvnet(random_network(3, 4)).deconvolve_all(magnitude_of((20, 20)), layers, features)


def test_the_caller_may_train_between_two_maps():
    net = Deconvnet(random_network(3, 4))
    for _, maps in net.deconvolve_all(magnitude_of((20, 20))):
        weight = torch.ones(1, requires_grad=True)
        (weight * float(np.abs(maps).max())).sum().backward()
        assert weight.grad is not None


@pytest.mark.parametrize("way_back", [PooledNetwork, PooledAtOnce, StepByStep])
@pytest.mark.parametrize("n_features", [4, 24])
def test_bfloat16_is_near_and_float32(way_back, n_features):
    network = random_network(*[n_features] * 4)
    magnitude = magnitude_of((50, 47))
    net = Deconvnet(network, device="cpu", precision="bfloat16")
    net._way_back = way_back(net.steps, net.layers, torch.bfloat16)
    exact = dict(Deconvnet(network).deconvolve_all(magnitude))
    for layer, maps in net.deconvolve_all(magnitude):
        assert maps.dtype == np.float32
        live = exact[layer].any(axis=(1, 2))
        errors = np.linalg.norm(maps - exact[layer], axis=(1, 2))[live]
        relative = errors / np.linalg.norm(exact[layer], axis=(1, 2))[live]
        assert relative.max() <= (TOLERANCE if layer == 1 else 2**-7)
        assert layer == 1 or relative.max() > TOLERANCE


KINDS = {
    "cudnn.conv": torch.backends.cudnn.conv,
    "cudnn.rnn": torch.backends.cudnn.rnn,
    "cuda.matmul": torch.backends.cuda.matmul,
    "mkldnn.conv": torch.backends.mkldnn.conv,
    "mkldnn.matmul": torch.backends.mkldnn.matmul,
}


def allowed_precisions():
    return {name: kind.fp32_precision for name, kind in KINDS.items()}


@pytest.fixture
def imprecise(monkeypatch):
    for name, kind in KINDS.items():
        monkeypatch.setattr(kind, "fp32_precision", "tf32" if "cu" in name else "bf16")


@pytest.mark.parametrize(
    ("device", "exact"),
    [
        ("cpu", {"mkldnn.conv", "mkldnn.matmul"}),
        ("cuda", {"cudnn.conv", "cudnn.rnn", "cuda.matmul"}),
    ],
)
def test_products_are_in_float32_whatever_the_process_allows(imprecise, device, exact):
    before = allowed_precisions()
    with pytest.raises(ZeroDivisionError), _inference(torch.device(device)):
        inside = allowed_precisions()
        _ = 1 / 0
    assert inside == {name: "ieee" if name in exact else before[name] for name in KINDS}
    assert allowed_precisions() == before


def test_all_computing_is_in_float32(imprecise, monkeypatch):
    monkeypatch.setattr("auralise.deconvnet.pooled.FEW", 0)
    net = Deconvnet(random_network(3, 4))
    before, seen = allowed_precisions(), []

    def noted(function):
        return lambda *given: (seen.append(allowed_precisions()), function(*given))[1]

    for step in net.steps:
        monkeypatch.setattr(step, "forward", noted(step.forward))
    stage = net._way_back.stages[0]
    monkeypatch.setattr(stage, "picks", noted(stage.picks))
    for _ in net.deconvolve_all(magnitude_of((20, 20))):
        assert allowed_precisions() == before
    net.feature_maps(magnitude_of((20, 20)))
    assert len(seen) == 2 * len(net.steps) + 1
    assert all(of["mkldnn.matmul"] == "ieee" for of in seen)


def test_what_is_no_processor_walks_back_whole_layers(monkeypatch):
    monkeypatch.setattr("auralise.deconvnet.deconvnet._device", torch.device)
    assert isinstance(Deconvnet(random_network(3, 4), "meta")._way_back, PooledAtOnce)
    assert isinstance(Deconvnet(irregular_network(), "meta")._way_back, StepByStep)


class OneDevice(TorchDispatchMode):
    """Refuses every operation that takes or gives tensors of several devices.

    Single values and the positions of an indexing may lie elsewhere.
    """

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        indexing = operation in (torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default)
        taken = [args[0], *args[2:]] if indexing else args
        tensors = [
            leaf
            for leaf in tree_leaves((taken, kwargs, result))
            if isinstance(leaf, torch.Tensor) and leaf.dim() > 0
        ]
        devices = {tensor.device.type for tensor in tensors}
        assert len(devices) <= 1, f"{operation} on {sorted(devices)}"
        return result


def irregular_network():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ELU(),
        nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(4, 8, 3, groups=2, dilation=2, padding="same"),
        nn.BatchNorm2d(8),
        nn.LeakyReLU(),
        nn.AvgPool2d(2),
    )


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("network", "way_back"),
    [
        (random_network(4, 6), PooledNetwork),
        (random_network(4, 6), PooledAtOnce),
        (random_network(4, 6), StepByStep),
        (irregular_network(), StepByStep),
    ],
)
def test_all_is_done_on_the_device_of_the_network(network, way_back, precision):
    net = Deconvnet(network)
    steps = [type(step)(step.module.to("meta"), step.path) for step in net.steps]
    with OneDevice(), torch.inference_mode():
        passed = ForwardPass.of(steps, torch.empty(33, 29, device="meta"))
        way = way_back(steps, net.layers, precision)
        maps = list(way.back(passed, [(1, [0, 3]), (2, [1, 4, 5])]))
    assert [(of.device.type, of.dtype, of.shape) for of in maps] == [
        ("meta", torch.float32, (n_features, 33, 29)) for n_features in (2, 3)
    ]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
@pytest.mark.parametrize("network", [random_network(*[64] * 5), irregular_network()])
def test_a_gpu_finds_the_same_maps(network):
    magnitude = magnitude_of((257, 173))
    on_gpu = Deconvnet(network, device="cuda").deconvolve_all(magnitude)
    for (layer, found), (_, expected) in zip(
        on_gpu, Deconvnet(network).deconvolve_all(magnitude), strict=True
    ):
        # Where two activations are as good as equal, another order of sums picks the other.
        same = np.isclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())
        assert same.mean() > 0.999, layer


@pytest.mark.parametrize("device", ["abacus", "meta", "hpu", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(device):
    with pytest.raises(SettingsError, match=f"torch has no device '{device}' here .*; choose cpu"):
        Deconvnet(random_network(3), device)


def test_an_unknown_precision_is_refused():
    with pytest.raises(NetworkError, match=r"float32 or bfloat16, got 'float8'"):
        Deconvnet(random_network(3), precision="float8")


@pytest.mark.parametrize("activation", [torch.nn.LeakyReLU(0.1), torch.nn.ELU()])
def test_a_feature_that_is_nowhere_above_zero_did_not_fire(activation):
    convolution = torch.nn.Conv2d(1, 2, 3, padding=1, bias=False)
    convolution.weight.data = (
        torch.rand(2, 1, 3, 3) * torch.tensor([1.0, -1.0])[:, None, None, None]
    )
    net = Deconvnet(torch.nn.Sequential(convolution, activation, torch.nn.MaxPool2d(2)))
    magnitude = magnitude_of((12, 10))
    (maps,) = net.feature_maps(magnitude)
    assert maps[1].max() < 0
    assert net.fired(1, maps).tolist() == [True, False]
    assert net.deconvolve(magnitude, 1).any(axis=(1, 2)).tolist() == [True, False]


def test_without_an_activation_what_is_not_zero_fires():
    convolution = torch.nn.Conv2d(1, 2, 1, bias=False)
    convolution.weight.data = torch.tensor([-1.0, 0.0])[:, None, None, None]
    net = Deconvnet(torch.nn.Sequential(convolution))
    (maps,) = net.feature_maps(magnitude_of((6, 5)))
    assert net.fired(1, maps).tolist() == [True, False]


def test_a_normalised_logarithm_walks_back_by_its_slope_in_each_bin():
    """The logarithm passes the map on; the division by a bin's deviation is linear."""
    torch.manual_seed(0)
    scaling = NormalisedLogScaling(20)
    scaling.fit(torch.rand(4, 1, 20, 16))
    chain = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    magnitude = np.random.default_rng(0).uniform(0, 1, (20, 16)).astype(np.float32)
    seen = scaling(torch.from_numpy(magnitude)[None, None]).numpy()[0, 0]
    expected = Deconvnet(chain).deconvolve(seen, 1) / scaling.deviation.numpy()
    found = Deconvnet(nn.Sequential(scaling, *chain)).deconvolve(magnitude, 1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
