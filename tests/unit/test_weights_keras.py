"""Weights that keras itself writes (torch backend), and Keras 2 files by their layout."""

import json
import logging
import os
import zipfile

import h5py
import numpy as np
import pytest
import torch
from torch import nn

os.environ["KERAS_BACKEND"] = "torch"

import keras  # noqa: E402
from keras import layers  # noqa: E402
from keras.src.backend.common import global_state  # noqa: E402

from auralise import Deconvnet  # noqa: E402
from auralise.cli.main import main
from auralise.errors import WeightsError  # noqa: E402
from auralise.weights import common  # noqa: E402
from auralise.weights.reader import read_weights  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:keras")]

SHAPE = (33, 26, 1)
RNG = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def fresh_names():
    """Names count from the start in every test; clear_session would take half a second."""
    global_state.set_global_attribute("object_name_uids", None)


def sequential(*parts, shape=SHAPE, dense=True) -> keras.Model:
    ending = [layers.Flatten(), layers.Dense(2, activation="softmax")] if dense else []
    return randomised(keras.Sequential([keras.Input(shape), *parts, *ending]))


def randomised(model: keras.Model) -> keras.Model:
    """Random weights, so that none of them can be mixed up without notice."""
    for variable in model.variables:
        value = RNG.standard_normal(variable.shape) * 0.4
        variable.assign(np.abs(value) + 0.5 if "variance" in variable.path else value)
    return model


def last_map(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """What enters the dense part, channels first."""
    flatten = next(layer for layer in model.layers if isinstance(layer, layers.Flatten))
    with torch.inference_mode():
        outputs = keras.Model(model.inputs[0], flatten.input)(x, training=False)
    return outputs.numpy().transpose(0, 3, 1, 2)


def assert_same_maps(model: keras.Model, path, x=None) -> nn.Module:
    x = RNG.standard_normal((1, *model.input_shape[1:])).astype(np.float32) if x is None else x
    network = read_weights(path)
    with torch.inference_mode():
        ours = network(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).numpy()
    np.testing.assert_allclose(ours, last_map(model, x), atol=1e-5, rtol=1e-5)
    Deconvnet(network)
    return network


def choi_2016() -> list[keras.Layer]:
    return [
        layers.Conv2D(4, 3, padding="same"),
        layers.BatchNormalization(),
        layers.Activation("relu"),
        layers.MaxPooling2D(2),
        layers.Dropout(0.25),
        layers.Conv2D(5, (5, 3), padding="same"),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.MaxPooling2D(2),
    ]


def varied() -> list[keras.Layer]:
    return [
        layers.BatchNormalization(scale=False),
        layers.ZeroPadding2D((2, 1)),
        layers.Conv2D(4, (4, 3), strides=(1, 2), activation="relu", use_bias=False),
        layers.BatchNormalization(center=False, epsilon=0.01),
        layers.Conv2D(6, (2, 4), padding="same", dilation_rate=2, activation="elu"),
        layers.SpatialDropout2D(0.1),
        layers.MaxPooling2D(2, padding="same"),
        layers.Conv2D(6, 3, padding="same", groups=2, activation="leaky_relu"),
        layers.AveragePooling2D((3, 1), strides=1, padding="same"),
        layers.Conv2D(3, 1, strides=2, padding="same", activation=layers.LeakyReLU(0.07)),
        layers.MaxPooling2D((3, 1), strides=(1, 1), padding="same"),
        layers.ELU(0.7),
        layers.LeakyReLU(negative_slope=0.1),
        layers.AveragePooling2D((2, 1)),
    ]


def nested() -> list[keras.Layer]:
    block = keras.Sequential(
        [layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU()], name="block"
    )
    inner = keras.Input((None, None, 4))
    functional = keras.Model(inner, layers.Activation("relu")(layers.Conv2D(5, 3)(inner)))
    return [layers.Conv2D(4, 3), block, layers.MaxPooling2D(2), functional]


CHAINS = [choi_2016, varied, nested]


class TestWholeModels:
    @pytest.mark.parametrize("suffix", [".keras", ".h5"])
    @pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: chain.__name__)
    def test_maps_equal_those_of_keras(self, tmp_path, chain, suffix):
        model = sequential(*chain())
        model.save(tmp_path / f"model{suffix}")
        assert_same_maps(model, tmp_path / f"model{suffix}")

    @pytest.mark.parametrize("suffix", [".keras", ".h5"])
    def test_of_functional_models(self, tmp_path, suffix):
        start = x = keras.Input(SHAPE)
        for part in [*nested(), *choi_2016(), layers.Flatten()]:
            x = part(x)
        ends = [layers.Dense(2)(x), layers.Dense(3)(x)]  # what follows the end may branch
        model = randomised(keras.Model(start, ends))
        model.save(tmp_path / f"model{suffix}")
        network = assert_same_maps(model, tmp_path / f"model{suffix}")
        assert list(dict(network.named_children())) == [f"layer{n}" for n in range(1, 6)]

    def test_channels_first_is_the_same_to_us(self, tmp_path):
        model = sequential(
            layers.Conv2D(4, 3, data_format="channels_first", activation="relu"),
            layers.BatchNormalization(axis=1),
            layers.MaxPooling2D(2, data_format="channels_first"),
            shape=(1, 20, 16),
        )
        model.save(tmp_path / "model.keras")
        x = RNG.standard_normal((1, 1, 20, 16)).astype(np.float32)
        with torch.inference_mode():
            ours = read_weights(tmp_path / "model.keras")(torch.from_numpy(x)).numpy()
            theirs = keras.Model(model.inputs[0], model.layers[2].output)(x, training=False).numpy()
        np.testing.assert_allclose(ours, theirs, atol=1e-5)

    def test_the_order_of_rows_and_columns_is_said(self, tmp_path, caplog):
        sequential(layers.Conv2D(2, 3)).save(tmp_path / "model.keras")
        with caplog.at_level(logging.INFO, "auralise"):
            read_weights(tmp_path / "model.keras")
        assert "takes inputs of shape (33, 26, 1)" in caplog.text

    def test_more_than_ten_layers_of_a_kind_keep_their_order(self, tmp_path):
        model = sequential(*(layers.Conv2D(2, 1) for _ in range(12)))
        model.save(tmp_path / "model.keras")
        assert_same_maps(model, tmp_path / "model.keras")


