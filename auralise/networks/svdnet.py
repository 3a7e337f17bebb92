"""SVDNet, the singing voice detector of Schlüter & Grill 2015."""

from collections import OrderedDict
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from auralise.errors import NetworkError, counted
from auralise.networks.genre import feature_shapes
from auralise.networks.initialisation import initialise

PICTURE = (80, 115)  # bands × frames; published with frames first
SLOPE = 0.01  # of the leaky ReLUs


def build_svdnet() -> nn.Sequential:
    """The network, untrained: its layers by their published names, then ``fc9``.

    Every layer ends in its non-linearity, and `fc9` in the score before the sigmoid.

    Returns
    -------
    torch.nn.Sequential
        Takes ``(batch, 1, 80, 115)``, bands × frames; gives scores ``(batch, 1)``.
    """
    return nn.Sequential(
        OrderedDict(
            conv1=_convolution(1, 64),
            conv2=_convolution(64, 32),
            mp3=nn.MaxPool2d(3),
            conv4=_convolution(32, 128),
            conv5=_convolution(128, 64),
            mp6=nn.MaxPool2d(3),
            fc7=nn.Sequential(nn.Flatten(), *_dense(64 * 7 * 11, 256), nn.LeakyReLU(SLOPE)),
            fc8=nn.Sequential(*_dense(256, 64), nn.LeakyReLU(SLOPE)),
            fc9=nn.Sequential(*_dense(64, 1)),
        )
    )


def _convolution(n_inputs: int, n_features: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(n_inputs, n_features, 3), nn.LeakyReLU(SLOPE))


def _dense(n_inputs: int, n_units: int) -> tuple[nn.Module, nn.Module]:
    return nn.Dropout(0.5), nn.Linear(n_inputs, n_units)


with torch.random.fork_rng([]):  # whoever imports this goes on drawing as before
    _NETWORK = build_svdnet().eval()
N_PARAMETERS = sum(parameter.numel() for parameter in _NETWORK.parameters())
# Of the weights of each layer, to which a bias belongs.
WEIGHT_SHAPES = {
    name.partition(".")[0]: tuple(parameter.shape)
    for name, parameter in _NETWORK.named_parameters()
    if parameter.ndim > 1
}
SHAPES = feature_shapes(_NETWORK, *PICTURE)  # of the features of each layer
SHAPES.pop("fc9")  # the score
LAYERS = tuple(SHAPES)
del _NETWORK


def initial_svdnet(seed: int) -> nn.Sequential:
    """The network before training: orthogonal weights, zero biases, as published."""
    return initialise(build_svdnet(), nn.init.orthogonal_, seed)


@torch.inference_mode()
def predict_frames(network: nn.Sequential, picture: Tensor, block: int = 2048) -> np.ndarray:
    """Probability of singing at every excerpt of a long picture.

    Equal to the network on each excerpt of 115 frames, one hop apart, but computed once for
    all of them: poolings take steps of one frame, and what follows them is spread out in time.

    Parameters
    ----------
    network : torch.nn.Sequential
        As `build_svdnet` gives it, in evaluation mode.
    picture : Tensor, shape (80, n_frames)
        At least 115 frames.
    block : int
        Predictions made at a time; memory grows with it.

    Returns
    -------
    ndarray, float32, shape (n_frames - 114,)
        Entry t belongs to frames t to t + 114, whose centre is frame t + 57.

    Raises
    ------
    NetworkError
        The picture is shorter than an excerpt.
    """
    n_frames = picture.shape[-1]
    if n_frames < PICTURE[1]:
        raise NetworkError(f"{counted(n_frames, 'frame')} in all; SVDNet takes {PICTURE[1]}")
    n_predictions = n_frames - PICTURE[1] + 1
    parts = [
        _predict_at_once(network, picture[None, None, :, first : first + block + PICTURE[1] - 1])
        for first in range(0, n_predictions, block)
    ]
    return torch.cat(parts).numpy()


def _predict_at_once(network: nn.Sequential, x: Tensor) -> Tensor:
    spread = 1
    for module in _leaves(network):
        match module:
            case nn.Conv2d():
                x = F.conv2d(x, module.weight, module.bias, dilation=(1, spread))
            case nn.MaxPool2d():
                x = F.max_pool2d(x, 3, stride=(3, 1), dilation=(1, spread))
                spread *= 3
            case nn.Linear() if spread > 1:
                # The first dense layer is a convolution over all that it sees.
                kernel = module.weight.reshape(len(module.weight), *_seen(x, module))
                x = F.conv2d(x, kernel, module.bias, dilation=(1, spread))[0, :, 0].T
                spread = 1
            case nn.Flatten() | nn.Dropout():
                pass
            case _:
                x = module(x)
    return torch.sigmoid(x[:, 0])


def _seen(x: Tensor, dense: nn.Linear) -> tuple[int, int, int]:
    n_features, n_bins = x.shape[1:3]
    return n_features, n_bins, dense.in_features // (n_features * n_bins)


def _leaves(network: nn.Module) -> Iterator[nn.Module]:
    return (module for module in network.modules() if not isinstance(module, nn.Sequential))
