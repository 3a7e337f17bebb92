"""Wrapped networks (compiled, on several devices) and the module inside them."""

import copy

import torch
from torch import nn

from auralise.errors import NetworkError, cause_of


def unwrapped(network: nn.Module) -> nn.Module:
    """The module inside DataParallel, DistributedDataParallel and `torch.compile`.

    Raises
    ------
    NetworkError
        It, or a part of it, is scripted: what runs inside cannot be followed.

    Examples
    --------
    >>> unwrapped(nn.DataParallel(nn.ReLU()))
    ReLU()
    """
    while (inner := _inside(network)) is not None:
        network = inner
    for path, module in network.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise NetworkError(
                f"'{path}' is TorchScript, inside which nothing can be followed; pass the module "
                "that it was scripted or traced from"
            )
    return network


def evaluated_copy(network: nn.Module) -> nn.Module:
    """A copy that computes in float32 and in evaluation mode, without gradients and wrappers.

    Raises
    ------
    NetworkError
        As `unwrapped`; or the network has no values yet, or cannot be copied.
    """
    network = unwrapped(network)
    for path, parameter in network.named_parameters():
        if nn.parameter.is_lazy(parameter):
            raise NetworkError(
                f"'{path}' has no values yet, because its module is lazy; run the network once, "
                "and read its weights, before it is explained"
            )
    # Weights that weight norm has computed keep a history of gradients, which cannot be copied.
    computed = [
        of
        for module in network.modules()
        for of in vars(module).values()
        if isinstance(of, torch.Tensor) and of.grad_fn is not None
    ]
    try:
        copied = copy.deepcopy(network, {id(of): of.detach().clone() for of in computed})
    except NetworkError:
        raise
    except Exception as error:  # whatever a foreign module raises
        raise NetworkError(
            f"{type(network).__name__} cannot be copied ({cause_of(error)}); "
            "detach the tensors that it has computed and stored"
        ) from None
    for module in list(copied.modules()):
        for name, child in list(module.named_children()):
            if _inside(child) is not None:
                setattr(module, name, unwrapped(child))
    return copied.eval().float().requires_grad_(False)


def _inside(network: nn.Module) -> nn.Module | None:
    if isinstance(network, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return network.module
    inner = getattr(network, "_orig_mod", None)
    return inner if isinstance(inner, nn.Module) else None
