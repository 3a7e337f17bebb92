"""Front ends: from the STFT magnitude to what a network's first convolution gets.

A front end is the first part of a network, a chain of the modules below. Its input is the
magnitude of the STFT, ``(batch, 1, n_bins, n_frames)``. It is written as a list of steps, in YAML
or JSON, each a mapping of one key::

    - power: 2
    - mel: {n_bands: 96, scale: slaney, norm: slaney, fmin: 0, fmax: 8000}
    - log1p: {gain: 10000, base: 10}
    - transpose: {}

The way back is linear. Filterbanks and orientation go back by their transpose, normalisations by
their gain. Pointwise compressions and powers pass a map on unchanged: their slope belongs to the
"""

import copy
import difflib
import inspect
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from auralise.errors import NetworkError
from auralise.networks.filterbanks import bins, mel, pseudo_cqt, svdnet_mel
from auralise.networks.front_end_steps import (
    MODULES,
    Affine,
    Decibels,
    Filterbank,
    FrontEndStep,
    Log,
    LogScaling,
    Orientation,
    Pointwise,
    Power,
    Standardise,
    TopDb,
    batch_normalisation,
    normalisation,
    short_repr,
)
from auralise.stft import Stft

# The steps by their names in a file.
BUILDERS: dict[str, Callable[..., FrontEndStep]] = {
    "power": Power,
    "mel": mel,
    "svdnet_mel": svdnet_mel,
    "pseudo_cqt": pseudo_cqt,
    "filterbank": Filterbank,
    "bins": bins,
    "log1p": LogScaling,
    "log": Log,
    "db": Decibels,
    "top_db": TopDb,
    "affine": Affine,
    "normalise": normalisation,
    "batch_norm": batch_normalisation,
    "standardise": Standardise,
    "transpose": Orientation,
}
FROM_CONTEXT = {"stft", "n_bins", "axis", "step"}  # arguments that no file gives


def read_front_end(path: str | Path) -> list[dict]:
    """The steps of a front end from a YAML (or JSON) file, for `build_front_end`.

    Raises
    ------
    NetworkError
        The file cannot be read, or is not a list of steps.
    """
    if Path(path).is_fifo():
        raise NetworkError(f"{path}: a pipe, no plain file; expected a front end in YAML")
    try:
        steps = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise NetworkError(
            f"{path}: cannot be read ({error}); expected a front end in YAML"
        ) from None
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", -1) + 1
        reason = getattr(error, "problem", None) or "not text"
        raise NetworkError(f"{path}: line {line} is not YAML ({reason}); correct it") from None
    _expect_steps(steps, path)
    return steps


def build_front_end(
    steps: Sequence[Mapping], stft: Stft, source: str | Path = "front end", axis: int = -2
) -> nn.Sequential:
    """A front end from its steps.

    Parameters
    ----------
    steps : sequence of mapping
        Each of one key, in the order in which the magnitude passes them.
    stft : Stft
        The transform whose magnitude comes in.
    source : str or Path
        Where the steps stand, for messages.
    axis : {-2, -1}
        Where the bins of what comes in lie.

    Returns
    -------
    torch.nn.Sequential
        Of modules with a way back; takes ``(batch, 1, n_bins, n_frames)``.

    Raises
    ------
    NetworkError
        A step is unknown, lacks a value, has one too many, or does not fit what comes before;
        names the source, the step's number and the remedy.

    Examples
    --------
    >>> front_end = build_front_end([{"power": 2}, {"mel": {"n_bands": 40}}], Stft())
    >>> front_end(torch.ones(1, 1, 257, 44)).shape  # batch, channel, bands, frames
    torch.Size([1, 1, 40, 44])
    """
    _expect_steps(steps, source)
    modules: list[FrontEndStep] = []
    n_bins = stft.n_bins
    for number, step in enumerate(steps, start=1):
        ((name, given),) = step.items()
        context = {"stft": stft, "n_bins": n_bins, "axis": axis}
        try:
            module = _build(name, given, context)
            _expect_bins(module, n_bins)
        except NetworkError as error:
            raise NetworkError(f"{source}: step {number}, {name}: {error}") from None
        if isinstance(module, Filterbank):
            n_bins = module.n_bands
        if isinstance(module, Orientation):
            axis = -3 - axis
        modules.append(module)
    return nn.Sequential(*modules)


def front_end_spec(module: nn.Module) -> list[dict]:
    """The steps from which `build_front_end` builds an equal front end.

    Parameters
    ----------
    module : torch.nn.Module
        A front end, or one module of it.

    Returns
    -------
    list of dict
        As JSON and YAML hold it.

    Raises
    ------
    NetworkError
        Something in it is not a module of a front end.
    """
    spec = []
    for part in _flat(module):
        if not isinstance(part, FrontEndStep):
            raise NetworkError(
                f"{type(part).__name__} is not a module of a front end; expected "
                f"{', '.join(kind.__name__ for kind in MODULES)}"
            )
        spec.append(part.step)
    return spec


