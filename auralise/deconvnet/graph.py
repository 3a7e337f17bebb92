"""Deconvolution of any network: it runs as it is, and autograd walks back by the policy's rules.

During the forward pass every function passes through a `Recorder`, which replaces what
`auralise.deconvnet.policy` names and asks autograd what the rest consists of. The way back is
then a product of autograd with one feature map, for a batch of features at once.
"""

import inspect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

from auralise.deconvnet.operations import operation_of, reach
from auralise.deconvnet.policy import CONVOLUTION_MODULES
from auralise.deconvnet.products import by_products
from auralise.deconvnet.recorder import Captured, Done, Recorder
from auralise.errors import NetworkError, cause_of, is_out_of_memory
from auralise.networks.wrappers import evaluated_copy

BINS_TRIED = (128, 96, 64, 80, 229, 256, 257, 512, 513, 1025, 40, 32)
FRAMES_TRIED = (128, 192, 256, 431, 64)
SAMPLES_TRIED = (1024, 16384, 59049, 110250)
ONE_DIMENSION = nn.Conv1d | nn.ConvTranspose1d


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
                raise NetworkError(
                    f"{self._name} has no module '{path}'; choose one that it has: {known}, …"
                )
        self._in_gates: frozenset[tuple[int, int]] = frozenset()
        recorder = self._try_shapes(shape)
        self._choose(recorder, layers)

    # Finding out

    def _try_shapes(self, shape: Sequence[int] | None) -> Recorder:
        best, reason = None, "inputs pass it without one"
        for of_magnitude, n_leading in self._candidates(shape):
            if best and best.convolutions and n_leading != self._layout:
                continue  # that input reached a convolution, so this is not how it is passed
            self._n_leading = n_leading
            x = torch.rand(tuple(of_magnitude), generator=torch.Generator().manual_seed(0))
            recorder, failed = self._attempt(x.to(self.device))
            if failed:
                reason = reason if best and best.convolutions else failed
            elif recorder.without_gradients:
                reason = (
                    f"{recorder.without_gradients} runs without gradients, by torch.no_grad "
                    "or detach; leave these out"
                )
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

    def _attempt(self, magnitude: Tensor) -> tuple[Recorder, str]:
        """What a pass has found, and what it failed on; empty if it did not fail."""
        while True:
            recorder = Recorder(self.modules, self._wanted_modules, in_gates=self._in_gates)
            failed = ""
            try:
                self._run(recorder, magnitude)
            except NetworkError:
                raise
            except Exception as error:  # whatever a foreign module raises
                if is_out_of_memory(error):
                    raise
                failed = f"at '{recorder.path}': {cause_of(error)}"
            if not recorder.found_in_gates:
                return recorder, failed
            self._in_gates |= recorder.found_in_gates

    def _takes_no_magnitude(self) -> str:
        """What input the first convolution takes, if it is not a magnitude; empty if it is."""
        first = self._first
        if isinstance(first, ONE_DIMENSION) and first.in_channels == 1:
            return "samples (n_samples,)"
        if first is not None and first.in_channels > 1:
            return f"{first.in_channels} channels (n_channels, n_bins, n_frames)"
        return ""

    @property
    def _first(self) -> Any:
        convolutions = (of for of in self.modules.values() if isinstance(of, CONVOLUTION_MODULES))
        return next(convolutions, None)

    def _has_all(self, recorder: Recorder) -> bool:
        seen = {layer.path for layer in recorder.convolutions}
        wanted = {
            path for path, module in self.modules.items() if isinstance(module, CONVOLUTION_MODULES)
        }
        return bool(wanted) and wanted <= seen

    def _candidates(self, shape: Sequence[int] | None) -> Iterator[tuple[Sequence[int], int]]:
        """Shapes of a magnitude, and how many dimensions of 1 the network wants before them."""
        first = self._first
        n_inputs = first.in_channels if first is not None else 1
        if shape is not None:
            shapes = [tuple(shape)]
        elif isinstance(first, ONE_DIMENSION):
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
            whole = 3 if isinstance(first, ONE_DIMENSION) else 4
            for n_dims in dict.fromkeys((whole, 3, 2, 4)):
                if n_dims > len(of):
                    yield of, n_dims - len(of)

    def _run(self, recorder: Recorder, magnitude: Tensor) -> Tensor:
        """Run the network until all is captured, and return the leaf of autograd."""
        with torch.inference_mode(False), torch.enable_grad():
            leaf = magnitude.clone().requires_grad_()
            x = leaf.clone().reshape(*[1] * self._n_leading, *leaf.shape)
            recorder.rulings.update(dict.fromkeys(reach(x.grad_fn)))
            try:
                with recorder.watching():
                    self.network(x)
            except Done:
                pass
        return leaf

    def _choose(self, recorder: Recorder, layers: Sequence[int | str] | None) -> None:
        assumptions: list[str] = []
        usable, behind = [], []
        for number, layer in enumerate(recorder.convolutions):
            if layer.is_gate:
                continue
            facts = recorder.rulings_of(layer)
            ends = [fact.end for fact in facts if fact.end]
            if ends:
                behind.append((layer, ends[-1]))
                continue
            usable.append((number, layer, facts))
        ends = [ruling.end for ruling in recorder.rulings.values() if ruling and ruling.end]
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
                    facts = recorder.rulings_of(layer)
                    ends = [fact.end for fact in facts if fact.end]
                    if ends:
                        raise NetworkError(
                            f"'{of}' lies behind {ends[-1]}, where the convolutional part ends"
                        )
                    chosen.append(("module", order.index(of), layer, facts))
                elif not 1 <= of <= len(usable):
                    raise NetworkError(f"no layer {of}; the network has layers 1 to {len(usable)}")
                else:
                    chosen.append(("number", *usable[of - 1]))
        for n_before, (_, _, layer, facts) in enumerate(chosen):
            for fact in facts:
                if fact.refusal:
                    n_usable = n_before if layers is None else 0
                    raise NetworkError(f"layer '{layer.path}': {fact.refusal}; {remedy(n_usable)}")
            if not layer.output.requires_grad:
                raise NetworkError(
                    f"'{layer.path}' does not depend on the input in a way that gradients follow"
                )
        if not chosen:
            raise NetworkError(f"{self._name} has no Conv1d or Conv2d before {behind[0][1]}")
        seen = {of.path for of in recorder.convolutions}
        for path, module in self.modules.items():
            if isinstance(module, CONVOLUTION_MODULES) and path not in seen and layers is None:
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
        """Run the network once, as far as the deepest of the layers (counted from 1).

        Raises
        ------
        NetworkError
            The magnitude does not pass.
        """
        wanted = sorted(set(range(1, len(self.layers) + 1) if numbers is None else numbers))
        modules = [self._paths[n - 1] for n in wanted if self._kinds[n - 1][0] == "module"]

        def enough(recorder: Recorder) -> bool:
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

        recorder = Recorder(self.modules, modules, enough, self._in_gates)
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
                f"window, or the bins that the network wants ({cause_of(error)})"
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
            for fact in recorder.rulings_of(layer):
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
                convolutions = [
                    of for of in reach(layer.output.grad_fn) if operation_of(of) == "Convolution"
                ]
                for row, feature in enumerate(features):
                    try:
                        with by_products(convolutions):
                            found[row] = _map_of(layer, feature, passed.leaf)
                    except RuntimeError as error:
                        if is_out_of_memory(error):
                            raise
                        raise NetworkError(
                            f"layer '{layer.path}' cannot walk back ({cause_of(error)}); change "
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
    if operation_of(own) == "Convolution" and own._saved_groups == 1:
        # Behind the layer's convolution all features but one are silent, so its kernel suffices.
        (behind,) = torch.autograd.grad(output, [GradientEdge(own, 0)], signal, retain_graph=True)
        signal, _, _ = torch.ops.aten.convolution_backward(
            behind.narrow(1, feature, 1),
            own._saved_input,
            own._saved_weight.narrow(1 if own._saved_transposed else 0, feature, 1),
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


def remedy(n_before: int) -> str:
    """What to do about a layer that is refused, given how many layers lie before it."""
    named = {0: "", 1: "layers=[1] in Python, --layers 1"}.get(
        n_before, f"layers=range(1, {n_before + 1}) in Python, --layers 1-{n_before}"
    )
    some = f"{named}, explained_layers of the network in a configuration" if named else ""
    first = f"explain those before it alone ({some}), or " if some else "explain other layers, or "
    return f"{first}a network without it"


def further_inputs(network: nn.Module) -> Iterator[str]:
    """The inputs that a network requires beside the first, by name."""
    for parameter in list(inspect.signature(network.forward).parameters.values())[1:]:
        if parameter.default is parameter.empty and parameter.kind <= parameter.KEYWORD_ONLY:
            if parameter.kind != parameter.VAR_POSITIONAL:
                yield f"'{parameter.name}'"
