"""What `Deconvnet` promises for any graph: the maps of autograd whose activations are ReLUs back.

The reference shares no line with the product: `benchmarks.references.reference`.
"""

import copy
import re
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from auralise.deconvnet import products
from auralise.deconvnet.deconvnet import Deconvnet
from auralise.deconvnet.graph import Graph
from auralise.errors import NetworkError
from benchmarks.references import ACTIVATIONS, reference

TOLERANCE = 1e-5
OTHER_ACTIVATIONS = (nn.CELU, nn.Hardshrink, nn.Hardsigmoid, nn.Hardtanh, nn.LogSigmoid, nn.Mish)
OTHER_ACTIVATIONS += (nn.RReLU, nn.SELU, nn.Softplus, nn.Softshrink, nn.Softsign, nn.Tanhshrink)
OTHER_ACTIVATIONS += (nn.Threshold,)


class Gated(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, n, gate=nn.Sigmoid):
        super().__init__()
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.down, self.relu, self.up = nn.Conv2d(n, 2, 1), nn.ReLU(), nn.Conv2d(2, n, 1)
        self.gate = gate()

    def weigh(self, x):
        return self.gate(self.up(self.relu(self.down(self.squeeze(x)))))

    def forward(self, x):
        return x * self.weigh(x)


def magnitude_of(*shape, seed=0):
    return np.abs(np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def randomise(network, seed=0):
    torch.manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear | nn.ConvTranspose2d):
            module.reset_parameters()
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_var.uniform_(0.3, 3)
            module.running_mean.uniform_(-0.2, 0.2)
            nn.init.uniform_(module.weight, -1.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
        if isinstance(module, nn.GroupNorm | nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return network


class Net(nn.Module):
    """A network written as people write them: modules, and a function that uses them."""

    def __init__(self, forward, n_dims=4, **modules):
        super().__init__()
        for name, module in modules.items():
            setattr(self, name, module)
        self.steps, self.n_dims = forward, n_dims

    def forward(self, x):
        return self.steps(self, x)


def conv(n_in, n_out, kernel=3, **options):
    return nn.Conv2d(n_in, n_out, kernel, **{"padding": "same", **options})


def assert_agrees(net, network, magnitude, layer, end):
    maps, expected = reference(network, magnitude, end)
    number = net.number(layer)
    found = net.deconvolve(magnitude, layer)
    fired = net.fired(number, maps)
    assert found.shape == expected.shape
    assert fired.any() and expected.any()
    for own, wanted, is_live in zip(found, expected, fired, strict=True):
        if is_live:
            assert np.abs(own - wanted).max() <= TOLERANCE * np.abs(wanted).max()
        else:
            assert not own.any()


def residual():
    return Net(
        lambda m, x: m.head(m.out(m.b(m.relu1(m.norm(m.a(x)))) + m.short(x)).mean((2, 3))),
        a=conv(1, 6), norm=nn.BatchNorm2d(6), relu1=nn.ReLU(inplace=True), b=conv(6, 6),
        short=conv(1, 6, 1), out=nn.ReLU(), head=nn.Linear(6, 2),
    )  # fmt: skip


def branches():
    return Net(
        lambda m, x: m.out(m.c(torch.cat([m.ra(m.a(x)), m.rb(m.b(x)).flip(1)], 1))),
        a=conv(1, 3, (7, 1)), ra=nn.ReLU(), b=conv(1, 4, (1, 5)), rb=nn.ELU(), c=conv(7, 5),
        out=nn.ReLU(),
    )  # fmt: skip


def unet():
    def forward(m, x):
        skip = m.r1(m.a(x))
        deep = m.r2(m.b(m.pool(skip)))
        up = functional.interpolate(deep, size=skip.shape[2:], mode="bilinear")
        return m.r3(m.c(torch.cat([skip, up], dim=1)))

    return Net(
        forward, a=conv(1, 4), r1=nn.LeakyReLU(), pool=nn.MaxPool2d(2), b=conv(4, 6), r2=nn.ReLU(),
        c=conv(10, 5), r3=nn.ReLU(),
    )  # fmt: skip


def dense_block():
    def forward(m, x):
        x = m.stem(x)
        for norm, relu, grow in ((m.n1, m.r1, m.a), (m.n2, m.r2, m.b)):
            x = torch.cat([x, grow(relu(norm(x)))], 1)
        return m.block(x)

    return Net(
        forward, stem=conv(1, 4), n1=nn.BatchNorm2d(4), r1=nn.ReLU(), a=conv(4, 3),
        n2=nn.BatchNorm2d(7), r2=nn.ReLU(), b=conv(7, 3), block=nn.Identity(),
    )  # fmt: skip


def mobile():
    return Net(
        lambda m, x: m.out(m.project(m.se(m.h2(m.depth(m.h1(m.n(m.a(x))))))) + m.a(x)[:, :6]),
        a=conv(1, 8, stride=2, padding=1), n=nn.BatchNorm2d(8), h1=nn.Hardswish(inplace=True),
        depth=conv(8, 8, 5, groups=8), h2=nn.Hardswish(), se=Gated(8, nn.Hardsigmoid),
        project=conv(8, 6, 1), out=nn.Identity(),
    )  # fmt: skip


def convnext():
    def forward(m, x):
        x = m.stem(x)
        y = m.depth(x).permute(0, 2, 3, 1)
        y = m.narrow(m.gelu(m.wide(m.norm(y)))).permute(0, 3, 1, 2)
        return m.out(x + y)

    return Net(
        forward, stem=conv(1, 6, 4, stride=4, padding=0), depth=conv(6, 6, 7, groups=6),
        norm=nn.LayerNorm(6), wide=nn.Linear(6, 12), gelu=nn.GELU(), narrow=nn.Linear(12, 6),
        out=nn.Identity(),
    )  # fmt: skip


def in_a_row(*modules, n_dims=4):
    names = {f"m{number}": module for number, module in enumerate(modules)}

    def forward(m, x):
        for name in names:
            x = getattr(m, name)(x)
        return x

    return Net(forward, n_dims, **names)


NETWORKS = {
    "residual": (residual(), "out"),
    "branches": (branches(), "out"),
    "U-Net": (unet(), "r3"),
    "DenseNet": (dense_block(), "block"),
    "MobileNetV3": (mobile(), "out"),
    "ConvNeXt": (convnext(), "out"),
    "instance norm": (
        in_a_row(conv(1, 4), nn.InstanceNorm2d(4, affine=True), nn.ReLU(), conv(4, 5), nn.ReLU()),
        "m4",
    ),
    "group norm, SiLU": (
        in_a_row(conv(1, 4), nn.GroupNorm(2, 4), nn.SiLU(), conv(4, 5), nn.Tanh()),
        "m4",
    ),
    "dilated, grouped, ceil": (
        in_a_row(
            *(conv(1, 4, dilation=2), nn.PReLU(), nn.MaxPool2d(3, 2, 1, ceil_mode=True)),
            *(conv(4, 8, groups=2, padding_mode="reflect"), nn.ReLU6(), nn.AvgPool2d(2)),
        ),
        "m5",
    ),
    "up": (in_a_row(conv(1, 4), nn.ReLU(), nn.ConvTranspose2d(4, 3, 2, stride=2)), "m2"),
}


def decoder(up, **options):
    """An encoder, and a transposed convolution as a U-Net has them."""
    down = nn.Conv1d if up is nn.ConvTranspose1d else nn.Conv2d
    return in_a_row(
        *(down(20 if down is nn.Conv1d else 1, 4, 3, padding=1), nn.ReLU()),
        *(up(4, 6, 4, stride=2, padding=1, **options), nn.ReLU()),
        n_dims=3 if down is nn.Conv1d else 4,
    )


@pytest.mark.parametrize("shape", [(41, 38), (64, 37)])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_graph_is_explained(name, shape):
    network, end = NETWORKS[name]
    randomise(network)
    net = Deconvnet(network, layers=[end])
    assert [(layer.number, layer.path) for layer in net.layers] == [(1, end)]
    assert_agrees(net, network, magnitude_of(*shape), end, end)


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("residual", ["a", "b", "short"]),
        ("branches", ["a", "b", "c"]),
        ("MobileNetV3", ["a", "depth", "project", "a"]),
        ("ConvNeXt", ["stem", "depth"]),
    ],
)
def test_every_convolution_outside_of_gates_is_a_layer(name, paths):
    net = Deconvnet(NETWORKS[name][0])
    assert [layer.path for layer in net.layers] == paths
    assert [layer.number for layer in net.layers] == list(range(1, len(paths) + 1))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("up", [nn.ConvTranspose1d, nn.ConvTranspose2d])
