"""SVDNet and its inverters as Lasagne saved them, against NumPy written from the layout.

The reference works on frames × bands, as published: true convolutions, y[n] = Σ w[k] x[n − k],
and transposed ones as the gradient of a strided true convolution, element by element of the kernel.
"""

import numpy as np
import pytest
import torch

from auralise.errors import WeightsError
from auralise.networks import svdnet
from auralise.networks.inverters import PUBLISHED, derive_plan, initial_inverter
from auralise.networks.svdnet import LAYERS, N_PARAMETERS, initial_svdnet
from auralise.weights.reader import read_weights
from auralise.weights.svdnet import (
    Inverter,
    read_inverter,
    read_mean_std,
    read_svdnet,
    write_inverter,
    write_mean_std,
    write_svdnet,
)
from tests.conftest import n_values

RNG = np.random.default_rng(6)
# Mishra 2018: arrays in a file, and numbers in them.
TABLE = {
    "conv1": (10, 37_700),
    "conv2": (20, 28_324),
    "mp3": (30, 45_892),
    "conv4": (25, 576_260),
    "conv5": (25, 144_772),
    "mp6": (25, 80_484),
    "fc7": (47, 176_001),
    "fc8": (52, 131_201),
}
# Of the features, frames first.
SHAPES = {
    "conv1": (64, 113, 78),
    "conv2": (32, 111, 76),
    "mp3": (32, 37, 25),
    "conv4": (128, 35, 23),
    "conv5": (64, 33, 21),
    "mp6": (64, 11, 7),
    "fc7": (256,),
    "fc8": (64,),
}


def random(*shape):
    fan_in = np.prod(shape[1:]) if len(shape) == 4 else shape[0]
    return (RNG.standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32)


def save(path, arrays):
    np.savez(path, **{f"param{number}": array for number, array in enumerate(arrays)})
    return path


def svdnet_arrays():
    shapes = [(64, 1, 3, 3), (32, 64, 3, 3), (128, 32, 3, 3), (64, 128, 3, 3)]
    shapes += [(4928, 256), (256, 64), (64, 1)]
    return [
        array
        for shape in shapes
        for array in (random(*shape), 0.1 * random(shape[0] if len(shape) == 4 else shape[1]))
    ]


def inverter_arrays(layer, text=None):
    """Arrays in Lasagne's order: W, then beta, gamma, mean, inv_std, or b for the last U1 of fc7
    and fc8."""
    arrays, n_inputs = [], SHAPES[layer][0]
    for block in (text or PUBLISHED[layer]).split():
        kind, n = block.rstrip("0123456789"), int(block.lstrip("FCU"))
        shape = {"FC": (n_inputs, n), "C": (n, n_inputs, 3, 3), "U": (n_inputs, n, 4, 4)}[kind]
        arrays.append(random(*shape))
        if block == "U1" and layer in ("fc7", "fc8"):
            arrays.append(0.1 * random(1))
        else:
            arrays += [0.2 * random(n), RNG.uniform(0.5, 1.5, n), 0.2 * random(n)]
            arrays.append(RNG.uniform(0.5, 2, n))
        n_inputs = 16 if kind == "FC" else n
        if kind == "FC" and n == 64:
            n_inputs = 64
    return [array.astype(np.float32) for array in arrays]


def true_convolution(x, kernels, pad):
    """Of all inputs with the kernels (features, inputs, 3, 3), where they overlap."""
    x = np.pad(x, [(0, 0), (pad, pad), (pad, pad)])
    height, width = x.shape[1] - 2, x.shape[2] - 2
    return sum(
        np.tensordot(kernels[:, :, i, j], x[:, 2 - i : 2 - i + height, 2 - j : 2 - j + width], 1)
        for i in range(3)
        for j in range(3)
    )


