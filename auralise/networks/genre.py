"""The five-layer genre network of Choi 2015/2016 and its variants."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from auralise.errors import NetworkError
from auralise.networks.front_end_steps import FrontEndStep, LogScaling
from auralise.networks.front_ends import is_time_first

MOST_LAYERS, LARGEST_SIDE, MOST_UNITS = 64, 999, 65536
SCALINGS = ("linear", "log", "normalised")


class NormalisedLogScaling(FrontEndStep):
    """`LogScaling`, then each bin's stored mean taken off, divided by its stored deviation.

    Attributes
    ----------
    mean, deviation : Tensor, shape (n_bins, 1)
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, n_bins: int):
        super().__init__()
        self.compression = LogScaling()
        self.register_buffer("mean", torch.zeros(n_bins, 1))
        self.register_buffer("deviation", torch.ones(n_bins, 1))

    def forward(self, magnitude: torch.Tensor) -> torch.Tensor:
        return (self.compression(magnitude) - self.mean) / self.deviation

    def back(self, signal: torch.Tensor, memory: torch.Tensor | None = None) -> torch.Tensor:
        return signal / self.deviation

    def extra_repr(self) -> str:
        return f"n_bins={len(self.mean)}"

    @torch.no_grad()
    def fit(self, magnitudes: torch.Tensor) -> None:
        """Store the statistics of magnitudes ``(n, 1, n_bins, n_frames)``."""
        scaled = self.compression(magnitudes)
        self.mean[:] = scaled.mean(dim=(0, 3)).T
        deviation = scaled.std(dim=(0, 3)).T
        # Bins in which nothing ever sounds are left as they are.
        self.deviation[:] = torch.where(deviation > 1e-3, deviation, 1.0)


class MaxOverTime(nn.Module):
    """Maximum over frames of each feature and bin: ``(n, n_features · n_bins)``."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return maps.amax(dim=3).flatten(1)


class MaxAndMeanOverTime(nn.Module):
    """Maxima over frames of all features and bins, then means: ``(n, 2 · n_features · n_bins)``."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return torch.cat([maps.amax(dim=3).flatten(1), maps.mean(dim=3).flatten(1)], dim=1)


OVER_TIME = {"flatten": nn.Flatten, "max": MaxOverTime, "max_mean": MaxAndMeanOverTime}


@dataclass(frozen=True)
class Architecture:
    """What distinguishes one variant of the network from another.

    Each layer is convolution 'same', ReLU, max-pooling 2×2, dropout; dense layers follow
    (Choi 2015, code). A field that is left out is not there, or as in weights files older than the
    field; the settings' defaults stand in their schema.

    Attributes
    ----------
    kernels : tuple of (int, int)
        Height (bins) and width (frames) of each layer's kernels; both odd.
    features : tuple of int
        Features of each layer.
    dropout : tuple of float
        Dropout after the pooling of each layer.
    batch_norm : bool
        Batch normalisation between convolution and ReLU; the convolution then has no bias.
    local_response_norm : bool
        Local response normalisation over 5 features after each layer's dropout, as in 2015.
        Deconvolution passes it by.
    dense : tuple of int
        Units of the dense layers before the output.
    dense_dropout : float
    over_time : {'flatten', 'max', 'max_mean'}
        Of the last feature maps the dense part gets every value, or the largest over time, or the
        largest and the mean: with these two the network takes segments of any length.
    scaling : {'linear', 'log', 'normalised'}
        What the network sees of a magnitude: itself, ``log(1 + 100 * magnitude)``, or the
        latter with each bin's mean and deviation over the training segments taken off.
    initialisation : {'glorot', 'he'}
    """

    kernels: tuple[tuple[int, int], ...]
    features: tuple[int, ...]
    dropout: tuple[float, ...]
    batch_norm: bool = False
    local_response_norm: bool = False
    dense: tuple[int, ...] = ()
    dense_dropout: float = 0.0
    over_time: str = "flatten"
    scaling: str = "linear"
    initialisation: str = "glorot"

    def __post_init__(self) -> None:
        if not self.features or not len(self.kernels) == len(self.features) == len(self.dropout):
            raise NetworkError(
                "kernels, features and dropout need one entry per layer, at least one; got "
                f"{len(self.kernels)}, {len(self.features)} and {len(self.dropout)}"
            )
        sides = [side for kernel in self.kernels for side in kernel]
        sizes = {
            MOST_LAYERS: [len(self.features), len(self.dense)],
            LARGEST_SIDE: sides,
            MOST_UNITS: [*self.features, *self.dense],
        }
        for largest, found in sizes.items():
            if max(found, default=0) > largest:
                raise NetworkError(
                    f"at most {MOST_LAYERS} layers of {MOST_UNITS} features or units, with kernels "
                    f"of {LARGEST_SIDE}, can be built; got {max(found):.3g}"
                )
        if any(side % 2 == 0 for kernel in self.kernels for side in kernel):
            raise NetworkError(f"kernels must have odd sides, got {self.kernels}")
        if self.scaling not in SCALINGS:
            raise NetworkError(f"scaling must be one of {SCALINGS}, got {self.scaling!r}")

    @property
    def n_layers(self) -> int:
        return len(self.features)

    @classmethod
    def from_settings(cls, settings: Mapping) -> "Architecture":
        """Build from a plain mapping, in which tuples are lists.

        Either the settings of a variant, complete: ``kernel`` and ``first_kernel`` stand for the
        kernels of ``layers`` layers, and one number of ``features`` or ``dropout`` for all of
        them. Or what `to_settings` returned.
        """
        values = dict(settings)
        if "kernel" in values:
            n_layers, kernel = values.pop("layers"), values.pop("kernel")
            if n_layers > MOST_LAYERS:
                raise NetworkError(f"at most {MOST_LAYERS} layers can be built; got {n_layers:.3g}")
            first = values.pop("first_kernel", None) or kernel
            values["kernels"] = [first] + [kernel] * (n_layers - 1)
            for name in ("features", "dropout"):
                if not isinstance(values[name], list | tuple):
                    values[name] = [values[name]] * n_layers
        values["kernels"] = tuple(map(tuple, values["kernels"]))
        for name in {"features", "dropout", "dense"} & values.keys():
            values[name] = tuple(values[name])
        return cls(**values)

    def to_settings(self) -> dict:
        """As a mapping that survives JSON: the inverse of `from_settings`."""
        return asdict(self)