def test_transposed_convolutions_are_layers(up, groups):
    network = randomise(decoder(up, groups=groups))
    net = Deconvnet(network)
    assert [(layer.path, layer.n_features) for layer in net.layers] == [("m0", 4), ("m2", 6)]
    assert_agrees(net, network, magnitude_of(20, 26), "m2", "m3")


def test_a_transposed_convolution_behind_a_dense_layer_is_one_too():
    """A chain, as far as it is one, ends before the dense layer."""
    network = Net(
        lambda m, x: m.out(
            functional.conv_transpose2d(m.dense(m.relu(m.a(x)).mean((2, 3)))[..., None, None], m.w)
        ),
        a=conv(1, 4), relu=nn.ReLU(), dense=nn.Linear(4, 6), out=nn.ReLU(),
        w=nn.Parameter(torch.randn(6, 3, 4, 4)),
    )  # fmt: skip
    net = Deconvnet(randomise(network))
    assert net.n_features == [4, 3]
    assert_agrees(net, network, magnitude_of(20, 22), 2, "out")


def test_a_layer_ends_at_its_pooling():
    network = randomise(unet())
    net = Deconvnet(network)
    magnitude = magnitude_of(40, 36)
    for layer, end in (("a", "pool"), ("b", "r2"), ("c", "r3")):
        assert_agrees(net, network, magnitude, layer, end)


@pytest.mark.parametrize(
    "part",
    [
        lambda m, x: m.relu(x[:, :, 2:].contiguous()),  # of a causal convolution
        lambda m, x: m.pool(functional.pad(m.relu(x), (0, 1, 0, 1))),
        lambda m, x: m.relu(x) + 0 * x[:, :, ::2].mean(),
        lambda m, x: m.pool(m.relu(torch.maximum(x, torch.zeros(())))),
    ],
)
def test_a_layer_goes_on_behind_what_leaves_its_features_as_they_are(part):
    parts = {"a": conv(1, 4), "relu": nn.ReLU(), "pool": nn.MaxPool2d(3, 2), "b": conv(4, 5)}
    network = randomise(Net(lambda m, x: m.b(part(m, m.a(x))), **parts))
    end = "pool" if "pool" in part.__code__.co_names else "relu"
    assert_agrees(Deconvnet(network), network, magnitude_of(24, 22), "a", end)


def test_half_precision_inside_a_network_is_said():
    def forward(m, x):
        with torch.autocast("cpu", torch.bfloat16):
            return m.relu(m.a(x)) + x

    network = Net(forward, a=conv(1, 4), relu=nn.ReLU())
    net, magnitude = Deconvnet(randomise(network)), magnitude_of(20, 22)
    assert net.assumptions == ["'a' runs in bfloat16, by autocast or its own weights"]
    same = Deconvnet(nn.Sequential(network.a, network.relu))
    maps, wanted = (of.deconvolve(magnitude, 1) for of in (net, same))
    assert net.feature_maps(magnitude)[0].dtype == np.float32
    np.testing.assert_allclose(maps, wanted, atol=0.03 * np.abs(wanted).max())


# Functions that have a rule, and what is the same in modules that the reference knows.


def unpooling(m, x):
    x, switches = m.pool(m.a(x))
    return m.out(m.b(functional.max_unpool2d(x, switches, 2)))


def unpooled_by_a_mask(m, x):
    x = m.a(x)
    ups = functional.interpolate(m.pool(x), scale_factor=2)
    return m.out(m.b(x * (ups == x).detach()))


def normalise(m, x):
    n = m.n
    given = (n.weight, n.bias, n.running_mean, n.running_var)
    return torch.batch_norm(x, *given, False, 0.1, n.eps, False)


