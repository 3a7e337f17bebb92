"""The modules that a front end is made of, each with its way back.

The way back is linear. Filterbanks and orientation go back by their transpose, normalisations by
their gain. Pointwise compressions and powers pass a map on unchanged: their slope belongs to the
scale, not to the pattern.
"""

import math
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from auralise.errors import NetworkError

Values = float | list[float]  # one for all bins, or one for each
Base = Literal["e", 10]


class FrontEndStep(nn.Module):
    """One module of a front end, with its way back."""

    @property
    def step(self) -> dict[str, dict]:
        """The step from which `build_front_end` builds this module."""
        raise NotImplementedError

    def remember(self, x: Tensor) -> Tensor | None:
        """What `back` needs to know of the input ``(1, 1, height, width)``; None if nothing."""
        return None

    def back(self, signal: Tensor, memory: Tensor | None = None) -> Tensor:
        """Take a signal from the output back to the input; ``(n_features, 1, height, width)``."""
        return signal

    def extra_repr(self) -> str:
        ((name, options),) = self.step.items()
        return f"{name}: " + ", ".join(
            f"{key}={short_repr(value)}" for key, value in options.items()
        )


class Pointwise(FrontEndStep):
    """A rising function of each value alone. A map passes it unchanged on the way back."""

    is_invertible = True

    def inverse(self, values: Tensor) -> Tensor:
        """The magnitude of a compressed one; what lies below silence stands for silence."""
        raise NotImplementedError


class Power(Pointwise):
    """``x ** exponent``, such as 2 for the power of a magnitude."""

    def __init__(self, exponent: float):
        super().__init__()
        if exponent <= 0:
            raise NetworkError(f"exponent = {exponent:g}: expected a number above 0")
        self.exponent = exponent

    @property
    def step(self):
        return {"power": {"exponent": self.exponent}}

    def forward(self, x: Tensor) -> Tensor:
        return x.square() if self.exponent == 2 else x**self.exponent

    def inverse(self, values):
        return values.clamp(min=0) ** (1 / self.exponent)


class LogScaling(Pointwise):
    """``log(1 + gain * x)``, natural or decadic; silence stays zero.

    Parameters
    ----------
    gain : float
        Steepness near zero. At 100, a magnitude of 0.01 is where compression sets in.
    base : {'e', 10}
    """

    def __init__(self, gain: float = 100.0, base: Base = "e"):
        super().__init__()
        expect_positive(gain=gain)
        self.gain, self.base = gain, base

    @property
    def step(self):
        return {"log1p": {"gain": self.gain, "base": self.base}}

    def forward(self, x: Tensor) -> Tensor:
        return _in_base(torch.log1p(self.gain * x), self.base)

    def inverse(self, values):
        return torch.expm1(_in_nepers(values.clamp(min=0), self.base)) / self.gain


class Log(Pointwise):
    """``log(max(x, floor) + offset)``, natural or decadic."""

    def __init__(self, floor: float = 0.0, offset: float = 0.0, base: Base = "e"):
        super().__init__()
        if floor < 0 or offset < 0 or floor + offset == 0:
            raise NetworkError(
                f"floor = {floor:g}, offset = {offset:g}: expected one above 0, none below, "
                "because silence has no logarithm"
            )
        self.floor, self.offset, self.base = floor, offset, base

    @property
    def step(self):
        return {"log": {"floor": self.floor, "offset": self.offset, "base": self.base}}

    def forward(self, x: Tensor) -> Tensor:
        return _in_base((x.clamp(min=self.floor) + self.offset).log(), self.base)

    def inverse(self, values):
        return (_in_nepers(values, self.base).exp() - self.offset).clamp(min=0)


