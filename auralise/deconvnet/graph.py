"""Deconvolution of any network: it runs as it is, and autograd walks back by the policy's rules.

During the forward pass every function passes through `_Recorder`, which replaces what
`auralise.deconvnet.policy` names and asks autograd what the rest consists of. The way back is
then a product of autograd with one feature map, for a batch of features at once.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from auralise.deconvnet import policy
from auralise.errors import NetworkError, is_out_of_memory
from auralise.networks.front_ends import FrontEndStep
from auralise.networks.wrappers import evaluated_copy

BINS_TRIED = (128, 96, 64, 80, 229, 256, 257, 512, 513, 1025, 40, 32)
FRAMES_TRIED = (128, 192, 256, 431, 64)
SAMPLES_TRIED = (1024, 16384, 59049, 110250)


@dataclass(frozen=True)
class FoundLayer:
    """A layer that can be explained.

    Attributes
    ----------
    number : int
        Counted from 1, in order of execution.
    path : str
        Of the convolution's module, or of the module whose output it is.
    n_features : int
    """

    number: int
    path: str
    n_features: int


@dataclass(frozen=True)
class Rectified:
    """How batch norms turned an activation's output into the feature maps: a gain and an offset.

    Attributes
    ----------
    gain, offset : Tensor, shape (n_features,) or ()
    """

    gain: Tensor
    offset: Tensor

    def above_rest(self, maps: Tensor) -> Tensor:
        """How far feature maps ``(n_features, …)`` are above what a silent activation leaves."""
        gain, offset = self._beside(maps)
        return (maps - offset) * gain.sign()

    def fired(self, maps: Tensor) -> Tensor:
        """Which feature maps ``(n_features, …)`` hold more than a silent activation leaves."""
        _, offset = self._beside(maps)
        # Two ways to the same offset may differ in their last bits.
        above = self.above_rest(maps) > 1e-6 * offset.abs()
        return above.reshape(len(maps), -1).any(dim=1)

    def _beside(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        places = (-1, *[1] * (maps.dim() - 1))
        return self.gain.to(maps).reshape(places), self.offset.to(maps).reshape(places)


def just_rectified() -> Rectified:
    return Rectified(torch.ones(()), torch.zeros(()))


class Unrectified:
    """Like `Rectified`, for layers without an activation: silence leaves zeros."""

    def above_rest(self, maps: Tensor) -> Tensor:
        return maps.abs()

    def fired(self, maps: Tensor) -> Tensor:
        return (maps != 0).reshape(len(maps), -1).any(dim=1)


class _Replaced(torch.autograd.Function):
    """An operation whose result is known, with a way back of our own."""

    @staticmethod
    def forward(ctx, x: Tensor, value: Tensor, back: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.back = back
        return value.clone()  # what is returned may be changed in place

    @staticmethod
    def backward(ctx, signal):
        return ctx.back(signal), None, None


def _rectify(signal: Tensor) -> Tensor:
    return signal.clamp(min=0)


@dataclass
class _Verdict:
    """What an operation means for the maps: an assumption, a refusal, or the end of the network."""

    notice: str = ""
    refusal: str = ""
    end: str = ""


@dataclass
class Captured:
    """A layer in one forward pass.

    Attributes
    ----------
    path : str
    tail : object
        The operation that what follows must take its input from, to belong to the layer.
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
    order : int
        Grows in order of execution.
    """

    path: str
    tail: object
    output: Tensor
    rectified: Rectified | Unrectified = Unrectified()
    n_parts: int = 1
    origin: object = None
    is_gate: bool = False
    is_alone: bool = False
    order: int = 0


class _Done(BaseException):
    """Ends a forward pass early. Not an `Exception`, because a network may catch those."""


@dataclass
class _Recorder(TorchFunctionMode):
    """Applies the policy to one forward pass, and captures the layers."""

    modules: dict[str, nn.Module]
    wanted_modules: Sequence[str] = ()
    enough: Callable[["_Recorder"], bool] = lambda recorder: False
    verdicts: dict = field(default_factory=dict)  # of operations; None: nothing to be said
    ranks: dict = field(default_factory=dict)
    rectified: dict = field(default_factory=dict)
    convolutions: list[Captured] = field(default_factory=list)
    outputs: dict[str, Captured] = field(default_factory=dict)
    stack: list[str] = field(default_factory=list)
    held: WeakIdKeyDictionary = field(default_factory=WeakIdKeyDictionary)
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
            self._note(output, _Verdict(end=self._ending_module()), path)
            self.stack.pop()
            if isinstance(module := self.modules[path], FrontEndStep):
                (x,) = given
                memory = module.remember(x.detach())
                output = self._replace(
                    x, output.detach(), lambda signal: module.back(signal, memory)
                )
                self._note(output, _Verdict(), path)
            if path in self.outputs:
                said = f"'{path}' runs more than once; its first output is explained"
                self.notices[said] = None
            elif path in self.wanted_modules:
                if not isinstance(output, Tensor) or output.dim() < 2 or len(output) != 1:
                    raise NetworkError(
                        f"'{path}' does not return one tensor (1, n_features, …); name a module "
                        "inside it"
                    )
                clone = output.clone()
                rectified = self.rectified.get(output.grad_fn, Unrectified())
                self.outputs[path] = Captured(
                    path, None, clone, rectified, order=len(self.verdicts)
                )
                self._stop_if_enough()
        return output

    def _stop_if_enough(self) -> None:
        if self.enough(self):
            raise _Done

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
            return output
        in_place = bare != name or name in policy.IN_PLACE
        if in_place and args[0]._is_view():
            # Autograd hides what is done to a part of a tensor inside CopySlices.
            part, verdict = self._run(function, name, bare, (args[0].clone(), *args[1:]), kwargs)
            output = args[0].copy_(part)
        else:
            output, verdict = self._run(function, name, bare, args, kwargs)
        if is_held and bare not in policy.CHOOSING:
            said = (
                f"{self._where(bare)}: what has no gradient (detached, compared) is held constant"
            )
            verdict.notice = verdict.notice or said
        changed = args[0] if name == "__setitem__" else output
        if bare in policy.CONVOLUTIONS and not changed.requires_grad:
            self.without_gradients = self.without_gradients or self._where(bare)
        self._hold(bare, changed)
        self._note(changed, verdict, f"{self.path}.{bare}" if self.path else bare, bare)
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

    def _run(self, function, called: str, name: str, args, kwargs) -> tuple[Any, _Verdict]:
        where = self._where(name)
        ending = self._ending_module() or (where if name in policy.END_FUNCTIONS else "")
        if ending:
            return function(*args, **kwargs), _Verdict(end=ending)
        if name in policy.ACTIVATIONS:
            by_assumption = policy.ACTIVATIONS[name] != policy.RELU
            if name in {"clamp", "clamp_min", "clip"}:
                limits = dict(zip(("input", "min", "max"), args, strict=False)) | kwargs
                by_assumption = not (_is_zero(limits.get("min")) and limits.get("max") is None)
            notice = f"{where} walks back by a ReLU" if by_assumption else ""
            return self._replaced(function, args, kwargs, _rectify), _Verdict(notice)
        if name in policy.LARGER_OF_TWO and (constant := _constant_of(args, kwargs)) is not None:
            is_relu = "max" in name and _is_zero(constant)
            notice = "" if is_relu else f"{where} walks back by a ReLU"
            signal = next(of for of in tree_leaves((args, kwargs)) if of is not constant)
            signal, constant = torch.broadcast_tensors(signal, constant)
            value = function(signal.detach(), constant)
            return self._replace(signal, value, _rectify), _Verdict(notice)
        if name in policy.DROPOUTS:
            return self._drop_nothing(name, args, kwargs, where)
        if name in policy.PASSING:
            notice = f"{where} takes part forward, and passes everything on the way back"
            output = self._replaced(function, args, kwargs, lambda signal: signal)
            return output, _Verdict(notice)
        if name == "batch_norm" or name in policy.OWN_STATISTICS:
            return self._normalise(function, name, args, kwargs, where)
        if name == "glu":
            x, dim = _first(args, kwargs), kwargs.get("dim", args[1] if len(args) > 1 else -1)
            signal, gate = x.chunk(2, dim)
            return signal * gate.detach().sigmoid(), _Verdict(f"{where}: its gate is held constant")
        if name == "amax":
            return _maxima(*args, **kwargs), _Verdict()
        if name in policy.PRODUCTS:
            return self._multiply(function, called, args, kwargs, where)
        return function(*args, **kwargs), _Verdict()

    def _drop_nothing(self, name, args, kwargs, where) -> tuple[Tensor, _Verdict]:
        given = dict(zip(("input", "p", "training", "inplace"), args, strict=False)) | kwargs
        drops = given.get("training", given.get("train", "alpha" not in name))
        x = given["input"]
        if not drops:
            return x, _Verdict()
        notice = f"{where} drops at random whenever it runs, and is left out"
        return x.view_as(x), _Verdict(notice)

    def _replace(self, x: Tensor, value: Tensor, back) -> Tensor:
        return _Replaced.apply(x, value, back)

    def _replaced(self, function, args, kwargs, back) -> Tensor:
        x = _first(args, kwargs)
        given = x.detach().clone()
        if args:
            value = function(given, *args[1:], **kwargs)
        else:
            value = function(**{**kwargs, "input": given})
        output = self._replace(x, value.detach(), back)
        return x.copy_(output) if value is given else output

    def _normalise(self, function, name, args, kwargs, where) -> tuple[Tensor, _Verdict]:
        x = _first(args, kwargs)
        order = _ARGUMENTS.get(function) or _ARGUMENTS[name]
        given = dict(zip(order, args, strict=False)) | kwargs
        own = name != "batch_norm" or given.get("training") or given.get("running_mean") is None
        if name == "instance_norm" and not given.get("use_input_stats", True):
            own = False
        self.affine = None
        with torch.no_grad():
            gain = _gain(name, x.detach(), given, bool(own))
        if not own:
            others = {**given, "input": None}

            def shift(offset: Tensor) -> Tensor:
                silence = offset.expand(gain.numel()).reshape(1, *gain.shape)
                return function(**{**others, "input": silence}).flatten()

            self.affine = gain.flatten(), shift
        notice = f"{where}: its input's own statistics are held constant" if own else ""
        return self._replaced(function, args, kwargs, lambda s: s * gain), _Verdict(notice)

    def _multiply(self, function, called, args, kwargs, where) -> tuple[object, _Verdict]:
        a, b = args[0], args[1] if len(args) > 1 else kwargs.get("other")
        signals = [of for of in (a, b) if isinstance(of, Tensor) and of.requires_grad]
        if len(signals) == 1:
            self.affine = _scaling(b if signals[0] is a else a, signals[0])
            return function(*args, **kwargs), _Verdict()
        ranks = [(self.ranks.get(of.grad_fn, 0), -of.numel()) for of in (a, b)]
        if max(ranks)[0] == 0 or ranks[0] == ranks[1]:
            return function(*args, **kwargs), _Verdict()
        signal, gate = (b, a) if ranks[0] > ranks[1] else (a, b)
        to_signal = _reach(signal.grad_fn)
        only_gate = _reach(gate.grad_fn) - to_signal
        # A mask of the input itself is what the network is for.
        if any(convolution.origin in to_signal for convolution in self.convolutions):
            for convolution in self.convolutions:
                convolution.is_gate |= convolution.origin in only_gate
        notice = f"{where}: its gate is held constant"
        self.affine = None
        if signal is a:
            return function(a, b.detach()), _Verdict(notice)
        if called.endswith("l_") or called in policy.IN_PLACE:
            return a.copy_(signal * gate.detach().clone()), _Verdict(notice)
        return signal * gate.detach(), _Verdict(notice)

    # What autograd makes of it

    def _note(self, output, verdict: _Verdict, where: str, name: str = "") -> None:
        tensors = [
            of for of in tree_leaves(output) if isinstance(of, Tensor) and of.grad_fn is not None
        ]
        new, known = [], []
        pending: list[Any] = [of.grad_fn for of in tensors]
        while pending:
            node = pending.pop()
            if node in self.verdicts:
                known.append(node)
            elif node not in new:
                new.append(node)
                pending += [below for below, _ in node.next_functions if below is not None]
        if not new:
            return
        allowed = verdict.end or verdict.refusal
        for node in new:
            refusal = "" if allowed else _refuse(node, where)
            self.verdicts[node] = _Verdict(refusal=refusal) if refusal else None
        top = tensors[0].grad_fn
        if verdict.notice or verdict.end or verdict.refusal:
            for of in tensors:
                self.verdicts[of.grad_fn] = self.verdicts[of.grad_fn] or verdict
        if verdict.end:
            return
        if name in policy.GATE_RANKS:
            self.ranks[top] = policy.GATE_RANKS[name]
        elif known and all(node in self.ranks for node in known) and _is_shaping(new):
            for of in tensors:
                self.ranks[of.grad_fn] = min(self.ranks[node] for node in known)
        if len(tensors) == 1:
            self._follow_layers(tensors[0], name, set(known))

    def _follow_layers(self, output: Tensor, name: str, known: set) -> None:
        node = output.grad_fn
        if name in policy.CONVOLUTIONS:
            is_alone = output.dim() == int(name[-2]) + 1
            maps = output[None] if is_alone else output
            layer = Captured(self.path or name, node, maps.clone(), origin=node)
            layer.is_alone, layer.order = is_alone, len(self.verdicts)
            self.convolutions.append(layer)
            return
        is_activation, is_pooling = name in policy.ACTIVATIONS, name in policy.POOLINGS
        follows = is_activation or is_pooling or name in policy.DROPOUTS
        follows = follows or name in {"batch_norm", "contiguous", "mul"} | policy.OWN_STATISTICS
        if not follows or len(known) != 1:
            return
        (before,) = known
        if is_activation:
            self.rectified[node] = just_rectified()
        elif before in self.rectified:
            of = self.rectified[before]
            if name in {"batch_norm", "mul"} and self.affine:
                gain, shift = self.affine
                self.rectified[node] = Rectified(of.gain * gain, shift(of.offset))
            elif name not in {"batch_norm", "mul"} | policy.OWN_STATISTICS:
                self.rectified[node] = of
        for layer in self.convolutions:
            if layer.tail == before:
                layer.tail = node
                if is_activation or is_pooling:
                    layer.output = (output[None] if layer.is_alone else output).clone()
                    layer.rectified = self.rectified.get(node, Unrectified())
                    layer.n_parts += 1


# The functions of `torch` want another order than those of `torch.nn.functional`.
_ARGUMENTS: dict[Any, list[str]] = {
    torch.batch_norm: (
        "input weight bias running_mean running_var training momentum eps cudnn_enabled".split()
    ),
    torch.instance_norm: (
        "input weight bias running_mean running_var use_input_stats momentum eps "
        "cudnn_enabled".split()
    ),
    "batch_norm": "input running_mean running_var weight bias training momentum eps".split(),
    "instance_norm": (
        "input running_mean running_var weight bias use_input_stats momentum eps".split()
    ),
    "group_norm": "input num_groups weight bias eps".split(),
    "layer_norm": "input normalized_shape weight bias eps".split(),
    "rms_norm": "input normalized_shape weight eps".split(),
}


def _first(args, kwargs) -> Tensor:
    return args[0] if args else kwargs["input"]


def _gain(name: str, x: Tensor, given: dict, own: bool) -> Tensor:
    """The gain of a normalisation, of a shape that fits its input."""
    eps, weight = given.get("eps", 1e-5), given.get("weight")
    per_channel = (-1, *[1] * (x.dim() - 2))
    if name in {"layer_norm", "rms_norm"}:
        dims = tuple(range(-len(given["normalized_shape"]), 0))
        eps = torch.finfo(x.dtype).eps if eps is None else eps
        spread = x.var(dims, correction=0, keepdim=True)
        gain = torch.rsqrt((spread if name == "layer_norm" else _power(x, dims)) + eps)
        return gain if weight is None else gain * weight
    if name == "group_norm":
        groups = x.unflatten(1, (given["num_groups"], -1)).flatten(2)
        gain = torch.rsqrt(groups.var(2, correction=0) + eps)
        gain = gain.repeat_interleave(x.shape[1] // given["num_groups"], 1)
        gain = gain.reshape(len(x), *per_channel)
    elif own:
        dims = tuple(range(2, x.dim())) if name == "instance_norm" else (0, *range(2, x.dim()))
        gain = torch.rsqrt(x.var(dims, correction=0, keepdim=True) + eps)
    else:
        gain = torch.rsqrt(given["running_var"] + eps).reshape(per_channel)
    return gain if weight is None else gain * weight.reshape(per_channel)


def _power(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    return x.square().mean(dims, keepdim=True)


def _is_zero(value) -> bool:
    return value is not None and not torch.as_tensor(value).any()


def _constant_of(args, kwargs) -> Tensor | None:
    """Of two tensors the one without a gradient, if the other has one."""
    tensors = [of for of in tree_leaves((args, kwargs)) if isinstance(of, Tensor)]
    constants = [of for of in tensors if not of.requires_grad]
    return constants[0] if len(tensors) == 2 and len(constants) == 1 else None


def _scaling(factor, x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]] | None:
    """What a constant factor does to each feature; nothing if it is not one number for each."""
    gain = torch.as_tensor(factor).detach()
    shape = [1] * (x.dim() - gain.dim()) + list(gain.shape)
    if any(size != 1 for place, size in enumerate(shape) if place != 1):
        return None
    gain = gain.float().flatten()
    return gain, lambda offset: offset.to(gain) * gain


def _maxima(x: Tensor, dim: int | Sequence[int] = (), keepdim: bool = False) -> Tensor:
    """Maxima over dimensions, each from one place alone, where autograd would share among ties."""
    dims = [dim] if isinstance(dim, int) else list(dim) or list(range(x.dim()))
    dims = sorted(of % x.dim() for of in dims)
    kept = [of for of in range(x.dim()) if of not in dims]
    flat = x.permute(*kept, *dims).flatten(len(kept))
    values = flat.max(-1).values
    if keepdim:
        values = values.reshape([1 if of in dims else size for of, size in enumerate(x.shape)])
    return values


def _operation(node) -> str:
    return type(node).__name__.rstrip("0123456789").removesuffix("Backward")


def _is_shaping(nodes: Iterable) -> bool:
    plain = policy.SHAPING | {"Mul", "Div", "Add", "Sub", "Rsub", "Neg"}
    return all(_operation(node) in plain for node in nodes)


_REMEDY = "; explain layers before it (layers=[…]), or a network without it"


def _refuse(node, where: str) -> str:
    """Why an operation cannot walk back; empty if it can."""
    operation = _operation(node)
    if operation == "AccumulateGrad" or type(node).__name__ == "_ReplacedBackward":
        return ""
    if operation in policy.BILINEAR:
        factors = [below for below, _ in node.next_functions]
        signals = [below for below in factors if below is not None]
        if len(signals) <= 1 and not (operation == "Div" and factors[-1] is not None):
            return ""
        return (
            f"cannot deconvolve '{where}': a product or quotient of two signals ({operation})"
            f"{_REMEDY}"
        )
    if operation in policy.LINEAR:
        return ""
    return (
        f"cannot deconvolve '{where}' ({operation}): it is not linear, and no rule says how it "
        f"walks back (auralise/deconvnet/policy.py lists them){_REMEDY}"
    )


def _reach(node) -> set:
    """The operations that a result is made of."""
    reached, pending = set(), [node]
    while pending:
        node = pending.pop()
        if node is not None and node not in reached:
            reached.add(node)
            pending += [below for below, _ in node.next_functions]
    return reached


@dataclass(frozen=True)
class GraphPass:
    """One forward pass: its input, and the layers' feature maps with their autograd history."""

    size: tuple[int, ...]
    leaf: Tensor
    layers: dict[int, Captured]