def in_place_of(part):
    def forward(m, x):
        x = m.a(x).clone()
        part(x[:, :2])
        return m.out(m.b(x))

    return forward


def rectified_beside(m, x):
    x = m.a(x)
    return m.out(m.b(torch.cat([m.relu(x[:, :2]), x[:, 2:]], 1)))


def in_the_middle(function):
    return lambda m, x: m.out(m.b(function(m, m.a(x))))


WRITTEN_OTHERWISE = {
    "batch norm of torch": (in_the_middle(normalise), in_the_middle(lambda m, x: m.n(x))),
    "larger than zero": (
        in_the_middle(lambda m, x: torch.maximum(x, torch.zeros(()))),
        in_the_middle(lambda m, x: m.relu(x)),
    ),
    "larger than zeros": (
        in_the_middle(lambda m, x: torch.max(torch.zeros_like(x), x)),
        in_the_middle(lambda m, x: m.relu(x)),
    ),
    "larger of two": (
        lambda m, x: m.out(m.b(torch.max(m.a(x), m.c(x)))),
        lambda m, x: m.out(m.b(torch.stack([m.a(x), m.c(x)]).max(0).values)),
    ),
    "in place of a part": (in_place_of(lambda x: x.relu_()), rectified_beside),
    "a gate in place": (
        in_the_middle(lambda m, x: torch.sigmoid(m.c(x)).mul_(x)),
        in_the_middle(lambda m, x: x * torch.sigmoid(m.c(x)).detach()),
    ),
    "constant mask": (
        in_the_middle(lambda m, x: torch.where(torch.arange(x.shape[-1]) > 5, m.relu(x), 0)),
        in_the_middle(lambda m, x: m.relu(x) * (torch.arange(x.shape[-1]) > 5)),
    ),
    "Fourier transform": (
        in_the_middle(lambda m, x: torch.fft.rfft(m.relu(x)).real),
        in_the_middle(
            lambda m, x: (
                m.relu(x)
                @ torch.cos(2 * torch.pi * torch.outer(torch.arange(22), torch.arange(12)) / 22)
            )
        ),
    ),
    "dropped at random": (
        in_the_middle(lambda m, x: functional.dropout(x)),
        in_the_middle(lambda m, x: x),
    ),
    "unpooling": (unpooling, unpooled_by_a_mask),
}


@pytest.mark.parametrize("name", WRITTEN_OTHERWISE)
def test_functions_are_as_what_they_are_made_of(name):
    forward, otherwise = WRITTEN_OTHERWISE[name]
    parts = {
        **{"a": conv(1, 4), "b": conv(4, 5), "c": conv(4 if "gate" in name else 1, 4)},
        **{"n": nn.BatchNorm2d(4), "relu": nn.ReLU(), "out": nn.ReLU()},
        "pool": nn.MaxPool2d(2, return_indices=name == "unpooling"),
    }
    network = randomise(Net(forward, **parts))
    same = Net(otherwise, **parts | {"pool": nn.MaxPool2d(2)})
    assert_agrees(Deconvnet(network), same, magnitude_of(24, 22), "b", "out")


# Activations written by hand


def in_place_of_a_copy(x):
    x = x.clone()
    return x.mul_(x.sigmoid())


def tanh_form(x):
    return 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)))


