"""One step per module of a network: forward as the network does it, and the way back.

The ways back are those of Zeiler and Fergus (2014, sec. 2.1): a pooling writes each value where
its maximum came from, an activation is a ReLU, a convolution is its transpose. No bias takes
part. Everything here is exact for any shape; `auralise.deconvnet.pooled` does the same sums faster
where a network is regular enough.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from auralise.errors import NetworkError, is_out_of_memory
from auralise.networks.front_end_steps import MODULES, FrontEndStep
from auralise.networks.genre import NormalisedLogScaling

WORKING_MEMORY = 16 * 2**20  # bytes of the largest tensor of one batch of features, in a cache


def pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


class Step:
    """How a signal passes one module forward, and how it walks back.

    On the way back a signal is ``(n_features, n_channels, height, width)``: the features
    deconvolved at once are the batch; `memory` is what the forward pass of the one song left.
    """

    def __init__(self, module: nn.Module, path: str = ""):
        self.module = module
        self.path = path

    @property
    def stride(self) -> tuple[int, int]:
        """Rows and columns of the input from one of the output to the next."""
        return pair(getattr(self.module, "stride", 1))

    @property
    def span(self) -> tuple[int, int]:
        """Rows and columns of the input that one value of the output is made of."""
        sizes = pair(getattr(self.module, "kernel_size", 1))
        dilations = pair(getattr(self.module, "dilation", 1))
        rows, columns = (1 + d * (k - 1) for k, d in zip(sizes, dilations, strict=True))
        return rows, columns

    def forward(self, x: Tensor) -> tuple[Tensor, object]:
        """Output for an input ``(1, n_channels, height, width)``, and what to remember."""
        return self.module(x), None

    def back(self, signal: Tensor, memory: object) -> Tensor:
        """The signal at this module's input."""
        raise NotImplementedError


