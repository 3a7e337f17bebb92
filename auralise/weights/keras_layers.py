"""Keras layers from their configuration, each as the torch module that computes the same.

Only names and numbers of the configuration are used; a function in it is never evaluated.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from auralise.errors import WeightsError, cause_of
from auralise.weights.common import (
    FoundConvolution,
    arrange_layers,
    batch_norm,
    convolution,
    declare_bins,
    refusal,
    require_chain,
    require_finite,
    shape_text,
)

log = logging.getLogger(__name__)

CONTAINERS = ("Sequential", "Functional", "Model")
ENDS = (
    "Flatten",
    "Dense",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
    "Reshape",
    "Permute",
)
PASSING = ("InputLayer", "Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout")
REPLACE_LAYER = (
    "Only a chain of layers that torch and the deconvolution know can be explained: cut the model "
    "to such a chain, or rebuild it in PyTorch."
)


@dataclass(frozen=True)
class KerasLayer:
    """One layer of a chain.

    Attributes
    ----------
    kind : str
        Class name.
    name : str
    config : mapping
    place : str
        Its group in a Keras 3 weights file, such as ``layers/sequential/layers/conv2d_1``.
    """

    kind: str
    name: str
    config: Mapping
    place: str

    def __str__(self) -> str:
        return f"'{self.name}' ({self.kind})"


ReadVariables = Callable[[KerasLayer, Sequence[str]], dict[str, Tensor]]


def build_from_config(model: Mapping, read: ReadVariables) -> nn.Sequential:
    """The convolutional part that a Keras configuration describes: ``layer1``, ``layer2``, …

    `model` is a serialised Sequential or Functional model, `read` gives the named variables of a
    layer as stored. The network takes ``(batch, 1, rows, columns)`` with rows and columns as the
    Keras model has them, whatever its ``data_format``. A WeightsError names the layer that cannot
    be represented exactly.
    """
    try:
        chain = list(_chain(model, ""))
        _log_input(chain)
        part = arrange_layers(_modules(chain, read))
        declare_bins(part, _declared_rows(chain))
        return part
    except WeightsError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        raise refusal(
            f"its configuration makes no sense ({cause_of(error)})",
            "a Sequential or Functional model as Keras writes it",
            "Save the model again with Keras.",
        ) from None


def cannot(layer: KerasLayer, what: str, expected: str) -> WeightsError:
    """The error for a layer that has no exact counterpart."""
    return refusal(f"layer {layer} {what}", expected, REPLACE_LAYER)


def _chain(model: Mapping, place: str) -> Iterator[KerasLayer]:
    """The layers of a model in order, those of nested models in their place."""
    if model["class_name"] not in CONTAINERS:
        raise refusal(
            f"a model of class {model['class_name']}",
            "a Sequential or Functional model",
            REPLACE_LAYER,
        )
    config = model["config"]
    entries = config if isinstance(config, list) else config["layers"]
    places = _places(entries, place)
    if model["class_name"] == "Sequential":
        order = list(range(len(entries)))
    else:
        order = list(_follow_nodes(entries, config))
    for index in order:
        entry, inner = entries[index], places[index]
        if entry["class_name"] in CONTAINERS:
            yield from _chain(entry, inner + "/")
        else:
            settings = entry["config"]
            name = str(settings.get("name", entry.get("name", inner)))
            yield KerasLayer(entry["class_name"], name, settings, inner)


def _places(entries: Sequence[Mapping], place: str) -> list[str]:
    """Each layer's group in a Keras 3 file: its class in snake case, numbered per class."""
    counts: dict[str, int] = {}
    places = []
    for entry in entries:
        snake = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", entry["class_name"]))
        snake = re.sub(r"([a-z])([A-Z])", r"\1_\2", snake).lower()
        number = counts[snake] = counts.get(snake, -1) + 1
        places.append(f"{place}layers/{snake}" + (f"_{number}" if number else ""))
    return places


