"""Initial weights of the networks that we train."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def _he(weight: Tensor, generator: torch.Generator) -> Tensor:
    """He 2015 for convolutions; dense layers smaller, so that the first scores tell little."""
    if weight.dim() == 2:
        return nn.init.kaiming_uniform_(weight, a=5**0.5, generator=generator)
    return nn.init.kaiming_normal_(weight, generator=generator)


INITIALISATIONS: dict[str, Callable[..., Tensor]] = {
    "glorot": nn.init.xavier_uniform_,  # Glorot & Bengio 2010
    "he": _he,
}

WEIGHTED = nn.Conv2d | nn.ConvTranspose2d | nn.Linear
CONVOLVING = nn.modules.conv._ConvNd | nn.Linear
NORMALISING = nn.modules.batchnorm._NormBase | nn.LayerNorm | nn.GroupNorm


def initialise(network: nn.Sequential, draw: Callable[..., Tensor], seed: int) -> nn.Sequential:
    """Draw the weights of a network at random, in place; biases become zero.

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


@torch.no_grad()
def fit_batch_norms(network: nn.Module, inputs: Tensor, batch_size: int = 32) -> None:
    """Set each batch normalisation's statistics to those of its input, in place.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode, and left in it.
    inputs : Tensor, shape (n, …)
    batch_size : int
        Inputs that pass at a time; every normalisation keeps the average over the batches.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain average
        norm.train()
    n_batches = -(-len(inputs) // batch_size)
    for batch in inputs.tensor_split(n_batches) if norms else ():
        network(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


@torch.no_grad()
def redraw_weights(network: nn.Module, seed: int) -> list[str]:
    """Replace what a network has learned with random weights, in place.

    Convolutions and dense layers are drawn anew (He 2015), biases become zero; a normalisation's
    gain becomes 1, its offset 0, its statistics none (`fit_batch_norms` gives it some). The values
    of any other parameter, such as those of a recurrent layer, are put in a random order. Buffers
    that are not statistics, such as a filterbank, are no weights and stay.

    Returns
    -------
    list of str
        Names of the parameters whose values were put in a random order.
    """
    generator = torch.Generator().manual_seed(seed)
    shuffled, drawn = [], set()
    for path, module in network.named_modules():
        if isinstance(module, NORMALISING):
            module.reset_parameters()
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) in drawn or isinstance(module, NORMALISING):
                continue
            drawn.add(id(parameter))  # one that two modules share is drawn once
            if isinstance(module, CONVOLVING) and name == "weight":
                _he(parameter, generator)
            elif isinstance(module, CONVOLVING) and name == "bias":
                nn.init.zeros_(parameter)
            else:
                order = torch.randperm(parameter.numel(), generator=generator)
                parameter.copy_(parameter.flatten()[order].view_as(parameter))
                shuffled.append(f"{path}.{name}".lstrip("."))
    return shuffled