BETA = torch.linspace(-1, 2, 4)[:, None, None]
BY_HAND = {
    "SiLU": (lambda x: x * torch.sigmoid(x), nn.SiLU()),
    "SiLU, turned": (lambda x: x.sigmoid().mul(x), nn.SiLU()),
    "SiLU, in place": (in_place_of_a_copy, nn.SiLU()),
    "SiLU, in place of its gate": (lambda x: torch.sigmoid(x).mul_(x), nn.SiLU()),
    "GELU": (lambda x: x * 0.5 * (1 + torch.erf(x / 2**0.5)), nn.GELU()),
    "GELU, halved last": (lambda x: x * (1 + torch.erf(x / 2**0.5)) / 2, nn.GELU()),
    "GELU, tanh": (tanh_form, nn.GELU("tanh")),
    "hardswish": (lambda x: x * functional.relu6(x + 3) / 6, nn.Hardswish()),
    "hardswish, clamped": (lambda x: x * (x + 3).clamp(0, 6).div_(6), nn.Hardswish()),
    "hardswish, hardsigmoid": (lambda x: x * functional.hardsigmoid(x), nn.Hardswish()),
    "mish": (lambda x: x * torch.tanh(functional.softplus(x)), nn.Mish()),
    "mish, all by hand": (lambda x: x * torch.tanh(torch.log(1 + torch.exp(x))), nn.Mish()),
    "SiLU, a quotient": (lambda x: x / (1 + torch.exp(-x)), nn.SiLU()),
    "SiLU, its sigmoid a quotient": (lambda x: 1 / (1 + (-x).exp()) * x, nn.SiLU()),
    "ReLU, a product": (lambda x: (x > 0).to(x.dtype) * x, nn.ReLU()),
    "ReLU, chosen": (lambda x: torch.where(x > 0, x, 0), nn.ReLU()),
    "leaky ReLU, chosen": (lambda x: torch.where(x > 0, x, 0.2 * x), nn.LeakyReLU(0.2)),
    "leaky ReLU": (lambda x: torch.max(x, 0.2 * x), nn.LeakyReLU(0.2)),
    "behind another": (
        lambda x: x.relu() * x.relu().sigmoid(),
        nn.Sequential(nn.ReLU(), nn.SiLU()),
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_an_activation_written_by_hand_is_as_its_module(name):
    function, module = BY_HAND[name]

    def network_of(act):
        return Net(lambda m, x: m.b(m.pool(act(m.n(m.a(x))))), **parts)

    parts = {"a": conv(1, 4), "n": nn.BatchNorm2d(4), "pool": nn.MaxPool2d(2), "b": conv(4, 5)}
    by_hand, of_module = network_of(function), network_of(module)
    randomise(by_hand).a.bias.data[0] = -100  # a feature that never fires
    net, expected = Deconvnet(by_hand), Deconvnet(of_module)
    assert len(net.assumptions) == (name != "ReLU, a product")
    for said in net.assumptions:
        assert re.fullmatch(r"'(mul|div|max|where)' walks back by a ReLU", said)
    magnitude = magnitude_of(24, 22)
    for layer in (1, 2):
        maps, wanted = (of.feature_maps(magnitude)[layer - 1] for of in (net, expected))
        np.testing.assert_allclose(maps, wanted, atol=1e-5 * np.abs(wanted).max())
        assert (net.fired(layer, maps) == expected.fired(layer, wanted)).all()
        maps, wanted = (of.deconvolve(magnitude, layer) for of in (net, expected))
        assert np.abs(maps - wanted).max() <= TOLERANCE * np.abs(wanted).max()


def test_a_scale_behind_an_activation_written_by_hand_is_a_scale():
    parts = {"a": conv(1, 4), "b": conv(4, 5), "out": nn.ReLU()}
    by_hand = Net(in_the_middle(lambda m, x: x * torch.sigmoid(x) * 0.2), **parts)
    same = Net(in_the_middle(lambda m, x: functional.silu(x) * 0.2), **parts)
    randomise(by_hand)
    assert_agrees(Deconvnet(by_hand), same, magnitude_of(24, 22), "b", "out")


def test_an_activation_whose_gate_closes_upwards_is_one_too():
    """Swish with a factor of each feature, some of them negative."""
    parts = {"a": conv(1, 4), "b": conv(4, 5), "out": nn.ReLU()}
    network = randomise(Net(in_the_middle(lambda m, x: x * torch.sigmoid(BETA * x)), **parts))
    assert Deconvnet(network).assumptions == ["'mul' walks back by a ReLU"]


def of_its_mean(x):
    return x * torch.sigmoid(x - x.mean((2, 3), keepdim=True))


def of_its_pool(x):
    return x * torch.sigmoid(functional.avg_pool2d(x, x.shape[2:]))


def of_its_other_half(x):
    a, b = x.chunk(2, 1)
    return torch.cat([a * torch.sigmoid(b), b * torch.sigmoid(a)], 1)


@pytest.mark.parametrize(
    "gated", [of_its_mean, of_its_pool, of_its_other_half, lambda x: x * torch.sigmoid(x.flip(3))]
)
def test_a_gate_of_more_than_the_value_itself_is_held_and_ends_no_layer(gated):
    network = Net(
        lambda m, x: m.b(gated(m.relu(m.a(x)))), a=conv(1, 4), relu=nn.ReLU(), b=conv(4, 5)
    )
    net = Deconvnet(randomise(network))
    assert net.assumptions == ["'mul': its gate is held constant"]
    assert_agrees(net, network, magnitude_of(24, 22), "a", "relu")


def test_a_process_that_allows_deterministic_algorithms_alone_hides_no_layer():
    """Lightning leaves one behind."""
    parts = {"a": conv(1, 4), "b": conv(4, 5), "out": nn.ReLU()}
    network = randomise(Net(unpooling, **parts, pool=nn.MaxPool2d(2, return_indices=True)))
    torch.use_deterministic_algorithms(True)
    try:
        with pytest.warns(UserWarning, match="max_unpool"):
            assert [layer.path for layer in Deconvnet(network).layers] == ["a", "b"]
        assert not torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


def test_a_negative_factor_behind_the_activation_hides_no_firing():
    network = Net(lambda m, x: m.pool(m.relu(m.a(x)) * -2), a=conv(1, 4), relu=nn.ReLU())
    network.pool = nn.MaxPool2d(2)
    assert_agrees(Deconvnet(randomise(network)), network, magnitude_of(24, 22), "a", "pool")


def test_dropping_at_random_is_said_to_be_left_out():
    network = Net(lambda m, x: m.b(functional.dropout(m.a(x))), a=conv(1, 4), b=conv(4, 4))
    (said,) = Deconvnet(network, layers=["b"]).assumptions
    assert said == "'dropout' drops at random whenever it runs, and is left out"


def deviation(x, dim):
    return torch.sqrt(x.var(dim, correction=0, keepdim=True) + 1e-5)


def variance_by_hand(x):
    x = x - x.mean((2, 3), keepdim=True)
    return x * torch.rsqrt(x.pow(2).mean((2, 3), keepdim=True) + 1e-5)


STANDARDISED = {
    "instance": (lambda x: (x - x.mean((2, 3), keepdim=True)) / deviation(x, (2, 3)), 4),
    "variance by hand": (variance_by_hand, 4),
    "whole": (lambda x: (x - x.mean()) / deviation(x, (0, 1, 2, 3)), 1),
}


@pytest.mark.parametrize("name", STANDARDISED)
def test_standardising_by_hand_is_as_its_module(name):
    by_hand, n_groups = STANDARDISED[name]
    parts = {"a": conv(1, 4), "pool": nn.MaxPool2d(2), "b": conv(4, 5)}

    def network_of(norm):
        return Net(lambda m, x: m.b(m.pool(functional.relu(norm(m.a(x))))), **parts)

    network = randomise(network_of(by_hand))
    net = Deconvnet(network, shape=(24, 22))
    expected = Deconvnet(network_of(nn.GroupNorm(n_groups, 4, affine=False)), shape=(24, 22))
    (said,) = net.assumptions
    assert re.fullmatch("'(div|mul)': its input's own statistics are held constant", said)
    magnitude = magnitude_of(24, 22)
    for layer in (1, 2):
        maps, wanted = (of.deconvolve(magnitude, layer) for of in (net, expected))
        assert np.abs(maps - wanted).max() <= TOLERANCE * np.abs(wanted).max()


def response_norm(m, x, hold=lambda of: of):
    """Global response normalisation, as ConvNeXt V2 has it."""
    norms = torch.norm(x, p=2, dim=(2, 3), keepdim=True)
    return m.gain * (x * hold(norms / (norms.mean(1, keepdim=True) + 1e-6))) + x


@pytest.mark.parametrize(
    "normalise",
    [
        response_norm,
        lambda m, x, hold=lambda of: of: x / hold(x.abs().max()),
        lambda m, x, hold=lambda of: of: x / hold(x.norm(dim=1, keepdim=True)),
    ],
    ids=["response", "maximum", "unit length"],
)
def test_own_statistics_by_hand_are_held_constant(normalise):
    parts = {"a": conv(1, 4), "b": conv(4, 5), "out": nn.ReLU()}
    network = Net(in_the_middle(normalise), **parts)
    same = Net(in_the_middle(lambda m, x: normalise(m, x, torch.Tensor.detach)), **parts)
    network.gain = same.gain = torch.rand(4, 1, 1)
    randomise(network)
    net = Deconvnet(network, shape=(24, 22))
    assert all("own statistics are held constant" in said for said in net.assumptions)
    assert_agrees(net, same, magnitude_of(24, 22), "b", "out")


class MemoryEfficientSwish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * torch.sigmoid(x)


def test_root_mean_squares_are_held_constant():
    norm = nn.RMSNorm(22)
    network = Net(lambda m, x: m.b(m.norm(m.a(x))), a=conv(1, 4), norm=norm, b=conv(4, 3))
    randomise(network)

    def held(m, x):
        x = m.a(x)
        power = x.detach().square().mean(-1, keepdim=True)
        return m.out(m.b(x / torch.sqrt(power + torch.finfo(torch.float32).eps)))

    same = Net(held, a=network.a, b=network.b, out=nn.Identity())
    net = Deconvnet(network, shape=(24, 22))
    assert net.assumptions == ["'norm' (rms_norm): its input's own statistics are held constant"]
    assert_agrees(net, same, magnitude_of(24, 22), "b", "out")


def test_weights_under_weight_norm_are_explained():
    network = in_a_row(conv(1, 4), nn.ReLU(), conv(4, 3), nn.ReLU())
    plain = copy.deepcopy(randomise(network))
    nn.utils.weight_norm(network.m2)
    assert network.m2.weight.grad_fn is not None
    assert_agrees(Deconvnet(network), plain, magnitude_of(20, 22), "m2", "m3")


def test_lazy_modules_are_refused():
    with pytest.raises(NetworkError, match=r"'m0.weight' has no values yet.*run the network once"):
        Deconvnet(in_a_row(nn.LazyConv2d(4, 3), nn.ReLU()))


def test_a_network_of_several_inputs_is_told_what_to_do():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = conv(1, 4), conv(1, 4)

        def forward(self, x, y):
            return self.a(x) + self.b(y)

    with pytest.raises(NetworkError, match="wants 'y' besides, pass a module that gives it these"):
        Deconvnet(Two())


def test_a_module_that_runs_twice_is_explained_once_and_that_is_said():
    twice = Net(lambda m, x: m.r(m.b(m.r(m.a(x)))), a=conv(1, 4), b=conv(4, 3), r=nn.ReLU())
    net = Deconvnet(randomise(twice), layers=["r"])
    assert net.n_features == [4]
    assert net.assumptions == ["'r' runs more than once; its first output is explained"]


def test_what_is_overwritten_in_place_is_told():
    def forward(m, x):
        x = m.a(x)
        y = m.b(x)
        x += 1
        return m.out(m.b(y) + x)

    network = Net(forward, a=conv(1, 4), b=conv(4, 4), out=nn.Identity())
    net = Deconvnet(network, layers=["out"])
    with pytest.raises(NetworkError, match="layer 'out' cannot walk back.*not in place"):
        net.deconvolve(magnitude_of(20, 22), 1)


def test_every_part_of_a_cut_input_counts():
    """A feature that is silent in the first part fires in the others."""
    network = Net(
        lambda m, x: m.relu(m.a(x.unfold(3, 10, 10).permute(0, 3, 1, 2, 4).flatten(0, 1))),
        a=conv(1, 3), relu=nn.ReLU(),
    )  # fmt: skip
    magnitude = magnitude_of(20, 40)
    nn.init.zeros_(randomise(network).a.bias)
    magnitude[:, :10] = 0
    net = Deconvnet(network, shape=(20, 40))
    maps, found = net.feature_maps(magnitude)[0], net.deconvolve(magnitude, 1)
    assert maps.shape == (3, 4 * 20, 10)
    assert net.fired(1, maps).all()
    _, expected = reference(network, magnitude, "relu")
    assert np.abs(found - expected).max() <= TOLERANCE * np.abs(expected).max()


def test_convolutions_without_a_batch():
    network = Net(lambda m, x: m.relu(m.a(x[0])), a=conv(1, 3), relu=nn.ReLU())
    same = in_a_row(randomise(network).a, nn.ReLU())
    assert_agrees(Deconvnet(network), same, magnitude_of(20, 22), "a", "m1")


@pytest.mark.parametrize("n_channels", [2, 8])
def test_several_input_channels(n_channels):
    network = randomise(in_a_row(conv(n_channels, 4), nn.ReLU(), conv(4, 3), nn.ReLU()))
    net = Deconvnet(network)
    magnitude = magnitude_of(n_channels, 20, 22)
    assert net.deconvolve(magnitude, 2).shape == (3, n_channels, 20, 22)
    assert_agrees(net, network, magnitude, 2, "m3")
    with pytest.raises(NetworkError, match=r"expected a real magnitude \(n_channels, n_bins"):
        net.deconvolve(magnitude[0], 1)


@pytest.mark.parametrize(("n_inputs", "shape"), [(1, (1500,)), (20, (20, 90))])
def test_convolutions_of_one_dimension(n_inputs, shape):
    network = randomise(
        in_a_row(
            *(nn.Conv1d(n_inputs, 6, 3, stride=3), nn.BatchNorm1d(6), nn.ReLU(), nn.MaxPool1d(3)),
            *(nn.Conv1d(6, 5, 3, padding=1), nn.ReLU()),
            n_dims=3,
        )
    )
    net = Deconvnet(network)
    assert_agrees(net, network, magnitude_of(*shape), "m0", "m3")
    assert_agrees(net, network, magnitude_of(*shape), "m4", "m5")


def test_convolutions_of_one_dimension_behind_an_input_of_two():
    network = Net(lambda m, x: m.relu(m.a(x[:, 0])), a=nn.Conv1d(20, 4, 3), relu=nn.ReLU())
    same = in_a_row(randomise(network).a, nn.ReLU(), n_dims=3)
    assert_agrees(Deconvnet(network), same, magnitude_of(20, 90), "a", "m1")


@pytest.mark.parametrize(
    ("first", "takes"),
    [(nn.Conv1d(1, 4, 3), "samples"), (nn.Conv2d(3, 4, 3), "3 channels")],
)
def test_what_takes_no_magnitude_is_refused_where_one_is_given(first, takes):
    with pytest.raises(NetworkError, match=f"takes {takes} .*in Python"):
        Deconvnet(in_a_row(first, nn.ReLU()), shape=(20, 90))


def functions(m, x):
    x = x.unsqueeze(1)
    x = functional.max_pool2d(functional.relu(m.a(x)), 2)
    x = torch.relu(m.b(x))
    x = x.view(x.size(0), -1)
    return m.dense(x)


def test_functions_and_a_head_of_another_size():
    network = Net(functions, a=conv(1, 4), b=conv(4, 5), dense=nn.Linear(17, 2))
    chain = in_a_row(network.a, nn.ReLU(), nn.MaxPool2d(2), network.b, nn.ReLU())
    net, magnitude = Deconvnet(network), magnitude_of(33, 30)
    assert_agrees(net, chain, magnitude, "b", "m4")


# What is said


@pytest.mark.parametrize("kind", ACTIVATIONS + OTHER_ACTIVATIONS)
def test_every_activation_of_torch_is_known(kind):
    made = kind(0.1, 0.2) if kind is nn.Threshold else kind()
    net = Deconvnet(in_a_row(conv(1, 4), made, conv(4, 4)))
    assert net.n_layers == 2


def test_a_gate_that_people_write_by_hand_is_held():
    by_hand = Net(
        lambda m, x: m.out(m.a(x) * torch.sigmoid(m.g(x))), a=conv(1, 4), g=conv(1, 4),
        out=nn.Identity(),
    )  # fmt: skip
    net = Deconvnet(randomise(by_hand), layers=["out"])
    assert net.assumptions == ["'mul': its gate is held constant"]
    assert [of.path for of in Deconvnet(by_hand).layers] == ["a"]


def test_convolutions_that_make_a_mask_of_the_input_are_layers():
    masking = Net(
        lambda m, x: x * torch.sigmoid(m.b(m.r(m.a(x)))), a=conv(1, 4), r=nn.ReLU(), b=conv(4, 1)
    )
    net = Deconvnet(randomise(masking))
    assert [of.path for of in net.layers] == ["a", "b"]
    chain = in_a_row(masking.a, nn.ReLU(), masking.b)
    assert_agrees(net, chain, magnitude_of(20, 20), "a", "m1")


def test_assumptions_name_module_and_rule():
    net = Deconvnet(NETWORKS["group norm, SiLU"][0])
    assert net.assumptions == [
        "'m1' (group_norm): its input's own statistics are held constant",
        "'m2' (silu) walks back by a ReLU",
        "'m4' (tanh) walks back by a ReLU",
    ]
    assert Deconvnet(NETWORKS["residual"][0]).assumptions == []


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (lambda x: x * x.detach().mean(), "'mul': what has no gradient"),
        (lambda x: x * (x > 0.1), "'mul': what has no gradient"),
        (lambda x: x.masked_fill(x < 0, 0), "'masked_fill': what has no gradient"),
        (lambda x: x / x.data.amax(), "what has no gradient"),
        (lambda x: x * x.max().item(), "'item': what it takes out is held constant"),
        (lambda x: x + torch.zeros_like(x), ""),
        (lambda x: x.gather(1, x.argsort(1)), ""),
    ],
)
def test_what_has_no_gradient_is_said_to_be_held(part, said):
    net = Deconvnet(Net(lambda m, x: m.b(part(m.a(x))), a=conv(1, 4), b=conv(4, 4)))
    assert (
        any(said in assumption for assumption in net.assumptions) if said else not net.assumptions
    )


