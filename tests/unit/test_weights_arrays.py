"""A network of 2015 from arrays."""

import numpy as np
import pytest
import torch

from auralise import network_of
from auralise.deconvnet.deconvnet import Deconvnet
from auralise.errors import WeightsError
from benchmarks.references import Loops


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    shapes = (4, 1, 3, 3), (5, 4, 3, 3)
    return [(rng.normal(size=shape), rng.normal(size=shape[0])) for shape in shapes]


def test_is_the_network_of_2015(arrays):
    """Held against loops over the published description, biases and all that left out."""
    magnitude = np.random.default_rng(1).uniform(0, 1, (17, 14)).astype(np.float32)
    kernels = [kernel[:, :, ::-1, ::-1] for kernel, _ in arrays]  # as frameworks keep them
    reference = Loops(kernels, magnitude)
    net = Deconvnet(network_of(arrays, biases=False))
    for layer, n in ((1, 4), (2, 5)):
        found = net.deconvolve(magnitude, layer)
        for feature in range(n):
            expected = reference.deconvolve(layer, feature)
            np.testing.assert_allclose(found[feature], expected, atol=1e-5 * np.abs(found).max())


def test_biases_take_part_unless_they_are_told_not_to(arrays):
    x = torch.zeros(1, 1, 8, 8)
    with torch.inference_mode():
        assert network_of(arrays)(x).any()
        assert not network_of(arrays, biases=False)(x).any()
        assert not network_of([(kernel, None) for kernel, _ in arrays])(x).any()


def test_kernels_of_torch_are_taken_as_they_are(arrays):
    network = network_of(arrays, flipped=False)
    np.testing.assert_allclose(network.layer2.convolution.weight.detach(), arrays[1][0], rtol=1e-6)
    flipped = network_of(arrays).layer2.convolution.weight.detach()
    np.testing.assert_allclose(flipped, arrays[1][0][:, :, ::-1, ::-1], rtol=1e-6)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "no convolution in it"),
        ([(np.zeros((2, 1, 3, 3)), None, None)], "layer 1: no kernel and bias"),
        ([("no", None)], "layer 1: no kernel and bias"),
        ([(np.ones((2, 3, 3)), None)], "layer 1: a kernel with 3 axes; expected 4"),
        ([(np.ones((2, 1, 3, 3)), np.ones(3))], "the bias of 'kernel of layer 1' is 3; expected 2"),
        (
            [(np.ones((2, 1, 3, 3)), None), (np.ones((2, 4, 3, 3)), None)],
            "'kernel of layer 2' is 2×4×3×3 .* expected 2 inputs",
        ),
        ([(np.ones((2, 1, 2, 2)), None)], "an even kernel"),
        ([(np.full((2, 1, 3, 3), np.nan), None)], "kernel of layer 1"),
    ],
)
def test_what_is_no_network_is_told(layers, message):
    with pytest.raises(WeightsError, match=message):
        network_of(layers)