class TestBareWeights:
    """They hold no architecture: that of 2015 is assumed."""

    @staticmethod
    def write(model, path):
        if path.name == "w.h5":
            write_legacy_weights(model, path)
        else:
            model.save_weights(path)

    @pytest.mark.parametrize("name", ["w.weights.h5", "w.h5"])
    def test_maps_equal_those_of_keras(self, tmp_path, name, caplog):
        model = sequential(
            layers.Conv2D(4, 3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Conv2D(5, (5, 3), padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(2),
        )
        self.write(model, tmp_path / name)
        with caplog.at_level(logging.INFO, "auralise"):
            assert_same_maps(model, tmp_path / name)
        assert "holds no architecture, so that of 2015" in caplog.text

    @pytest.mark.parametrize("name", ["w.weights.h5", "w.h5"])
    def test_layer_10_comes_after_layer_9(self, tmp_path, name):
        parts = [(layers.Conv2D(2, 3), layers.BatchNormalization()) for _ in range(11)]
        model = sequential(*sum(parts, ()))
        self.write(model, tmp_path / name)
        read = read_weights(tmp_path / name)
        for layer, (convolution, norm) in zip(read, parts, strict=True):
            weight = layer.convolution.weight.detach().permute(2, 3, 1, 0)
            np.testing.assert_array_equal(weight, convolution.kernel.numpy())
            np.testing.assert_array_equal(layer.batch_norm.running_mean, norm.moving_mean.numpy())

    @pytest.mark.parametrize(
        ("parts", "message"),
        [
            (nested, "hold convolutions in unknown order"),
            (lambda: [layers.DepthwiseConv2D(3)], r"'layers/depthwise_conv2d' holds a kernel"),
            (
                lambda: [layers.BatchNormalization(), *choi_2016()],
                r"'layers/batch_normalization\S*' is one of 3 for 2 convolutions",
            ),
            (
                lambda: [layers.Conv2D(2, 3), layers.BatchNormalization(scale=False)],
                "holds 3 variables",
            ),
        ],
    )
    def test_what_cannot_be_told_is_refused(self, tmp_path, parts, message):
        sequential(*parts()).save_weights(tmp_path / "w.weights.h5")
        with pytest.raises(WeightsError, match=message + r".*model.save\('model.keras'\)"):
            read_weights(tmp_path / "w.weights.h5")

    @pytest.mark.parametrize(
        ("parts", "message"),
        [
            (
                lambda: [layers.Conv2D(2, 3), layers.ReLU(), layers.BatchNormalization()],
                "batch_normalization",
            ),
            (lambda: [layers.BatchNormalization(), layers.Conv2D(2, 3)], "batch_normalization"),
            (lambda: [layers.Conv2D(2, 3), layers.Dense(3), layers.Conv2D(2, 3)], "conv2d_1"),
        ],
    )
    def test_also_in_the_older_layout(self, tmp_path, parts, message):
        write_legacy_weights(sequential(*parts()), tmp_path / "w.h5")
        with pytest.raises(WeightsError, match=f"'{message}"):
            read_weights(tmp_path / "w.h5")


def write_legacy_weights(model: keras.Model, path, backend="tensorflow", version="2.3.1"):
    """Weights as Keras 2.3 lays them out: bytes, and ``:0`` behind every name."""
    with h5py.File(path, "w") as file:
        file.attrs.update(
            layer_names=[layer.name.encode() for layer in model.layers],
            backend=backend.encode(),
            keras_version=version.encode(),
        )
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{variable.name}:0" for variable in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, variable in zip(names, layer.weights, strict=True):
                group[name] = variable.numpy()


KERAS_2_CONFIG = {
    "class_name": "Sequential",
    "config": [
        {
            "class_name": "Conv2D",
            "config": {
                "name": "conv2d_1",
                "batch_input_shape": [None, 33, 26, 1],
                "filters": 4,
                "kernel_size": [3, 3],
                "strides": [1, 1],
                "padding": "valid",
                "data_format": "channels_last",
                "dilation_rate": [1, 1],
                "activation": "linear",
                "use_bias": True,
            },
        },
        {
            "class_name": "LeakyReLU",
            "config": {"name": "leaky_re_lu_1", "alpha": {"type": "ndarray", "value": 0.3}},
        },
        {
            "class_name": "MaxPooling2D",
            "config": {
                "name": "max_pooling2d_1",
                "pool_size": [3, 3],
                "padding": "valid",
                "strides": [2, 2],
            },
        },
    ],
}
KERAS_2_FUNCTIONAL = {
    "class_name": "Model",
    "config": {
        "name": "model_1",
        "layers": [
            {
                "name": "input_1",
                "class_name": "InputLayer",
                "config": {"batch_input_shape": [None, 33, 26, 1], "name": "input_1"},
                "inbound_nodes": [],
            },
            *(
                entry | {"name": entry["config"]["name"], "inbound_nodes": [[[before, 0, 0, {}]]]}
                for entry, before in zip(
                    KERAS_2_CONFIG["config"],
                    ("input_1", "conv2d_1", "leaky_re_lu_1"),
                    strict=True,
                )
            ),
        ],
        "input_layers": [["input_1", 0, 0]],
        "output_layers": [["max_pooling2d_1", 0, 0]],
    },
}


class TestKeras2:
    """By the layout of Keras 2.3's ``engine/saving.py``."""

    @pytest.fixture
    def model(self):
        return sequential(
            layers.Conv2D(4, 3, name="conv2d_1"),
            layers.LeakyReLU(negative_slope=0.3),
            layers.MaxPooling2D(3, strides=2),
        )

    def write(self, model, path, config, **options):
        write_legacy_weights(model, path, **options)
        with h5py.File(path, "a") as file:
            weights = file.create_group("model_weights")
            for name in list(file):
                if name != "model_weights":
                    file.move(name, f"model_weights/{name}")
            for name, value in file.attrs.items():
                weights.attrs[name] = value
            file.attrs["model_config"] = json.dumps(config).encode()

    @pytest.mark.parametrize("config", [KERAS_2_CONFIG, KERAS_2_FUNCTIONAL])
    def test_whole_models(self, model, tmp_path, config):
        self.write(model, tmp_path / "w.h5", config)
        assert_same_maps(model, tmp_path / "w.h5")

    def test_on_theano_kernels_are_those_of_a_true_convolution(self, model, tmp_path):
        self.write(model, tmp_path / "tensorflow.h5", KERAS_2_CONFIG)
        self.write(model, tmp_path / "theano.h5", KERAS_2_CONFIG, backend="theano")
        plain, flipped = (
            read_weights(tmp_path / name).layer1.convolution.weight
            for name in ("tensorflow.h5", "theano.h5")
        )
        assert torch.equal(flipped, plain.flip(2, 3))

    def test_keras_1_is_refused(self, model, tmp_path):
        write_legacy_weights(model, tmp_path / "w.h5", version="1.2.2")
        with pytest.raises(WeightsError, match="weights of Keras 1; .*Load it in Keras 2"):
            read_weights(tmp_path / "w.h5")


class TestRefusals:
    @staticmethod
    def refuse(tmp_path, match, *parts):
        sequential(*parts).save(tmp_path / "model.keras")
        with pytest.raises(WeightsError, match=match):
            read_weights(tmp_path / "model.keras")

    @pytest.mark.parametrize(
        ("layer", "message"),
        [
            (lambda: layers.Lambda(lambda x: x), r"'lambda' \(Lambda\) is of a kind"),
            (lambda: layers.PReLU(), r"\(PReLU\) is of a kind"),
            (lambda: layers.SeparableConv2D(2, 3), r"\(SeparableConv2D\) is of a kind"),
            (lambda: layers.LayerNormalization(), r"\(LayerNormalization\) is of a kind"),
            (lambda: layers.Activation("tanh"), r"\(Activation\) has the activation 'tanh'"),
            (lambda: layers.Conv2D(2, 3, activation="gelu"), "has the activation 'gelu'"),
            (lambda: layers.ReLU(max_value=6), "has a threshold or a maximum"),
            (lambda: layers.Conv2D(2, 3, strides=2, padding="same"), "pads 'same' with strides"),
            (lambda: layers.MaxPooling2D(3, padding="same"), r"pads 'same' with size \(3, 3\)"),
            (lambda: layers.AveragePooling2D(2, padding="same"), "pads 'same' on one side"),
            (lambda: layers.ZeroPadding2D(1), "before the end"),
            (
                lambda: layers.BatchNormalization(axis=1),
                "normalises along axis 1, not along channels; expected axis 3 or -1",
            ),
        ],
    )
    def test_what_has_no_exact_counterpart_is_named(self, tmp_path, layer, message):
        self.refuse(tmp_path, message, layers.Conv2D(2, 3), layer())

    def test_a_lambda_is_not_run(self, tmp_path):
        model = sequential(layers.Lambda(lambda x: x), layers.Conv2D(2, 3))
        model.save(tmp_path / "model.keras")
        with pytest.raises(WeightsError, match=r"layer 'lambda' \(Lambda\)"):
            read_weights(tmp_path / "model.keras")

    def test_uneven_zero_padding(self, tmp_path):
        pad = layers.ZeroPadding2D(((0, 1), (1, 1)))
        self.refuse(tmp_path, "pads 0, 1 rows and 1, 1 columns", pad, layers.Conv2D(2, 3))

    def test_a_convolution_after_the_end(self, tmp_path):
        self.refuse(
            tmp_path,
            r"'conv2d_1' \(Conv2D\) follows 'reshape' \(Reshape\)",
            layers.Conv2D(2, 3),
            layers.Reshape((24, 31, 2)),
            layers.Conv2D(2, 3),
        )

    def test_a_shortcut(self, tmp_path):
        start = keras.Input(SHAPE)
        x = layers.Conv2D(2, 3, padding="same", name="first")(start)
        x = layers.Add(name="sum")([x, layers.Conv2D(2, 3, padding="same", name="second")(x)])
        keras.Model(start, x).save(tmp_path / "model.keras")
        with pytest.raises(WeightsError, match="'first' goes to 'second', 'sum'"):
            read_weights(tmp_path / "model.keras")

    def test_a_subclassed_model(self, tmp_path):
        @keras.saving.register_keras_serializable("tests")
        class Own(keras.Model):
            def call(self, x):
                return x

        model = Own()
        model(np.ones((1, 2)))
        model.save(tmp_path / "model.keras")
        with pytest.raises(WeightsError, match="a model of class Own; expected a Sequential"):
            read_weights(tmp_path / "model.keras")

    @pytest.mark.parametrize("name", ["w.keras", "w.h5", "w.weights.h5"])
    def test_a_truncated_file(self, tmp_path, name):
        model, path = sequential(*choi_2016()), tmp_path / name
        model.save_weights(path) if "weights" in name else model.save(path)
        content = path.read_bytes()
        for kept in (9, len(content) // 10, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:kept])
            with pytest.raises(WeightsError, match="damaged or cut short"):
                read_weights(path)

    @pytest.mark.parametrize("name", ["w.keras", "w.h5", "w.weights.h5"])
    def test_flipped_bytes_raise_nothing_else(self, tmp_path, name):
        model, path = sequential(*choi_2016()), tmp_path / name
        model.save_weights(path) if "weights" in name else model.save(path)
        content = path.read_bytes()
        for position in RNG.integers(8, len(content), 25):
            damaged = bytearray(content)
            damaged[position] ^= 0xFF
            path.write_bytes(damaged)
            try:
                read_weights(path)  # a flipped weight may go unnoticed in HDF5 without checksums
            except WeightsError:
                pass

    def change_config(self, path, change):
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, change(content) if name == "config.json" else content)

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            (b'"filters": 4', b'"filters": 7', r"is 3×3×1×4; expected 3×3×inputs×7"),
            (b'"conv2d"', b'"other"', r"'layers/conv2d' holds 2 variables of 'conv2d'"),
            (b'"use_bias": true', b'"use_bias": false', "holds 2 variables .* expected 1"),
            (b'"layers": [', b'"layers": 3, "x": [', "configuration makes no sense"),
            (b'"kernel_size": [3, 3]', b'"kernel_size": "33"', "makes no sense|is 3×3×1×4"),
            (b"{", b"", "its configuration is no JSON"),
            (b"{", b"[{", "its configuration is no JSON"),
        ],
    )
    def test_a_configuration_that_does_not_fit(self, tmp_path, old, new, message):
        path = tmp_path / "model.keras"
        sequential(*choi_2016()).save(path)
        self.change_config(path, lambda content: content.replace(old, new, 1))
        with pytest.raises(WeightsError, match=message):
            read_weights(path)

    def test_an_archive_without_weights(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
            archive.writestr("config.json", "{}")
        with pytest.raises(WeightsError, match="without 'model.weights.h5'"):
            read_weights(tmp_path / "model.keras")

    def test_weights_that_would_unfold_without_end(self, tmp_path, monkeypatch):
        monkeypatch.setattr(common, "LARGEST", 2**20)
        with zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("config.json", "{}")
            archive.writestr("model.weights.h5", bytes(2**21))
        with pytest.raises(WeightsError, match="'model.weights.h5' would take"):
            read_weights(tmp_path / "m.keras")


def test_the_rows_that_it_takes_are_held_against_the_bins_that_it_is_given(tmp_path, capsys):
    sequential(layers.Conv2D(2, 3), shape=(128, 40, 1)).save(tmp_path / "model.keras")
    weights = ["--weights", str(tmp_path / "model.keras")]
    assert main(["layers", *weights]) == 2
    assert "takes 128 bands, and n_fft = 512 gives 257" in capsys.readouterr().err
    (tmp_path / "mel.yaml").write_text("- mel: 96\n")
    front_end = ["--front-end", str(tmp_path / "mel.yaml")]
    assert main(["layers", *weights, *front_end]) == 2
    assert "takes 128 bands, and its front end gives 96" in capsys.readouterr().err
    (tmp_path / "mel.yaml").write_text("- mel: 128\n")
    assert main(["layers", *weights, *front_end, "--n-fft", "2048", "--hop-length", "256"]) == 0
