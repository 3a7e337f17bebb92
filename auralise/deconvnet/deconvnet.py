"""Zeiler and Fergus's deconvolution of any convolutional network, all features at once.

The procedure is that of Choi 2015 (code): a feature map of a layer, with all its activations,
walks back to the input. Every pooling is undone by writing each value where the maximum came
from (the switch), every activation by a ReLU, every convolution by its transpose; the first
convolution on the way back uses the feature's own kernel alone, and nothing rectifies the
result, which is signed. No bias takes part on the way back.

A chain of modules is explained by `auralise.deconvnet.steps` and, if it is regular,
`auralise.deconvnet.pooled`; every other network by `auralise.deconvnet.graph`. The maps are the
same.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from textwrap import shorten
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from auralise.choices import PRECISIONS
from auralise.deconvnet.at_once import PooledAtOnce
from auralise.deconvnet.graph import FoundLayer, Graph, GraphPass, further_inputs
from auralise.deconvnet.policy import END_MODULES
from auralise.deconvnet.pooled import PooledUnlessFew
from auralise.deconvnet.rectified import Rectified, Unrectified, just_rectified
from auralise.deconvnet.steps import (
    STEPS,
    Activation,
    ForwardPass,
    Layer,
    Normalisation,
    Step,
    StepByStep,
    find_layers,
)
from auralise.deconvnet.tracing import convolutional_chain
from auralise.errors import NetworkError, SettingsError
from auralise.networks.front_end_steps import FrontEndStep
from auralise.networks.front_ends import (
    band_weights,
    check_bins,
    compression_of,
    is_time_first,
    mask_scale,
)
from auralise.networks.wrappers import unwrapped


@contextmanager
def _inference(device: torch.device) -> Iterator[None]:
    """No gradients, and products of float32 in float32, whatever the process allows otherwise.

    On a GPU, torch rounds the factors of convolutions to TF32 unless it is told not to, which
    would move maps by 1e-3, and some switches. Where the process allows deterministic algorithms
    alone, as after a training, torch refuses others (max-unpooling, say), and a network would seem
    to end there: they are told in a warning instead. What is allowed holds for the whole process:
    not for several threads at once.
    """
    backends: Any = torch.backends
    cudnn, cuda, mkldnn = backends.cudnn, backends.cuda, backends.mkldnn
    on_gpu = (cudnn.conv, cudnn.rnn, cuda.matmul)
    kinds = on_gpu if device.type == "cuda" else (mkldnn.conv, mkldnn.matmul)
    allowed = [kind.fp32_precision for kind in kinds]
    is_strict = torch.are_deterministic_algorithms_enabled()
    only_warns = torch.is_deterministic_algorithms_warn_only_enabled()
    try:
        torch.use_deterministic_algorithms(is_strict, warn_only=True)
        for kind in kinds:
            kind.fp32_precision = "ieee"
        with torch.inference_mode():
            yield
    finally:
        for kind, precision in zip(kinds, allowed, strict=True):
            kind.fp32_precision = precision
        torch.use_deterministic_algorithms(is_strict, warn_only=only_warns)


def _device(name: str | torch.device) -> torch.device:
    try:
        torch.empty(1, device=name).item()
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        reason = shorten(str(error), 80, placeholder=" …")
        raise SettingsError(
            f"torch has no device '{name}' here ({reason}); choose cpu, or cuda where there is a "
            "GPU (--device, or the setting deconvolution.device)"
        ) from None
    return torch.device(name)


class _WayBack(Protocol):
    """A way back: makes a layer's maps from what its own kind of forward pass left."""

    def back(
        self, passed: Any, wanted: Iterable[tuple[int, list[int]]]
    ) -> Iterator[torch.Tensor]: ...