def mask_scale(front_end: nn.Module | Iterable[nn.Module], n_bins: int) -> np.ndarray:
    """What a map is multiplied with before it multiplies the STFT.

    A map of ones behind the front end then leaves the song as it is, wherever a band reaches.

    Parameters
    ----------
    front_end : torch.nn.Module or iterable of torch.nn.Module
        What stands before the first convolution.
    n_bins : int
        Of the STFT.

    Returns
    -------
    ndarray, float32, shape (n_bins,)
        1 / (transpose of ones, with absolute gains, that of `Standardise` 1); 0 in bins that no
        band reaches.
    """
    total = _transpose(front_end, n_bins, torch.ones_like)[:, 0]
    return np.divide(1, total, out=np.zeros(n_bins), where=total > 0).astype(np.float32)


def band_weights(front_end: nn.Module | Iterable[nn.Module], n_bins: int) -> np.ndarray | None:
    """How much of each band comes from each bin.

    Parameters
    ----------
    front_end : torch.nn.Module or iterable of torch.nn.Module
        What stands before the first convolution.
    n_bins : int
        Of the STFT.

    Returns
    -------
    ndarray, float32, shape (n_bands, n_bins), or None
        Absolute weights; the sum of a band is 1, or 0 where it takes no bin. None where the bands
        are the bins.
    """

    def one_band_a_frame(seen: Tensor) -> Tensor:
        return torch.eye(seen.numel())[None, None]

    weights = _transpose(front_end, n_bins, one_band_a_frame).T
    totals = weights.sum(axis=1, keepdims=True)
    weights = np.divide(weights, totals, out=np.zeros_like(weights), where=totals > 0)
    if weights.shape[0] == n_bins and np.array_equal(weights, np.eye(n_bins)):
        return None
    return weights.astype(np.float32)


def _transpose(
    front_end: nn.Module | Iterable[nn.Module],
    n_bins: int,
    signal_like: Callable[[Tensor], Tensor],
) -> np.ndarray:
    """A signal behind a front end, walked back with absolute gains, shape (n_bins, n_frames).

    `signal_like` makes it from what the network sees of one frame.
    """
    modules = [copy.deepcopy(part) for part in _flat(front_end)]
    x = torch.ones(1, 1, n_bins, 1)
    with torch.no_grad():
        for module in modules:
            x = module.to("cpu").eval()(x)
        signal = signal_like(x)
        for module in reversed(modules):
            if isinstance(module, FrontEndStep):
                for values in module.buffers():
                    values.abs_()
                signal = module.back(signal)
            elif isinstance(module, nn.BatchNorm2d):
                one = torch.ones(1, module.num_features, 1, 1)
                offset = module(torch.zeros_like(one))
                signal = signal * (module(one) - offset).abs()
    return signal[0, 0].double().numpy()


def is_time_first(front_end: nn.Module | Iterable[nn.Module]) -> bool:
    """Whether the first convolution gets frames × bins, rather than bins × frames."""
    return sum(isinstance(module, Orientation) for module in _flat(front_end)) % 2 == 1


def expected_bins(front_end: nn.Module | Iterable[nn.Module]) -> int | None:
    """How many bins the magnitude must have; None if any number will do."""
    for module in _flat(front_end):
        if isinstance(module, Filterbank):
            return module.n_bins
        if isinstance(module, Affine) and module.n_bands is not None:
            return module.n_bands
    return None


def check_bins(front_end: nn.Module | Iterable[nn.Module], n_bins: int, given: str) -> None:
    """Compare the number of bins that a front end expects with the number it is given.

    Parameters
    ----------
    front_end : torch.nn.Module or iterable of torch.nn.Module
    n_bins : int
    given : str
        What has them, such as ``n_fft = 2048``.

    Raises
    ------
    NetworkError
        They differ.
    """
    expected = expected_bins(front_end)
    if expected is not None and expected != n_bins:
        raise NetworkError(
            f"{given} has {n_bins} bins, but the network's front end expects {expected}; set "
            f"n_fft to {2 * (expected - 1)}, or give the front end that belongs to the network"
        )


def compression_of(front_end: nn.Module | Iterable[nn.Module]) -> list[dict] | None:
    """The steps of a front end of pointwise compressions, which `undo` takes back.

    Returns
    -------
    list of dict, or None
        Empty where the network hears the magnitude itself; None where the front end has a step
        that forgets the magnitude.
    """
    modules = [of for of in _flat(front_end) if not isinstance(of, nn.Identity | nn.Dropout)]
    steps = [of.step for of in modules if isinstance(of, Pointwise) and of.is_invertible]
    return steps if len(steps) == len(modules) else None