def reference_svdnet(arrays, x):
    """Features of every layer for a picture of 115 frames × 80 bands, and the score."""
    parameters = iter(arrays)
    features = {}
    x = x[None]
    for name in ("conv1", "conv2", "mp3", "conv4", "conv5", "mp6"):
        if name.startswith("mp"):
            n, height, width = (side // 3 if axis else side for axis, side in enumerate(x.shape))
            x = x[:, : height * 3, : width * 3].reshape(n, height, 3, width, 3).max((2, 4))
        else:
            kernels, biases = next(parameters), next(parameters)
            x = true_convolution(x, kernels, 0) + biases[:, None, None]
            x = np.where(x > 0, x, 0.01 * x)
        features[name] = x
    x = x.reshape(-1)
    for name in ("fc7", "fc8", "fc9"):
        x = x @ next(parameters) + next(parameters)
        if name != "fc9":
            x = np.where(x > 0, x, 0.01 * x)
        features[name] = x
    return features


def gradient_of_strided_convolution(y, kernels):
    """What y says of the input of ``y = (padded input * kernel)[::2, ::2]``, '*' true, pad 1."""
    height, width = y.shape[1:]
    padded = np.zeros((kernels.shape[1], 2 * height + 2, 2 * width + 2), y.dtype)
    for i in range(4):
        for j in range(4):
            there = padded[:, 3 - i : 3 - i + 2 * height : 2, 3 - j : 3 - j + 2 * width : 2]
            there += np.tensordot(kernels[:, :, i, j].T, y, 1)
    return padded[:, 1:-1, 1:-1]


def reference_inverter(arrays, x):
    arrays = list(arrays)
    while arrays:
        weight = arrays.pop(0)
        if weight.ndim == 2:
            x = x @ weight
        elif weight.shape[-1] == 3:
            x = true_convolution(x, weight, 1)
        else:
            x = gradient_of_strided_convolution(x, weight)
        vectors = []
        while arrays and arrays[0].ndim == 1:
            vectors.append(arrays.pop(0).reshape(-1, *[1] * (x.ndim - 1)))
        if len(vectors) == 4:
            beta, gamma, mean, inv_std = vectors
            x = (x - mean) * (gamma * inv_std) + beta
        else:
            x = x + vectors[0]
        x = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
        if weight.ndim == 2 and weight.shape[1] == 256:
            x = x.reshape(16, 4, 4)
    (x,) = x
    x = x[:115, :80]
    pad = [(side - has) // 2 for side, has in zip((115, 80), x.shape, strict=True)]
    return np.pad(x, [(p, p) for p in pad])


def run(network, x):
    with torch.inference_mode():
        return network(torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))[None])[0].numpy()


def frames_first(x):
    return x.swapaxes(-1, -2) if x.ndim > 1 else x


class TestSvdnet:
    @pytest.fixture(scope="class")
    @classmethod
    def arrays(cls):
        return svdnet_arrays()

    @pytest.fixture(scope="class")
    @classmethod
    def network(cls, arrays, tmp_path_factory):
        return read_svdnet(save(tmp_path_factory.mktemp("w") / "svdnet.npz", arrays))

    def test_every_layer_equals_the_reference(self, arrays, network):
        picture = RNG.standard_normal((115, 80)).astype(np.float32)
        expected = reference_svdnet(arrays, picture)
        x = picture.T[None]
        for name, stage in network.named_children():
            x = run(stage, x)
            np.testing.assert_allclose(frames_first(x), expected[name], rtol=1e-4, atol=1e-5)

    def test_holds_the_published_number_of_parameters(self, arrays, network):
        assert sum(array.size for array in arrays) == N_PARAMETERS == n_values(network) == 1_408_225

    def test_its_layers_have_the_published_shapes(self):
        expected = {name: (shape[0], *reversed(shape[1:])) for name, shape in SHAPES.items()}
        assert expected == svdnet.SHAPES
        assert tuple(expected) == LAYERS

    def test_an_array_of_another_shape_is_refused_by_its_place(self, arrays, tmp_path):
        wrong = [*arrays]
        wrong[8] = random(4928, 128)
        with pytest.raises(WeightsError, match=r"'param8' is 4928×128; expected fc7's weight"):
            read_svdnet(save(tmp_path / "w.npz", wrong))

    def test_arrays_in_another_order_are_refused(self, arrays, tmp_path):
        wrong = [arrays[1], arrays[0], *arrays[2:]]
        with pytest.raises(WeightsError, match=r"'param0' is 64; expected conv1's weight"):
            read_svdnet(save(tmp_path / "w.npz", wrong))

    def test_an_inverter_is_refused_by_its_name(self, tmp_path):
        path = save(tmp_path / "w.npz", inverter_arrays("mp3"))
        with pytest.raises(WeightsError, match="the inverter of 'mp3'.*expected SVDNet"):
            read_svdnet(path)

    def test_our_own_file_gives_the_same_network_and_bytes(self, tmp_path):
        network = initial_svdnet(3)
        for name in ("a", "b"):
            write_svdnet(tmp_path / name, network, seed=3)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
        x = RNG.standard_normal((1, 80, 115))
        np.testing.assert_array_equal(run(read_svdnet(tmp_path / "a"), x), run(network, x))

    def test_a_missing_file_and_a_foreign_one(self, tmp_path):
        with pytest.raises(WeightsError, match="no such file"):
            read_svdnet(tmp_path / "none.npz")
        write_mean_std(tmp_path / "m.npz", np.zeros(80), np.ones(80))
        with pytest.raises(WeightsError, match="m.npz: it is a mean and a std"):
            read_svdnet(tmp_path / "m.npz")