def test_what_runs_without_gradients_is_said_to_be_held():
    def forward(m, x):
        with torch.no_grad():
            mean = m.a(x).mean()
        return m.b(x + mean)

    net = Deconvnet(Net(forward, a=conv(1, 4), b=conv(1, 4)))
    assert [of.path for of in net.layers] == ["b"]
    assert "'add': what has no gradient (detached, compared) is held constant" in net.assumptions


def recurrent(m, x):
    x = m.relu(m.a(x)).mean(2).transpose(1, 2)
    return m.late(m.rest(x)[0][:, None])


def attending(m, x):
    x = m.relu(m.a(x)).mean(2).transpose(1, 2)
    return m.late(m.rest(x)[:, None])


@pytest.mark.parametrize(
    ("forward", "rest"),
    [
        (recurrent, nn.LSTM(4, 3, batch_first=True)),
        (attending, nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)),
    ],
)
def test_recurrent_and_attention_parts_end_the_convolutional_part(forward, rest):
    network = Net(forward, a=conv(1, 4), relu=nn.ReLU(), rest=rest, late=conv(1, 2))
    net = Deconvnet(network)
    assert [layer.path for layer in net.layers] == ["a"]
    (said,) = net.assumptions
    assert f"ends at 'rest' ({type(rest).__name__}); what follows is left out" in said
    with pytest.raises(NetworkError, match="'late' lies behind 'rest'"):
        Deconvnet(network, layers=["late"])