def undo(steps: Sequence[Mapping], values: np.ndarray) -> np.ndarray:
    """Undo the compression of magnitudes.

    Parameters
    ----------
    steps : sequence of mapping
        As `compression_of` returns them.
    values : ndarray

    Returns
    -------
    ndarray, float32
    """
    result = torch.from_numpy(np.ascontiguousarray(values, np.float32))
    for module in reversed(build_front_end(steps, Stft(), "the compression")):
        assert isinstance(module, Pointwise)
        result = module.inverse(result)
    return result.numpy()


def _flat(front_end: nn.Module | Iterable[nn.Module]) -> list[nn.Module]:
    if isinstance(front_end, nn.Module) and not isinstance(front_end, nn.Sequential):
        return [front_end]
    return [
        part
        for module in front_end
        for part in (_flat(module) if isinstance(module, nn.Sequential) else [module])
    ]


def _expect_steps(steps: Any, source: str | Path) -> None:
    if not isinstance(steps, list | tuple) or not steps:
        raise NetworkError(
            f"{source}: {short_repr(steps)} is not a front end; expected a list of steps, such as "
            "'- power: 2'"
        )
    for number, step in enumerate(steps, start=1):
        if not isinstance(step, Mapping) or len(step) != 1:
            raise NetworkError(
                f"{source}: step {number} is {short_repr(step)}; expected a mapping of one key, "
                "such as '- power: 2'"
            )
        (name,) = step
        if name not in BUILDERS:
            raise NetworkError(
                f"{source}: step {number}, {short_repr(name)}, is unknown; "
                f"{_suggestion(name, BUILDERS)}"
            )


def _build(name: str, given: Any, context: Mapping[str, Any]) -> FrontEndStep:
    builder = BUILDERS[name]
    parameters = inspect.signature(builder).parameters
    options = [key for key in parameters if key not in FROM_CONTEXT]
    if given is None:
        given = {}
    if not isinstance(given, Mapping):
        if not options:
            raise NetworkError(f"takes no value, got {short_repr(given)}; write '{name}: {{}}'")
        given = {options[0]: given}
    for key in given:
        if key not in options:
            known = _suggestion(key, options) if options else f"write '{name}: {{}}'"
            raise NetworkError(f"{short_repr(key)} is unknown; {known}")
    for key in options:
        if key not in given and parameters[key].default is inspect.Parameter.empty:
            raise NetworkError(f"{key} is missing; write '{name}: {{{key}: …}}'")
    values = {key: _checked(key, value, parameters[key].annotation) for key, value in given.items()}
    return builder(**values, **{key: context[key] for key in context if key in parameters})


def _checked(key: str, value: Any, kind: Any) -> Any:
    """A value from a file, checked against the type of the step's argument."""
    union = typing.get_origin(kind) in (typing.Union, types.UnionType)
    kinds = typing.get_args(kind) if union else (kind,)
    if any(_is_of(value, one) for one in kinds):
        return value
    expected = " or ".join(_describe(one) for one in kinds)
    raise NetworkError(f"{key} = {short_repr(value)}: expected {expected}")


def _is_of(value: Any, kind: Any) -> bool:
    if typing.get_origin(kind) is Literal:
        return any(value == one and type(value) is type(one) for one in typing.get_args(kind))
    if typing.get_origin(kind) is list or kind is list:
        rows = isinstance(value, list) and bool(value)
        return rows and all(_is_number(one) or _is_of(one, list) for one in value)
    if kind is Any:
        return _is_number(value) or _is_of(value, list)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return _is_number(value) if kind is float else value is None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _describe(kind: Any) -> str:
    if typing.get_origin(kind) is Literal:
        return " or ".join("null" if one is None else str(one) for one in typing.get_args(kind))
    names = {int: "an integer", float: "a number", Any: "a number or a list of numbers"}
    return names.get(kind, "null" if kind is type(None) else "a list of numbers")


def _suggestion(name: Any, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name), known, 1)
    return f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}"


def _expect_bins(module: FrontEndStep, n_bins: int) -> None:
    if isinstance(module, Filterbank) and module.n_bins != n_bins:
        raise NetworkError(
            f"its matrix takes {module.n_bins} bins, but {n_bins} come in; give the filterbank "
            "that was made for this n_fft and this place"
        )
    if isinstance(module, Affine) and module.n_bands not in (None, n_bins):
        raise NetworkError(
            f"has values for {module.n_bands} bins, but {n_bins} come in; give as many values, or "
            "one for all"
        )