class Decibels(Pointwise):
    """``multiplier * log10(max(x, amin) / max(reference, amin))``.

    Parameters
    ----------
    multiplier : {10, 20}
        10 for a power (``librosa.power_to_db``), 20 for a magnitude.
    reference : float or 'max'
        What 0 dB is; ``max``: the largest value of the example.
    amin : float
        Smaller values count as this.
    """

    def __init__(
        self,
        multiplier: Literal[10, 20] = 10,
        reference: float | Literal["max"] = 1.0,
        amin: float = 1e-10,
    ):
        super().__init__()
        expect_positive(amin=amin, **({} if reference == "max" else {"reference": reference}))
        self.multiplier, self.reference, self.amin = multiplier, reference, amin
        self.is_invertible = reference != "max"  # which forgets how loud the example was

    @property
    def step(self):
        options = {"multiplier": self.multiplier, "reference": self.reference, "amin": self.amin}
        return {"db": options}

    def forward(self, x: Tensor) -> Tensor:
        levels = self.multiplier * x.clamp(min=self.amin).log10()
        if self.reference == "max":
            return levels - levels.amax((-3, -2, -1), keepdim=True)
        return levels - self.multiplier * math.log10(max(self.reference, self.amin))

    def inverse(self, values):
        assert self.reference != "max"
        return 10 ** (values / self.multiplier) * max(self.reference, self.amin)


class TopDb(FrontEndStep):
    """Raise what lies more than `range` below the example's largest value to that level.

    The way back changes nothing: maps of raised values stay as they are.
    """

    def __init__(self, range: float):
        super().__init__()
        expect_positive(range=range)
        self.range = range

    @property
    def step(self):
        return {"top_db": {"range": self.range}}

    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(x, x.amax((-3, -2, -1), keepdim=True) - self.range)


class Filterbank(FrontEndStep):
    """Bands, each a sum of weighted bins; back by the transpose.

    Parameters
    ----------
    matrix : array_like, shape (n_bands, n_bins)
    step : mapping, optional
        The step that makes the matrix; by default the one that states every weight.
    axis : {-2, -1}
        Where the bins lie.
    """

    matrix: Tensor

    def __init__(self, matrix: Any, step: dict[str, dict] | None = None, axis: int = -2):
        super().__init__()
        try:
            matrix = np.array(matrix, np.float32)
        except ValueError:
            raise NetworkError(
                "rows of a matrix differ in length; expected n_bins in each"
            ) from None
        if matrix.ndim != 2 or 0 in matrix.shape or not np.isfinite(matrix).all():
            raise NetworkError(
                f"a filterbank of shape {matrix.shape}: expected finite weights (n_bands, n_bins)"
            )
        # Not part of the weights: the step that is written beside them makes it again.
        self.register_buffer("matrix", torch.from_numpy(matrix), persistent=False)
        self.recipe, self.axis = step, axis

    @property
    def n_bins(self) -> int:
        return self.matrix.shape[1]

    @property
    def n_bands(self) -> int:
        return self.matrix.shape[0]

    @property
    def step(self):
        return self.recipe or {"filterbank": {"matrix": self.matrix.tolist()}}

    def forward(self, x: Tensor) -> Tensor:
        return self.matrix @ x if self.axis == -2 else x @ self.matrix.T

    def back(self, signal, memory=None):
        return self.matrix.T @ signal if self.axis == -2 else signal @ self.matrix


class Affine(FrontEndStep):
    """``gain * x + offset``; on the way back, a signal is multiplied by the gain.

    `normalisation` and `batch_normalisation` return one.

    Parameters
    ----------
    gain, offset : float or array_like, shape (n_bands,)
        One for all bins, or one for each.
    axis : {-2, -1}
        The axis of the bins.
    """

    gain: Tensor
    offset: Tensor

    def __init__(self, gain: Any = 1.0, offset: Any = 0.0, axis: int = -2):
        super().__init__()
        gain, offset = (np.array(values, np.float32) for values in (gain, offset))
        sizes = {len(np.atleast_1d(values)) for values in (gain, offset) if values.ndim}
        if max(gain.ndim, offset.ndim) > 1 or len(sizes) > 1 or 0 in sizes:
            raise NetworkError(
                f"{gain.shape} gains and {offset.shape} offsets: expected one value for all bins, "
                "or as many as there are bins"
            )
        if not np.isfinite(gain).all() or not np.isfinite(offset).all():
            raise NetworkError("gains or offsets are not finite; a deviation of 0 has no gain")
        self.n_bands = next(iter(sizes), None)
        self.axis = axis
        for name, values in {"gain": gain, "offset": offset}.items():
            column = values[:, None] if values.ndim and axis == -2 else values
            self.register_buffer(name, torch.from_numpy(np.array(column)), persistent=False)

    @property
    def step(self):
        options = {
            name: values.flatten().tolist() if values.ndim else values.item()
            for name, values in {"gain": self.gain, "offset": self.offset}.items()
        }
        return {"affine": options}

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gain + self.offset

    def back(self, signal, memory=None):
        return signal * self.gain