def build_convolutional_part(architecture: Architecture, n_bins: int = 257) -> nn.Sequential:
    """The layers that deconvolution explains, untrained.

    ``scaling`` (if not linear; the normalised one has to know `n_bins`), ``layer1``, ``layer2``, …;
    the network takes ``(batch, 1, n_bins, n_frames)``.
    """
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if architecture.scaling == "log":
        parts["scaling"] = LogScaling()
    elif architecture.scaling == "normalised":
        parts["scaling"] = NormalisedLogScaling(n_bins)
    n_inputs = 1
    for index, (kernel, n_features, dropout) in enumerate(
        zip(architecture.kernels, architecture.features, architecture.dropout, strict=True)
    ):
        layer: OrderedDict[str, nn.Module] = OrderedDict()
        layer["convolution"] = nn.Conv2d(
            n_inputs, n_features, kernel, padding="same", bias=not architecture.batch_norm
        )
        if architecture.batch_norm:
            layer["batch_norm"] = nn.BatchNorm2d(n_features)
        layer["relu"] = nn.ReLU()
        layer["pooling"] = nn.MaxPool2d(2)
        layer["dropout"] = nn.Dropout(dropout)
        if architecture.local_response_norm:
            # torch divides alpha by the size, the network of 2015 did not: 1e-4 = 5e-4 / 5.
            layer["response_norm"] = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
        parts[f"layer{index + 1}"] = nn.Sequential(layer)
        n_inputs = n_features
    return nn.Sequential(parts)