class TestInverters:
    @pytest.mark.parametrize("layer", LAYERS)
    def test_equals_the_reference(self, layer, tmp_path):
        arrays = inverter_arrays(layer)
        assert (len(arrays), sum(array.size for array in arrays)) == TABLE[layer]
        inverter = read_inverter(save(tmp_path / "w.npz", arrays))
        assert inverter.layer == layer
        assert n_values(inverter.network) == TABLE[layer][1]
        features = RNG.standard_normal(SHAPES[layer]).astype(np.float32)
        expected = reference_inverter(arrays, features)
        found = run(inverter.network, frames_first(features))[0].T
        assert found.shape == (115, 80)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())

    def test_number_and_width_of_convolutions_are_read_off_the_file(self, tmp_path):
        arrays = inverter_arrays("conv5", "C32 C32 U16 U1")
        inverter = read_inverter(save(tmp_path / "w.npz", arrays))
        assert inverter.layer == "conv5"
        assert inverter.plan.blocks == ("C32", "C32", "U16", "U1")
        features = RNG.standard_normal(SHAPES["conv5"]).astype(np.float32)
        np.testing.assert_allclose(
            run(inverter.network, frames_first(features))[0].T,
            reference_inverter(arrays, features),
            rtol=1e-4,
            atol=3e-5,  # 1e-5 of the largest
        )

    def test_another_layer_is_refused_by_its_name(self, tmp_path):
        path = save(tmp_path / "w.npz", inverter_arrays("mp3"))
        with pytest.raises(WeightsError, match="the inverter of 'mp3'; expected that of 'conv2'"):
            read_inverter(path, "conv2")

    def test_the_classifier_is_no_inverter(self, tmp_path):
        with pytest.raises(WeightsError, match="no inverter of SVDNet: C64 C32"):
            read_inverter(save(tmp_path / "w.npz", svdnet_arrays()))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda a: a.pop(1), "followed by 3 vectors"),
            (lambda a: a.__setitem__(1, random(5)), "'param1' is 5; expected 64"),
            (lambda a: a.__setitem__(4, -a[4]), "inv_std"),
            (lambda a: a.insert(0, random(3)), "'param0' is not a weight"),
            (lambda a: a.__setitem__(5, random(1, 32, 3, 3)), "'block2.layer.weight' is 1×32×3×3"),
            (lambda a: a.__setitem__(0, a[0] * np.nan), "not finite"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, tmp_path, change, message):
        arrays = inverter_arrays("conv1")
        change(arrays)
        with pytest.raises(WeightsError, match=message):
            read_inverter(save(tmp_path / "w.npz", arrays))

    def test_our_own_file_tells_layer_plan_and_classifier(self, tmp_path):
        plan = derive_plan((4, 8, 5), (33, 20))
        network = initial_inverter(plan, 1)
        write_inverter(tmp_path / "w", Inverter("layer2", plan, network, "abc"), seed=1)
        found = read_inverter(tmp_path / "w", "layer2")
        assert (found.plan, found.classifier_sha256) == (plan, "abc")
        x = RNG.standard_normal((4, 8, 5))
        np.testing.assert_array_equal(run(found.network, x), run(network, x))
        with pytest.raises(WeightsError, match="of 'layer2'; expected that of 'layer3'"):
            read_inverter(tmp_path / "w", "layer3")


class TestMeanStd:
    def test_is_read_as_it_was_written(self, tmp_path):
        mean, std = RNG.standard_normal(80), RNG.uniform(0.5, 2, 80)
        write_mean_std(tmp_path / "m.npz", mean, std)
        found = read_mean_std(tmp_path / "m.npz")
        np.testing.assert_array_equal(found, (mean, std))

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"mean": np.zeros(80)}, "an archive of 1 arrays"),
            ({"mean": np.zeros(40), "std": np.ones(40)}, "'mean' is 40; expected 80 bands"),
            ({"mean": np.zeros(80), "std": np.zeros(80)}, "not positive"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, tmp_path, arrays, message):
        np.savez(tmp_path / "m.npz", **arrays)
        with pytest.raises(WeightsError, match=message):
            read_mean_std(tmp_path / "m.npz")


def test_our_svdnet_is_no_network_of_2015(tmp_path):
    """Its tensors would fit one; its format says that they are not."""
    write_svdnet(tmp_path / "svdnet.safetensors", initial_svdnet(0))
    with pytest.raises(WeightsError, match="its format is 'auralise-svdnet/1'"):
        read_weights(tmp_path / "svdnet.safetensors")
