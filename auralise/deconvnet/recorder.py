"""One forward pass of any network: the policy's rules are applied, and the layers captured."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from auralise.deconvnet import policy
from auralise.deconvnet.gates import Facts, Gates
from auralise.deconvnet.operations import is_statistic, ordered, reach, refusal_of
from auralise.deconvnet.rectified import Rectified, Unrectified, just_rectified
from auralise.deconvnet.rules import (
    ARGUMENTS,
    Replaced,
    gain_of,
    input_of,
    is_one,
    is_zero,
    maxima,
    rectify,
    scaling,
)
from auralise.errors import NetworkError
from auralise.networks.front_end_steps import FrontEndStep

NOTHING = Facts()
OWN_STATISTICS = "{}: its input's own statistics are held constant"


@dataclass
class Ruling:
    """What an operation means for the maps: an assumption, a refusal, or the end of the network.

    Attributes
    ----------
    notice, refusal, end : str
        Empty if it is none.
    is_activation : bool
    slope : Tensor, optional
        As in `auralise.deconvnet.gates.Facts`.
    """

    notice: str = ""
    refusal: str = ""
    end: str = ""
    is_activation: bool = False
    slope: Tensor | None = None


@dataclass
class Captured:
    """A layer in one forward pass.

    Attributes
    ----------
    path : str
    tails : set
        The operations that what follows must take its input from, to belong to the layer.
    output : Tensor, shape (n_parts, n_features, …)
        The feature maps, at the layer's end; of one part, unless the network cuts its input.
    rectified : Rectified or Unrectified
    n_parts : int
        How many parts (the convolution, activations, poolings) were seen.
    origin : object
        The operation of the convolution.
    is_gate : bool
        Whether it serves a gate alone.
    is_alone : bool
        Whether the network left out the dimension of the batch.
    takers : list
        The operations that took their input from a tail, in order of execution.
    order : int
        Grows in order of execution.
    """

    path: str
    tails: set
    output: Tensor
    rectified: Rectified | Unrectified = Unrectified()
    n_parts: int = 1
    origin: object = None
    is_gate: bool = False
    is_alone: bool = False
    order: int = 0
    takers: list = field(default_factory=list)


class Done(BaseException):
    """Ends a forward pass early. Not an `Exception`, because a network may catch those."""


@dataclass
class Recorder(TorchFunctionMode):
    """Applies the policy to one forward pass, and captures the layers.

    Attributes
    ----------
    in_gates : set of (int, int)
        Which takers of which convolutions are known to serve a gate, and so belong to no layer.
    found_in_gates : set of (int, int)
        Those that this pass has found besides; another pass must know them from its start.
    """

    modules: dict[str, nn.Module]
    wanted_modules: Sequence[str] = ()
    enough: Callable[["Recorder"], bool] = lambda recorder: False
    in_gates: frozenset[tuple[int, int]] = frozenset()
    found_in_gates: set[tuple[int, int]] = field(default_factory=set)
    rulings: dict = field(default_factory=dict)  # of operations; None: nothing to be said
    gates: Gates = field(default_factory=Gates)
    rectified: dict = field(default_factory=dict)
    convolutions: list[Captured] = field(default_factory=list)
    outputs: dict[str, Captured] = field(default_factory=dict)
    stack: list[str] = field(default_factory=list)
    held: WeakIdKeyDictionary = field(default_factory=WeakIdKeyDictionary)
    centred: WeakIdKeyDictionary = field(default_factory=WeakIdKeyDictionary)  # of what
    positive: WeakIdKeyDictionary = field(default_factory=WeakIdKeyDictionary)  # masks of what
    notices: dict[str, None] = field(default_factory=dict)
    without_gradients: str = ""
    affine: tuple[Tensor, Callable[[Tensor], Tensor]] | None = None

    def __post_init__(self):
        super().__init__()

    # Where we are

    @property
    def path(self) -> str:
        return self.stack[-1] if self.stack else ""

    def _ending_module(self) -> str:
        for path in self.stack:
            if isinstance(self.modules[path], policy.END_MODULES):
                return f"'{path}' ({type(self.modules[path]).__name__})"
        return ""

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Follow which module is running, and what the wanted ones return."""
        handles = []
        for path, module in self.modules.items():
            handles.append(
                module.register_forward_pre_hook(
                    lambda module, given, path=path: self.stack.append(path), prepend=True
                )
            )
            handles.append(
                module.register_forward_hook(
                    lambda module, given, output, path=path: self._leave(path, given, output)
                )
            )
        try:
            with self:
                yield
        finally:
            for handle in handles:
                handle.remove()

    def _leave(self, path: str, given, output):
        with torch._C.DisableTorchFunction():
            # What no function of torch's made (`torch.autograd.Function`) is noted with its path.
            self._note(output, Ruling(end=self._ending_module()), path)
            self.stack.pop()
            if isinstance(module := self.modules[path], FrontEndStep):
                (x,) = given
                memory = module.remember(x.detach())
                output = self._replace(
                    x, output.detach(), lambda signal: module.back(signal, memory)
                )
                self._note(output, Ruling(), path)
            if path in self.outputs:
                said = f"'{path}' runs more than once; its first output is explained"
                self.notices[said] = None
            elif path in self.wanted_modules:
                if not isinstance(output, Tensor) or output.dim() < 2 or len(output) != 1:
                    raise NetworkError(
                        f"'{path}' does not return one tensor (1, n_features, …); name a module "
                        "inside it"
                    )
                rectified = self.rectified.get(output.grad_fn, Unrectified())
                maps = whole(output)
                self.outputs[path] = Captured(path, set(), maps, rectified, order=len(self.rulings))
                self._stop_if_enough()
        return output

    def _stop_if_enough(self) -> None:
        if self.enough(self):
            raise Done

    # What a function does

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(function, "__name__", str(function))
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        is_signal = any(of.requires_grad for of in given)
        is_held = any(of in self.held for of in given)
        if not is_signal and not is_held:
            return function(*args, **kwargs)
        bare = name.rstrip("_") if not name.startswith("__") else name
        if bare in policy.TAKING_OUT:
            self.notices[f"{self._where(bare)}: what it takes out is held constant"] = None
        if name == "__get__" or not is_signal:
            output = function(*args, **kwargs)
            self._hold(bare, args[0] if name == "__setitem__" else output)
            self._note_positive(bare, output, args)
            return output
        facts = self.gates.facts_of(function, bare, args, kwargs)
        in_place = bare != name or name in policy.IN_PLACE
        if in_place and args[0]._is_view():
            # Autograd hides what is done to a part of a tensor inside CopySlices.
            part, ruling = self._run(function, name, bare, (args[0].clone(), *args[1:]), kwargs)
            output = args[0].copy_(part)
        else:
            output, ruling = self._run(function, name, bare, args, kwargs)
        if is_held and bare not in policy.CHOOSING and not ruling.is_activation:
            said = (
                f"{self._where(bare)}: what has no gradient (detached, compared) is held constant"
            )
            ruling.notice = ruling.notice or said
        if bare in {"sub", "subtract"} and not in_place:
            self._note_centred(output, *args)
        changed = args[0] if name == "__setitem__" else output
        if bare in policy.CONVOLUTIONS and not changed.requires_grad:
            self.without_gradients = self.without_gradients or self._where(bare)
        self._hold(bare, changed)
        self._note_positive(bare, changed, args)
        if facts.slope is not None and is_one(facts.slope):
            ruling.is_activation = True  # what was written by hand is whole
        elif facts.slope is not None:
            ruling.slope = facts.slope
        where = f"{self.path}.{bare}" if self.path else bare
        self._note(changed, ruling, where, bare, replace(facts, slope=ruling.slope))
        self._stop_if_enough()
        return output

    def _where(self, name: str) -> str:
        return f"'{self.path}' ({name})" if self.path else f"'{name}'"

    def _hold(self, name: str, output) -> None:
        """Remember what was made of the signal and has no gradient."""
        if name not in policy.OF_ITS_SIZE:
            for leaf in tree_leaves(output):
                if isinstance(leaf, Tensor) and not leaf.requires_grad:
                    self.held[leaf] = None

    def _run(self, function, called: str, name: str, args, kwargs) -> tuple[Any, Ruling]:
        where = self._where(name)
        ending = self._ending_module() or (where if name in policy.END_FUNCTIONS else "")
        if ending:
            return function(*args, **kwargs), Ruling(end=ending)
        if name in policy.ACTIVATIONS:
            by_assumption = policy.ACTIVATIONS[name] != policy.RELU
            if name in {"clamp", "clamp_min", "clip"}:
                limits = dict(zip(("input", "min", "max"), args, strict=False)) | kwargs
                by_assumption = not (is_zero(limits.get("min")) and limits.get("max") is None)
            notice = f"{where} walks back by a ReLU" if by_assumption else ""
            output = self._replaced(function, args, kwargs, rectify)
            return output, Ruling(notice, is_activation=True)
        if name in policy.LARGER_OF_TWO and (found := self._rectify_larger(function, args, kwargs)):
            output, is_relu = found
            notice = "" if is_relu else f"{where} walks back by a ReLU"
            return output, Ruling(notice, is_activation=True)
        if name in policy.DROPOUTS:
            return self._drop_nothing(name, args, kwargs, where)
        if name in policy.PASSING:
            notice = f"{where} takes part forward, and passes everything on the way back"
            output = self._replaced(function, args, kwargs, lambda signal: signal)
            return output, Ruling(notice)
        if name == "batch_norm" or name in policy.OWN_STATISTICS:
            return self._normalise(function, name, args, kwargs, where)
        if name == "glu":
            x, dim = input_of(args, kwargs), kwargs.get("dim", args[1] if len(args) > 1 else -1)
            signal, gate = x.chunk(2, dim)
            return signal * gate.detach().sigmoid(), Ruling(f"{where}: its gate is held constant")
        if name == "amax":
            return maxima(*args, **kwargs), Ruling()
        if name == "where" and (chosen := self._where_positive(function, args)) is not None:
            return chosen, Ruling(f"{where} walks back by a ReLU", is_activation=True)
        given = tree_leaves((args, kwargs))
        masks = [of for of in given if isinstance(of, Tensor) and of.dtype is torch.bool]
        if name == "where" and any(mask in self.held for mask in masks):
            refusal = f"cannot deconvolve {where}: what it chooses depends on the signal"
            return function(*args, **kwargs), Ruling(refusal=refusal)
        if name in policy.PRODUCTS:
            return self._multiply(function, called, args, kwargs, where)
        if name in policy.QUOTIENTS:
            return self._divide(function, called, args, kwargs, where)
        return function(*args, **kwargs), Ruling()

    def _note_positive(self, name: str, output, args) -> None:
        """Remember of which signal a mask says where it is above zero."""
        if name in policy.ABOVE and len(args) == 2 and is_zero(args[1]):
            self.positive[output] = args[0], args[0]._version
        elif name in policy.CASTS and args and (signal := self._above_of(args[0])) is not None:
            self.positive[output] = signal, signal._version

    def _above_of(self, mask) -> Tensor | None:
        """The signal that a mask is of, unless it was changed in place since."""
        if not isinstance(mask, Tensor) or mask not in self.positive:
            return None
        signal, version = self.positive[mask]
        return signal if signal._version == version else None

    def _where_positive(self, function, args) -> Tensor | None:
        """What `torch.where` chooses of one signal above and below zero; None if it is not that."""
        masks = [of for of in args if self._above_of(of) is not None]
        if len(masks) != 1 or len(args) != 3:
            return None
        above, below = [of for of in args if of is not masks[0]]
        root = self._above_of(masks[0])
        if above is not root:
            return None
        is_signal = isinstance(below, Tensor) and below.requires_grad
        if is_signal and self.gates.root(root, below) is not root:
            return None
        still = [of.detach() if isinstance(of, Tensor) else of for of in args]
        return self._replace(root, function(*still), rectify)

    def _rectify_larger(self, function, args, kwargs) -> tuple[Tensor, bool] | None:
        """The larger of two if it is an activation, and whether that is the ReLU; None if not."""
        tensors = [of for of in tree_leaves((args, kwargs)) if isinstance(of, Tensor)]
        if len(tensors) != 2:
            return None
        signals = [of for of in tensors if of.requires_grad]
        if len(signals) == 2:
            if (root := self.gates.root(*signals)) is None:
                return None
            return self._replace(root, function(*(of.detach() for of in tensors)), rectify), False
        constant = next(of for of in tensors if not of.requires_grad)
        signal, constant = torch.broadcast_tensors(*signals, constant)
        is_relu = "max" in function.__name__ and is_zero(constant)
        return self._replace(signal, function(signal.detach(), constant), rectify), is_relu

    def _drop_nothing(self, name, args, kwargs, where) -> tuple[Tensor, Ruling]:
        given = dict(zip(("input", "p", "training", "inplace"), args, strict=False)) | kwargs
        drops = given.get("training", given.get("train", "alpha" not in name))
        x = given["input"]
        if not drops:
            return x, Ruling()
        notice = f"{where} drops at random whenever it runs, and is left out"
        return x.view_as(x), Ruling(notice)

    def _replace(self, x: Tensor, value: Tensor, back) -> Tensor:
        return Replaced.apply(x, value, back)

    def _replaced(self, function, args, kwargs, back) -> Tensor:
        x = input_of(args, kwargs)
        given = x.detach().clone()
        if args:
            value = function(given, *args[1:], **kwargs)
        else:
            value = function(**{**kwargs, "input": given})
        output = self._replace(x, value.detach(), back)
        return x.copy_(output) if value is given else output

    def _normalise(self, function, name, args, kwargs, where) -> tuple[Tensor, Ruling]:
        x = input_of(args, kwargs)
        order = ARGUMENTS.get(function) or ARGUMENTS[name]
        given = dict(zip(order, args, strict=False)) | kwargs
        own = name != "batch_norm" or given.get("training") or given.get("running_mean") is None
        if name == "instance_norm" and not given.get("use_input_stats", True):
            own = False
        self.affine = None
        with torch.no_grad():
            gain = gain_of(name, x.detach(), given, bool(own))
        if not own:
            others = {**given, "input": None}

            def shift(offset: Tensor) -> Tensor:
                silence = offset.expand(gain.numel()).reshape(1, *gain.shape)
                return function(**{**others, "input": silence}).flatten()

            self.affine = gain.flatten(), shift
        notice = OWN_STATISTICS.format(where) if own else ""
        return self._replaced(function, args, kwargs, lambda s: s * gain), Ruling(notice)

    def _multiply(self, function, called, args, kwargs, where) -> tuple[object, Ruling]:
        a, b = args[0], args[1] if len(args) > 1 else kwargs.get("other")
        signals = [of for of in (a, b) if isinstance(of, Tensor) and of.requires_grad]
        if len(signals) == 1 and self._above_of(a if signals[0] is b else b) is signals[0]:
            # x * (x > 0) is the ReLU.
            output = self._replace(signals[0], function(a.detach(), b.detach()), rectify)
            is_changed = called in policy.IN_PLACE or called.endswith("l_")
            return (a.copy_(output) if is_changed else output), Ruling(is_activation=True)
        if len(signals) == 1:
            self.affine = scaling(b if signals[0] is a else a, signals[0])
            return function(*args, **kwargs), Ruling()
        if (factors := self.gates.factors(a, b)) is None:
            self.affine = None
            for signal, factor in ((a, b), (b, a)):
                if is_statistic(factor, signal, policy.OF_STATISTICS):
                    return self._standardise(torch.mul, signal, factor, called, where)
            return function(*args, **kwargs), Ruling()
        signal, gate = factors
        self._keep_apart(reach(signal.grad_fn), reach(gate.grad_fn))
        self.affine = None
        if (slope := self.gates.slope_of(signal, gate)) is not None:
            value = signal.detach() * gate.detach()
            output = self._replace(signal, value, lambda above: rectify(above * slope))
            ruling = Ruling(f"{where} walks back by a ReLU", is_activation=True)
            ruling.slope = None if is_one(slope) else slope
        else:
            output = signal * gate.detach().clone()
            ruling = Ruling(f"{where}: its gate is held constant")
        if called.endswith("l_") or called in policy.IN_PLACE:
            output = (a if signal is a else a.detach_()).copy_(output)
        return output, ruling

    def _divide(self, function, called, args, kwargs, where) -> tuple[object, Ruling]:
        a, b = args[0], args[1] if len(args) > 1 else kwargs.get("other")
        if not all(isinstance(of, Tensor) and of.requires_grad for of in (a, b)):
            return function(*args, **kwargs), Ruling()
        if (slope := self.gates.slope_of(a, b, divides=True)) is not None:
            value = a.detach() / b.detach()
            output = self._replace(a, value, lambda above: rectify(above * slope))
            return output, Ruling(
                f"{where} walks back by a ReLU",
                is_activation=True,
                slope=None if is_one(slope) else slope,
            )
        if is_statistic(b, a):
            return self._standardise(torch.div, a, b, called, where)
        return function(*args, **kwargs), Ruling()

    def _note_centred(self, output, x, mean=None, *others) -> None:
        both = [of for of in (x, mean) if isinstance(of, Tensor) and of.requires_grad]
        if len(both) == 2 and is_statistic(mean, x, policy.OF_CENTRES):
            self.centred[output] = x

    def _standardise(self, function, signal, statistic, called, where) -> tuple[Tensor, Ruling]:
        """Scale a signal by a statistic, which is held constant, and so is a mean taken off."""
        scale = statistic.detach().clone()
        x = self.centred.get(signal, signal)
        value = function(signal.detach(), scale)
        output = self._replace(x, value, lambda above: function(above, scale))
        if called in policy.IN_PLACE or (called.endswith("_") and not called.startswith("__")):
            output = signal.copy_(output)
        return output, Ruling(OWN_STATISTICS.format(where))

    def _keep_apart(self, to_signal: set, to_gate: set) -> None:
        """Find convolutions that serve a gate, and what of it was taken for a layer's part."""
        only_gate = to_gate - to_signal
        # A mask of the input itself is what the network is for.
        if not any(convolution.origin in to_signal for convolution in self.convolutions):
            return
        for number, layer in enumerate(self.convolutions):
            layer.is_gate |= layer.origin in only_gate
            if layer.origin in to_signal:
                takers = ((number, of) for of, by in enumerate(layer.takers) if by in only_gate)
                # Those behind the first are other ones once it is known.
                first = next((taker for taker in takers if taker not in self.in_gates), None)
                self.found_in_gates |= {first} if first else set()

    # What autograd makes of it

    def rulings_of(self, layer: Captured) -> list[Ruling]:
        """What is known of the operations that a layer's feature maps are made of."""
        self._note(layer.output, Ruling(), layer.path)  # what was not seen is checked now
        rulings = [self.rulings.get(node) for node in ordered(layer.output.grad_fn)]
        return [ruling for ruling in rulings if ruling]

    def _note(
        self, output, ruling: Ruling, where: str, name: str = "", facts: Facts = NOTHING
    ) -> None:
        tensors = [
            of for of in tree_leaves(output) if isinstance(of, Tensor) and of.grad_fn is not None
        ]
        new, known = [], []
        pending: list[Any] = [of.grad_fn for of in tensors]
        while pending:
            node = pending.pop()
            if node in self.rulings:
                known.append(node)
            elif node not in new:
                new.append(node)
                pending += [below for below, _ in node.next_functions if below is not None]
        if not new:
            return
        allowed = ruling.end or ruling.refusal
        for node in new:
            refusal = "" if allowed else refusal_of(node, where)
            self.rulings[node] = Ruling(refusal=refusal) if refusal else None
        if ruling.notice or ruling.end or ruling.refusal:
            for of in tensors:
                self.rulings[of.grad_fn] = self.rulings[of.grad_fn] or ruling
        if ruling.end:
            return
        for of in tensors:
            self.gates.note(name, of, new, known, facts)
        if len(tensors) == 1:
            self._follow_layers(tensors[0], name, set(known), ruling.is_activation)

    def _follow_layers(self, output: Tensor, name: str, known: set, is_activation: bool) -> None:
        node = output.grad_fn
        if name in policy.CONVOLUTIONS:
            is_alone = output.dim() == int(name[-2]) + 1
            layer = Captured(self.path or name, {node}, whole(output, is_alone), origin=node)
            layer.is_alone, layer.order = is_alone, len(self.rulings)
            self.convolutions.append(layer)
            if output.dtype.itemsize < 4:
                said = f"'{layer.path}' runs in {output.dtype}, by autocast or its own weights"
                self.notices[said.replace("torch.", "")] = None
            return
        is_part = is_activation or name in policy.POOLINGS
        if not (is_part or name in policy.FOLLOWING) or len(known) != 1:
            return
        (before,) = known
        if is_activation:
            self.rectified[node] = just_rectified()
        elif before in self.rectified:
            of = self.rectified[before]
            if name == "pad" and of.offset.any():
                return  # what is padded is not what silence leaves
            if name in {"batch_norm", "mul"} and self.affine:
                gain, shift = self.affine
                self.rectified[node] = Rectified(of.gain * gain, shift(of.offset))
            elif name not in policy.NORMALISING | {"mul", "div"}:
                self.rectified[node] = of
        for number, layer in enumerate(self.convolutions):
            if before not in layer.tails:
                continue
            layer.takers.append(node)
            is_in_gate = (number, len(layer.takers) - 1) in self.in_gates
            maps = output if is_part else output[None] if layer.is_alone else output
            if is_in_gate or not (is_part or maps.shape[:2] == layer.output.shape[:2]):
                continue
            layer.tails.add(node)
            if is_part:
                layer.tails = {node}
                layer.output = whole(output, layer.is_alone)
                layer.rectified = self.rectified.get(node, Unrectified())
                layer.n_parts += 1


def whole(maps: Tensor, is_alone: bool = False) -> Tensor:
    """A copy of feature maps in float32, with a dimension of the batch."""
    return (maps[None] if is_alone else maps).to(torch.float32, copy=True)
