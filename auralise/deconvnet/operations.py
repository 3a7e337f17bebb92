"""What autograd has noted of a result: the operations it is made of, and which can walk back."""

from collections.abc import Iterable

import torch
from torch import Tensor

from auralise.deconvnet import policy


def operation_of(node) -> str:
    return type(node).__name__.rstrip("0123456789").removesuffix("Backward")


def is_shaping(nodes: Iterable) -> bool:
    plain = policy.SHAPING | {"Mul", "Div", "Add", "Sub", "Rsub", "Neg"}
    return all(operation_of(node) in plain for node in nodes)


def refusal_of(node, where: str) -> str:
    """Why an operation cannot walk back; empty if it can."""
    operation = operation_of(node)
    if operation == "AccumulateGrad" or type(node).__name__ == "ReplacedBackward":
        return ""
    if operation in policy.BILINEAR:
        factors = [below for below, _ in node.next_functions]
        signals = [below for below in factors if below is not None]
        if len(signals) <= 1 and not (operation == "Div" and factors[-1] is not None):
            return ""
        return f"cannot deconvolve '{where}': a product or quotient of two signals ({operation})"
    if operation in policy.LINEAR:
        return ""
    if hasattr(type(node), "_forward_cls"):
        return (
            f"cannot deconvolve '{where}': {operation} is a torch.autograd.Function of its own, "
            "whose way back is not known; write it with torch's functions (a memory-efficient "
            "Swish as nn.SiLU)"
        )
    return (
        f"cannot deconvolve '{where}' ({operation}): it is not linear, and no rule says how it "
        f"walks back (auralise/deconvnet/policy.py lists them)"
    )


def reach(node) -> set:
    """The set of operations that a result is made of."""
    return set(ordered(node))


def ordered(node) -> list:
    """The operations that a result is made of, from the result backwards."""
    order, seen, pending = [], set(), [node]
    while pending:
        node = pending.pop(0)
        if node is not None and node not in seen:
            seen.add(node)
            order.append(node)
            pending += [below for below, _ in node.next_functions]
    return order


def is_statistic(factor: Tensor, of: Tensor, made_of: frozenset[str] | None = None) -> bool:
    """Whether a signal is one value for many of another, as its mean and deviation are.

    One of the operations `made_of` must be behind it, if there are any, and nothing learned.
    """
    whole = torch.broadcast_shapes(factor.shape, of.shape)
    if of.shape != whole or factor.numel() >= of.numel():
        return False
    own = {operation_of(node) for node in reach(factor.grad_fn) - reach(of.grad_fn)}
    return not own & policy.LEARNED and (made_of is None or bool(own & made_of))