class Graph:
    """Any network, forward as it is and back by the rules of the policy.

    Parameters
    ----------
    network : torch.nn.Module
        Is copied.
    layers : sequence of int or str, optional
        Default layers by number, or modules by path; all default layers if there are none.
    shape : tuple of int, optional
        Of an input that passes, as `magnitude` in `forward`; found by trial if there is none.
    device : torch.device

    Attributes
    ----------
    layers : list of FoundLayer
    assumptions : list of str

    Raises
    ------
    NetworkError
    """

    def __init__(
        self,
        network: nn.Module,
        layers: Sequence[int | str] | None = None,
        shape: Sequence[int] | None = None,
        device: torch.device | str = "cpu",
    ):
        self.network = evaluated_copy(network).to(device)
        self.device = torch.device(device)
        self.modules = {path: module for path, module in self.network.named_modules() if path}
        self._name = type(network).__name__
        self._wanted_modules = [of for of in layers or () if isinstance(of, str)]
        for path in self._wanted_modules:
            if path not in self.modules:
                known = ", ".join(list(self.modules)[:12])
                raise NetworkError(f"{self._name} has no module '{path}'; it has {known}, …")
        recorder = self._try_shapes(shape)
        self._choose(recorder, layers)

    # Finding out

    def _try_shapes(self, shape: Sequence[int] | None) -> _Recorder:
        best, reason = None, "no input was tried"
        for of_magnitude, n_leading in self._candidates(shape):
            if best and best.convolutions and n_leading != self._layout:
                continue  # that input reached a convolution, so this is not how it is passed
            recorder = _Recorder(self.modules, self._wanted_modules)
            self._n_leading = n_leading
            x = torch.rand(tuple(of_magnitude), generator=torch.Generator().manual_seed(0))
            try:
                self._run(recorder, x.to(self.device))
                failed = ""
                if recorder.without_gradients:
                    reason = (
                        f"{recorder.without_gradients} runs without gradients, by torch.no_grad "
                        "or detach; leave these out"
                    )
            except NetworkError:
                raise
            except Exception as error:  # whatever a foreign module raises
                if is_out_of_memory(error):
                    raise
                failed = f"at '{recorder.path}': {_short(error)}"
                reason = reason if best and best.convolutions else failed
            found = len(recorder.convolutions) + len(recorder.outputs)
            if best is None or found > len(best.convolutions) + len(best.outputs):
                best, self._layout, self._tried = recorder, n_leading, tuple(of_magnitude)
            if not failed or self._has_all(best):
                break
        if best is None or not (best.convolutions or best.outputs):
            if shape is not None and len(shape) == 2 and (takes := self._takes_no_magnitude()):
                raise NetworkError(
                    f"{self._name} takes {takes}; auralise's commands give a network one "
                    "magnitude (n_bins, n_frames), so explain it in Python: "
                    "auralise.Deconvnet(network).deconvolve(…)"
                )
            wants = "an input of a certain size, pass shape=(n_bins, n_frames)"
            if others := list(further_inputs(self.network)):
                wants = f"{', '.join(others)} besides, pass a module that gives it these"
            raise NetworkError(
                f"{self._name} has no Conv1d or Conv2d that an input reaches ({reason}); if it "
                f"wants {wants}"
            )
        self._n_leading = self._layout
        return best

    def _takes_no_magnitude(self) -> str:
        """What input the first convolution takes, if it is not a magnitude; empty if it is."""
        first = self._first
        if isinstance(first, nn.Conv1d) and first.in_channels == 1:
            return "samples (n_samples,)"
        if isinstance(first, nn.Conv2d) and first.in_channels > 1:
            return f"{first.in_channels} channels (n_channels, n_bins, n_frames)"
        return ""

    @property
    def _first(self) -> nn.Conv1d | nn.Conv2d | None:
        kinds = nn.Conv1d | nn.Conv2d
        return next((of for of in self.modules.values() if isinstance(of, kinds)), None)

    def _has_all(self, recorder: _Recorder) -> bool:
        seen = {layer.path for layer in recorder.convolutions}
        wanted = {
            path
            for path, module in self.modules.items()
            if isinstance(module, nn.Conv1d | nn.Conv2d)
        }
        return bool(wanted) and wanted <= seen

    def _candidates(self, shape: Sequence[int] | None) -> Iterator[tuple[Sequence[int], int]]:
        """Shapes of a magnitude, and how many dimensions of 1 the network wants before them."""
        first = self._first
        n_inputs = first.in_channels if first is not None else 1
        if shape is not None:
            shapes = [tuple(shape)]
        elif isinstance(first, nn.Conv1d):
            shapes = [(n,) for n in SAMPLES_TRIED] if n_inputs == 1 else []
            shapes += [(n_inputs, n) for n in FRAMES_TRIED]
        else:
            hints = [
                module.num_features
                for module in self.modules.values()
                if isinstance(module, nn.BatchNorm2d)
            ][:1]
            bins = [*BINS_TRIED[:1], *(n for n in hints if n >= 16), *BINS_TRIED[1:]]
            shapes = [(n, n_frames) for n_frames in FRAMES_TRIED for n in bins]
            if n_inputs > 1:
                shapes = [(n_inputs, *of) for of in shapes] + shapes
        for of in shapes:
            whole = 3 if isinstance(first, nn.Conv1d) else 4
            for n_dims in dict.fromkeys((whole, 3, 2, 4)):
                if n_dims > len(of):
                    yield of, n_dims - len(of)

    def _run(self, recorder: _Recorder, magnitude: Tensor) -> Tensor:
        """Run the network until all is captured, and return the leaf of autograd."""
        with torch.inference_mode(False), torch.enable_grad():
            leaf = magnitude.clone().requires_grad_()
            x = leaf.clone().reshape(*[1] * self._n_leading, *leaf.shape)
            recorder.verdicts.update(dict.fromkeys(_reach(x.grad_fn)))
            try:
                with recorder.watching():
                    self.network(x)
            except _Done:
                pass
        return leaf

    def _choose(self, recorder: _Recorder, layers: Sequence[int | str] | None) -> None:
        assumptions: list[str] = []
        usable, behind = [], []
        for number, layer in enumerate(recorder.convolutions):
            if layer.is_gate:
                continue
            facts = self._facts(recorder, layer)
            ends = [fact.end for fact in facts if fact.end]
            if ends:
                behind.append((layer, ends[-1]))
                continue
            usable.append((number, layer, facts))
        ends = [verdict.end for verdict in recorder.verdicts.values() if verdict and verdict.end]
        for end in ends[:1]:
            assumptions.append(f"the convolutional part ends at {end}; what follows is left out")
        chosen = []
        if layers is None:
            chosen = [("number", *of) for of in usable]
        else:
            order = list(recorder.outputs)
            for of in layers:
                if isinstance(of, str):
                    if of not in recorder.outputs:
                        raise NetworkError(f"'{of}' did not run on an input of {self._tried}")
                    layer = recorder.outputs[of]
                    facts = self._facts(recorder, layer)
                    ends = [fact.end for fact in facts if fact.end]
                    if ends:
                        raise NetworkError(
                            f"'{of}' lies behind {ends[-1]}, where the convolutional part ends"
                        )
                    chosen.append(("module", order.index(of), layer, facts))
                elif not 1 <= of <= len(usable):
                    raise NetworkError(f"layer {of} of a network with layers 1 to {len(usable)}")
                else:
                    chosen.append(("number", *usable[of - 1]))
        for _, _, layer, facts in chosen:
            for fact in facts:
                if fact.refusal:
                    raise NetworkError(f"layer '{layer.path}': {fact.refusal}")
            if not layer.output.requires_grad:
                raise NetworkError(
                    f"'{layer.path}' does not depend on the input in a way that gradients follow"
                )
        if not chosen:
            raise NetworkError(f"{self._name} has no Conv1d or Conv2d before {behind[0][1]}")
        seen = {of.path for of in recorder.convolutions}
        for path, module in self.modules.items():
            if isinstance(module, nn.Conv1d | nn.Conv2d) and path not in seen and layers is None:
                assumptions.append(f"'{path}' was not reached, and is left out")
        chosen.sort(key=lambda of: of[2].order)
        notices = {
            fact.notice: None for *_, facts in chosen for fact in reversed(facts) if fact.notice
        }
        self.assumptions = [*notices, *recorder.notices, *assumptions]
        self._kinds = [(kind, index) for kind, index, *_ in chosen]
        self._n_parts = [layer.n_parts for _, _, layer, _ in chosen]
        self._paths = [layer.path for _, _, layer, _ in chosen]
        self.rectified = [layer.rectified for _, _, layer, _ in chosen]
        self.layers = [
            FoundLayer(number, layer.path, layer.output.shape[1])
            for number, (_, _, layer, _) in enumerate(chosen, start=1)
        ]

    def _facts(self, recorder: _Recorder, layer: Captured) -> list[_Verdict]:
        recorder._note(layer.output, _Verdict(), layer.path)  # what was not seen is checked now
        verdicts = [recorder.verdicts.get(node) for node in _ordered(layer.output.grad_fn)]
        return [verdict for verdict in verdicts if verdict]

    # Every song

    @property
    def n_dims(self) -> int:
        """How many dimensions the magnitude has that the network takes."""
        return len(self._tried)

    @property
    def wanted_shape(self) -> str:
        return ("(n_samples,)", "(n_bins, n_frames)", "(n_channels, n_bins, n_frames)")[
            self.n_dims - 1
        ]

    def forward(self, magnitude: Tensor, numbers: Iterable[int] | None = None) -> GraphPass:
        """One forward pass, no further than the layers (counted from 1) are.

        Raises
        ------
        NetworkError
            The magnitude does not pass.
        """
        wanted = sorted(set(range(1, len(self.layers) + 1) if numbers is None else numbers))
        modules = [self._paths[n - 1] for n in wanted if self._kinds[n - 1][0] == "module"]

        def enough(recorder: _Recorder) -> bool:
            for n in wanted:
                kind, index = self._kinds[n - 1]
                if kind == "module":
                    if self._paths[n - 1] not in recorder.outputs:
                        return False
                elif (
                    len(recorder.convolutions) <= index
                    or recorder.convolutions[index].n_parts < self._n_parts[n - 1]
                ):
                    return False
            return True

        recorder = _Recorder(self.modules, modules, enough)
        size = " × ".join(map(str, magnitude.shape))
        try:
            leaf = self._run(recorder, magnitude)
        except NetworkError:
            raise
        except Exception as error:  # whatever a foreign module raises
            if is_out_of_memory(error):
                raise
            raise NetworkError(
                f"a magnitude of {size} does not pass '{recorder.path}'; choose a longer sound or "
                f"window, or the bins that the network wants ({_short(error)})"
            ) from None
        if not enough(recorder):
            raise NetworkError(
                f"on a magnitude of {size} {self._name} takes another way than on {self._tried}; "
                "pass the shape that it is used on (shape=)"
            )
        layers = {}
        for n in wanted:
            kind, index = self._kinds[n - 1]
            path = self._paths[n - 1]
            is_module = kind == "module"
            layer = layers[n] = (
                recorder.outputs[path] if is_module else recorder.convolutions[index]
            )
            for fact in self._facts(recorder, layer):
                if fact.refusal or fact.end:
                    raise NetworkError(f"layer '{path}': {fact.refusal or fact.end}")
        return GraphPass(tuple(magnitude.shape), leaf, layers)

    def back(self, passed: GraphPass, wanted: Iterable[tuple[int, list[int]]]) -> Iterator[Tensor]:
        """As `auralise.deconvnet.steps.StepByStep.back`; maps have the shape of the magnitude.

        Feature by feature: many at once are slower, since their signals leave the cache.
        """
        for number, features in wanted:
            layer = passed.layers[number]
            with torch.inference_mode(False), torch.enable_grad():
                found = layer.output.new_empty(len(features), *passed.size)
                for row, feature in enumerate(features):
                    try:
                        found[row] = _map_of(layer, feature, passed.leaf)
                    except RuntimeError as error:
                        if is_out_of_memory(error):
                            raise
                        raise NetworkError(
                            f"layer '{layer.path}' cannot walk back ({_short(error)}); change "
                            "values that were used before not in place (+=, inplace=True)"
                        ) from None
            yield found