class Convolution(Step):
    """Forward with its bias, back by the transpose without."""

    module: nn.Conv2d

    def __init__(self, module: nn.Conv2d, path: str = ""):
        super().__init__(module, path)
        if isinstance(module.padding, str):
            spans = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
            total = spans if module.padding == "same" else [0, 0]
            before = [span // 2 for span in total]
            after = [span - half for span, half in zip(total, before, strict=True)]
        else:
            before = after = list(module.padding)
        self.pads = (before[1], after[1], before[0], after[0])

    def forward(self, x):
        padded = functional.pad(x, self.pads)
        m = self.module
        y = functional.conv2d(padded, m.weight, m.bias, m.stride, 0, m.dilation, m.groups)
        return y, (x.shape[-2:], padded.shape[-2:])

    def _transpose(self, signal, weight, groups, memory):
        (height, width), padded = memory
        m = self.module
        shape = (len(signal), weight.shape[1] * groups, *padded)
        weight = weight.to(signal.dtype)
        full = nn.grad.conv2d_input(shape, weight, signal, m.stride, 0, m.dilation, groups)
        left, _, top, _ = self.pads
        return full[..., top : top + height, left : left + width]

    def back(self, signal, memory):
        return self._transpose(signal, self.module.weight, self.module.groups, memory)

    def back_alone(self, signal, features, memory):
        """Take each channel of `signal` ``(1, n_features, height, width)`` back by its own kernel.

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
        spread[torch.arange(len(features), device=weight.device), group] = per_kernel
        return spread.flatten(1, 2)


class Normalisation(Step):
    """Batch normalisation with its stored statistics: forward as it is, back by its gain."""

    module: nn.BatchNorm2d

    def __init__(self, module: nn.BatchNorm2d, path: str = ""):
        super().__init__(module, path)
        assert module.running_var is not None  # as `convolutional_chain` says
        scale = torch.rsqrt(module.running_var + module.eps)
        self.gain = scale if module.weight is None else module.weight * scale

    def back(self, signal, memory):
        return signal * self.gain[:, None, None].to(signal.dtype)


class Activation(Step):
    """ReLU, leaky ReLU or ELU: forward as it is, back by a ReLU."""

    def back(self, signal, memory):
        return functional.relu(signal)


class MaxPooling(Step):
    """Remembers where each maximum came from (the switch), and writes each value back there."""

    module: nn.MaxPool2d

    def forward(self, x):
        m = self.module
        y, switches = functional.max_pool2d(
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

    module: nn.AvgPool2d

    def forward(self, x):
        return self.module(x), x.shape[-2:]

    def back(self, signal, memory):
        m = self.module
        return torch.ops.aten.avg_pool2d_backward(
            signal,
            signal.new_empty(*signal.shape[:2], *memory),
            pair(m.kernel_size),
            pair(m.stride),
            pair(m.padding),
            m.ceil_mode,
            m.count_include_pad,
            m.divisor_override,
        )


class Passing(Step):
    """Takes part forward and not on the way back: dropout, local response normalisation."""

    def back(self, signal, memory):
        return signal


class FrontEnd(Step):
    """A module of a front end, which knows its own way back."""

    module: FrontEndStep

    def forward(self, x):
        return self.module(x), self.module.remember(x)

    def back(self, signal, memory):
        return self.module.back(signal, memory)


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
    **dict.fromkeys((*MODULES, NormalisedLogScaling), FrontEnd),
}


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
    stop : int
        Index of the next layer's convolution, or the number of steps.
    n_features : int
    number : int
        Counted from 1, in order of execution.
    path : str
        Of the convolution.
    """

    convolution: int
    end: int
    stop: int
    n_features: int
    number: int = 0
    path: str = ""

    @property
    def steps(self) -> slice:
        return slice(self.convolution, self.stop)


def find_layers(steps: Sequence[Step]) -> list[Layer]:
    starts = [i for i, step in enumerate(steps) if isinstance(step, Convolution)]
    layers: list[Layer] = []
    for start, stop in pairwise([*starts, len(steps)]):
        shaping = [
            i
            for i in range(start, stop)
            if isinstance(steps[i], Convolution | Activation | MaxPooling | AveragePooling)
        ]
        convolution = steps[start]
        assert isinstance(convolution, Convolution)
        n_features = convolution.module.out_channels
        number, path = len(layers) + 1, convolution.path
        layers.append(Layer(start, shaping[-1], stop, n_features, number, path))
    return layers


@dataclass(frozen=True)
class ForwardPass:
    """One forward pass: every step's output, and what its way back needs to know.

    Attributes
    ----------
    size : (int, int)
        Bins and frames of the magnitude.
    outputs : list of Tensor, shape (1, n_channels, height, width)
    memories : list
        What each step remembers.
    """

    size: tuple[int, int]
    outputs: list[Tensor]
    memories: list[Any]

    @classmethod
    def of(cls, steps: Sequence[Step], magnitude: Tensor) -> "ForwardPass":
        """Pass a magnitude ``(n_bins, n_frames)`` through all steps."""
        x = magnitude[None, None]
        outputs, memories = [], []
        for step in steps:
            try:
                x, memory = step.forward(x)
            except RuntimeError as error:
                if is_out_of_memory(error):  # not of pixels
                    raise
                raise NetworkError(
                    f"a magnitude of {magnitude.shape[0]} bins × {magnitude.shape[1]} frames does "
                    f"not pass '{step.path}' ({step.module}); choose a longer sound or window, or "
                    f"more bins ({error})"
                ) from None
            outputs.append(x)
            memories.append(memory)
        n_bins, n_frames = magnitude.shape
        return cls((n_bins, n_frames), outputs, memories)


def dtypes_of(layers: Sequence[Layer], dtype: torch.dtype) -> list[torch.dtype]:
    """Each layer's type on the way back: `dtype` where nearly all products are, else float32.

    Each rounded layer adds to the error. The first layer makes the maps; those above the third
    have 3 % of the products of the network of 2015.
    """
    return [dtype if number in (2, 3) else torch.float32 for number in range(1, len(layers) + 1)]


class BeforeConvolutions:
    """The way back from the first convolution's input to the magnitude.

    Parameters
    ----------
    steps : sequence of Step
    layers : sequence of Layer
    """

    def __init__(self, steps: Sequence[Step], layers: Sequence[Layer]):
        self.steps = steps[: layers[0].convolution]

    def grid(self, passed: ForwardPass) -> tuple[int, int]:
        """Height and width of the first convolution's input."""
        if not self.steps:
            return passed.size
        height, width = passed.outputs[len(self.steps) - 1].shape[-2:]
        return height, width

    def back(self, maps: Tensor, passed: ForwardPass) -> Tensor:
        """Maps ``(n_features, n_bins, n_frames)`` of maps on `grid`, a batch at a time."""
        if all(isinstance(step, Passing) for step in self.steps):
            return maps
        passing = passed.outputs[: len(self.steps)]
        widest = max(math.prod(passed.size), *(output.numel() for output in passing))
        whole = maps.new_empty(len(maps), *passed.size)
        batch_size = max(1, WORKING_MEMORY // (4 * widest))
        for signal, target in zip(maps.split(batch_size), whole.split(batch_size), strict=True):
            signal = signal[:, None]
            for step, memory in reversed(
                list(zip(self.steps, passed.memories[: len(self.steps)], strict=True))
            ):
                signal = step.back(signal, memory)
            target.copy_(signal[:, 0])
        return whole


class StepByStep:
    """The way back through any chain of steps, a batch of a layer's features at a time.

    Parameters
    ----------
    steps : sequence of Step
    layers : sequence of Layer
    dtype : torch.dtype
        Of the signals and kernels on the way back through the layers of `dtypes_of`.
    """

    def __init__(self, steps: Sequence[Step], layers: Sequence[Layer], dtype: torch.dtype):
        self.steps, self.layers = steps, layers
        self.dtypes = [torch.float32] * len(steps)
        for layer, own in zip(layers, dtypes_of(layers, dtype), strict=True):
            indices = range(len(steps))[layer.steps]
            self.dtypes[layer.steps] = [own] * len(indices)

    def back(
        self, passed: ForwardPass, wanted: Iterable[tuple[int, list[int]]]
    ) -> Iterator[Tensor]:
        """Deconvolved maps of layers (counted from 1) and features of theirs.

        Yields
        ------
        Tensor, float32, shape (n_features, n_bins, n_frames)
            One for each entry of `wanted`, in its order.
        """
        widest = max(output.numel() for output in passed.outputs)
        batch_size = max(1, WORKING_MEMORY // (4 * widest))
        for number, features in wanted:
            layer = self.layers[number - 1]
            first_step = self.steps[layer.convolution]
            assert isinstance(first_step, Convolution)
            # From the feature maps to the convolution, channels do not mix: all of them at once.
            start = passed.outputs[layer.end]
            start = self._walk(start, layer.end, layer.convolution + 1, passed)
            maps = passed.outputs[0].new_empty(len(features), *passed.size)
            for first in range(0, len(features), batch_size):
                batch = features[first : first + batch_size]
                memory = passed.memories[layer.convolution]
                signal = first_step.back_alone(start[:, batch], batch, memory)
                signal = self._walk(signal, layer.convolution - 1, 0, passed)
                maps[first : first + len(batch)] = signal[:, 0]
            yield maps

    def _walk(self, signal: Tensor, last: int, first: int, passed: ForwardPass) -> Tensor:
        """Back through the steps `last`, `last` - 1, … `first`."""
        for index in range(last, first - 1, -1):
            signal = signal.to(self.dtypes[index])
            signal = self.steps[index].back(signal, passed.memories[index])
        return signal
