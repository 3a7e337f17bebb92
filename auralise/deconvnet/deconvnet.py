"""Zeiler and Fergus's deconvolution of any convolutional network, all features at once.

The procedure is that of Choi 2015 (code): a feature map of a layer, with all its activations,
walks back to the input. Every pooling is undone by writing each value where the maximum came
from (the switch), every activation by a ReLU, every convolution by its transpose; the first
convolution on the way back uses the feature's own kernel alone, and nothing rectifies the
result, which is signed. No bias takes part on the way back.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from textwrap import shorten

import numpy as np
import torch
from torch import nn

from auralise.deconvnet.at_once import PooledAtOnce
from auralise.deconvnet.pooled import PooledNetwork
from auralise.deconvnet.steps import STEPS, Activation, ForwardPass, StepByStep, find_layers
from auralise.deconvnet.tracing import convolutional_chain
from auralise.errors import NetworkError, SettingsError
from auralise.networks.front_ends import check_bins, is_time_first, mask_scale

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@contextmanager
def _inference(device: torch.device) -> Iterator[None]:
    """No gradients, and products of float32 in float32, whatever the process allows otherwise.

    On a GPU, torch rounds the factors of convolutions to TF32 unless it is told not to, which
    would move maps by 1e-3, and some switches. What is allowed holds for the whole process: not
    for several threads at once.
    """
    cudnn, cuda, mkldnn = torch.backends.cudnn, torch.backends.cuda, torch.backends.mkldnn
    on_gpu = (cudnn.conv, cudnn.rnn, cuda.matmul)
    kinds = on_gpu if device.type == "cuda" else (mkldnn.conv, mkldnn.matmul)
    allowed = [kind.fp32_precision for kind in kinds]
    try:
        for kind in kinds:
            kind.fp32_precision = "ieee"
        with torch.inference_mode():
            yield
    finally:
        for kind, precision in zip(kinds, allowed, strict=True):
            kind.fp32_precision = precision


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


class Deconvnet:
    """Deconvolution of every feature of a network's convolutional part.

    Parameters
    ----------
    network : torch.nn.Module
        Its convolutional part, up to the first flatten, global pooling or dense layer, is a
        chain of Conv2d, BatchNorm2d, ReLU, LeakyReLU, ELU, MaxPool2d, AvgPool2d and Dropout.
        It is copied and evaluated as it is, biases included (dropout switched off), in
        float32.
    device : str or torch.device
        Where to compute.
    precision : {'float32', 'bfloat16'}
        Of the way back through the second and third layer, where nearly all of the arithmetic
        is; the rest, the forward pass, and so every switch, are in float32. With bfloat16 a
        map's error is some thousandths of the map (``benchmarks/deconvolution.md``), more in
        networks of a few features, whose sums may nearly cancel.

    Attributes
    ----------
    layers : list of Layer
    n_layers : int
    n_features : list of int
        Features of each layer.
    time_first : bool
        Whether the convolutions get frames × bins; maps and feature maps are bins × frames still.

    Raises
    ------
    NetworkError
        Names the first module that cannot be deconvolved.
    SettingsError
        There is no such device.

    References
    ----------
    Zeiler & Fergus 2014, sec. 2.1; Choi et al. 2015 (code).
    """

    def __init__(
        self,
        network: nn.Module,
        device: str | torch.device = "cpu",
        precision: str = "float32",
    ):
        if precision not in PRECISIONS:
            raise NetworkError(f"precision must be one of {list(PRECISIONS)}, got {precision!r}")
        self.device = _device(device)
        self.steps = [
            STEPS[type(module)](module.to(self.device), path)
            for path, module in convolutional_chain(network)
        ]
        self.layers = find_layers(self.steps)
        if not self.layers:
            raise NetworkError(f"{type(network).__name__} has no Conv2d before its dense part")
        first = self.steps[self.layers[0].convolution]
        if first.module.in_channels != 1:
            raise NetworkError(
                f"the first convolution, '{first.path}', takes {first.module.in_channels} "
                "channels; expected 1, a magnitude (n_bins, n_frames)"
            )
        self._front_end = [step.module for step in self.steps[: self.layers[0].convolution]]
        self.time_first = is_time_first(self._front_end)
        regular = PooledNetwork.takes(self.steps, self.layers)
        pooled = PooledNetwork if self.device.type == "cpu" else PooledAtOnce
        way_back = pooled if regular else StepByStep
        self._way_back = way_back(self.steps, self.layers, PRECISIONS[precision])

    @property
    def n_layers(self) -> int:
        return len(self.layers)

    @property
    def n_features(self) -> list[int]:
        return [layer.n_features for layer in self.layers]

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

        Raises
        ------
        NetworkError
            The magnitude is not a finite two-dimensional array, or too small for the network.
        """
        with _inference(self.device):
            passed = self._forward(magnitude)
        found = [passed.outputs[layer.end][0].cpu().numpy() for layer in self.layers]
        return [maps.swapaxes(1, 2) for maps in found] if self.time_first else found

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
            The network has no such layer or feature, or the magnitude is not a finite
            two-dimensional array, or too small for the network.
        """
        chosen = None if features is None else {layer: features}
        ((_, maps),) = self.deconvolve_all(magnitude, [layer], chosen)
        return maps

    def deconvolve_all(
        self,
        magnitude: np.ndarray,
        layers: Iterable[int] | None = None,
        features: Mapping[int, Iterable[int]] | None = None,
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Deconvolved maps layer by layer, from one forward pass.

        Parameters
        ----------
        magnitude : ndarray, shape (n_bins, n_frames)
        layers : iterable of int, optional
            Counted from 1; all by default.
        features : mapping of int to iterable of int, optional
            Features of a layer, counted from 0; all by default.

        Yields
        ------
        layer : int
        maps : ndarray, float32, shape (n_features, n_bins, n_frames)

        Raises
        ------
        NetworkError
            As `deconvolve`; before the first map is asked for.
        """
        layers = list(range(1, self.n_layers + 1) if layers is None else layers)
        chosen = {layer: self._check(layer, (features or {}).get(layer)) for layer in layers}
        with _inference(self.device):
            passed = self._forward(magnitude)
        return self._back(passed, layers, chosen)

    def fired(self, layer: int, maps: np.ndarray) -> np.ndarray:
        """Whether features are above zero anywhere: what is not, the way back rectifies away.

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
        own = self.steps[self.layers[layer - 1].steps]
        rectified = any(isinstance(step, Activation) for step in own)
        return (maps > 0 if rectified else maps != 0).any(axis=(1, 2))

    def _back(
        self, passed: ForwardPass, layers: list[int], chosen: dict[int, list[int]]
    ) -> Iterator[tuple[int, np.ndarray]]:
        live = {
            layer: self.fired(layer, passed.outputs[self.layers[layer - 1].end][0].cpu().numpy())[
                chosen[layer]
            ]
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
        if not 1 <= layer <= self.n_layers:
            raise NetworkError(f"layer {layer} of a network with layers 1 to {self.n_layers}")
        n_features = self.n_features[layer - 1]
        features = [int(f) for f in (range(n_features) if features is None else features)]
        for feature in features:
            if not 0 <= feature < n_features:
                raise NetworkError(
                    f"feature {feature} of layer {layer}, which has features 0 to {n_features - 1}"
                )
        return features

    def _forward(self, magnitude: np.ndarray) -> ForwardPass:
        magnitude = np.asarray(magnitude)
        if magnitude.ndim != 2 or magnitude.dtype.kind not in "fiu":
            raise NetworkError(
                f"a {magnitude.dtype} array of shape {magnitude.shape}; "
                "expected a real magnitude (n_bins, n_frames)"
            )
        if not np.isfinite(magnitude).all():
            raise NetworkError("the magnitude holds NaN or infinite values")
        check_bins(self._front_end, magnitude.shape[0], "the magnitude")
        # A copy: memory that is read-only or reversed is no tensor.
        x = torch.from_numpy(np.array(magnitude, dtype=np.float32, order="C"))
        return ForwardPass.of(self.steps, x.to(self.device))
