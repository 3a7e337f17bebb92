"""Which modules a network's convolutional part runs through, in order, found by torch.fx."""

from collections.abc import Iterator

import torch
import torch.fx
from torch import nn
from torch.nn import functional

from auralise.deconvnet.policy import CONVOLUTION_MODULES, CONVOLUTIONS
from auralise.deconvnet.steps import STEPS
from auralise.errors import NetworkError
from auralise.networks.wrappers import evaluated_copy

# The functions that people write in place of modules, and the names of their arguments, which
# are not in the order of the modules' own.
_MAX_POOL = (nn.MaxPool2d, "kernel_size stride padding dilation ceil_mode return_indices".split())
_AVG_POOL = (
    nn.AvgPool2d,
    "kernel_size stride padding ceil_mode count_include_pad divisor_override".split(),
)
_RELU = (nn.ReLU, ["inplace"])
_DROPOUT = (nn.Dropout, ["p", "training", "inplace"])
MODULE_OF_FUNCTION = {
    functional.relu: _RELU,
    functional.relu_: _RELU,
    torch.relu: _RELU,
    torch.relu_: _RELU,
    "relu": _RELU,
    "relu_": _RELU,
    functional.leaky_relu: (nn.LeakyReLU, ["negative_slope", "inplace"]),
    functional.leaky_relu_: (nn.LeakyReLU, ["negative_slope"]),
    functional.elu: (nn.ELU, ["alpha", "inplace"]),
    functional.elu_: (nn.ELU, ["alpha"]),
    functional.max_pool2d: _MAX_POOL,
    torch.max_pool2d: _MAX_POOL,
    functional.avg_pool2d: _AVG_POOL,
    functional.dropout: _DROPOUT,
    functional.dropout2d: _DROPOUT,
}

# What ends the convolutional part: modules, functions, and methods of a tensor.
ENDS = {
    *(nn.Flatten, nn.Linear, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d),
    *(torch.flatten, torch.reshape, torch.mean, torch.amax, torch.permute, torch.transpose),
    *(functional.linear, functional.adaptive_avg_pool2d, functional.adaptive_max_pool2d),
    *("flatten", "view", "reshape", "mean", "amax", "permute", "transpose"),
}


class _Tracer(torch.fx.Tracer):
    def is_leaf_module(self, module, qualified_name):
        return type(module) in STEPS or super().is_leaf_module(module, qualified_name)


def convolutional_chain(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """The modules of the convolutional part in order, each with its path.

    Parameters
    ----------
    network : torch.nn.Module
        Stays as it is; a copy in evaluation mode is traced.

    Returns
    -------
    list of (str, torch.nn.Module)
        In float32, without gradients, ending before the first flatten, global pooling or
        dense layer.

    Raises
    ------
    NetworkError
        The network cannot be traced, is not a chain, or holds something that has no exact way
        back; the message names it.
    """
    try:
        # Only evaluation mode takes the branches of `if self.training:` that are explained.
        network = evaluated_copy(network)
        graph = _Tracer().trace(network)
    except Exception as error:  # whatever a foreign module raises
        raise NetworkError(
            f"{type(network).__name__} cannot be traced ({error}); pass its convolutional part "
            "as a torch.nn.Sequential of modules"
        ) from None
    chain = list(_follow(graph, dict(network.named_modules())))
    for path, module in chain:
        _refuse_what_is_inexact(path, module)
    return chain


def _follow(graph: torch.fx.Graph, modules: dict[str, nn.Module]) -> Iterator:
    node = next(node for node in graph.nodes if node.op == "placeholder")
    while True:
        users = [user for user in node.users if not _asks_for_shape(user) and user.op != "output"]
        if all(_kind(user, modules) in ENDS for user in users):
            _refuse_later_convolution(graph, node, modules)
            return
        if len(users) > 1:
            names = ", ".join(user.name for user in users)
            raise NetworkError(
                f"the output of '{_path(node)}' goes to several places ({names}); "
                "only a chain of modules, without branches or shortcuts, can be deconvolved"
            )
        (node,) = users
        yield _path(node), _as_module(node, modules)


def _path(node: torch.fx.Node) -> str:
    return str(node.target) if node.op == "call_module" else node.name


def _kind(node: torch.fx.Node, modules: dict[str, nn.Module]):
    return type(modules[str(node.target)]) if node.op == "call_module" else node.target


def _asks_for_shape(node: torch.fx.Node) -> bool:
    if node.target is getattr:
        return node.args[1] in {"shape", "ndim", "device", "dtype"}
    return node.op == "call_method" and node.target in {"size", "dim"}


def _as_module(node: torch.fx.Node, modules: dict[str, nn.Module]) -> nn.Module:
    """The module of a step, or the one that does what the step's function does."""
    kind = _kind(node, modules)
    if node.op == "call_module" and kind in STEPS:
        return modules[str(node.target)]
    if node.op == "call_module" or kind not in MODULE_OF_FUNCTION:
        name = kind if isinstance(kind, str) else getattr(kind, "__name__", str(kind))
        known = ", ".join(sorted(known.__name__ for known in STEPS))
        raise NetworkError(
            f"cannot deconvolve '{_path(node)}' ({name}); known are {known}, in a chain "
            "that ends at a flatten, a global pooling or a dense layer"
        )
    factory, names = MODULE_OF_FUNCTION[kind]
    options = dict(zip(names, node.args[1:], strict=False)) | node.kwargs
    for ignored in ("input", "training", "inplace"):
        options.pop(ignored, None)
    if any(isinstance(value, torch.fx.Node) for value in _flat(options.values())):
        raise NetworkError(
            f"cannot deconvolve '{node.name}' ({factory.__name__}): its options are computed from "
            "its input; write them as numbers, or as AdaptiveAvgPool2d if it pools globally"
        )
    return factory(**options).eval()


def _flat(values) -> Iterator:
    for value in values:
        yield from _flat(value) if isinstance(value, list | tuple) else (value,)


def _refuse_later_convolution(graph, last: torch.fx.Node, modules) -> None:
    """Refuse a network with a convolution behind the end, which would be left out unsaid."""
    nodes = list(graph.nodes)
    for node in nodes[nodes.index(last) + 1 :]:
        kind = _kind(node, modules)
        is_convolution = isinstance(kind, type) and issubclass(kind, CONVOLUTION_MODULES)
        if is_convolution or getattr(kind, "__name__", "") in CONVOLUTIONS:
            raise NetworkError(
                f"'{_path(node)}' convolves after the convolutional part ended behind "
                f"'{_path(last)}'; only one unbroken chain can be deconvolved"
            )


def _refuse_what_is_inexact(path: str, module: nn.Module) -> None:
    if module._forward_hooks or module._forward_pre_hooks:
        raise NetworkError(f"'{path}' has forward hooks, which would be passed over; remove them")
    match module:
        case nn.Conv2d(padding_mode=mode) if mode != "zeros":
            raise NetworkError(f"'{path}' pads with '{mode}'; only zero padding has a transpose")
        case nn.BatchNorm2d(running_mean=None):
            raise NetworkError(f"'{path}' keeps no running statistics, so its gain is unknown")
        case nn.MaxPool2d(return_indices=True):
            raise NetworkError(f"'{path}' returns its indices; set return_indices=False")
    if hasattr(module, "inplace"):
        setattr(module, "inplace", False)  # noqa: B010 the forward pass keeps every step's output