class Deconvnet:
    """Deconvolution of every feature of a network's convolutional part.

    Parameters
    ----------
    network : torch.nn.Module
        Is copied and evaluated as it is, biases included (dropout switched off), in float32.
        What may occur in it says `auralise.deconvnet.policy`.
    device : str or torch.device
        Where to compute.
    precision : {'float32', 'bfloat16'}
        Of the way back through the second and third layer, where nearly all of the arithmetic
        is; the rest, the forward pass, and so every switch, are in float32. With bfloat16 a
        map's error is some thousandths of the map (``benchmarks/deconvolution.md``), more in
        networks of a few features, whose sums may nearly cancel. Only chains of modules use it.
    layers : sequence of int or str, optional
        Which layers, by number, or by the path of a module whose output is explained. They are
        numbered again, from 1, in order of execution. By default every convolution outside of
        gates, transposed ones too, is a layer, with what follows it up to its activation or
        pooling.
    shape : tuple of int, optional
        Of a magnitude that the network takes. Without it, usual shapes are tried.

    Attributes
    ----------
    layers : list
        Each has a `number`, a `path` and `n_features`.
    assumptions : list of str
        Where the maps are not those of the published rule alone, and what is left out.
    n_layers : int
    n_features : list of int
        Features of each layer.
    strides : list of int or None
        Frames from one column of a layer's feature maps to the next; None outside of chains.
    receptive_field : int or None
        Frames that a feature of the deepest layer sees; None outside of chains.
    time_first : bool
        Whether the convolutions get frames × bins; maps and feature maps are bins × frames still.

    Raises
    ------
    NetworkError
        Names what cannot be deconvolved, and where it is.
    SettingsError
        There is no such device.

    References
    ----------
    Zeiler & Fergus 2014, sec. 2.1; Choi et al. 2015 (code).

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    >>> net = Deconvnet(network)
    >>> net.n_layers, net.n_features
    (1, [4])
    >>> magnitude = np.ones((257, 44), np.float32)
    >>> net.deconvolve(magnitude, layer=1).shape  # features, bins, frames
    (4, 257, 44)
    """

    def __init__(
        self,
        network: nn.Module,
        device: str | torch.device = "cpu",
        precision: str = "float32",
        *,
        layers: Sequence[int | str] | None = None,
        shape: Sequence[int] | None = None,
    ):
        if precision not in PRECISIONS:
            raise NetworkError(f"precision must be {' or '.join(PRECISIONS)}, got {precision!r}")
        self.device = _device(device)
        network = unwrapped(network)
        self.steps: list[Step] = []
        self.layers: list[Layer] | list[FoundLayer] = []
        self._way_back: _WayBack
        if layers is None and (chain := _chain(network, self.device)):
            self.steps, self.layers = chain, find_layers(chain)
            pooled = PooledUnlessFew if self.device.type == "cpu" else PooledAtOnce
            way_back = pooled if pooled.takes(self.steps, self.layers) else StepByStep
            self._way_back = way_back(self.steps, self.layers, getattr(torch, precision))
            self._rectified = [_rectified(self.steps, layer) for layer in self.layers]
            self.assumptions = list(_left_out(network))
            self._front_end = [step.module for step in chain[: self.layers[0].convolution]]
        else:
            with _inference(self.device), torch.inference_mode(False):
                self._way_back = Graph(network, layers, shape, self.device)
            self.layers = self._way_back.layers
            self._rectified = self._way_back.rectified
            self.assumptions = self._way_back.assumptions
            self._front_end = [of for of in network.modules() if isinstance(of, FrontEndStep)]
        left_out = [getattr(module, "left_out", "") for module in network.modules()]
        self.assumptions += [said for said in left_out if isinstance(said, str) and said]
        self.time_first = is_time_first(self._front_end)

    @property
    def n_layers(self) -> int:
        return len(self.layers)

    @property
    def n_features(self) -> list[int]:
        return [layer.n_features for layer in self.layers]

    @property
    def strides(self) -> list[int | None]:
        """Frames from one column of a layer's feature maps to the next; None outside of chains."""
        return self._strides(0 if self.time_first else 1)

    @property
    def band_strides(self) -> list[int | None]:
        """Bands from one row of a layer's feature maps to the next; None outside of chains."""
        return self._strides(1 if self.time_first else 0)

    def _strides(self, axis: int) -> list[int | None]:
        strides = [step.stride[axis] for step in self.steps]
        return [
            math.prod(strides[: layer.end + 1]) if isinstance(layer, Layer) else None
            for layer in self.layers
        ]

    @property
    def receptive_field(self) -> int | None:
        """Frames that a feature of the deepest layer sees; None outside of chains."""
        deepest = self.layers[-1]
        if not isinstance(deepest, Layer):
            return None
        seen = stride = 1
        for step in self.steps[: deepest.end + 1]:
            seen += (step.span[0 if self.time_first else 1] - 1) * stride
            stride *= step.stride[0 if self.time_first else 1]
        return seen

    def mask_scale(self, n_bins: int) -> np.ndarray:
        """What a map is multiplied with before it multiplies the STFT, shape ``(n_bins,)``.

        1 where the network hears the magnitude itself, 0 where its front end hears nothing; as
        `auralise.networks.front_ends.mask_scale`.

        Raises
        ------
        NetworkError
            The front end expects another number of bins.
        """
        check_bins(self._front_end, n_bins, "the magnitude")
        return mask_scale(self._front_end, n_bins)

    def band_weights(self, n_bins: int) -> np.ndarray | None:
        """How much of each band that the first convolution gets comes from each bin.

        As `auralise.networks.front_ends.band_weights`: ``(n_bands, n_bins)``, None where the bands
        are the bins.

        Raises
        ------
        NetworkError
            The front end expects another number of bins.
        """
        check_bins(self._front_end, n_bins, "the magnitude")
        return band_weights(self._front_end, n_bins)

    def seen(self, magnitude: np.ndarray) -> np.ndarray:
        """A magnitude behind the front end, always as bins × frames.

        Parameters
        ----------
        magnitude : ndarray, shape (n_bins, n_frames)

        Returns
        -------
        ndarray, float32, shape (n_bands, n_frames)

        Raises
        ------
        NetworkError
            The front end expects another number of bins.
        """
        check_bins(self._front_end, len(magnitude), "the magnitude")
        with _inference(self.device):
            values = torch.from_numpy(np.asarray(magnitude, np.float32)).to(self.device)[None, None]
            for module in self._front_end:
                values = module(values)
            seen = values[0, 0].cpu().numpy()
        return seen.T if self.time_first else seen

    @property
    def compression(self) -> list[dict] | None:
        """The network's compression, as `networks.front_ends.compression_of` returns it."""
        return compression_of(self._front_end)

    def feature_maps(self, magnitude: np.ndarray) -> list[np.ndarray]:
        """Feature maps of every layer, after its pooling.

        Parameters
        ----------
        magnitude : ndarray, shape (n_bins, n_frames)

        Returns
        -------
        list of ndarray, float32, each of shape (n_features, height, width)
            Frequency along the height, time along the width, in whatever order the network
            takes them.
            Or (n_features, width) behind convolutions of one dimension. Where the network cuts its
            input into parts, their maps lie one below the other.

        Raises
        ------
        NetworkError
            The magnitude is not a finite two-dimensional array, or too small for the network.
        """
        with _inference(self.device):
            passed = self._forward(magnitude)
        numbers = range(1, self.n_layers + 1)
        found = [self._feature_maps(passed, number).cpu().numpy() for number in numbers]
        return [maps.swapaxes(-2, -1) for maps in found] if self.time_first else found

    def deconvolve(
        self, magnitude: np.ndarray, layer: int | str, features: Iterable[int] | None = None
    ) -> np.ndarray:
        """Deconvolved maps of one layer.

        Parameters
        ----------
        magnitude : ndarray, shape (n_bins, n_frames)
            Or (n_channels, n_bins, n_frames) for a network of several input channels, or samples
            (n_samples,) for one that hears these.
        layer : int or str
            Counted from 1, or the path of its module.
        features : iterable of int, optional
            Which features, counted from 0; all by default.

        Returns
        -------
        ndarray, float32, shape (n_features, n_bins, n_frames)
            Signed. A feature that never fired has an all-zero map. Each map has the shape of the
            magnitude: those of several input channels are (n_features, n_channels, n_bins,
            n_frames), those of samples (n_features, n_samples).

        Raises
        ------
        NetworkError
            The network has no such layer or feature, or the magnitude is not a finite
            two-dimensional array, or too small for the network.
        """
        layer = self.number(layer)
        chosen = None if features is None else {layer: features}
        ((_, maps),) = self.deconvolve_all(magnitude, [layer], chosen)
        return maps

    def deconvolve_all(
        self,
        magnitude: np.ndarray,
        layers: Iterable[int | str] | None = None,
        features: Mapping[Any, Iterable[int]] | None = None,
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Deconvolved maps layer by layer, from one forward pass.

        Parameters
        ----------
        magnitude : ndarray, shape (n_bins, n_frames)
        layers : iterable of int or str, optional
            Counted from 1, or paths of modules; all by default.
        features : mapping of int or str to iterable of int, optional
            Features of a layer, counted from 0; all by default.

        Yields
        ------
        layer : int
        maps : ndarray, float32, shape (n_features, n_bins, n_frames)

        Raises
        ------
        NetworkError
            As `deconvolve`; before the first map is asked for.

        Examples
        --------
        >>> layer = [nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        >>> net = Deconvnet(nn.Sequential(*layer, nn.Conv2d(4, 8, 3, padding=1), nn.ReLU()))
        >>> for number, maps in net.deconvolve_all(np.ones((257, 44)), features={2: [0, 5]}):
        ...     print(number, maps.shape)
        1 (4, 257, 44)
        2 (2, 257, 44)
        """
        chosen = self.chosen(layers, features)
        with _inference(self.device):
            passed = self._forward(magnitude, chosen)
        return self._back(passed, list(chosen), chosen)

    def chosen(
        self,
        layers: Iterable[int | str] | None = None,
        features: Mapping[Any, Iterable[int]] | None = None,
    ) -> dict[int, list[int]]:
        """The features of each layer, from the arguments of `deconvolve_all`.

        Raises
        ------
        NetworkError
            The network has no such layer or feature.
        """
        wanted = range(1, self.n_layers + 1) if layers is None else layers
        asked = {self.number(layer): some for layer, some in (features or {}).items()}
        numbers = [self.number(layer) for layer in wanted]
        return {layer: self._check(layer, asked.get(layer)) for layer in numbers}

    def number(self, layer: int | str) -> int:
        """The number of a layer, counted from 1, that is named by number or path.

        Raises
        ------
        NetworkError
            No layer has that name, or several have.
        """
        if not isinstance(layer, str):
            if not 1 <= layer <= self.n_layers:
                raise NetworkError(f"no layer {layer}; the network has layers 1 to {self.n_layers}")
            return layer
        numbers = [of.number for of in self.layers if of.path == layer]
        if len(numbers) != 1:
            known = ", ".join(f"{of.number}: {of.path}" for of in self.layers)
            raise NetworkError(
                f"layer '{layer}' is {'several' if numbers else 'none'} of the layers {known}; "
                "choose by number, or name other modules with Deconvnet(network, layers=[…])"
            )
        return numbers[0]

    def fired(self, layer: int, maps: np.ndarray) -> np.ndarray:
        """Which features fired: those whose activation let something through.

        What a batch norm adds behind the activation is not firing, and a negative gain of one
        does not hide it.

        Parameters
        ----------
        layer : int
            Counted from 1.
        maps : ndarray, shape (n_features, height, width)
            Feature maps of the layer.

        Returns
        -------
        ndarray of bool, shape (n_features,)
            In a layer without an activation, whether they differ from zero anywhere.
        """
        with torch.inference_mode():
            return self._rectified[layer - 1].fired(torch.as_tensor(maps)).numpy()

    def above_rest(self, layer: int, maps: np.ndarray) -> np.ndarray:
        """Feature maps less the value that they have where the activation lets nothing through.

        These are the feature maps themselves, unless a batch norm follows the activation: what it
        adds is taken off, and a negative gain turns the sign.

        Parameters
        ----------
        layer, maps
            As in `fired`.

        Returns
        -------
        ndarray, of the shape of `maps`
            In a layer without an activation, absolute values.
        """
        with torch.inference_mode():
            return self._rectified[layer - 1].above_rest(torch.as_tensor(maps)).numpy()

    def _feature_maps(self, passed: ForwardPass | GraphPass, number: int) -> torch.Tensor:
        if isinstance(passed, GraphPass):
            output = passed.layers[number].output.detach()
            # Of a network that cuts its input the parts lie one below the other.
            return output[0] if output.dim() == 2 else output.transpose(0, 1).flatten(1, 2)
        layer = self.layers[number - 1]
        assert isinstance(layer, Layer)
        return passed.outputs[layer.end][0]

    def _back(
        self, passed: ForwardPass | GraphPass, layers: list[int], chosen: dict[int, list[int]]
    ) -> Iterator[tuple[int, np.ndarray]]:
        live = {
            layer: self.fired(layer, self._feature_maps(passed, layer).cpu().numpy())[chosen[layer]]
            for layer in layers
        }
        wanted = [
            (layer, [f for f, fired in zip(chosen[layer], live[layer], strict=True) if fired])
            for layer in layers
        ]
        results = self._way_back.back(passed, wanted)
        for layer in layers:
            # Not around the yield: what the caller does between two maps is not ours to change.
            with _inference(self.device):
                maps = next(results).cpu().numpy()
            if not live[layer].all():
                whole = np.zeros((len(chosen[layer]), *passed.size), np.float32)
                whole[live[layer]] = maps
                maps = whole
            yield layer, maps

    def _check(self, layer: int, features: Iterable[int] | None) -> list[int]:
        n_features = self.n_features[layer - 1]
        features = [int(f) for f in (range(n_features) if features is None else features)]
        for feature in features:
            if not 0 <= feature < n_features:
                raise NetworkError(
                    f"no feature {feature} in layer {layer}; it has features 0 to {n_features - 1}"
                )
        return features

    def _forward(
        self, magnitude: np.ndarray, layers: Iterable[int] | None = None
    ) -> ForwardPass | GraphPass:
        magnitude = np.asarray(magnitude)
        graph = self._way_back if isinstance(self._way_back, Graph) else None
        if magnitude.ndim != (graph.n_dims if graph else 2) or magnitude.dtype.kind not in "fiu":
            raise NetworkError(
                f"a {magnitude.dtype} array of shape {magnitude.shape}; "
                f"expected a real magnitude {graph.wanted_shape if graph else '(n_bins, n_frames)'}"
            )
        if not np.isfinite(magnitude).all():
            raise NetworkError(
                "the magnitude holds NaN or infinite values; check the samples that it is made of"
            )
        check_bins(self._front_end, magnitude.shape[0], "the magnitude")
        # A copy: memory that is read-only or reversed is not a tensor.
        x = torch.from_numpy(np.array(magnitude, dtype=np.float32, order="C"))
        x = x.to(self.device)
        return graph.forward(x, layers) if graph else ForwardPass.of(self.steps, x)


def _chain(network: nn.Module, device: torch.device) -> list[Step]:
    """The steps of a network that is a chain from a magnitude on, or none."""
    try:
        chain = convolutional_chain(network)
    except NetworkError:
        return []
    steps = [STEPS[type(module)](module.to(device), path) for path, module in chain]
    layers = find_layers(steps)
    if not layers or steps[layers[0].convolution].module.in_channels != 1:
        return []
    return steps


def _rectified(steps: Sequence[Step], layer: Layer) -> Rectified | Unrectified:
    """What the batch norms behind a layer's last activation make of it."""
    found: Rectified | Unrectified = Unrectified()
    for step in steps[layer.convolution : layer.end + 1]:
        if isinstance(step, Activation):
            found = just_rectified()
        elif isinstance(found, Rectified) and isinstance(step, Normalisation):
            gain = step.gain.cpu()
            silence = found.offset.to(step.gain).expand(len(gain))[None, :, None, None]
            offset = step.module(silence).flatten().cpu()
            found = Rectified(found.gain * gain, offset)
    return found


def _left_out(network: nn.Module) -> Iterator[str]:
    """Which modules behind the chain, and which other inputs, are left out, in words."""
    for path, module in network.named_modules():
        if isinstance(module, END_MODULES):
            yield (
                f"the convolutional part ends before '{path}' ({type(module).__name__}); what "
                "follows is left out"
            )
            break
    for name in further_inputs(network):
        yield f"the input {name} has no part in the convolutional part"