def _map_of(layer: Captured, feature: int, leaf: Tensor) -> Tensor:
    """The map of one feature, of the shape of the leaf."""
    output: Tensor | GradientEdge = layer.output
    maps = layer.output.detach()
    signal = torch.zeros_like(maps)
    signal[:, feature] = maps[:, feature]
    own: Any = layer.origin
    if _operation(own) == "Convolution" and own._saved_groups == 1:
        # Behind the layer's convolution all features but one are silent, so its kernel suffices.
        (behind,) = torch.autograd.grad(output, [GradientEdge(own, 0)], signal, retain_graph=True)
        signal, _, _ = torch.ops.aten.convolution_backward(
            behind.narrow(1, feature, 1),
            own._saved_input,
            own._saved_weight.narrow(0, feature, 1),
            None,
            own._saved_stride,
            own._saved_padding,
            own._saved_dilation,
            own._saved_transposed,
            own._saved_output_padding,
            own._saved_groups,
            (True, False, False),
        )
        output = GradientEdge(*own.next_functions[0])
    (found,) = torch.autograd.grad(output, leaf, signal, retain_graph=True)
    return found


def _ordered(node) -> list:
    """The operations that a result is made of, the last first."""
    order, seen, pending = [], set(), [node]
    while pending:
        node = pending.pop(0)
        if node is not None and node not in seen:
            seen.add(node)
            order.append(node)
            pending += [below for below, _ in node.next_functions]
    return order


def further_inputs(network: nn.Module) -> Iterator[str]:
    """Inputs behind the first that a network does not go without."""
    for parameter in list(inspect.signature(network.forward).parameters.values())[1:]:
        if parameter.default is parameter.empty and parameter.kind <= parameter.KEYWORD_ONLY:
            if parameter.kind != parameter.VAR_POSITIONAL:
                yield f"'{parameter.name}'"


def _short(error: BaseException) -> str:
    return shorten(f"{type(error).__name__}: {error}", 160, placeholder=" …")
