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
scale, not to the pattern.
"""

import copy
import difflib
import inspect
import logging
import math
import types
import typing
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from auralise.errors import NetworkError
from auralise.mel import MelBands
from auralise.stft import Stft

log = logging.getLogger(__name__)

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
        return f"{name}: " + ", ".join(f"{key}={_short(value)}" for key, value in options.items())


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
        _expect_positive(gain=gain)
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
        _expect_positive(amin=amin, **({} if reference == "max" else {"reference": reference}))
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
        _expect_positive(range=range)
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
    """``gain * x + offset``, one of each for all bins or for each bin; back by the gain.

    Normalisation by stored statistics and evaluated batch normalisation over bins are of this
    form: `normalisation` and `batch_normalisation` make it.

    Parameters
    ----------
    gain, offset : float or array_like, shape (n_bands,)
    axis : {-2, -1}
        Where the bins lie.
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
        _expect_positive(eps=eps)
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


# The steps by their names in a file. Arguments are its keys; `stft`, `n_bins` (at this place) and
# `axis` (where the bins lie) come from what stands before. Each raises a `NetworkError` for values
# that make no such step.


def mel(
    stft: Stft,
    n_bands: int,
    scale: Literal["slaney", "htk"] = "slaney",
    norm: Literal["slaney", "none", None] = "slaney",
    fmin: float = 0.0,
    fmax: float | None = None,
    *,
    axis: int = -2,
) -> Filterbank:
    """Mel bands as ``librosa.filters.mel`` makes them.

    Parameters
    ----------
    stft : Stft
    n_bands : int
    scale : {'slaney', 'htk'}
        Formula of the mel scale.
    norm : {'slaney', 'none', None}
        ``slaney``: bands of equal area; else of equal height.
    fmin, fmax : float
        Where the lowest band begins and the highest ends (Hz); half the sample rate if None.
    """
    import librosa  # here, because it takes a second to load

    _expect_band(stft, n_bands, fmin, fmax)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Empty filters", UserWarning)
        matrix = librosa.filters.mel(
            sr=stft.sample_rate,
            n_fft=stft.n_fft,
            n_mels=n_bands,
            fmin=fmin,
            fmax=fmax,
            htk=scale == "htk",
            norm="slaney" if norm == "slaney" else None,
        )
    if n_empty := int((~matrix.any(axis=1)).sum()):
        log.warning("mel: %d of %d bands lie between two bins and stay silent", n_empty, n_bands)
    options = {"n_bands": n_bands, "scale": scale, "norm": norm, "fmin": fmin, "fmax": fmax}
    return Filterbank(matrix, {"mel": options}, axis)


def svdnet_mel(
    stft: Stft, n_bands: int = 80, fmin: float = 27.5, fmax: float = 8000.0, *, axis: int = -2
) -> Filterbank:
    """Mel bands, each of weight 1 in all, as SVDNet hears them (Schlüter & Grill 2015).

    Parameters
    ----------
    stft : Stft
    n_bands : int
    fmin, fmax : float
        Where the lowest band begins and the highest ends (Hz).
    """
    _expect_band(stft, n_bands, fmin, fmax)
    with np.errstate(invalid="ignore"):
        matrix = MelBands(n_bands, fmin, fmax).filterbank(stft.frequencies)
    if not np.isfinite(matrix).all():
        raise NetworkError(
            f"n_bands = {n_bands}: some bands lie between two bins; expected fewer bands, or a "
            f"larger n_fft than {stft.n_fft}"
        )
    options = {"n_bands": n_bands, "fmin": fmin, "fmax": fmax}
    return Filterbank(matrix, {"svdnet_mel": options}, axis)


def pseudo_cqt(
    stft: Stft,
    n_bands: int = 84,
    fmin: float = 32.70319566257483,
    bins_per_octave: int = 12,
    filter_scale: float = 1.0,
    norm: float | None = 1.0,
    sparsity: float = 0.01,
    *,
    axis: int = -2,
) -> Filterbank:
    """The filterbank of ``librosa.pseudo_cqt``, scaled as there; its options are librosa's.

    `fmin` is the centre of the lowest band (Hz), C1 by default.
    """
    import librosa

    if n_bands < 2 or bins_per_octave < 1:
        raise NetworkError(
            f"n_bands = {n_bands}, bins_per_octave = {bins_per_octave}: expected at least 2 and 1"
        )
    _expect_positive(fmin=fmin, filter_scale=filter_scale)
    frequencies = librosa.cqt_frequencies(n_bands, fmin=fmin, bins_per_octave=bins_per_octave)
    try:
        filters, lengths = librosa.filters.wavelet(
            freqs=frequencies,
            sr=stft.sample_rate,
            filter_scale=filter_scale,
            norm=norm,
            pad_fft=True,
        )
    except librosa.ParameterError as error:
        raise NetworkError(f"librosa makes no such filters ({error})") from None
    n_fft = max(filters.shape[1], 2 ** (1 + math.ceil(math.log2(stft.hop_length))))
    if n_fft != stft.n_fft:
        raise NetworkError(f"librosa's filters need n_fft = {n_fft}, not {stft.n_fft}: set it so")
    filters *= lengths[:, None] / n_fft
    responses = np.fft.fft(filters, n=n_fft, axis=1)[:, : stft.n_bins]
    sparse = librosa.util.sparsify_rows(responses.astype(np.complex64), quantile=sparsity)
    matrix = np.abs(sparse.toarray()) / math.sqrt(n_fft)
    options = {
        "n_bands": n_bands,
        "fmin": fmin,
        "bins_per_octave": bins_per_octave,
        "filter_scale": filter_scale,
        "norm": norm,
        "sparsity": sparsity,
    }
    return Filterbank(matrix, {"pseudo_cqt": options}, axis)


