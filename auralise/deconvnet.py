"""Zeiler and Fergus's deconvolution of any convolutional network, all features at once.

The procedure is that of Choi 2015 (code): a feature map of a layer, with all its activations,
walks back to the input. Every pooling is undone by writing each value where the maximum came
from (the switch), every activation by a ReLU, every convolution by its transpose; the first
convolution on the way back uses the feature's own kernel alone, and nothing rectifies the
result, which is signed. No bias takes part on the way back.
"""

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.fx
from torch import Tensor, nn
from torch.nn import functional as F

from auralise.errors import NetworkError
from auralise.networks import LogScaling

WORKING_MEMORY = 256 * 2**20  # bytes of the largest tensor of one batch of features


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


class Step:
    """One module of the network: how a signal passes it forward, and how it walks back.

    On the way back a signal is ``(n_features, n_channels, height, width)``: the features
    deconvolved at once are the batch; `memory` is what the forward pass of the one song left.
    """

    def forward(self, x: Tensor) -> tuple[Tensor, object]:
        """Output for an input ``(1, n_channels, height, width)``, and what to remember."""
        raise NotImplementedError

    def back(self, signal: Tensor, memory: object) -> Tensor:
        """The signal at this module's input."""
        raise NotImplementedError


class Convolution(Step):
    """Forward with its bias, back by the transpose without."""

    def __init__(self, module: nn.Conv2d):
        self.module = module
        if isinstance(module.padding, str):
            spans = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
            total = spans if module.padding == "same" else [0, 0]
            before = [span // 2 for span in total]
            after = [span - half for span, half in zip(total, before, strict=True)]
        else:
            before = after = list(module.padding)
        self.pads = (before[1], after[1], before[0], after[0])

    def forward(self, x):
        padded = F.pad(x, self.pads)
        m = self.module
        y = F.conv2d(padded, m.weight, m.bias, m.stride, 0, m.dilation, m.groups)
        return y, (x.shape[-2:], padded.shape[-2:])

    def _transpose(self, signal, weight, groups, memory):
        (height, width), padded = memory
        m = self.module
        full = torch.nn.grad.conv2d_input(
            (len(signal), weight.shape[1] * groups, *padded),
            weight,
            signal,
            m.stride,
            0,
            m.dilation,
            groups,
        )
        left, _, top, _ = self.pads
        return full[..., top : top + height, left : left + width]

    def back(self, signal, memory):
        return self._transpose(signal, self.module.weight, self.module.groups, memory)

    def back_alone(self, signal, features, memory):
        """Each channel of `signal` ``(1, n_features, height, width)`` by its own kernel alone.

        Returns
        -------
        Tensor, shape (n_features, n_input_channels, height, width)
        """
        m = self.module
        weight = m.weight[features]
        per_kernel = self._transpose(signal, weight, len(features), memory)
        per_kernel = per_kernel.reshape(len(features), weight.shape[1], *per_kernel.shape[-2:])
        if m.groups == 1:
            return per_kernel
        group = torch.as_tensor(features, device=weight.device) // (m.out_channels // m.groups)
        spread = per_kernel.new_zeros(
            len(features), m.groups, weight.shape[1], *per_kernel.shape[-2:]
        )
        spread[torch.arange(len(features)), group] = per_kernel
        return spread.flatten(1, 2)


class Normalisation(Step):
    """Batch normalisation with its stored statistics: forward as it is, back by its gain."""

    def __init__(self, module: nn.BatchNorm2d):
        scale = torch.rsqrt(module.running_var + module.eps)
        self.gain = scale if module.weight is None else module.weight * scale
        self.module = module

    def forward(self, x):
        m = self.module
        return F.batch_norm(x, m.running_mean, m.running_var, m.weight, m.bias, eps=m.eps), None

    def back(self, signal, memory):
        return signal * self.gain[:, None, None]


class Activation(Step):
    """Any of ReLU, leaky ReLU, ELU: forward as it is, back by a ReLU (Zeiler 2014, sec. 2.1)."""

    def __init__(self, module: nn.Module):
        self.module = module

    def forward(self, x):
        return self.module(x), None

    def back(self, signal, memory):
        return F.relu(signal)


class MaxPooling(Step):
    """Remembers where each maximum came from, and writes each value back there."""

    def __init__(self, module: nn.MaxPool2d):
        self.module = module

    def forward(self, x):
        m = self.module
        y, switches = F.max_pool2d(
            x, m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode, return_indices=True
        )
        return y, (switches.flatten(2), x.shape[-2:])

    def back(self, signal, memory):
        switches, (height, width) = memory
        unpooled = signal.new_zeros(*signal.shape[:2], height * width)
        # Adding, not writing: windows that overlap may share their maximum.
        unpooled.scatter_add_(2, switches.expand(*signal.shape[:2], -1), signal.flatten(2))
        return unpooled.unflatten(2, (height, width))


class AveragePooling(Step):
    """Spreads each value evenly over its window: the transpose of averaging."""

    def __init__(self, module: nn.AvgPool2d):
        self.module = module

    def forward(self, x):
        return self.module(x), x.shape[-2:]

    def back(self, signal, memory):
        m = self.module
        return torch.ops.aten.avg_pool2d_backward(
            signal,
            signal.new_empty(*signal.shape[:2], *memory),
            _pair(m.kernel_size),
            _pair(m.stride),
            _pair(m.padding),
            m.ceil_mode,
            m.count_include_pad,
            m.divisor_override,
        )


class Passing(Step):
    """Takes part forward and not on the way back: dropout, local response normalisation."""

    def __init__(self, module: nn.Module):
        self.module = module

    def forward(self, x):
        return self.module(x), None

    def back(self, signal, memory):
        return signal


STEPS: dict[type[nn.Module], type[Step]] = {
    nn.Conv2d: Convolution,
    nn.BatchNorm2d: Normalisation,
    nn.ReLU: Activation,
    nn.LeakyReLU: Activation,
    nn.ELU: Activation,
    nn.MaxPool2d: MaxPooling,
    nn.AvgPool2d: AveragePooling,
    nn.Dropout: Passing,
    nn.Dropout2d: Passing,
    nn.Identity: Passing,
    nn.LocalResponseNorm: Passing,
    LogScaling: Passing,
}

# The functions that people write in place of modules.
MODULE_OF_FUNCTION = {
    F.relu: nn.ReLU,
    torch.relu: nn.ReLU,
    "relu": nn.ReLU,
    F.leaky_relu: nn.LeakyReLU,
    F.elu: nn.ELU,
    F.max_pool2d: nn.MaxPool2d,
    F.avg_pool2d: nn.AvgPool2d,
    F.dropout: nn.Dropout,
}

# What ends the convolutional part, as modules, functions and methods of a tensor.
ENDS = {
    nn.Flatten,
    nn.Linear,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    torch.flatten,
    torch.reshape,
    torch.mean,
    torch.amax,
    F.linear,
    F.adaptive_avg_pool2d,
    F.adaptive_max_pool2d,
    "flatten",
    "view",
    "reshape",
    "mean",
    "amax",
}

QUESTIONS_OF_SHAPE = {"size", "dim", getattr}


class _Tracer(torch.fx.Tracer):
    def is_leaf_module(self, module, qualified_name):
        return type(module) in STEPS or super().is_leaf_module(module, qualified_name)


def _chain(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The modules of the convolutional part in order, each with its path."""
    try:
        graph = _Tracer().trace(network)
    except Exception as error:  # whatever a foreign forward() raises while it is traced
        raise NetworkError(
            f"{type(network).__name__} cannot be traced ({error}); pass its convolutional part "
            "as a torch.nn.Sequential of modules"
        ) from None
    modules = dict(network.named_modules())
    node = next(node for node in graph.nodes if node.op == "placeholder")
    while True:
        users = [user for user in node.users if user.target not in QUESTIONS_OF_SHAPE]
        if len(users) > 1:
            names = ", ".join(user.name for user in users)
            raise NetworkError(
                f"the output of {node.name} goes to several places ({names}); "
                "only a chain of modules, without branches or shortcuts, can be deconvolved"
            )
        if not users or users[0].op == "output":
            return
        (node,) = users
        if node.op == "call_module":
            path, module = node.target, modules[node.target]
            kind = type(module)
        else:
            path, kind = node.name, node.target
            factory = MODULE_OF_FUNCTION.get(kind)
            if factory is not None:
                ignored = {"inplace", "training", "return_indices"}
                options = {k: v for k, v in node.kwargs.items() if k not in ignored}
                module = factory(*node.args[1:], **options)
                kind = factory
        if kind in ENDS:
            return
        if kind not in STEPS:
            name = kind if isinstance(kind, str) else getattr(kind, "__name__", str(kind))
            known = ", ".join(sorted(known.__name__ for known in STEPS))
            raise NetworkError(
                f"cannot deconvolve '{path}' ({name}); known are {known}, in a chain "
                "that ends at a flatten, a global pooling or a dense layer"
            )
        yield path, module


def _refuse_what_is_inexact(path: str, module: nn.Module) -> None:
    match module:
        case nn.Conv2d(padding_mode=mode) if mode != "zeros":
            raise NetworkError(f"'{path}' pads with '{mode}'; only zero padding has a transpose")
        case nn.BatchNorm2d(running_mean=None):
            raise NetworkError(f"'{path}' keeps no running statistics, so its gain is unknown")
        case nn.MaxPool2d(return_indices=True):
            raise NetworkError(f"'{path}' returns its indices; set return_indices=False")


@dataclass(frozen=True)
class Layer:
    """A convolution and what follows it up to the next; steps are counted from the input.

    Attributes
    ----------
    convolution : int
        Index of the convolution's step.
    end : int
        Index of the step whose output are the layer's feature maps: its pooling where it has
        one, else its activation, else the convolution itself.
    n_features : int
    """

    convolution: int
    end: int
    n_features: int


def _find_layers(steps: Sequence[Step]) -> list[Layer]:
    starts = [i for i, step in enumerate(steps) if isinstance(step, Convolution)]
    layers = []
    for start, stop in zip(starts, [*starts[1:], len(steps)], strict=True):
        shaping = [
            i
            for i in range(start, stop)
            if isinstance(steps[i], Convolution | Activation | MaxPooling | AveragePooling)
        ]
        layers.append(Layer(start, shaping[-1], steps[start].module.out_channels))
    return layers


class Deconvnet:
    """Deconvolution of every feature of a network's convolutional part.

    Parameters
    ----------
    network : torch.nn.Module
        Its convolutional part, up to the first flatten, global pooling or dense layer, is a
        chain of Conv2d, BatchNorm2d, ReLU, LeakyReLU, ELU, MaxPool2d, AvgPool2d and Dropout.
        It is copied and evaluated as it is, biases included (dropout switched off).

    Attributes
    ----------
    n_layers : int
    n_features : list of int
        Features of each layer.

    Raises
    ------
    NetworkError
        Names the first module that cannot be deconvolved.

    References
    ----------
    Zeiler & Fergus 2014, sec. 2.1; Choi et al. 2015 (code).
    """

    def __init__(self, network: nn.Module):
        network = copy.deepcopy(network).eval().requires_grad_(False)
        chain = list(_chain(network))
        for path, module in chain:
            _refuse_what_is_inexact(path, module)
        self.steps = [STEPS[type(module)](module) for _, module in chain]
        self.layers = _find_layers(self.steps)
        if not self.layers:
            raise NetworkError(f"{type(network).__name__} has no Conv2d before its dense part")
        first = self.steps[self.layers[0].convolution].module
        if first.in_channels != 1:
            raise NetworkError(
                f"the first convolution takes {first.in_channels} channels; expected 1, "
                "a magnitude (n_bins, n_frames)"
            )

    @property
    def n_layers(self) -> int:
        return len(self.layers)

    @property
    def n_features(self) -> list[int]:
        return [layer.n_features for layer in self.layers]

    @torch.inference_mode()
    def feature_maps(self, magnitude: np.ndarray) -> list[np.ndarray]:
        """Feature maps of every layer, after its pooling.

        Parameters
        ----------
        magnitude : ndarray, shape (n_bins, n_frames)

        Returns
        -------
        list of ndarray, float32, each of shape (n_features, height, width)
        """
        outputs, _ = self._forward(magnitude)
        return [outputs[layer.end][0].numpy() for layer in self.layers]

    def deconvolve(
        self, magnitude: np.ndarray, layer: int, features: Iterable[int] | None = None
    ) -> np.ndarray:
        """Deconvolved maps of one layer.

        Parameters
        ----------
        magnitude : ndarray, shape (n_bins, n_frames)
        layer : int
            Counted from 1.
        features : iterable of int, optional
            Which features, counted from 0; all by default.

        Returns
        -------
        ndarray, float32, shape (n_features, n_bins, n_frames)
            Signed. A feature that never fired has an all-zero map.

        Raises
        ------
        NetworkError
            The network has no such layer or feature, or the magnitude is too small for it.
        """
        chosen = None if features is None else {layer: features}
        ((_, maps),) = self.deconvolve_all(magnitude, [layer], chosen)
        return maps

    def deconvolve_all(
        self,
        magnitude: np.ndarray,
        layers: Iterable[int] | None = None,
        features: dict[int, Iterable[int]] | None = None,
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Deconvolved maps layer by layer, from one forward pass.

        Parameters
        ----------
        magnitude : ndarray, shape (n_bins, n_frames)
        layers : iterable of int, optional
            Counted from 1; all by default.
        features : dict of int to iterable of int, optional
            Features of a layer, counted from 0; all by default.

        Yields
        ------
        layer : int
        maps : ndarray, float32, shape (n_features, n_bins, n_frames)

        Raises
        ------
        NetworkError
            As `deconvolve`.
        """
        layers = list(range(1, self.n_layers + 1) if layers is None else layers)
        chosen = {layer: self._check(layer, (features or {}).get(layer)) for layer in layers}
        with torch.inference_mode():
            outputs, memories = self._forward(magnitude)
            for layer in layers:
                yield layer, self._back(layer, chosen[layer], magnitude.shape, outputs, memories)

    def _check(self, layer: int, features: Iterable[int] | None) -> list[int]:
        if not 1 <= layer <= self.n_layers:
            raise NetworkError(f"layer {layer} of a network with layers 1 to {self.n_layers}")
        n_features = self.n_features[layer - 1]
        features = list(range(n_features) if features is None else features)
        for feature in features:
            if not 0 <= feature < n_features:
                raise NetworkError(
                    f"feature {feature} of layer {layer}, which has features 0 to {n_features - 1}"
                )
        return features

    def _forward(self, magnitude: np.ndarray) -> tuple[list[Tensor], list[object]]:
        x = torch.from_numpy(np.ascontiguousarray(magnitude, dtype=np.float32))[None, None]
        if x.ndim != 4:
            raise NetworkError(
                f"a magnitude of shape {np.shape(magnitude)}; expected (n_bins, n_frames)"
            )
        outputs, memories = [], []
        for step in self.steps:
            try:
                x, memory = step.forward(x)
            except RuntimeError as error:
                raise NetworkError(
                    f"a magnitude of shape {np.shape(magnitude)} does not pass "
                    f"{step.module}: {error}"
                ) from None
            outputs.append(x)
            memories.append(memory)
        return outputs, memories

    def _back(self, layer, features, shape, outputs, memories) -> np.ndarray:
        convolution, end = self.layers[layer - 1].convolution, self.layers[layer - 1].end
        fires = outputs[end].flatten(2).any(dim=2)[0].tolist()
        firing = [row for row, feature in enumerate(features) if fires[feature]]
        # From the feature maps to the convolution, channels do not mix: all of them at once.
        start = outputs[end]
        for step, memory in self._backwards(end, convolution + 1, memories):
            start = step.back(start, memory)

        first_step, first_memory = self.steps[convolution], memories[convolution]
        maps = torch.zeros(len(features), *shape)
        widest = max(output[0].numel() for output in outputs)
        batch_size = max(1, WORKING_MEMORY // (4 * widest))
        for first in range(0, len(firing), batch_size):
            rows = firing[first : first + batch_size]
            batch = [features[row] for row in rows]
            signal = first_step.back_alone(start[:, batch], batch, first_memory)
            for step, memory in self._backwards(convolution - 1, 0, memories):
                signal = step.back(signal, memory)
            maps[rows] = signal[:, 0]
        return maps.numpy()

    def _backwards(self, last: int, first: int, memories) -> Iterator[tuple[Step, object]]:
        """Steps `last`, `last` - 1, … `first`, each with its memory."""
        for index in range(last, first - 1, -1):
            yield self.steps[index], memories[index]
