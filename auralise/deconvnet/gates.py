"""Products of two signals: which of them is a gate, and which product is an activation.

A factor is a gate if it is bounded (`auralise.deconvnet.policy.GATE_RANKS`). If signal and gate
are made, point by point, of one and the same tensor, their product is an activation that somebody
wrote by hand: ``x * torch.sigmoid(x)`` is SiLU.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from auralise.deconvnet import policy
from auralise.deconvnet.operations import is_shaping


@dataclass(frozen=True)
class Facts:
    """What is known of an operation's result.

    Attributes
    ----------
    made_of : frozenset
        Results that it is a function of, point by point, each of them alone.
    limits : Tensor, shape (2, …), optional
        Of a gate: where its input grows towards minus and plus infinity.
    slope : Tensor, optional
        Of an activation written by hand, where its input grows: what its values still have to be
        divided by. ``x * relu6(x + 3)`` has 6.
    """

    made_of: frozenset = frozenset()
    limits: Tensor | None = None
    slope: Tensor | None = None


class Gates:
    """What one forward pass tells about its gates.

    A result is known by its operation, and by which of the operation's results it is (`chunk` has
    several).
    """

    def __init__(self) -> None:
        self.ranks: dict[Any, int] = {}
        self.facts: dict[Any, Facts] = {}

    def facts_of(self, function: Callable, name: str, args, kwargs) -> Facts:
        """The facts of what a function will return; asked before, since it may run in place."""
        if name.strip("_") not in policy.POINTWISE:
            return Facts()
        signals = [of for of in tree_leaves((args, kwargs)) if _is_signal(of)]
        made_of = frozenset.intersection(*map(self._made_of, signals)) if signals else frozenset()
        limits = slope = None
        if len(signals) != 1 or not _fit(signals[0], args, kwargs):
            return Facts(made_of)
        if name in policy.GATE_RANKS or name == "exp":
            (x,) = signals
            ends = torch.tensor([-torch.inf, torch.inf]).to(x).reshape(2, *[1] * x.dim())
            limits = _instead(ends, function, args, kwargs)
        elif name.strip("_") in policy.ARITHMETIC | policy.GROWING:
            known = self._known(signals[0])
            if known.limits is not None:
                limits = _instead(known.limits, function, args, kwargs)
            if known.slope is not None and name.strip("_") in policy.SCALINGS:
                slope = _instead(known.slope, function, args, kwargs)
        return Facts(made_of, limits, slope)

    def note(self, name: str, result: Tensor, new: Iterable, known: Iterable, facts: Facts) -> None:
        """Remember the facts of a result, and its rank: that of a gate, however it is reshaped."""
        self.facts[_key(result)] = facts
        operation = result.grad_fn
        if name in policy.GATE_RANKS:
            self.ranks[operation] = policy.GATE_RANKS[name]
        elif name.strip("_") in policy.GROWING and _is_bounded(facts.limits):
            self.ranks[operation] = policy.GATE_RANKS["sigmoid"]
        elif known and all(of in self.ranks for of in known) and is_shaping(new):
            self.ranks[operation] = min(self.ranks[of] for of in known)

    def factors(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor] | None:
        """Which of two factors is the signal, and which its gate; None if neither is a gate."""
        for signal, gate in ((a, b), (b, a)):
            if gate.grad_fn in self.ranks and _key(signal) in self._made_of(gate):
                return signal, gate
        ranks = [(self.ranks.get(of.grad_fn, 0), -of.numel()) for of in (a, b)]
        if max(ranks)[0] == 0 or ranks[0] == ranks[1]:
            return None
        return (b, a) if ranks[0] > ranks[1] else (a, b)

    def root(self, a: Tensor, b: Tensor) -> Tensor | None:
        """The one of two results that the other one is made of, point by point; None if neither."""
        for root, other in ((a, b), (b, a)):
            if _key(root) in self._made_of(other) and root.shape == other.shape:
                return root
        return None

    def slope_of(self, signal: Tensor, gate: Tensor, divides: bool = False) -> Tensor | None:
        """What a signal times its gate grows by, if that is an activation; None if it is not.

        Or what it grows by when the gate `divides` it: ``x / (1 + torch.exp(-x))`` is SiLU.
        """
        limits = self._known(gate).limits
        if divides and limits is not None:
            limits = limits.reciprocal()
        if limits is None or not self._made_of(signal) & self._made_of(gate):
            return None
        slope = limits.amax(0)
        fits = torch.broadcast_shapes(signal.shape, gate.shape) == signal.shape
        return slope if fits and slope.isfinite().all() and (slope > 0).all() else None

    def _known(self, signal: Tensor) -> Facts:
        return self.facts.get(_key(signal), Facts())

    def _made_of(self, signal: Tensor) -> frozenset:
        return self._known(signal).made_of | {_key(signal)}


def _key(result: Tensor) -> tuple[Any, int]:
    return result.grad_fn, result.output_nr


def _is_signal(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def _is_bounded(limits: Tensor | None) -> bool:
    return limits is not None and bool(limits.isfinite().all())


def _fit(x: Tensor, args, kwargs) -> bool:
    """Whether no constant has more dimensions than the signal."""
    return all(of.dim() <= x.dim() for of in tree_leaves((args, kwargs)) if isinstance(of, Tensor))


def _instead(values: Tensor, function: Callable, args, kwargs) -> Tensor:
    """What a function makes of other values than the signal that it was given."""
    args, kwargs = tree_map(lambda of: values.clone() if _is_signal(of) else of, (args, kwargs))
    return function(*args, **kwargs)
