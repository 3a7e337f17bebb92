"""Other people's ways to the same maps: slow loops, Captum, Zennit, and plain autograd.

None of them shares a line with `auralise.deconvnet`.
"""

import copy
import importlib.util
import sys
from contextlib import ExitStack, contextmanager
from types import ModuleType
from unittest.mock import patch

import numpy as np
import torch
from captum.attr import Deconvolution
from scipy.signal import convolve2d
from torch import nn
from torch.nn import functional


def convolve(maps: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """True convolution, mode 'same', one pair of channels at a time.

    Parameters
    ----------
    maps : ndarray, shape (n_in, height, width)
    kernels : ndarray, shape (n_out, n_in, kernel_height, kernel_width)

    Returns
    -------
    ndarray, shape (n_out, height, width)
    """
    result = np.zeros((len(kernels), *maps.shape[1:]))
    for out, row in enumerate(kernels):
        for channel, kernel in enumerate(row):
            if kernel.any():  # nothing comes of zeros but time
                result[out] += convolve2d(maps[channel], kernel, mode="same")
    return result


def pool(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maxima of 2×2 windows and where each was found, row by row; odd ends are dropped.

    Returns
    -------
    pooled : ndarray, shape (n, height // 2, width // 2)
    switches : ndarray of bool, shape (n, height, width)
    """
    n, height, width = maps.shape
    even = maps[:, : height // 2 * 2, : width // 2 * 2]
    windows = even.reshape(n, height // 2, 2, width // 2, 2).transpose(0, 1, 3, 2, 4)
    windows = windows.reshape(n, height // 2, width // 2, 4)
    first_maximum = windows.argmax(axis=3)[..., None] == np.arange(4)
    switches = np.zeros(maps.shape, bool)
    switches[:, : height // 2 * 2, : width // 2 * 2] = (
        first_maximum.reshape(n, height // 2, width // 2, 2, 2)
        .transpose(0, 1, 3, 2, 4)
        .reshape(even.shape)
    )
    return windows.max(axis=3), switches


def unpool(maps: np.ndarray, switches: np.ndarray) -> np.ndarray:
    """Nearest-neighbour up-sampling, times the switches."""
    nearest = maps.repeat(2, axis=1).repeat(2, axis=2)
    unpooled = np.zeros(switches.shape)
    unpooled[:, : nearest.shape[1], : nearest.shape[2]] = nearest
    return unpooled * switches


class Loops:
    """Choi's deconvolution (2015, code), of a network of convolutions, ReLU and 2×2 pooling.

    Parameters
    ----------
    kernels : list of ndarray, each of shape (n_out, n_in, kernel_height, kernel_width)
        As deep-learning frameworks keep them; a true convolution takes them flipped.
    magnitude : ndarray, shape (n_bins, n_frames)
    """

    def __init__(self, kernels: list[np.ndarray], magnitude: np.ndarray):
        self.kernels = [kernel[:, :, ::-1, ::-1].astype(float) for kernel in kernels]
        self.pooled, self.switches = [], []
        maps = magnitude[None].astype(float)
        for kernel in self.kernels:
            maps, switches = pool(np.maximum(convolve(maps, kernel), 0))
            self.pooled.append(maps)
            self.switches.append(switches)

    def deconvolve(self, layer: int, feature: int) -> np.ndarray:
        """Map of a feature (counted from 0) of a layer (from 1), ``(n_bins, n_frames)``."""
        alone = slice(feature, feature + 1)
        maps, switches = self.pooled[layer - 1][alone], self.switches[layer - 1][alone]
        kernel = self.kernels[layer - 1][alone]
        for below in range(layer - 1, -1, -1):
            rectified = np.maximum(unpool(maps, switches), 0)
            maps = convolve(rectified, kernel[:, :, ::-1, ::-1].transpose(1, 0, 2, 3))
            if below:
                kernel, switches = self.kernels[below - 1], self.switches[below - 1]
        return maps[0]


class _Sum(nn.Module):
    """Half the energy of one feature map: its gradient there is the map itself."""

    def __init__(self, network: nn.Module, feature: int):
        super().__init__()
        self.network, self.feature = network, feature

    def forward(self, x):
        maps = self.network(x)[:, self.feature]
        return (maps * maps.detach()).sum(dim=(1, 2))


def _as_input(magnitude: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(magnitude)[None, None].requires_grad_()


def by_captum(network: nn.Module, magnitude: np.ndarray, feature: int) -> np.ndarray:
    """Captum's `Deconvolution` of a feature of the last layer; every ReLU must be a module."""
    attributed = Deconvolution(_Sum(network, feature)).attribute(_as_input(magnitude))
    return attributed[0, 0].detach().numpy()


def zennit_composites() -> ModuleType:
    """`zennit.composites`, also where torchvision, of which it needs nothing, is missing."""
    if importlib.util.find_spec("torchvision") is not None:
        from zennit import composites

        return composites
    resnet = ModuleType("torchvision.models.resnet")
    resnet.Bottleneck = resnet.BasicBlock = nn.Module
    names = ("torchvision", "torchvision.models")
    stand_ins = {name: ModuleType(name) for name in names} | {resnet.__name__: resnet}
    with patch.dict(sys.modules, stand_ins):
        from zennit import composites
    return composites


def by_zennit(network: nn.Module, magnitude: np.ndarray, feature: int) -> np.ndarray:
    """Zennit's DeconvNet composite, of a feature of the last layer."""
    x = _as_input(magnitude)
    with zennit_composites().DeconvNet().context(network) as modified:
        maps = modified(x)[:, feature]
        (gradient,) = torch.autograd.grad(maps, x, maps.detach())
    return gradient[0, 0].numpy()


class _RectifiedBack(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, module):
        return module(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient.clamp(min=0), None


class _Rectifier(nn.Module):
    def __init__(self, activation: nn.Module):
        super().__init__()
        self.activation = activation

    def forward(self, x):
        return _RectifiedBack.apply(x, self.activation)


def with_rectifiers(network: nn.Module) -> nn.Module:
    """A copy in evaluation mode whose activations rectify gradients on the way back."""
    if isinstance(network, nn.ReLU | nn.LeakyReLU | nn.ELU):
        return _Rectifier(copy.deepcopy(network))
    network = copy.deepcopy(network).eval().requires_grad_(False)
    for name, child in network.named_children():
        setattr(network, name, with_rectifiers(child))
    return network


def by_autograd(network: nn.Module, magnitude: np.ndarray, feature: int) -> np.ndarray:
    """The gradient through `with_rectifiers`, of a feature of the last layer."""
    x = _as_input(magnitude)
    maps = with_rectifiers(network)(x)[:, feature]
    (gradient,) = torch.autograd.grad(maps, x, maps.detach())
    return gradient[0, 0].numpy()


# Any graph

ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Hardswish)
ACTIVATIONS += (nn.Tanh, nn.PReLU, nn.Sigmoid)
# Functions that people write in place of modules.
FUNCTIONS = {functional: ["relu", "relu_", "leaky_relu", "elu", "gelu", "silu"], torch: ["relu"]}


class Rectifier(nn.Module):
    """An activation with a ReLU as its way back."""

    def __init__(self, activation):
        super().__init__()
        self.activation = copy.deepcopy(activation)
        if hasattr(activation, "inplace"):
            self.activation.inplace = False

    def forward(self, x):
        return _RectifiedBack.apply(x, self.activation)


class HeldStatistics(nn.Module):
    """A normalisation as an affine map, whose slope is found by its own effect on 0 and 1."""

    def __init__(self, norm):
        super().__init__()
        self.norm = copy.deepcopy(norm)

    def forward(self, x):
        still, n = x.detach(), self.norm
        dims = {
            nn.InstanceNorm2d: (2, 3),
            nn.LayerNorm: (-1,),
        }.get(type(n))
        if dims is None:  # groups
            parts = [
                self._standardise(part, held, (1, 2, 3))
                for part, held in zip(
                    x.chunk(n.num_groups, 1), still.chunk(n.num_groups, 1), strict=True
                )
            ]
            y = torch.cat(parts, 1)
        else:
            y = self._standardise(x, still, dims)
        if getattr(n, "weight", None) is None:
            return y
        if isinstance(n, nn.LayerNorm):
            return y * n.weight + n.bias
        return y * n.weight[:, None, None] + n.bias[:, None, None]

    def _standardise(self, x, still, dims):
        mean = still.mean(dims, keepdim=True)
        variance = ((still - mean) ** 2).mean(dims, keepdim=True)
        return (x - mean) / torch.sqrt(variance + self.norm.eps)


class HeldGate(nn.Module):
    """A module that multiplies its input by what its method `weigh` gives, held constant."""

    def __init__(self, gated):
        super().__init__()
        self.gated = gated

    def forward(self, x):
        return x * self.gated.weigh(x).detach()


def by_the_rules(module):
    """Replace, in place, what has another way back than its gradient."""
    if isinstance(module, ACTIVATIONS):
        return Rectifier(module)
    if isinstance(module, nn.InstanceNorm2d | nn.GroupNorm | nn.LayerNorm):
        return HeldStatistics(module)
    if hasattr(module, "weigh"):
        return HeldGate(module)
    for name, child in module.named_children():
        setattr(module, name, by_the_rules(child))
    return module


@contextmanager
def rectified_functions():
    """Let the functions of torch that are activations have a ReLU as their way back."""

    def rectified(function):
        def run(x, *args, inplace=False, **kwargs):
            return _RectifiedBack.apply(x, lambda given: function(given, *args, **kwargs))

        return run

    with ExitStack() as stack:
        for place, names in FUNCTIONS.items():
            for name in names:
                function = rectified(getattr(place, name.rstrip("_")))
                stack.enter_context(patch.object(place, name, function))
        yield


def reference(network, magnitude, end, features=None):
    """Feature maps and deconvolved maps of the output of the module at the path `end`.

    Parameters
    ----------
    network : torch.nn.Module
        Its attribute `n_dims` says of how many dimensions its input is.
    magnitude : ndarray
    end : str
    features : sequence of int, optional
        All by default.
    """
    network = by_the_rules(copy.deepcopy(network).eval().requires_grad_(False))
    caught = []
    network.get_submodule(end).register_forward_hook(
        lambda module, given, output: caught.append(output.clone())
    )
    leaf = torch.from_numpy(magnitude).requires_grad_()
    x = leaf
    while x.dim() < network.n_dims:
        x = x[None]
    with rectified_functions():
        network(x)
    maps = caught[0]
    found = []
    for feature in range(maps.shape[1]) if features is None else features:
        own = maps[:, feature]
        (gradient,) = torch.autograd.grad((own * own.detach()).sum(), leaf, retain_graph=True)
        found.append(gradient.numpy())
    return maps[0].detach().numpy(), np.stack(found)
