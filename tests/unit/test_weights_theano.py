"""Weights from the days of Theano, by their layout: Keras 0.3 and Lasagne.

Both convolve in the strict sense; the reference is scipy's convolution, one loop per pair of
channels.
"""

import h5py
import numpy as np
import pytest
import torch
from scipy.signal import convolve2d
from torch import nn
from torch.nn import functional

from auralise import Deconvnet
from auralise.errors import WeightsError
from auralise.weights.reader import read_weights

RNG = np.random.default_rng(3)
X = RNG.standard_normal((1, 20, 14)).astype(np.float32)


def random(*shape) -> np.ndarray:
    return (RNG.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def true_convolution(x, kernels, mode) -> np.ndarray:
    return np.stack(
        [
            sum(convolve2d(plane, kernel, mode) for plane, kernel in zip(x, group, strict=True))
            for group in kernels
        ]
    )


def pool(x, size) -> np.ndarray:
    height, width = (side // size for side in x.shape[1:])
    blocks = x[:, : height * size, : width * size].reshape(-1, height, size, width, size)
    return blocks.max(axis=(2, 4))


def layers_of_2015(x, parameters):
    for kernels, biases in parameters:
        x = true_convolution(x, kernels, "same") + biases[:, None, None]
        x = pool(np.maximum(x, 0), 2)
    return x


def run(network, x) -> np.ndarray:
    with torch.inference_mode():
        return network(torch.from_numpy(x)[None])[0].numpy()


TWO_LAYERS = [(random(4, 1, 3, 3), random(4)), (random(5, 4, 3, 3), random(5))]
DENSE = [random(5 * 5 * 3, 7), random(7)]


class TestKeras0:
    """Groups ``layer_N`` with ``param_0``, ``param_1``; layers without parameters have a group."""

    @staticmethod
    def write(path, layers):
        with h5py.File(path, "w") as file:
            file.attrs["nb_layers"] = len(layers)
            for number, parameters in enumerate(layers):
                group = file.create_group(f"layer_{number}")
                group.attrs["nb_params"] = len(parameters)
                for index, values in enumerate(parameters):
                    group[f"param_{index}"] = values
        return path

    @pytest.fixture
    def path(self, tmp_path):
        first, second = TWO_LAYERS
        layers = [first, (), (), (), second, (), (), (), (), DENSE, ()]
        return self.write(tmp_path / "w.h5", layers)

    @pytest.mark.slow
    def test_equals_the_true_convolution(self, path):
        read = read_weights(path)
        np.testing.assert_allclose(run(read, X), layers_of_2015(X, TWO_LAYERS), atol=1e-5)
        assert Deconvnet(read).n_features == [4, 5]

    @pytest.mark.slow
    def test_without_biases(self, path):
        expected = layers_of_2015(X, [(kernels, 0 * biases) for kernels, biases in TWO_LAYERS])
        np.testing.assert_allclose(run(read_weights(path, biases=False), X), expected, atol=1e-5)

    @pytest.mark.slow
    def test_without_the_number_of_parameters(self, path):
        with h5py.File(path, "a") as file:
            for group in file.values():
                del group.attrs["nb_params"]
        np.testing.assert_allclose(
            run(read_weights(path), X), layers_of_2015(X, TWO_LAYERS), atol=1e-5
        )

    @pytest.mark.slow
    def test_a_truncated_file(self, path):
        content = path.read_bytes()
        for kept in (9, len(content) // 10, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:kept])
            with pytest.raises(WeightsError, match="damaged or cut short"):
                read_weights(path)

    @pytest.mark.slow
    def test_a_missing_layer_is_named(self, path):
        with h5py.File(path, "a") as file:
            del file["layer_4"]
        with pytest.raises(WeightsError, match="'/' holds no 'layer_4'"):
            read_weights(path)

    @pytest.mark.parametrize(
        ("layers", "message"),
        [
            ([TWO_LAYERS[1], TWO_LAYERS[0]], r"'layer_1/param_0' is 4×1×3×3 .* expected 5 inputs"),
            ([(random(4, 1, 3, 3), random(3))], "the bias of 'layer_0/param_0' is 3; expected 4"),
            ([TWO_LAYERS[0], [random(4)] * 4], "'layer_1' holds 4, 4, 4, 4"),
            ([DENSE, TWO_LAYERS[0]], "'layer_1' holds 4×1×3×3, 4 after the dense '/layer_0'"),
            ([DENSE], "no convolution in it"),
            ([(random(4, 1, 2, 3), random(4))], "an even kernel"),
            ([(np.ones((4, 1, 3, 3), int),)], "'/layer_0/param_0' is int64"),
        ],
    )
    @pytest.mark.slow
    def test_other_shapes_are_refused(self, tmp_path, layers, message):
        with pytest.raises(WeightsError, match=message):
            read_weights(self.write(tmp_path / "w.h5", layers))

    @pytest.mark.slow
    def test_nothing_outside_the_file_is_read(self, path, tmp_path):
        secret = tmp_path / "secret.h5"
        with h5py.File(secret, "w") as file:
            file["param_0"] = TWO_LAYERS[0][0]
        (tmp_path / "raw").write_bytes(TWO_LAYERS[0][0].tobytes())

        def external_storage(group):
            raw = [(str(tmp_path / "raw"), 0, h5py.h5f.UNLIMITED)]
            group.create_dataset("param_0", (4, 1, 3, 3), "f4", external=raw)

        def external_link(group):
            group["param_0"] = h5py.ExternalLink(str(secret), "param_0")

        def virtual(group):
            layout = h5py.VirtualLayout((4, 1, 3, 3), "f4")
            layout[:] = h5py.VirtualSource(str(secret), "param_0", (4, 1, 3, 3))
            group.create_virtual_dataset("param_0", layout)

        for trick in (external_link, external_storage, virtual):
            with h5py.File(path, "a") as file:
                del file["layer_0/param_0"]
                trick(file["layer_0"])
            with pytest.raises(WeightsError, match="data in the file itself"):
                read_weights(path)

    @pytest.mark.slow
    def test_a_huge_dataset_that_takes_no_room_is_not_unfolded(self, path):
        with h5py.File(path, "a") as file:
            del file["layer_0/param_0"]
            file.create_dataset("layer_0/param_0", (2**20, 2**20, 3, 3), "f4", chunks=True)
        with pytest.raises(WeightsError, match=r"'/layer_0/param_0' would take 36864\.0 GiB"):
            read_weights(path)

    @pytest.mark.slow
    def test_another_hdf5_file(self, tmp_path):
        with h5py.File(tmp_path / "w.h5", "w") as file:
            file["stft"] = np.ones(3)
        with pytest.raises(WeightsError, match=r"an HDF5 file with \['stft'\]"):
            read_weights(tmp_path / "w.h5")


class TestLasagne:
    NORM = [random(4), np.abs(random(4)) + 1, random(4), np.abs(random(4)) + 0.5]

    @staticmethod
    def write(path, arrays, name="param{}"):
        np.savez(path, **{name.format(index): values for index, values in enumerate(arrays)})
        return path

    @pytest.mark.parametrize("name", ["arr_{}", "param{}"])
    def test_equals_the_true_convolution(self, tmp_path, name):
        arrays = [*TWO_LAYERS[0], *TWO_LAYERS[1], *DENSE]
        read = read_weights(self.write(tmp_path / "w.npz", arrays, name))
        np.testing.assert_allclose(run(read, X), layers_of_2015(X, TWO_LAYERS), atol=1e-5)

    def test_batch_norm_is_beta_gamma_mean_inverse_deviation(self, tmp_path):
        kernels, (beta, gamma, mean, inv_std) = TWO_LAYERS[0][0], self.NORM
        read = read_weights(self.write(tmp_path / "w.npz", [kernels, *self.NORM]))
        x = true_convolution(X, kernels, "same") - mean[:, None, None]
        x = x * (gamma * inv_std)[:, None, None] + beta[:, None, None]
        np.testing.assert_allclose(run(read, X), pool(np.maximum(x, 0), 2), atol=1e-5)

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ([TWO_LAYERS[0][0], random(4), random(4)], "'param0' is followed by 2 vectors"),
            ([TWO_LAYERS[0][0], random(3)], "'param1' is 3; expected 4"),
            ([TWO_LAYERS[0][0], *NORM[:3], -NORM[3]], "inv_std"),
            ([*DENSE, *TWO_LAYERS[0]], "'param2' is a convolution after 'param0'"),
            (DENSE, "no convolution in it"),
            ([np.array([{}], dtype=object)], "'param0.npy' is damaged or no array of numbers"),
            ([np.ones((4, 1, 3, 3), int)], "no array of numbers"),
        ],
    )
    def test_other_arrays_are_refused(self, tmp_path, arrays, message):
        with pytest.raises(WeightsError, match=message):
            read_weights(self.write(tmp_path / "w.npz", arrays))

    def test_arrays_must_be_numbered_without_gaps(self, tmp_path):
        np.savez(tmp_path / "w.npz", param0=DENSE[0], param2=DENSE[1])
        with pytest.raises(WeightsError, match="array 1 is missing"):
            read_weights(tmp_path / "w.npz")
        np.savez(tmp_path / "w.npz", mean=DENSE[0])
        with pytest.raises(WeightsError, match=r"its member 'mean.npy'; expected arrays 'arr_0'"):
            read_weights(tmp_path / "w.npz")

    def test_a_truncated_file(self, tmp_path):
        path = self.write(tmp_path / "w.npz", TWO_LAYERS[0])
        content = path.read_bytes()
        for kept in (9, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:kept])
            with pytest.raises(WeightsError, match="damaged or cut short"):
                read_weights(path)

    def test_a_flipped_byte(self, tmp_path):
        path = self.write(tmp_path / "w.npz", TWO_LAYERS[0])
        content = bytearray(path.read_bytes())
        content[len(content) // 3] ^= 1
        path.write_bytes(content)
        with pytest.raises(WeightsError):
            read_weights(path)


class TestSvdnet:
    """Schlüter & Grill 2015; stored for inputs of 115 frames × 80 bands."""

    SHAPES = [(64, 1, 3, 3), (32, 64, 3, 3), (128, 32, 3, 3), (64, 128, 3, 3)]
    DENSE = [(64 * 11 * 7, 256), (256, 64), (64, 1)]

    @pytest.fixture(scope="class")
    @classmethod
    def arrays(cls):
        shapes = [*cls.SHAPES, *cls.DENSE]
        sizes = [shape[0] if len(shape) == 4 else shape[1] for shape in shapes]
        return [a for s, n in zip(shapes, sizes, strict=True) for a in (random(*s), random(n))]

    @pytest.fixture(scope="class")
    @classmethod
    def path(cls, arrays, tmp_path_factory):
        assert sum(values.size for values in arrays) == 1_408_225
        return TestLasagne.write(tmp_path_factory.mktemp("svdnet") / "w.npz", arrays)

    def test_has_the_published_structure_with_bins_first(self, path):
        read = read_weights(path)
        shapes, x = [], torch.zeros(1, 1, 80, 115)
        for layer in read:
            x = layer(x)
            shapes.append(tuple(x.shape[1:]))
        assert shapes == [(64, 78, 113), (32, 25, 37), (128, 23, 35), (64, 7, 11)]
        slopes = [m.negative_slope for m in read.modules() if isinstance(m, nn.LeakyReLU)]
        assert slopes == [0.01] * 4
        assert Deconvnet(read).n_features == [64, 32, 128, 64]

    def test_equals_the_true_convolution_of_the_transposed_input(self, path, arrays):
        x = RNG.standard_normal((1, 36, 33)).astype(np.float32)  # frames × bands, as published
        expected = x
        for index in range(4):
            expected = torch.from_numpy(expected)[None]
            flipped = torch.from_numpy(arrays[2 * index][:, :, ::-1, ::-1].copy())
            expected = functional.conv2d(expected, flipped, torch.from_numpy(arrays[2 * index + 1]))
            expected = functional.leaky_relu(expected, 0.01)[0].numpy()
            if index in (1, 3):
                expected = pool(expected, 3)
        bins_first = np.ascontiguousarray(x.transpose(0, 2, 1))
        ours = run(read_weights(path), bins_first).transpose(0, 2, 1)
        np.testing.assert_allclose(ours, expected, atol=1e-5)

    def test_the_convolutions_alone_suffice(self, arrays, tmp_path):
        read = read_weights(TestLasagne.write(tmp_path / "w.npz", arrays[:8]))
        assert isinstance(read.layer1.leaky_relu, nn.LeakyReLU)

    def test_the_count_of_parameters_must_be_the_published_one(self, arrays, tmp_path):
        path = TestLasagne.write(tmp_path / "w.npz", arrays[:12])
        with pytest.raises(WeightsError, match=r"1,408,160 parameters in all; expected 1,408,225"):
            read_weights(path)