def build_network(
    architecture: Architecture, n_bins: int, n_frames: int, n_classes: int
) -> nn.Sequential:
    """The whole classifier, untrained: convolutional part, dense layers, class scores.

    Parameters
    ----------
    architecture : Architecture
    n_bins, n_frames : int
        Size of the segments.
    n_classes : int

    Returns
    -------
    torch.nn.Sequential
        ``convolutional`` and ``classifier``; maps ``(batch, 1, n_bins, n_frames)`` to scores
        ``(batch, n_classes)`` before the softmax.

    Raises
    ------
    NetworkError
        The segments are too small for that many poolings.
    """
    shrink = 2**architecture.n_layers
    height, width = n_bins // shrink, n_frames // shrink
    if height * width == 0:
        raise NetworkError(
            f"segments of {n_bins} bins × {n_frames} frames are too small for "
            f"{architecture.n_layers} layers, each halving both; expected at least "
            f"{shrink} × {shrink}: use fewer layers, or a longer stft.duration"
        )
    dense: list[nn.Module] = [OVER_TIME[architecture.over_time]()]
    n_inputs = dense[0](torch.zeros(1, architecture.features[-1], height, width)).shape[1]
    for n_units in architecture.dense:
        dense += [nn.Linear(n_inputs, n_units), nn.ReLU(), nn.Dropout(architecture.dense_dropout)]
        n_inputs = n_units
    if architecture.over_time != "flatten" and not architecture.dense:
        dense.append(nn.Dropout(architecture.dense_dropout))
    dense.append(nn.Linear(n_inputs, n_classes))
    return nn.Sequential(
        OrderedDict(
            convolutional=build_convolutional_part(architecture, n_bins),
            classifier=nn.Sequential(*dense),
        )
    )


def first_kernels(network: nn.Module) -> np.ndarray:
    """Kernels of the first layer.

    Parameters
    ----------
    network : torch.nn.Module
        Of one of `build_network`, batch normalisation is folded into them, as in evaluation. Of any
        other, they are those of the first convolution of two dimensions that its modules list.

    Returns
    -------
    ndarray, float32, shape (n_features, n_bins, n_frames)
        Of the first input channel.

    Raises
    ------
    NetworkError
        It has no such convolution.
    """
    found = next((of for of in network.modules() if isinstance(of, nn.Conv2d)), None)
    if found is None:
        raise NetworkError("the network has no convolution of two dimensions to draw kernels of")
    try:
        layer = list(network.get_submodule("convolutional.layer1").children())
    except AttributeError:
        layer = []
    kernels = _folded(layer if layer[:1] == [found] else [found])[:, 0]
    front_end = [module for module in network.modules() if isinstance(module, FrontEndStep)]
    return kernels.swapaxes(1, 2) if is_time_first(front_end) else kernels


def layer_kernels(network: nn.Sequential) -> list[np.ndarray]:
    """Kernels of every layer, with batch normalisation folded into them, as in evaluation.

    Parameters
    ----------
    network : torch.nn.Sequential
        As `build_network` builds it.

    Returns
    -------
    list of ndarray, float32, each of shape (n_features, n_inputs, n_bins, n_frames)
    """
    parts = network.get_submodule("convolutional").children()
    return [_folded(list(part.children())) for part in parts if isinstance(part, nn.Sequential)]


def _folded(layer: list[nn.Module]) -> np.ndarray:
    """Kernels of a layer's modules, the convolution first, shape (n_features, n_inputs, …)."""
    convolution = layer[0]
    assert isinstance(convolution, nn.Conv2d)
    if len(layer) > 1 and isinstance(norm := layer[1], nn.BatchNorm2d):
        convolution = fuse_conv_bn_eval(convolution.eval(), norm.eval())
    return convolution.weight.detach().numpy()


def stages_of(network: nn.Sequential) -> nn.Sequential:
    """A classifier of `build_network` as one chain of what can be inverted.

    Returns
    -------
    torch.nn.Sequential
        ``scaling`` (if not linear), ``layer1``, ``layer2``, …, ``dense1``, ``dense2``, …, and
        ``output``, the class scores. The modules are the network's own.
    """
    stages = OrderedDict(network.get_submodule("convolutional").named_children())
    dense: list[list[nn.Module]] = [[]]
    for module in network.get_submodule("classifier").children():
        dense[-1].append(module)
        if isinstance(module, nn.ReLU):
            dense.append([])
    *hidden, output = (nn.Sequential(*modules) for modules in dense)
    stages |= {f"dense{number}": part for number, part in enumerate(hidden, start=1)}
    stages["output"] = output
    return nn.Sequential(stages)


def feature_shapes(stages: nn.Sequential, n_bins: int, n_frames: int) -> dict[str, tuple[int, ...]]:
    """Shape of the features of every stage, without a batch, by its name.

    Parameters
    ----------
    stages : torch.nn.Sequential
    n_bins, n_frames : int
        Size of the input.
    """
    shapes = {}
    x = torch.zeros(1, 1, n_bins, n_frames, device=next(stages.parameters()).device)
    with torch.no_grad():
        for name, stage in stages.named_children():
            x = stage(x)
            shapes[name] = tuple(x.shape[1:])
    return shapes