def test_a_chain_says_what_it_leaves_out():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.relu, self.rest = conv(1, 4), nn.ReLU(), nn.GRU(4, 2)

        def forward(self, x, tempo):
            return self.rest(self.relu(self.a(x)).mean((2, 3)))[0] + tempo

    first, second = Deconvnet(Two()).assumptions
    assert "ends before 'rest' (GRU)" in first
    assert "the input 'tempo'" in second


@torch.jit.script
def scripted(x):
    return x * torch.sigmoid(x)


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda m, x: m.b(m.a(x).square()), r"'square'.*Pow"),
        (lambda m, x: m.b(m.a(x) * m.a(x).exp()), r"Exp|two signals"),
        (lambda m, x: m.b(m.a(x) / m.a(x).sum()), r"two signals \(Div\)"),
        (lambda m, x: m.b(torch.where(m.a(x) > 0, m.a(x), 0)), r"'where': what it chooses"),
        (
            lambda m, x: m.b(m.a(x).sort()[0]),
            r"before it alone \(layers=\[1\] in Python, --layers 1, explained_layers of the n",
        ),
        (
            lambda m, x: m.b(m.a(x.sort(1)[0])),
            r"'a': .*Sort.*explain other layers, or a network with",
        ),
        (lambda m, x: m.b(torch.sort(m.a(x))[0]), r"Sort"),
        (lambda m, x: m.b(scripted(m.a(x))), r"layer 'b': cannot deconvolve"),
        (lambda m, x: m.b(MemoryEfficientSwish.apply(m.a(x))), r"MemoryEff.*as nn.SiLU"),
        (in_place_of(lambda x: x.square_()), r"'square' \(Pow\)"),
        (in_place_of(lambda x: x.mul_(x.flip(1))), r"two signals \(Mul\); explain those before"),
        (lambda m, x: m.b(m.a(x.detach())), r"'a' does not depend on the input|no Conv"),
    ],
)
def test_what_is_not_on_the_list_is_refused(forward, message):
    with pytest.raises(NetworkError, match=message):
        Deconvnet(Net(forward, a=conv(1, 4), b=conv(4, 4), out=nn.Identity()))


