"""ONNX files, held against the package's own evaluator of what an operator is defined to do."""

import numpy as np
import pytest
import torch
from torch import nn

from auralise import Deconvnet
from auralise.errors import WeightsError
from auralise.weights.onnx import read_onnx
from auralise.weights.reader import read_weights

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

RANDOM = np.random.default_rng(0)


def save(path, nodes, constants, shape=(1, 1, 24, 20), opset=17):
    """Write a network from `x`, of `shape`, to `y`."""
    tensors = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    sizes = None
    for _ in range(2):  # the size of what comes out is known when it has run
        result = helper.make_tensor_value_info("y", TensorProto.FLOAT, sizes)
        graph = helper.make_graph(nodes, "network", [given], [result], tensors)
        versions = [helper.make_opsetid("", opset)]
        model = helper.make_model(graph, opset_imports=versions, ir_version=8)
        (y,) = ReferenceEvaluator(model).run(None, {"x": signal(shape)})
        sizes = np.shape(y)
    onnx.save(model, path)
    return model


def node(op, inputs, output, **attributes):
    return helper.make_node(
        op, inputs.split(" "), output.split(), name=f"part/{output}", **attributes
    )


def floats(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def ints(*values):
    return np.array(values, np.int64)


def signal(shape=(1, 1, 24, 20)):
    return np.abs(floats(*shape))


def chain():
    nodes = [
        node("Conv", "x w1 b1", "c1", pads=[1, 1, 1, 1]),
        node("BatchNormalization", "c1 gain offset mean variance", "n1", epsilon=1e-3),
        node("Relu", "n1", "r1"),
        node("MaxPool", "r1", "p1", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "p1 w2", "c2", auto_pad="SAME_UPPER", dilations=[1, 2]),
        node("LeakyRelu", "c2", "r2", alpha=0.2),
        node("MaxPool", "r2", "p2", kernel_shape=[2, 2], strides=[2, 2]),
        node("GlobalAveragePool", "p2", "g"),
        node("Flatten", "g", "f"),
        node("Gemm", "f dense bias", "y", transB=1),
    ]
    constants = {
        "w1": floats(4, 1, 3, 3), "b1": floats(4), "gain": floats(4), "offset": floats(4),
        "mean": floats(4), "variance": np.abs(floats(4)), "w2": floats(5, 4, 3, 3),
        "dense": floats(3, 5), "bias": floats(3),
    }  # fmt: skip
    return nodes, constants


def test_a_chain_is_read_explained_and_named(tmp_path):
    model = save(tmp_path / "w.onnx", *chain())
    (tmp_path / "w.onnx").rename(tmp_path / "whatever.bin")
    network = read_weights(tmp_path / "whatever.bin")
    x = signal()
    (expected,) = ReferenceEvaluator(model).run(None, {"x": x})
    np.testing.assert_allclose(network(torch.from_numpy(x)).detach(), expected, rtol=1e-4)
    net = Deconvnet(network)
    assert [(of.path, of.n_features) for of in net.layers] == [("part_c1", 4), ("part_c2", 5)]
    assert net.assumptions == [] and net.strides == [2, 4]
    same = nn.Sequential(
        *[network.get_submodule(of) for of in "part_c1 part_n1 part_r1 part_p1".split()]
    )
    expected_maps = Deconvnet(same).deconvolve(x[0, 0], 1)
    np.testing.assert_allclose(net.deconvolve(x[0, 0], 1), expected_maps, atol=1e-4)


W = {"w": floats(4, 1, 3, 3)}
# What follows a convolution of four features on 24 × 20.
OPERATORS = {
    "two paddings": ([node("Conv", "x w", "y", pads=[0, 1, 2, 1], strides=[2, 1])], W),
    "lower": ([node("Conv", "x even", "y", auto_pad="SAME_LOWER")], {"even": floats(2, 1, 4, 2)}),
    "pooling on one side": (
        [node("MaxPool", "x", "y", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1])], {},
    ),
    "average": (
        [node("AveragePool", "x", "y", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 0])], {},
    ),
    "ceil": ([node("MaxPool", "x", "y", kernel_shape=[3, 3], strides=[3, 3], ceil_mode=1)], {}),
    "clip": ([node("Clip", "x low high", "y")], {"low": np.float32(0.1), "high": np.float32(0.6)}),
    "gate": ([node("Sigmoid", "x", "s"), node("Mul", "x s", "y")], {}),
    "shape": (
        [
            node("Shape", "x", "s"), node("Gather", "s one", "n", axis=0),
            node("Concat", "n minus", "t", axis=0), node("Reshape", "x t", "y"),
        ],
        {"one": ints(2), "minus": ints(-1)},
    ),
    "slice": (
        [node("Slice", "x a b axes step", "y")],
        {"a": ints(1, -9), "b": ints(20, 2**40), "axes": ints(2, 3), "step": ints(3, 2)},
    ),
    "pad": ([node("Pad", "x p", "y", mode="reflect")], {"p": ints(0, 0, 2, 1, 0, 0, 0, 3)}),
    "split": (
        [node("Split", "x s", "a b", axis=2), node("Sub", "a b", "y")], {"s": ints(12, 12)},
    ),
    "transposed": ([node("Transpose", "x", "t", perm=[0, 2, 3, 1]), node("MatMul", "t m", "y")],
                   {"m": floats(1, 6)}),
    "squeezed": (
        [node("Squeeze", "x a", "s"), node("Unsqueeze", "s b", "y")],
        {"a": ints(0, 1), "b": ints(0, -1)},
    ),
    "up": (
        [node("Resize", "x  s", "y", mode="linear", coordinate_transformation_mode="half_pixel")],
        {"s": np.array([1, 1, 2, 2], np.float32)},
    ),
    "mean": ([node("ReduceMean", "x", "y", axes=[2], keepdims=0)], {}),
    "sum": ([node("ReduceSum", "x a", "y", keepdims=1)], {"a": ints(3)}),
    "layer norm": ([node("LayerNormalization", "x g o", "y")], {"g": floats(20), "o": floats(20)}),
    "norm": (
        [node("Squeeze", "x a", "s"), node("BatchNormalization", "s g o m v", "y")],
        {"a": ints(1), "g": floats(24), "o": floats(24), "m": floats(24), "v": np.abs(floats(24))},
    ),
    "activations": (
        [
            node("Elu", "x", "e", alpha=0.7), node("Selu", "e", "s"), node("Tanh", "s", "t"),
            node("PRelu", "t p", "q"), node("HardSwish", "q", "h"), node("Softplus", "h", "y"),
        ],
        {"p": np.full((1, 1, 1), 0.3, np.float32)},
    ),
    "more activations": (
        [
            node("HardSigmoid", "x", "h", alpha=0.3), node("Erf", "h", "e"), 
            node("Softsign", "e", "s"), node("Max", "s x c", "b"), node("Min", "b s", "d"),
            node("Sum", "d x s", "y"),
        ],
        {"c": np.float32(0.2)},
    ),
    "transposed convolution": (
        [
            node("Conv", "x w", "c"),
            node(
                "ConvTranspose", "c v o", "y", strides=[2, 2], pads=[1, 0, 1, 0],
                auto_pad="NOTSET", output_padding=[1, 0],
            ),
        ],
        W | {"v": floats(4, 3, 3, 2), "o": floats(3)},
    ),
    "instance norm": (
        [node("Conv", "x w", "c"), node("InstanceNormalization", "c g o", "y", epsilon=1e-3)],
        W | {"g": floats(4), "o": floats(4)},
    ),
    "blocks, by depth": (
        [node("Conv", "x w", "c"), node("DepthToSpace", "c", "y", blocksize=2)], W,
    ),
    "blocks, by column": (
        [node("Conv", "x w", "c"), node("DepthToSpace", "c", "y", blocksize=2, mode="CRD")], W,
    ),
    "half, of a size that is computed": (
        [
            node("Shape", "x", "s"), node("Div", "s two", "h"),
            node("Slice", "x zero h", "y"),
        ],
        {"two": ints(1, 1, 2, 3), "zero": ints(0, 0, 0, 0)},
    ),
    "reshaped as torch exports it": (
        [node("Reshape", "x s", "y", allowzero=1)], {"s": ints(1, 4, 6, -1)},
    ),
    "backwards": (
        [node("Slice", "x a b axes step", "y")],
        {"a": ints(-1), "b": ints(-(2**62)), "axes": ints(3), "step": ints(-2)},
    ),
    "pad, computed": (
        [
            node("ConstantOfShape", "n", "z"), node("Cast", "z", "i", to=7),
            node("Concat", "i e", "p", axis=0), node("Pad", "x p", "y", mode="edge"),
        ],
        {"n": ints(4), "e": ints(0, 0, 1, 2)},
    ),
    "up, to the size of another": (
        [
            node("AveragePool", "x", "a", kernel_shape=[2, 2], strides=[2, 2]),
            node("Shape", "x", "s"), node("Resize", "a   s", "u", mode="linear"),
            node("Expand", "u e", "w", ), node("Tile", "w r", "y"),
        ],
        {"e": ints(1, 3, 1, 1), "r": ints(1, 1, 2, 1)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_do_what_they_are_defined_to(tmp_path, name):
    model = save(tmp_path / "w.onnx", *OPERATORS[name])
    x = signal()
    (expected,) = ReferenceEvaluator(model).run(None, {"x": x})
    with torch.inference_mode():
        found = read_onnx(tmp_path / "w.onnx")(torch.from_numpy(x))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


ROOT, ONE, HALF = np.float32(2**0.5), np.float32(1), np.float32(0.5)
# What torch's exporter writes where an opset has no operator of that name.
ACTIVATIONS = {
    "SiLU": ([node("Sigmoid", "c", "s"), node("Mul", "c s", "r")], nn.SiLU()),
    "GELU": (
        [
            node("Div", "c root", "d"), node("Erf", "d", "e"), node("Add", "e one", "p"),
            node("Mul", "c p", "m"), node("Mul", "m half", "r"),
        ],
        nn.GELU(),
    ),
    "hardswish": ([node("HardSigmoid", "c", "h", alpha=1 / 6), node("Mul", "c h", "r")],
                  nn.Hardswish()),
    "mish": (
        [node("Softplus", "c", "s"), node("Tanh", "s", "t"), node("Mul", "c t", "r")], nn.Mish(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_in_parts_are_explained_as_whole_ones(tmp_path, name):
    nodes, module = ACTIVATIONS[name]
    constants = W | {"v": floats(5, 4, 3, 3), "root": ROOT, "one": ONE, "half": HALF}
    nodes = [node("Conv", "x w", "c"), *nodes, node("Conv", "r v", "y")]
    save(tmp_path / "w.onnx", nodes, constants, opset=13)
    net = Deconvnet(read_onnx(tmp_path / "w.onnx"))
    same = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), module, nn.Conv2d(4, 5, 3, bias=False))
    same[0].weight, same[2].weight = (
        nn.Parameter(torch.from_numpy(constants[of])) for of in ("w", "v")
    )
    assert net.assumptions == ["'mul' walks back by a ReLU"]
    x = signal()[0, 0]
    for layer, expected in Deconvnet(same).deconvolve_all(x):
        found = net.deconvolve(x, layer)
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_channels_last_as_tensorflow_exports_it(tmp_path):
    nodes = [
        node("Transpose", "x", "t", perm=[0, 3, 1, 2]),
        node("Conv", "t w", "c", pads=[1, 1, 1, 1]),
        node("Relu", "c", "y"),
    ]
    save(tmp_path / "w.onnx", nodes, W, shape=(1, 24, 20, 1))
    net = Deconvnet(read_weights(tmp_path / "w.onnx"), shape=(24, 20))
    plain = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.ReLU())
    plain[0].weight = nn.Parameter(torch.from_numpy(W["w"]))
    x = signal()[0, 0]
    expected = Deconvnet(plain).deconvolve(x, 1)
    np.testing.assert_allclose(net.deconvolve(x, 1), expected, atol=1e-5)


def test_a_part_of_a_graph(tmp_path):
    nodes = [node("Log", "x", "l"), node("Conv", "l w", "c"), node("Relu", "c", "y")]
    save(tmp_path / "w.onnx", nodes, W)
    x = signal()
    whole, part = read_onnx(tmp_path / "w.onnx"), read_onnx(tmp_path / "w.onnx", start="l")
    torch.testing.assert_close(part(torch.from_numpy(x).log()), whole(torch.from_numpy(x)))
    with pytest.raises(
        WeightsError, match="no node takes the value 'nowhere'. Choose another start"
    ):
        read_onnx(tmp_path / "w.onnx", start="nowhere")


def test_what_is_not_translated_ends_the_network_or_is_refused(tmp_path):
    nodes = [
        *(node("Conv", "x w", "c"), node("Relu", "c", "r")),
        *(node("Hardmax", "r", "d"), node("Neg", "d", "y")),
    ]
    save(tmp_path / "w.onnx", nodes, W)
    net = Deconvnet(read_onnx(tmp_path / "w.onnx"))
    assert net.n_features == [4]
    assert any("part/d" in said and "Hardmax" in said for said in net.assumptions)
    nodes = [node("Hardmax", "x", "d"), node("Conv", "d w", "y")]
    save(tmp_path / "w.onnx", nodes, W)
    with pytest.raises(
        WeightsError, match=r"w.onnx: node 'part/d' \(Hardmax.*cannot be translated"
    ):
        read_weights(tmp_path / "w.onnx")


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.99])
def test_damaged_files_are_refused(tmp_path, kept):
    save(tmp_path / "w.onnx", *chain())
    content = (tmp_path / "w.onnx").read_bytes()
    (tmp_path / "w.onnx").write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(WeightsError, match="w.onnx: damaged or invalid"):
        read_weights(tmp_path / "w.onnx")


def test_weights_in_a_file_that_was_left_behind_are_told(tmp_path):
    nodes, constants = chain()
    model = save(tmp_path / "network.onnx", nodes, constants)
    where = {"save_as_external_data": True, "location": "network.onnx.data", "size_threshold": 0}
    onnx.save(model, tmp_path / "network.onnx", **where)
    read_onnx(tmp_path / "network.onnx")
    (tmp_path / "network.onnx.data").unlink()
    with pytest.raises(WeightsError, match="in another file, network.onnx.data, which is not"):
        read_onnx(tmp_path / "network.onnx")


def test_without_the_package_the_remedy_is_named(tmp_path, monkeypatch):
    save(tmp_path / "w.onnx", *chain())
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(WeightsError, match=r"pip install 'auralise\[onnx\]'"):
        read_weights(tmp_path / "w.onnx")