class Standardise(FrontEndStep):
    """Each example to mean 0 and deviation 1; back by the example's gain, as a constant.

    Parameters
    ----------
    over : {'example', 'bin'}
        Whether the statistics are those of the whole example, or of each of its bins.
    eps : float
        Added to the deviation.
    axis : {-2, -1}
        Where the bins lie.
    """

    def __init__(
        self, over: Literal["example", "bin"] = "example", eps: float = 1e-8, axis: int = -2
    ):
        super().__init__()
        expect_positive(eps=eps)
        self.over, self.eps, self.axis = over, eps, axis

    @property
    def step(self):
        return {"standardise": {"over": self.over, "eps": self.eps}}

    @property
    def _axes(self) -> tuple[int, ...]:
        return (-3, -2, -1) if self.over == "example" else (-3 - self.axis,)

    def remember(self, x):
        return 1 / (x.std(self._axes, correction=0, keepdim=True) + self.eps)

    def forward(self, x: Tensor) -> Tensor:
        return (x - x.mean(self._axes, keepdim=True)) * self.remember(x)

    def back(self, signal, memory=None):
        return signal if memory is None else signal * memory


class Orientation(FrontEndStep):
    """Swap bins and frames: for a network that takes time first."""

    def __init__(self):  # without arguments, so that a file can give none
        super().__init__()

    @property
    def step(self):
        return {"transpose": {}}

    def forward(self, x: Tensor) -> Tensor:
        return x.mT

    def back(self, signal, memory=None):
        return signal.mT


MODULES = (Power, LogScaling, Log, Decibels, TopDb, Filterbank, Affine, Standardise, Orientation)


def normalisation(mean: Values, std: Values, *, axis: int = -2) -> Affine:
    """``(x - mean) / std``, with stored statistics; one for all bins, or one for each."""
    center, deviation = np.array(mean, np.float64), np.array(std, np.float64)
    if (deviation <= 0).any():
        raise NetworkError(f"std = {short_repr(deviation.min())}: expected deviations above 0")
    return _affine(1 / deviation, -center, 1 / deviation, axis)


def batch_normalisation(
    mean: Values,
    variance: Values,
    gain: Values = 1.0,
    offset: Values = 0.0,
    eps: float = 1e-5,
    *,
    axis: int = -2,
) -> Affine:
    """Batch normalisation over bins, as it is evaluated: with its stored statistics.

    Parameters
    ----------
    mean, variance, gain, offset : float or list of float
        One for all bins, or one for each.
    eps : float
        Added to the variance.
    """
    spread = np.array(variance, np.float64) + eps
    if (spread <= 0).any():
        raise NetworkError("variance + eps is not above 0 everywhere; expected variances")
    gains = np.array(gain, np.float64) / np.sqrt(spread)
    return _affine(gains, -np.array(mean, np.float64), gains, axis, np.array(offset, np.float64))


def _affine(gain, shift, factor, axis, offset=0.0) -> Affine:
    sizes = {np.shape(values) for values in (gain, shift, offset)} - {()}
    if len(sizes) > 1:
        raise NetworkError(
            f"lists of {', '.join(str(*s) for s in sorted(sizes))} values: "
            "expected the same number in each"
        )
    return Affine(gain, shift * factor + offset, axis)


def expect_positive(**values: float) -> None:
    for name, value in values.items():
        if value <= 0:
            raise NetworkError(f"{name} = {value:g}: expected a number above 0")


def _in_base(logarithm: Tensor, base: Base) -> Tensor:
    return logarithm if base == "e" else logarithm / math.log(10)


def _in_nepers(logarithm: Tensor, base: Base) -> Tensor:
    return logarithm if base == "e" else logarithm * math.log(10)


def short_repr(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]} …"