def test_layers_before_a_refused_one_are_explained_as_the_message_says():
    network = Net(
        lambda m, x: m.c(m.b(m.a(x).relu()).sort()[0]), a=conv(1, 4), b=conv(4, 4), c=conv(4, 4)
    )
    with pytest.raises(NetworkError, match="layers=") as refused:
        Deconvnet(network)
    numbers = re.search(r"layers=(range\(\d, \d\)) in Python", str(refused.value)).group(1)
    assert [layer.path for layer in Deconvnet(network, layers=eval(numbers)).layers] == ["a", "b"]


def test_what_is_refused_behind_the_layers_does_not_matter():
    net = Deconvnet(Net(lambda m, x: m.b(m.a(x).relu()).sort()[0], a=conv(1, 4), b=conv(4, 4)))
    assert net.n_features == [4, 4]


def test_a_shape_that_is_too_small_is_refused():
    network = in_a_row(conv(1, 2), nn.MaxPool2d(8))
    with pytest.raises(NetworkError, match="'m1' did not run on an input of .4, 4."):
        Deconvnet(network, layers=["m1"], shape=(4, 4))


@pytest.mark.slow
def test_wrapped_networks_are_unwrapped_and_scripted_ones_refused():
    network = randomise(residual())
    expected = Deconvnet(network).deconvolve(magnitude_of(20, 20), "b")
    for wrapped in (nn.DataParallel(network), torch.compile(network)):
        found = Deconvnet(wrapped).deconvolve(magnitude_of(20, 20), "b")
        np.testing.assert_array_equal(found, expected)
    network.a = torch.compile(nn.DataParallel(network.a))
    found = Deconvnet(network).deconvolve(magnitude_of(20, 20), "b")
    np.testing.assert_array_equal(found, expected)
    scripted = torch.jit.script(nn.Sequential(conv(1, 2, padding=1), nn.ReLU()))
    with pytest.raises(NetworkError, match="TorchScript.*pass the module that it was scripted"):
        Deconvnet(scripted)


# The fast path is the same thing


CHAIN = nn.Sequential(
    *(conv(1, 6), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2)),
    *(conv(6, 8), nn.ELU(), nn.BatchNorm2d(8), nn.AvgPool2d(2)),
    *(conv(8, 5), nn.ReLU(inplace=True), nn.BatchNorm2d(5), nn.MaxPool2d(3, 2)),
)


def both_ways(network):
    chain = Deconvnet(network)
    assert not isinstance(chain._way_back, Graph)
    general = Deconvnet(network, layers=list(range(1, chain.n_layers + 1)))
    assert isinstance(general._way_back, Graph)
    return chain, general


def assert_same(chain, general, magnitude):
    for (_, a), (_, b) in zip(
        chain.deconvolve_all(magnitude), general.deconvolve_all(magnitude), strict=True
    ):
        assert (a.any((1, 2)) == b.any((1, 2))).all()
        assert np.abs(a - b).max() <= TOLERANCE * max(np.abs(a).max(), 1e-30)
    for n, maps in enumerate(chain.feature_maps(magnitude), start=1):
        other = general.feature_maps(magnitude)[n - 1]
        assert (chain.fired(n, maps) == general.fired(n, other)).all()


@pytest.mark.parametrize("seed", range(5))
def test_the_chain_and_the_general_way_agree(seed):
    assert_same(*both_ways(randomise(CHAIN, seed)), magnitude_of(47, 44))