def _follow_nodes(entries: Sequence[Mapping], config: Mapping) -> Iterator[int]:
    """Indices of the layers from a functional model's input on, as long as they are a chain."""
    by_name = {entry["name"]: index for index, entry in enumerate(entries)}
    consumers: dict[str, list[str]] = {name: [] for name in by_name}
    for entry in entries:
        for source in _sources(entry["inbound_nodes"]):
            consumers[source].append(entry["name"])
    inputs = _tensor_names(config["input_layers"])
    if len(inputs) != 1:
        raise refusal(f"{len(inputs)} inputs ({inputs})", "one input", REPLACE_LAYER)
    name = inputs[0]
    is_over = False
    for _ in entries:
        yield by_name[name]
        is_over = is_over or entries[by_name[name]]["class_name"] in ENDS
        used_by = consumers[name]
        if not used_by or (is_over and len(used_by) > 1):
            return
        if len(used_by) > 1:
            raise refusal(
                f"the output of layer '{name}' goes to {', '.join(map(repr, used_by))}",
                "a chain without branches or shortcuts",
                REPLACE_LAYER,
            )
        name = used_by[0]


def _sources(nodes: object) -> Iterator[str]:
    """Names of the layers that `nodes` (Keras 2 or 3) take their tensors from."""
    if isinstance(nodes, Mapping):
        if nodes.get("class_name") == "__keras_tensor__":
            yield nodes["config"]["keras_history"][0]
        else:
            for value in nodes.values():
                yield from _sources(value)
    elif isinstance(nodes, list):
        if len(nodes) >= 3 and isinstance(nodes[0], str) and isinstance(nodes[1], int):
            yield nodes[0]
        else:
            for value in nodes:
                yield from _sources(value)


def _tensor_names(listed: Sequence) -> list[str]:
    """``["in", 0, 0]`` or ``[["in", 0, 0], …]`` as names."""
    return list(_sources(list(listed)))


def _log_input(chain: Sequence[KerasLayer]) -> None:
    shape = _input_shape(chain)
    if shape is not None:
        log.info(
            "the network takes inputs of shape %s; rows and columns are kept as the file has them, "
            "so a magnitude's bins and frames must come in that order",
            tuple(shape),
        )


def _declared_rows(chain: Sequence[KerasLayer]) -> int | None:
    shape = _input_shape(chain)
    if shape is None or len(shape) != 3:
        return None
    kinds = {layer.config.get("data_format") for layer in chain} - {None}
    rows = shape[1] if kinds == {"channels_first"} else shape[0]
    return rows if isinstance(rows, int) else None


def _input_shape(chain: Sequence[KerasLayer]) -> Sequence | None:
    for layer in chain[:1]:
        for key in ("batch_shape", "batch_input_shape"):
            if layer.config.get(key):
                return layer.config[key][1:]
    return None


def _modules(chain: Sequence[KerasLayer], read: ReadVariables) -> Iterator[nn.Module]:
    end = next((i for i, layer in enumerate(chain) if layer.kind in ENDS), len(chain))
    for layer in chain[end:]:
        if "Conv" in layer.kind:
            raise cannot(layer, f"follows {chain[end]}", "all convolutions before the dense part")
    formats = {layer.config.get("data_format") for layer in chain[:end]}
    channels = (1, -3) if "channels_first" in formats else (3, -1)
    pads: tuple[int, int] | None = None
    found: list[FoundConvolution] = []
    for position, layer in enumerate(chain[:end]):
        if layer.kind == "ZeroPadding2D":
            pads = _pads_for_next(layer, chain[position + 1 : end])
        elif layer.kind == "Conv2D":
            item, module = _convolution(layer, read, pads or (0, 0))
            found.append(item)
            pads = None
            yield module
            yield from _activation(layer, layer.config.get("activation"))
        else:
            yield from _other(layer, read, found, channels)
    require_chain(found, REPLACE_LAYER)


