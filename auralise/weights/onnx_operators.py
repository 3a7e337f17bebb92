"""ONNX operators as torch modules and functions, each by its definition (onnx.ai, Operators)."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Operation = Callable[..., Any]


class Given:
    """The attributes and constant inputs of one node, and the rank of its first input if known."""

    def __init__(
        self,
        node: Any,
        constants: dict[str, Tensor],
        attributes: dict[str, Any],
        rank: int | None = None,
    ):
        self.op, self.inputs, self.outputs = node.op_type, list(node.input), list(node.output)
        self.constants, self.attributes, self.rank = constants, attributes, rank

    def has(self, index: int) -> bool:
        return index < len(self.inputs) and bool(self.inputs[index])

    def constant(self, index: int) -> Tensor | None:
        """A constant input; nothing where there is none, or it is computed."""
        return self.constants.get(self.inputs[index]) if self.has(index) else None

    def numbers(self, name: str, index: int) -> Any:
        """Numbers that some versions of an operator give as an attribute, others as an input."""
        if name in self.attributes:
            return self.attributes[name]
        if not self.has(index):
            return None
        if (found := self.constant(index)) is None:
            raise UntranslatableError(f"its '{name}' is computed")
        return found.tolist()

    def get(self, name: str, default: Any) -> Any:
        return self.attributes.get(name, default)


class UntranslatableError(Exception):
    """A node that has no counterpart in torch; the message says why."""


class Padded(nn.Sequential):
    """A module with a padding before it that is not the same on both sides."""

    def __init__(self, around: list[int], value: float, module: nn.Module):
        pad: Any = nn.ConstantPad1d if len(around) == 2 else nn.ConstantPad2d
        super().__init__(pad(tuple(around), value), module)


def _window(given: Given, kernel: Sequence[int]) -> tuple[dict[str, Any], list[int]]:
    """Stride, dilation and padding as torch has them, and what must be padded before the node."""
    n = len(kernel)
    stride, dilation = given.get("strides", [1] * n), given.get("dilations", [1] * n)
    pads, auto = list(given.get("pads", [0] * 2 * n)), given.get("auto_pad", b"NOTSET").decode()
    if auto.startswith("SAME"):
        if any(step != 1 for step in stride):
            raise UntranslatableError("its padding depends on the input's size (auto_pad)")
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        before = [t // 2 if auto == "SAME_UPPER" else t - t // 2 for t in totals]
        pads = [*before, *(t - b for t, b in zip(totals, before, strict=True))]
    options: dict[str, Any] = {"stride": tuple(stride), "dilation": tuple(dilation)}
    if pads[:n] == pads[n:]:
        return options | {"padding": tuple(pads[:n])}, []
    return options, [p for axis in reversed(range(n)) for p in (pads[axis], pads[n + axis])]


def _convolution(given: Given) -> Operation:
    weight, bias = given.constant(1), given.constant(2)
    if weight is None or (bias is None and given.has(2)) or weight.ndim not in (3, 4):
        raise UntranslatableError("its kernel is computed, or has not one or two dimensions")
    options, around = _window(given, weight.shape[2:])
    groups = given.get("group", 1)
    kind: Any = nn.Conv1d if weight.ndim == 3 else nn.Conv2d
    size = (weight.shape[1] * groups, len(weight), tuple(weight.shape[2:]))
    module = kind(*size, bias=bias is not None, groups=groups, **options)
    module.weight = nn.Parameter(weight)
    if bias is not None:
        module.bias = nn.Parameter(bias)
    return Padded(around, 0.0, module) if around else module


def _transposed(given: Given) -> Operation:
    weight, bias = given.constant(1), given.constant(2)
    if weight is None or (bias is None and given.has(2)) or weight.ndim not in (3, 4):
        raise UntranslatableError("its kernel is computed, or has not one or two dimensions")
    options, around = _window(given, weight.shape[2:])
    pads_itself = given.get("auto_pad", b"NOTSET") != b"NOTSET"
    if around or pads_itself or "output_shape" in given.attributes:
        raise UntranslatableError("its padding is not the same on both sides, or found by itself")
    groups = given.get("group", 1)
    kind: Any = nn.ConvTranspose1d if weight.ndim == 3 else nn.ConvTranspose2d
    size = (len(weight), weight.shape[1] * groups, tuple(weight.shape[2:]))
    options["output_padding"] = tuple(given.get("output_padding", [0] * (weight.ndim - 2)))
    module = kind(*size, bias=bias is not None, groups=groups, **options)
    module.weight = nn.Parameter(weight)
    if bias is not None:
        module.bias = nn.Parameter(bias)
    return module


def _pooling(kind: str) -> Callable[[Given], Operation]:
    def make(given: Given) -> Operation:
        kernel = tuple(given.attributes["kernel_shape"])
        if len(kernel) > 2 or len(given.outputs) > 1:
            raise UntranslatableError("it is of three dimensions, or returns indices")
        options, around = _window(given, kernel)
        options["ceil_mode"] = bool(given.get("ceil_mode", 0))
        value = -float("inf")
        if kind == "Avg":
            value, counted = 0.0, bool(given.get("count_include_pad", 0))
            if any(of != 1 for of in options.pop("dilation")) or (around and not counted):
                raise UntranslatableError(
                    "it is dilated, or padded on one side without counting that"
                )
            options["count_include_pad"] = counted
        module = getattr(nn, f"{kind}Pool{len(kernel)}d")(kernel, **options)
        return Padded(around, value, module) if around else module

    return make


def _batch_norm(given: Given) -> Operation:
    weight, bias, mean, variance = (given.constant(index) for index in range(1, 5))
    epsilon = given.get("epsilon", 1e-5)
    if mean is None or variance is None or given.get("training_mode", 0):
        raise UntranslatableError("its statistics are computed")
    if given.rank != 4 or weight is None or bias is None:
        return lambda x, *rest: functional.batch_norm(
            x, mean, variance, rest[0], rest[1], eps=epsilon
        )
    module = nn.BatchNorm2d(len(mean), eps=epsilon)
    module.weight, module.bias = nn.Parameter(weight), nn.Parameter(bias)
    module.running_mean, module.running_var = mean, variance
    return module


def _gemm(given: Given) -> Operation:
    alpha, beta = given.get("alpha", 1.0), given.get("beta", 1.0)
    turn_a, turn_b = given.get("transA", 0), given.get("transB", 0)

    def gemm(a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
        product = alpha * ((a.mT if turn_a else a) @ (b.mT if turn_b else b))
        return product if c is None else product + beta * c

    return gemm


def _clip(given: Given) -> Operation:
    low, high = (given.numbers(name, index) for index, name in enumerate(("min", "max"), start=1))
    if (low, high) == (0, 6):
        return nn.ReLU6()
    return lambda x, *bounds: torch.clamp(x, low, high)


def _reshape(given: Given) -> Operation:
    zero_is_meant = given.get("allowzero", 0)  # otherwise it stands for the size that was

    def reshape(x: Tensor, shape: Tensor) -> Tensor:
        sizes = shape.tolist()
        if not zero_is_meant:
            sizes = [size or x.shape[axis] for axis, size in enumerate(sizes)]
        return x.reshape(sizes)

    return reshape


def _flatten(given: Given) -> Operation:
    axis = given.get("axis", 1)
    return nn.Flatten() if axis == 1 else lambda x: x.reshape(x.shape[:axis].numel(), -1)


def _squeeze(given: Given) -> Operation:
    axes = given.numbers("axes", 1)
    return lambda x, *rest: x.squeeze() if axes is None else x.squeeze(tuple(axes))


def _unsqueeze(given: Given) -> Operation:
    axes = given.numbers("axes", 1) or []

    def unsqueeze(x: Tensor, *rest: Tensor) -> Tensor:
        n_dims = x.dim() + len(axes)
        for axis in sorted(of % n_dims for of in axes):
            x = x.unsqueeze(axis)
        return x

    return unsqueeze


def _given_or_computed(given: Given, name: str, index: int, rest: Sequence[Tensor | None]) -> Any:
    """Numbers of an attribute or of an input, which may be computed; `rest` lacks the first."""
    if name in given.attributes:
        return given.attributes[name]
    value = rest[index - 1] if len(rest) >= index else None
    return None if value is None else value.tolist()


def _slice(given: Given) -> Operation:
    def cut(x: Tensor, *rest: Tensor) -> Tensor:
        starts, ends, axes, steps = (
            _given_or_computed(given, name, index, rest)
            for index, name in enumerate(("starts", "ends", "axes", "steps"), start=1)
        )
        dims = range(len(starts)) if axes is None else axes
        for axis, start, end, step in zip(
            dims, starts, ends, steps or [1] * len(starts), strict=True
        ):
            taken = range(x.shape[axis])[start:end:step]
            if step > 0:
                x = x[(*[slice(None)] * (axis % x.dim()), slice(start, end, step))]
            else:
                x = x.index_select(axis, torch.tensor(taken, dtype=torch.long, device=x.device))
        return x

    return cut


def _split(given: Given) -> Operation:
    sizes, axis, n = given.numbers("split", 1), given.get("axis", 0), len(given.outputs)
    return lambda x, *rest: x.split(sizes or -(-x.shape[axis] // n), axis)


def _gather(given: Given) -> Operation:
    axis = given.get("axis", 0)

    def gather(x: Tensor, index: Tensor) -> Tensor:
        whole: list[Any] = [slice(None)] * (axis % x.dim())
        return x[(*whole, torch.where(index < 0, index + x.shape[axis], index))]

    return gather


def _pad(given: Given) -> Operation:
    mode = given.get("mode", b"constant").decode()
    if given.has(3) or mode not in ("constant", "reflect", "edge"):
        raise UntranslatableError("its axes are given, or it wraps")
    kind = "replicate" if mode == "edge" else mode

    def pad(x: Tensor, *rest: Tensor) -> Tensor:
        pads = _given_or_computed(given, "pads", 1, rest)
        value = _given_or_computed(given, "value", 2, rest) or 0.0
        n = len(pads) // 2
        around = [pad for axis in reversed(range(n)) for pad in (pads[axis], pads[n + axis])]
        while len(around) > 2 and not any(around[-2:]):
            around = around[:-2]
        return functional.pad(x, around, kind, **({"value": value} if kind == "constant" else {}))

    return pad


def _reduction(function: Callable[..., Tensor]) -> Callable[[Given], Operation]:
    def make(given: Given) -> Operation:
        axes, keep = given.numbers("axes", 1), bool(given.get("keepdims", 1))
        return lambda x, *rest: function(x, axes or list(range(x.dim())), keepdim=keep)

    return make


def _resize(given: Given) -> Operation:
    by_size = given.has(3)
    scales: Any = None if by_size else given.numbers("scales", 1 if given.op == "Upsample" else 2)
    mode = given.get("mode", b"nearest").decode()
    how = given.get("coordinate_transformation_mode", b"half_pixel").decode()
    is_nearest = mode == "nearest" and how == "asymmetric"
    rank = len(scales) if scales else given.rank
    is_known = by_size or (scales and scales[:2] == [1, 1])
    if not is_known or rank not in (3, 4) or (mode != "linear" and not is_nearest):
        raise UntranslatableError("other than in one or two dimensions, linear or nearest")
    if is_nearest and given.get("nearest_mode", b"round_prefer_floor") != b"floor":
        if by_size or any(scale != int(scale) for scale in scales):
            raise UntranslatableError("nearest, other than floor")
    if mode == "linear" and how not in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        raise UntranslatableError(f"linear, {how}")
    options: dict[str, Any] = {"mode": "nearest"}
    if not is_nearest:
        options = {"mode": "linear" if rank == 3 else "bilinear"}
        options["align_corners"] = how == "align_corners"

    def resize(x: Tensor, *rest: Tensor) -> Tensor:
        if by_size:
            return functional.interpolate(x, size=rest[2].tolist()[2:], **options)
        return functional.interpolate(x, scale_factor=scales[2:], **options)

    return resize


def _layer_norm(given: Given) -> Operation:
    axis, epsilon = given.get("axis", -1), given.get("epsilon", 1e-5)

    def norm(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return functional.layer_norm(x, x.shape[axis:], weight, bias, epsilon)

    return norm


def _instance_norm(given: Given) -> Operation:
    epsilon = given.get("epsilon", 1e-5)
    return lambda x, weight, bias: functional.instance_norm(
        x, weight=weight, bias=bias, eps=epsilon
    )


def _depth_to_space(given: Given) -> Operation:
    size = given.attributes["blocksize"]

    def to_space(x: Tensor) -> Tensor:
        if given.get("mode", b"DCR") == b"DCR":
            x = x.unflatten(1, (size * size, -1)).transpose(1, 2).flatten(1, 2)
        return functional.pixel_shuffle(x, size)

    return to_space


def _constant_of_shape(given: Given) -> Operation:
    value = given.attributes.get("value")
    number: Any = 0.0
    if value is not None:
        from onnx import numpy_helper

        number = numpy_helper.to_array(value).item()
    return lambda shape: torch.full(tuple(shape.tolist()), number)


def _hard_sigmoid(given: Given) -> Operation:
    slope, offset = given.get("alpha", 0.2), given.get("beta", 0.5)
    return lambda x: torch.clamp(x * slope + offset, 0, 1)


def _divide(a: Tensor, b: Tensor) -> Tensor:
    whole = not (a.is_floating_point() or b.is_floating_point())
    return torch.div(a, b, rounding_mode="trunc" if whole else None)


def _of_all(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Given], Operation]:
    return lambda given: lambda *parts: reduce(function, parts)


def _concat(given: Given) -> Operation:
    axis = given.attributes["axis"]
    return lambda *parts: torch.cat(parts, axis)


def _cast(given: Given) -> Operation:
    kinds = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 10: torch.float32}
    if (kind := kinds.get(given.attributes["to"])) is None:
        raise UntranslatableError("to a type other than floats and integers")
    return lambda x: x.to(kind)


def _softmax(given: Given) -> Operation:
    axis = given.get("axis", -1)
    return lambda x: functional.softmax(x, axis)


def _global(*kinds: type[nn.Module]) -> Callable[[Given], Operation]:
    def make(given: Given) -> Operation:
        if given.rank not in (3, 4):
            raise UntranslatableError("its input has not one or two dimensions")
        return kinds[given.rank - 3](1)

    return make


def _same(function: Callable[..., Any]) -> Callable[[Given], Operation]:
    return lambda given: function


def _module(kind: type[nn.Module], **names: tuple[str, float]) -> Callable[[Given], Operation]:
    """A module whose options are attributes, each with its default."""
    return lambda given: kind(**{of: given.get(*found) for of, found in names.items()})


OPERATIONS: dict[str, Callable[[Given], Operation]] = {
    "Conv": _convolution,
    "ConvTranspose": _transposed,
    "MaxPool": _pooling("Max"),
    "AveragePool": _pooling("Avg"),
    "GlobalAveragePool": _global(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d),
    "GlobalMaxPool": _global(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d),
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "InstanceNormalization": _instance_norm,
    "Relu": _module(nn.ReLU),
    "LeakyRelu": _module(nn.LeakyReLU, negative_slope=("alpha", 0.01)),
    "Elu": _module(nn.ELU, alpha=("alpha", 1.0)),
    "PRelu": _same(lambda x, slope: functional.prelu(x, slope.flatten())),
    "Selu": _module(nn.SELU),
    "Sigmoid": _module(nn.Sigmoid),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _module(nn.Hardswish),
    "Mish": _module(nn.Mish),
    "Softsign": _module(nn.Softsign),
    "Tanh": _module(nn.Tanh),
    "Softplus": _module(nn.Softplus),
    "Gelu": lambda given: nn.GELU(given.get("approximate", b"none").decode()),
    "Clip": _clip,
    "Softmax": _softmax,
    "Dropout": _module(nn.Identity),
    "Identity": _module(nn.Identity),
    "Gemm": _gemm,
    "MatMul": _same(torch.matmul),
    "Add": _same(torch.add),
    "Sub": _same(torch.sub),
    "Mul": _same(torch.mul),
    "Div": _same(_divide),
    "Neg": _same(torch.neg),
    "Sqrt": _same(torch.sqrt),
    "Exp": _same(torch.exp),
    "Log": _same(torch.log),
    "Pow": _same(torch.pow),
    "Abs": _same(torch.abs),
    "Erf": _same(torch.erf),
    "Max": _of_all(torch.maximum),
    "Min": _of_all(torch.minimum),
    "Sum": _of_all(torch.add),
    "Equal": _same(torch.eq),
    "Where": _same(torch.where),
    "Reshape": _reshape,
    "Expand": _same(
        lambda x, shape: x.expand(torch.broadcast_shapes(x.shape, tuple(shape.tolist())))
    ),
    "ConstantOfShape": _constant_of_shape,
    "DepthToSpace": _depth_to_space,
    "Tile": _same(lambda x, repeats: x.repeat(repeats.tolist())),
    "Flatten": _flatten,
    "Transpose": lambda given: (
        lambda x: x.permute(given.get("perm", list(reversed(range(x.dim())))))
    ),
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Concat": _concat,
    "Slice": _slice,
    "Split": _split,
    "Gather": _gather,
    "Pad": _pad,
    "Resize": _resize,
    "Upsample": _resize,
    "Shape": _same(lambda x: torch.tensor(x.shape)),
    "Cast": _cast,
    "ReduceMean": _reduction(torch.mean),
    "ReduceSum": _reduction(torch.sum),
    "ReduceMax": _reduction(torch.amax),
    "ReduceMin": _reduction(torch.amin),
}
