"""First weights of the networks that we train."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

WEIGHTED = nn.Conv2d | nn.ConvTranspose2d | nn.Linear


def initialise(network: nn.Sequential, draw: Callable[..., Tensor], seed: int) -> nn.Sequential:
    """Draw the weights of a network anew, in place; biases become zero.

    Parameters
    ----------
    network : torch.nn.Sequential
        Its convolutions and dense layers, in their order, get new weights.
    draw : callable
        One of `torch.nn.init`: fills a tensor, given a ``generator``.
    seed : int

    Returns
    -------
    torch.nn.Sequential
        The network itself, in evaluation mode.
    """
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, WEIGHTED):
            draw(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network.eval()
