"""ONNX files: the operators that convolutional networks are made of, as torch's modules and calls.

No code of the file is run; what it holds is a graph of named operators (onnx.ai, Operators). Of
each, only what its definition says and torch does is taken; the rest is refused by name.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from auralise.errors import WeightsError, cause_of
from auralise.weights.common import names_file, refusal, require_size
from auralise.weights.onnx_operators import OPERATIONS, Given, Operation, UntranslatableError

INSTALL = "Install it: pip install 'auralise[onnx]'"
EXPORT = "Export the network again, for inference, with its weights in the file."


class Onnx(nn.Module):
    """A network as an ONNX file describes it.

    Convolutions, batch norms, ReLUs and max-poolings are torch's modules, named as their nodes
    are; paths of layers are these names. An input whose last dimension the file fixes as 1 is
    taken with that dimension second, as torch has channels.

    Parameters
    ----------
    model : onnx.ModelProto
    start : str, optional
        Name of the value that is the network's input instead of the file's.

    Attributes
    ----------
    left_out : str
        What of the file is not in it, in words; empty if that is nothing.
    """

    def __init__(self, model: Any, start: str | None = None):
        super().__init__()
        from onnx import helper, numpy_helper, shape_inference

        graph = model.graph
        inferred = shape_inference.infer_shapes(model).graph
        ranks = {
            of.name: len(of.type.tensor_type.shape.dim)
            for of in (*inferred.value_info, *graph.input)
            if of.type.tensor_type.HasField("shape")
        }
        constants = {of.name: _tensor(numpy_helper.to_array(of)) for of in graph.initializer}
        inputs = [of for of in graph.input if of.name not in constants]
        self._input, self._outputs = start or inputs[0].name, [of.name for of in graph.output]
        dims = [of.dim_value for of in inputs[0].type.tensor_type.shape.dim]
        self._channels_last = start is None and len(dims) == 4 and dims[-1] == 1 != dims[1]
        self._constants: dict[str, Any] = {}
        self._nodes: list[tuple[Operation | str, list[str], list[str]]] = []
        self._end = ""
        from_signal, behind = {self._input}, set[str]()
        for number, node in enumerate(graph.node):
            attributes = {of.name: helper.get_attribute_value(of) for of in node.attribute}
            if node.op_type == "Constant":
                value = attributes.get("value")
                value = numpy_helper.to_array(value) if value is not None else None
                value = next(iter(attributes.values())) if value is None else value
                constants[node.output[0]] = _tensor(np.asarray(value))
                continue
            if not from_signal.union(behind).intersection(node.input) and start is not None:
                if not all(name in constants for name in node.input if name):
                    continue  # before the start
            given = Given(
                node, constants, attributes, ranks.get(node.input[0]) if node.input else None
            )
            name = _identifier(node.name or f"{node.op_type}{number}", self._modules)
            try:
                if behind.intersection(node.input):
                    raise UntranslatableError("it lies behind what is not translated")
                if node.op_type not in OPERATIONS or node.domain not in ("", "ai.onnx"):
                    raise UntranslatableError("an operator unknown here")
                operation: Operation | str = OPERATIONS[node.op_type](given)
            except UntranslatableError as reason:
                if node.op_type == "Conv":
                    what = f"node '{node.name}' (Conv) cannot be translated: {reason}"
                    if behind.intersection(node.input):
                        what = f"{self._end} cannot be translated, and a convolution follows it"
                    raise WeightsError(f"{what}. {EXPORT}") from None
                self._end = self._end or f"node '{node.name}' ({node.op_type}: {reason})"
                behind.update(node.output)
                continue
            if isinstance(operation, nn.Module):
                self.add_module(name, operation)
                operation, given.inputs = name, given.inputs[:1]
            from_signal.update(node.output)
            self._nodes.append((operation, given.inputs, given.outputs))
        self.left_out = (
            f"the network ends before {self._end}; what follows is left out" if self._end else ""
        )
        used = {name for _, names, _ in self._nodes for name in names}
        if self._input not in used:
            remedy = "Choose another start." if start else EXPORT
            raise WeightsError(f"no node takes the value '{self._input}'. {remedy}")
        for name in used & constants.keys():
            value = constants[name]
            if value.is_floating_point() and value.ndim:
                key = _identifier(f"constant_{name}", self._buffers)
                self.register_buffer(key, value, persistent=False)
                self._constants[name] = key
            else:  # an index or a scalar, which may stay where it is
                self._constants[name] = value

    def forward(self, x: Tensor) -> Any:
        values = {
            name: getattr(self, of) if isinstance(of, str) else of
            for name, of in self._constants.items()
        }
        values[self._input] = x.movedim(1, -1) if self._channels_last else x
        for operation, inputs, outputs in self._nodes:
            given = [values[name] if name else None for name in inputs]
            if isinstance(operation, str):
                result = self.get_submodule(operation)(given[0])
            else:
                result = operation(*given)
            values.update(zip(outputs, result if len(outputs) > 1 else [result], strict=True))
        found = [values[name] for name in self._outputs if name in values]
        if not found:
            raise RuntimeError(f"the translation ends at {self._end}")
        return found[0] if len(found) == 1 else tuple(found)


@names_file
def read_onnx(path: str | Path, start: str | None = None) -> Onnx:
    """Read a network from an ONNX file.

    `start` names the value in the graph that becomes the input, such as the first one behind a
    front end that hears samples.

    Raises
    ------
    WeightsError
        The package `onnx` is not installed, the file is damaged, or a convolution or what comes
        before it cannot be translated.
    """
    try:
        import onnx
    except ModuleNotFoundError:
        raise refusal(
            "an ONNX file, and the package 'onnx' is not installed", "both", INSTALL
        ) from None
    require_size("the file", Path(path).stat().st_size)
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # of protobuf and onnx, many kinds
        if beside := re.search(r"should be stored in .*?([^/]+), but", str(error)):
            raise refusal(
                f"its weights are in another file, {beside[1]}, which is not there",
                "both files",
                "Copy it into the same folder, or export the network with its weights in one file.",
            ) from None
        raise refusal(
            f"damaged or invalid ({cause_of(error)})", "a whole ONNX file", EXPORT
        ) from None
    try:
        return Onnx(model, start)
    except WeightsError:
        raise
    except Exception as error:  # a graph that is valid may still hold what its operators refuse
        raise refusal(
            f"its graph cannot be followed ({cause_of(error)})",
            "operators as their definitions have them",
            EXPORT,
        ) from None


def _tensor(array: np.ndarray) -> Tensor:
    tensor = torch.from_numpy(np.array(array))
    return tensor.float() if tensor.is_floating_point() else tensor


def _identifier(name: str, taken: Any) -> str:
    """A module's name for a node's; TensorFlow's exporter joins many names by semicolons."""
    key = re.sub(r"\W+", "_", name.split(";")[0])
    return key if key not in taken else f"{key}_{len(taken)}"