def bins(n_bins: int, first: int = 0, stop: int | None = None, *, axis: int = -2) -> Filterbank:
    """Some of the bins, from `first` up to but not including `stop`."""
    end = n_bins if stop is None else stop
    if not 0 <= first < end <= n_bins:
        raise NetworkError(f"first = {first}, stop = {stop}: expected bins of 0 to {n_bins}")
    return Filterbank(np.eye(n_bins)[first:end], {"bins": {"first": first, "stop": stop}}, axis)


def normalisation(mean: Values, std: Values, *, axis: int = -2) -> Affine:
    """``(x - mean) / std``, with stored statistics; one for all bins, or one for each."""
    center, deviation = np.array(mean, np.float64), np.array(std, np.float64)
    if (deviation <= 0).any():
        raise NetworkError(f"std = {_short(deviation.min())}: expected deviations above 0")
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
        The file cannot be read, or is no list of steps.
    """
    try:
        steps = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise NetworkError(
            f"{path}: cannot be read ({error}); expected a front end in YAML"
        ) from None
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", -1) + 1
        reason = getattr(error, "problem", None) or "not text"
        raise NetworkError(f"{path}: line {line} is no YAML ({reason}); correct it") from None
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
        Something in it is no module of a front end.
    """
    spec = []
    for part in _flat(module):
        if not isinstance(part, FrontEndStep):
            raise NetworkError(
                f"{type(part).__name__} is no module of a front end; expected "
                f"{', '.join(kind.__name__ for kind in MODULES)}"
            )
        spec.append(part.step)
    return spec


def mask_scale(
    front_end: nn.Module | Iterable[nn.Module], n_bins: int, magnitude: np.ndarray | None = None
) -> np.ndarray:
    """What a map is multiplied with before it multiplies the STFT.

    A map of ones behind the front end then leaves the song as it is, wherever a band reaches.

    Parameters
    ----------
    front_end : torch.nn.Module or iterable of torch.nn.Module
        What stands before the first convolution.
    n_bins : int
        Of the STFT.
    magnitude : ndarray, shape (n_bins, n_frames), optional
        The song's, whose statistics `Standardise` uses; without it that gain counts as 1.

    Returns
    -------
    ndarray, float32, shape (n_bins,)
        1 / (transpose of ones, with absolute gains); 0 in bins that no band reaches.
    """
    total = _transpose(front_end, n_bins, torch.ones_like, magnitude)[:, 0]
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
    magnitude: np.ndarray | None = None,
) -> np.ndarray:
    """A signal behind a front end, walked back with absolute gains, shape (n_bins, n_frames).

    `signal_like` makes it from what the network sees of one frame, or of `magnitude`.
    """
    modules = [copy.deepcopy(part) for part in _flat(front_end)]
    song = np.ones((n_bins, 1)) if magnitude is None else np.asarray(magnitude)
    x = torch.from_numpy(np.array(song, np.float32))[None, None]
    memories = []
    with torch.no_grad():
        for module in modules:
            module.to("cpu").eval()
            if magnitude is not None and isinstance(module, FrontEndStep):
                memories.append(module.remember(x))
            else:
                memories.append(None)
            x = module(x)
        signal = signal_like(x)
        for module, memory in zip(reversed(modules), reversed(memories), strict=True):
            if isinstance(module, FrontEndStep):
                for values in module.buffers():
                    values.abs_()
                signal = module.back(signal, memory)
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
            f"{source}: {_short(steps)} is no front end; expected a list of steps, such as "
            "'- power: 2'"
        )
    for number, step in enumerate(steps, start=1):
        if not isinstance(step, Mapping) or len(step) != 1:
            raise NetworkError(
                f"{source}: step {number} is {_short(step)}; expected a mapping of one key, such "
                "as '- power: 2'"
            )
        (name,) = step
        if name not in BUILDERS:
            raise NetworkError(
                f"{source}: step {number}, {_short(name)}, is unknown; "
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
            raise NetworkError(f"takes no value, got {_short(given)}; write '{name}: {{}}'")
        given = {options[0]: given}
    for key in given:
        if key not in options:
            known = _suggestion(key, options) if options else f"write '{name}: {{}}'"
            raise NetworkError(f"{_short(key)} is unknown; {known}")
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
    raise NetworkError(f"{key} = {_short(value)}: expected {expected}")


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


def _expect_band(stft: Stft, n_bands: int, fmin: float, fmax: float | None) -> None:
    half = stft.sample_rate / 2
    if n_bands < 1 or not 0 <= fmin < (half if fmax is None else fmax) <= half:
        raise NetworkError(
            f"n_bands = {n_bands}, fmin = {fmin:g}, fmax = {fmax}: expected at least one band and "
            f"0 ≤ fmin < fmax ≤ {half:g} Hz, half the sample rate"
        )


def _expect_positive(**values: float) -> None:
    for name, value in values.items():
        if value <= 0:
            raise NetworkError(f"{name} = {value:g}: expected a number above 0")


def _in_base(logarithm: Tensor, base: Base) -> Tensor:
    return logarithm if base == "e" else logarithm / math.log(10)


def _in_nepers(logarithm: Tensor, base: Base) -> Tensor:
    return logarithm if base == "e" else logarithm * math.log(10)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]} …"