def normalised_behind(weight, bias, gain, offset):
    network = nn.Sequential(
        nn.Conv2d(1, 1, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(1, eps=0), nn.MaxPool2d(2)
    )
    values = (network[0].weight, network[0].bias, network[2].weight, network[2].bias)
    for parameter, value in zip(values, (weight, bias, gain, offset), strict=True):
        nn.init.constant_(parameter, value)
    return network


def test_a_negative_gain_behind_the_activation_hides_no_firing():
    ones = np.ones((8, 8), np.float32)
    for net in both_ways(normalised_behind(1, 0, -1, 0)):
        maps = net.deconvolve(ones, 1)
        assert maps.max() == pytest.approx(36)
        assert net.fired(1, net.feature_maps(ones)[0]).tolist() == [True]


@pytest.mark.parametrize("gain", [1, -1])
def test_an_offset_behind_the_activation_is_no_firing(gain):
    ones = np.ones((8, 8), np.float32)
    for net in both_ways(normalised_behind(1, -1e6, gain, 1)):
        assert not net.deconvolve(ones, 1).any()
        assert net.fired(1, net.feature_maps(ones)[0]).tolist() == [False]


# Random graphs


class SiLU(nn.SiLU):
    """As somebody wrote it."""

    def forward(self, x):
        return x * torch.sigmoid(x)


class Hardswish(nn.Hardswish):
    """As somebody wrote it."""

    def forward(self, x):
        return x * functional.relu6(x + 3) / 6


@st.composite
def graphs(draw):
    """Chains with shortcuts, branches, groups, dilations and poolings, of 1 to 8 input channels."""
    n_channels = n = draw(st.integers(1, 8))
    modules, plan = {}, []

    def add(kind, module):
        modules[f"m{len(modules)}"] = module
        plan.append((kind, f"m{len(modules) - 1}"))

    for _ in range(draw(st.integers(1, 4))):
        n_out = draw(st.sampled_from([2, 4, 6]))
        groups = draw(st.sampled_from([g for g in (1, 2, n) if n % g == 0 and n_out % g == 0]))
        kernel = draw(st.tuples(st.sampled_from([1, 3, 5]), st.sampled_from([1, 3])))
        options = {"groups": groups, "dilation": draw(st.integers(1, 2))}
        kind = draw(st.sampled_from(["chain", "chain", "add", "cat"]))
        out = n if kind == "add" and (groups == 1 or n % groups == 0) else n_out
        add(kind, nn.Conv2d(n, out, kernel, padding="same", **options))
        n = n + out if kind == "cat" else out
        if draw(st.booleans()):
            add("chain", nn.BatchNorm2d(n))
        activations = [nn.ReLU(), nn.ReLU(inplace=True), nn.LeakyReLU(0.1), nn.ELU(), nn.SiLU()]
        activations += [SiLU(), Hardswish()]
        add("chain", draw(st.sampled_from(activations)))
        n_pools = sum("Pool" in type(module).__name__ for module in modules.values())
        if n_pools < 2 and draw(st.booleans()):
            pool = draw(st.integers(1, 3))
            ceil = draw(st.booleans())
            kinds = [nn.MaxPool2d(pool + 1, pool, ceil_mode=ceil), nn.AvgPool2d(2), nn.MaxPool2d(2)]
            add("chain", draw(st.sampled_from(kinds)))
    end = draw(st.sampled_from([name for _, name in plan]))

    def forward(m, x):
        for kind, name in plan:
            y = getattr(m, name)(x)
            x = x + y if kind == "add" else torch.cat([x, y], 1) if kind == "cat" else y
        return x

    return Net(forward, **modules), n_channels, end


@pytest.mark.slow
@settings(max_examples=200, deadline=None, derandomize=True)
@given(graphs(), st.tuples(st.integers(30, 39), st.integers(30, 39)), st.integers(0, 2**20))
def test_random_graphs(graph, size, seed):
    network, n_channels, end = graph
    randomise(network, seed)
    shape = size if n_channels == 1 else (n_channels, *size)
    magnitude = magnitude_of(*shape, seed=seed)
    net = Deconvnet(network, layers=[end], shape=shape)
    found = net.deconvolve(magnitude, end)
    maps, expected = reference(network, magnitude, end)
    is_activation = isinstance(network.get_submodule(end), ACTIVATIONS)
    above = maps > 0 if is_activation else maps != 0
    if is_activation or isinstance(network.get_submodule(end), nn.Conv2d | nn.BatchNorm2d):
        assert (net.fired(1, maps) == above.any((1, 2))).all()
    for own, wanted, is_live in zip(found, expected, net.fired(1, maps), strict=True):
        if is_live:
            assert np.abs(own - wanted).max() <= TOLERANCE * np.abs(expected).max()
        else:
            assert not own.any()


@st.composite
def chains(draw):
    """Chains of convolutions, norms, activations and max-poolings in any order and of any size."""
    modules, n = [], 1
    for _ in range(draw(st.integers(1, 3))):
        n_out = draw(st.integers(2, 4))
        kernel = draw(st.tuples(*[st.integers(1, 3)] * 2))
        options = {"stride": draw(st.integers(1, 2)), "dilation": draw(st.integers(1, 2))}
        modules.append(nn.Conv2d(n, n_out, kernel, padding=draw(st.integers(0, 2)), **options))
        n, window = n_out, draw(st.tuples(*[st.integers(1, 3)] * 2))
        pad = min(draw(st.integers(0, 1)), min(window) // 2)
        pool = nn.MaxPool2d(window, draw(st.tuples(*[st.integers(1, 2)] * 2)), pad)
        rest = [nn.ReLU(), pool, nn.BatchNorm2d(n), nn.BatchNorm2d(n)]
        modules += draw(st.permutations(rest))[: draw(st.integers(0, 4))]
    return nn.Sequential(*modules)


@pytest.mark.slow
@patch("auralise.deconvnet.pooled.FEW", 0)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(chains(), st.tuples(st.integers(40, 44), st.integers(40, 44)), st.integers(0, 2**20))
def test_random_chains_on_their_pooled_grids(network, size, seed):
    network = randomise(network, seed)
    chain = Deconvnet(network)
    general = Deconvnet(network, layers=list(range(1, chain.n_layers + 1)), shape=size)
    assert_same(chain, general, magnitude_of(*size, seed=seed))


@pytest.mark.parametrize(
    ("first", "second", "shape"),
    [
        (nn.Conv2d(1, 8, (9, 5), 2, (4, 1), (1, 2)), conv(8, 4), (30, 41)),
        (nn.Conv2d(1, 8, 3, 4), nn.Conv2d(8, 4, 3, 2, 1), (20, 9)),
        (nn.Conv1d(1, 8, 27, 3, 2), nn.Conv1d(8, 4, 3), (90,)),
    ],
    ids=["large kernel", "few positions", "one dimension"],
)
def test_slow_convolutions_walk_back_by_matrix_products(first, second, shape, monkeypatch):
    n_dims = first.weight.dim()
    network = randomise(in_a_row(first, nn.ReLU(), second, nn.ReLU(), n_dims=n_dims))
    given, by_product = [], products._by_product
    monkeypatch.setattr(products, "_by_product", lambda *of: given.append(of) or by_product(*of))
    net = Deconvnet(network, layers=["m3"], shape=shape)
    assert_agrees(net, network, magnitude_of(*shape), "m3", "m3")
    assert given


def test_chosen_features_are_those_of_all():
    network, end = NETWORKS["residual"]
    net = Deconvnet(network, layers=[end])
    whole = net.deconvolve(magnitude_of(30, 30), end)
    chosen = net.deconvolve(magnitude_of(30, 30), end, [4, 1])
    np.testing.assert_allclose(chosen, whole[[4, 1]], atol=1e-5 * np.abs(whole).max())