def _other(
    layer: KerasLayer,
    read: ReadVariables,
    found: Sequence[FoundConvolution],
    channels: tuple[int, int],
) -> Iterator[nn.Module]:
    config = layer.config
    match layer.kind:
        case "BatchNormalization":
            yield _batch_norm(layer, read, found[-1] if found else None, channels)
        case "Activation":
            yield from _activation(layer, config["activation"])
        case "ReLU" | "LeakyReLU":
            yield _rectifier(layer)
        case "ELU":
            yield nn.ELU(_number(config.get("alpha", 1.0)))
        case "MaxPooling2D":
            size, stride, padding, ceil = _pooling(layer)
            yield nn.MaxPool2d(size, stride, padding, ceil_mode=ceil)
        case "AveragePooling2D":
            size, stride, padding, ceil = _pooling(layer)
            if ceil:
                raise cannot(layer, "pads 'same' on one side", "padding 'valid'")
            yield nn.AvgPool2d(size, stride, padding, count_include_pad=False)
        case kind if kind in PASSING:
            if "rate" in config:
                yield nn.Dropout(_number(config["rate"]))
        case _:
            raise cannot(
                layer,
                "is of a kind that has no exact counterpart",
                "Conv2D, BatchNormalization, Activation, ReLU, LeakyReLU, ELU, MaxPooling2D, "
                "AveragePooling2D, ZeroPadding2D or Dropout before the dense part",
            )


def _convolution(
    layer: KerasLayer, read: ReadVariables, pads: tuple[int, int]
) -> tuple[FoundConvolution, nn.Conv2d]:
    config = layer.config
    wanted = ["kernel", "bias"] if config["use_bias"] else ["kernel"]
    variables = read(layer, wanted)
    kernel, bias = variables["kernel"], variables.get("bias")
    size, n_features = _pair(config["kernel_size"]), int(config["filters"])
    if kernel.ndim != 4 or (*kernel.shape[:2], kernel.shape[3]) != (*size, n_features):
        raise refusal(
            f"the kernel of layer {layer} is {shape_text(kernel.shape)}",
            f"{size[0]}×{size[1]}×inputs×{n_features}, as its configuration says",
            "Save the model again with Keras.",
        )
    stride, dilation = _pair(config["strides"]), _pair(config["dilation_rate"])
    groups = int(config.get("groups", 1))
    padding: str | tuple[int, int] = pads
    if config["padding"] == "same":
        if stride != (1, 1) and size != (1, 1):
            raise cannot(
                layer,
                f"pads 'same' with strides {stride}, on sides that depend on the input's size",
                "padding 'valid', or strides of 1",
            )
        padding = "same" if stride == (1, 1) else (0, 0)
    elif config["padding"] != "valid":
        raise cannot(layer, f"pads '{config['padding']}'", "padding 'same' or 'valid'")
    weight = kernel.permute(3, 2, 0, 1)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    counted = weight.repeat(1, groups, 1, 1)  # groups share out the inputs: count them in full
    item = FoundConvolution(layer.name, counted, bias)
    return item, convolution(weight, bias, **options)


def _batch_norm(
    layer: KerasLayer,
    read: ReadVariables,
    before: FoundConvolution | None,
    channels: tuple[int, int],
) -> nn.BatchNorm2d:
    config = layer.config
    axes = config["axis"] if isinstance(config["axis"], list) else [config["axis"]]
    if len(axes) != 1 or axes[0] not in channels:
        raise refusal(
            f"layer {layer} normalises along axis {', '.join(map(str, axes))}, not along channels",
            f"axis {channels[0]} or {channels[1]}",
            "Normalisation over bins before the first convolution is the step batch_norm of a "
            "front end; save the model without it, or rebuild the model in PyTorch.",
        )
    wanted = [
        *(["gamma"] if config["scale"] else []),
        *(["beta"] if config["center"] else []),
        "moving_mean",
        "moving_variance",
    ]
    variables = read(layer, wanted)
    n_features = len(before.weight) if before else 1
    for name, vector in variables.items():
        if vector.shape != (n_features,):
            raise refusal(
                f"'{name}' of layer {layer}, along axis {axes}, is {shape_text(vector.shape)}",
                f"{n_features}, one value per channel",
                REPLACE_LAYER,
            )
        require_finite(f"{layer.name}/{name}", vector)
    return batch_norm(
        variables["moving_mean"],
        variables["moving_variance"],
        variables.get("gamma"),
        variables.get("beta"),
        _number(config["epsilon"]),
    )


def _activation(layer: KerasLayer, activation: object) -> Iterator[nn.Module]:
    if isinstance(activation, Mapping):
        kind, config = activation.get("class_name"), activation.get("config")
        if kind in ("ReLU", "LeakyReLU") and isinstance(config, Mapping):
            yield _rectifier(replace(layer, kind=str(kind), config=config))
            return
        activation = config if kind == "function" else kind
    match activation:
        case None | "linear":
            return
        case "relu":
            yield nn.ReLU()
        case "leaky_relu":
            yield nn.LeakyReLU(0.2)  # Keras' default slope, in a string the only one
        case "elu":
            yield nn.ELU()
        case _:
            raise cannot(
                layer, f"has the activation {activation!r}", "relu, leaky_relu, elu or linear"
            )


def _rectifier(layer: KerasLayer) -> nn.Module:
    config = layer.config
    if config.get("max_value") is not None or _number(config.get("threshold") or 0.0) != 0.0:
        raise cannot(layer, "has a threshold or a maximum", "neither")
    if layer.kind == "LeakyReLU":
        slope = _number(config.get("negative_slope", config.get("alpha", 0.3)))
    else:
        slope = _number(config.get("negative_slope") or 0.0)
    return nn.LeakyReLU(slope) if slope else nn.ReLU()


def _pooling(layer: KerasLayer) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int], bool]:
    """Size, stride, padding and ceil_mode that pool as Keras does."""
    config = layer.config
    size = _pair(config["pool_size"])
    stride = _pair(config["strides"] or list(size))
    if config["padding"] == "valid":
        return size, stride, (0, 0), False
    padding, ceil = [], False
    for length, step in zip(size, stride, strict=True):
        if length == 1 or (step == 1 and length % 2):
            padding.append(length // 2)
        elif length == step == 2:
            padding.append(0)
            ceil = True  # an odd end is pooled alone
        else:
            raise cannot(
                layer,
                f"pads 'same' with size {size} and strides {stride}, on sides that depend on the "
                "input's size",
                "padding 'valid', size 2 with strides 2, or odd sizes with strides 1",
            )
    return size, stride, (padding[0], padding[1]), ceil


def _pads_for_next(layer: KerasLayer, following: Sequence[KerasLayer]) -> tuple[int, int]:
    """Zero padding that the next convolution can do by itself."""
    (top, bottom), (left, right) = (_pair(side) for side in _pair_of_any(layer.config["padding"]))
    after = following[0] if following else None
    if (
        top != bottom
        or left != right
        or after is None
        or after.kind != "Conv2D"
        or after.config["padding"] != "valid"
    ):
        raise cannot(
            layer,
            f"pads {top}, {bottom} rows and {left}, {right} columns before {after or 'the end'}",
            "equal sides, right before a Conv2D with padding 'valid'",
        )
    return top, left


def _pair_of_any(value: object) -> Sequence:
    return value if isinstance(value, list) else (value, value)


def _pair(value: object) -> tuple[int, int]:
    rows, columns = _pair_of_any(value)
    return int(rows), int(columns)


def _number(value: object) -> float:
    """A number that some versions of Keras wrap as an array of one."""
    if isinstance(value, Mapping):
        value = value.get("value", value.get("config"))
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return float(value)
