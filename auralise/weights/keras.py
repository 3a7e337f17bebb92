"""Keras' files: 0.3 (HDF5), 2 (HDF5) and 3 (HDF5, and a zip around it).

Layouts as the libraries write them (keras-team/keras 0.3.3 ``models.py``, 2.x
``engine/saving.py``, 3.x ``src/saving/saving_lib.py``). Kernels of Keras 0.3 and of Keras 2 on
Theano are those of a true convolution, ``(features, inputs, rows, columns)`` and
``(rows, columns, inputs, features)``; all others are of a cross-correlation as in torch.
"""

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import h5py
from torch import Tensor, nn

from auralise.errors import WeightsError
from auralise.weights import hdf5, zips
from auralise.weights.common import FoundConvolution, assume_2015, refusal, shape_text, with_norm
from auralise.weights.keras_layers import KerasLayer, build_from_config

SAVE_WHOLE = "Save the whole model, with its architecture: model.save('model.keras')."
SAVE_FROM_KERAS_2 = "Load it in Keras 2 and save the whole model again."
EPSILON = 1e-3  # Keras' default in batch normalisation; bare weights do not hold it


def read_keras_zip(archive: zipfile.ZipFile) -> nn.Sequential:
    """The convolutional part of a ``.keras`` file.

    Raises
    ------
    WeightsError
        Damaged, or a layer has no exact counterpart.
    """
    config = hdf5.json_object(zips.member(archive, "config.json"), "its configuration")
    content = io.BytesIO(zips.member(archive, "model.weights.h5"))
    with hdf5.open_foreign(content) as file:
        return build_from_config(config, _ReadKeras3(file))


def read_keras_hdf5(source: str | Path | BinaryIO) -> nn.Sequential:
    """The convolutional part of an HDF5 file of any version of Keras.

    Raises
    ------
    WeightsError
        Damaged, of no known layout, or not to be represented exactly.
    """
    with hdf5.open_foreign(source) as file:
        if "nb_layers" in file.attrs:
            return _read_keras_0(file)
        weights = hdf5.child(file, "model_weights") if "model_weights" in file else file
        if hdf5.names(weights, "layer_names"):
            return _read_keras_2(file, weights)
        if "layers" in file or "_layer_checkpoint_dependencies" in file:
            return _read_keras_3_weights(file)
        raise refusal(
            f"an HDF5 file with {sorted(file)[:6]} and attributes {sorted(file.attrs)[:6]}",
            "weights of Keras 0.3 ('nb_layers'), 2 ('layer_names') or 3 ('layers')",
            SAVE_WHOLE,
        )


def _read_keras_0(file: h5py.File) -> nn.Sequential:
    """Keras 0.3 on Theano: groups ``layer_N`` with ``param_0``, ``param_1``, …"""
    remedy = "If the network is another one, rebuild it in PyTorch and save that."
    found: list[FoundConvolution] = []
    dense: str | None = None
    for number in range(int(file.attrs["nb_layers"])):
        group = hdf5.child(file, f"layer_{number}")
        n_named = sum(name.startswith("param_") for name in group)
        n_parameters = int(group.attrs.get("nb_params", n_named))  # not every file has it
        parameters = [
            hdf5.tensor(hdf5.child(group, f"param_{index}")) for index in range(n_parameters)
        ]
        if not parameters:
            continue
        kernel, *vectors = parameters
        if kernel.ndim == 4 and len(vectors) <= 1 and dense is None:
            name = f"layer_{number}/param_0"
            bias = vectors[0] if vectors else None
            found.append(FoundConvolution(name, kernel.flip(2, 3), bias))
        elif kernel.ndim == 2:
            dense = dense or group.name
        elif dense is None or kernel.ndim == 4:
            shapes = ", ".join(shape_text(parameter.shape) for parameter in parameters)
            raise refusal(
                f"'layer_{number}' holds {shapes}"
                + (f" after the dense '{dense}'" if dense else ""),
                "convolutions (a kernel with four axes and a bias), then dense layers",
                remedy,
            )
    return assume_2015(found, remedy)


def _read_keras_2(file: h5py.File, weights: h5py.Group) -> nn.Sequential:
    """Keras 2 (and 3, to ``.h5``): groups by layer, variables by name."""
    version = hdf5.text(weights.attrs.get("keras_version", "1"))
    if version.startswith("1"):
        raise refusal("weights of Keras 1", "those of Keras 0.3, 2 or 3", SAVE_FROM_KERAS_2)
    read = _ReadKeras2(weights)
    if "model_config" in file.attrs:
        content = hdf5.text(file.attrs["model_config"])
        return build_from_config(hdf5.json_object(content, "'model_config'"), read)
    return _assume_from_keras_2(weights, read)


def _assume_from_keras_2(weights: h5py.Group, read: "_ReadKeras2") -> nn.Sequential:
    """Bare weights: a batch normalisation counts where it follows its convolution directly."""
    found: list[FoundConvolution] = []
    last_kind = ""
    for name in hdf5.names(weights, "layer_names"):
        variables = read.of_group(name)
        kernel = variables.get("kernel")
        if kernel is not None and kernel.ndim == 4:
            if last_kind == "dense":
                raise _unclear(name, "is a convolution after a dense layer")
            weight = kernel.permute(3, 2, 0, 1)
            found.append(FoundConvolution(name, weight, variables.get("bias")))
            last_kind = "convolution"
        elif "moving_mean" in variables and last_kind == "convolution":
            found[-1] = _with_norm(name, found[-1], variables)
            last_kind = "norm"
        elif kernel is not None and kernel.ndim == 2:
            last_kind = "dense"
        elif not variables:
            last_kind = last_kind if last_kind == "dense" else "none"
        elif last_kind != "dense":
            raise _unclear(name, f"holds {sorted(variables)}")
    return assume_2015(found, SAVE_WHOLE)


def _read_keras_3_weights(file: h5py.File) -> nn.Sequential:
    """Bare weights of Keras 3: groups numbered per class, without an order across classes."""
    places = _places_with_variables(file)
    kernels = [place for place, shapes in places.items() if len(shapes[0]) == 4]
    containers = {place.rpartition("/")[0] for place in kernels}
    for place in kernels:
        if not re.fullmatch(r"conv2d(_\d+)?", place.rpartition("/")[2]):
            raise _unclear(place, "holds a kernel with four axes but is no Conv2D")
    if len(containers) > 1:
        raise _unclear(", ".join(sorted(containers)), "hold convolutions in unknown order")
    norms = [
        place
        for place in places
        if re.fullmatch(r"batch_normalization(_\d+)?", place.rpartition("/")[2])
        and place.rpartition("/")[0] in containers
    ]
    if norms and len(norms) != len(kernels):
        raise _unclear(norms[0], f"is one of {len(norms)} for {len(kernels)} convolutions")
    found = []
    for place in sorted(kernels, key=_count):
        kernel, *vectors = _variables_at(file, place)
        if len(vectors) > 1:
            raise _unclear(place, f"holds {1 + len(vectors)} variables")
        bias = vectors[0] if vectors else None
        found.append(FoundConvolution(place, kernel.permute(3, 2, 0, 1), bias))
    for index, place in enumerate(sorted(norms, key=_count)):
        values = _variables_at(file, place)
        if len(values) != 4:
            raise _unclear(place, f"holds {len(values)} variables")
        kinds = ("gamma", "beta", "moving_mean", "moving_variance")
        variables = dict(zip(kinds, values, strict=True))
        found[index] = _with_norm(place, found[index], variables)
    return assume_2015(found, SAVE_WHOLE)


class _ReadKeras2:
    """Variables by layer name; nested models keep theirs in one group, under full names."""

    def __init__(self, weights: h5py.Group):
        self.weights = weights
        backend = hdf5.text(weights.attrs.get("backend", ""))
        self.is_true_convolution = backend == "theano"
        self.places = {
            tuple(name.partition(":")[0].split("/")[-2:]): (group, name)
            for group in hdf5.names(weights, "layer_names")
            for name in hdf5.names(hdf5.child(weights, group), "weight_names")
        }

    def __call__(self, layer: KerasLayer, wanted: Sequence[str]) -> dict[str, Tensor]:
        return {kind: self._read(layer, kind) for kind in wanted}

    def of_group(self, name: str) -> dict[str, Tensor]:
        """All variables of one layer, by kind."""
        group = hdf5.child(self.weights, name)
        return {
            full.partition(":")[0].rpartition("/")[2]: self._tensor(name, full)
            for full in hdf5.names(group, "weight_names")
        }

    def _read(self, layer: KerasLayer, kind: str) -> Tensor:
        if (layer.name, kind) not in self.places:
            raise refusal(
                f"no variable '{kind}' of layer {layer}",
                f"'{layer.name}/{kind}' among its weights",
                SAVE_WHOLE,
            )
        return self._tensor(*self.places[layer.name, kind])

    def _tensor(self, group: str, name: str) -> Tensor:
        place = hdf5.child(self.weights, f"{group}/{name}")
        values = hdf5.tensor(place)
        return values.flip(0, 1) if values.ndim == 4 and self.is_true_convolution else values


class _ReadKeras3:
    """Variables of Keras 3, by their number within the layer's group."""

    def __init__(self, file: h5py.File):
        self.file = file

    def __call__(self, layer: KerasLayer, wanted: Sequence[str]) -> dict[str, Tensor]:
        group = hdf5.child(self.file, f"{layer.place}/vars")
        stored = hdf5.text(group.attrs.get("name", layer.name))
        if stored != layer.name or len(group) != len(wanted):
            raise refusal(
                f"'{layer.place}' holds {len(group)} variables of '{stored}'",
                f"{len(wanted)} ({', '.join(wanted)}) of layer {layer}",
                SAVE_WHOLE,
            )
        return dict(zip(wanted, _variables_at(self.file, layer.place), strict=True))


def _variables_at(file: h5py.File, place: str) -> list[Tensor]:
    group = hdf5.child(file, f"{place}/vars")
    return [hdf5.tensor(hdf5.child(group, str(index))) for index in range(len(group))]


def _places_with_variables(file: h5py.File) -> dict[str, list[tuple[int, ...]]]:
    """Shapes of the variables of every group that has some."""
    places: dict[str, list[tuple[int, ...]]] = {}

    def visit(group: h5py.Group, place: str, depth: int) -> None:
        if depth > 20:
            raise _unclear(place, "is nested too deep")
        for name in group:
            item = hdf5.child(group, name)
            if not isinstance(item, h5py.Group) or name == "optimizer":
                continue
            if name == "vars" and len(item):
                variables = [hdf5.child(item, str(index)) for index in range(len(item))]
                places[place] = [variable.shape for variable in variables]
            else:
                visit(item, f"{place}/{name}" if place else name, depth + 1)

    visit(file, "", 0)
    return places


def _with_norm(
    name: str, item: FoundConvolution, variables: Mapping[str, Tensor]
) -> FoundConvolution:
    kinds = ("moving_mean", "moving_variance", "gamma", "beta")
    vectors = [(f"'{kind}' of '{name}'", variables.get(kind)) for kind in kinds]
    return with_norm(item, vectors, EPSILON, SAVE_WHOLE)


def _count(place: str) -> int:
    number = re.search(r"_(\d+)$", place)
    return int(number[1]) if number else 0


def _unclear(name: str, what: str) -> WeightsError:
    return refusal(
        f"it holds no architecture, and '{name}' {what}",
        "convolutions in order, each followed by at most one batch normalisation",
        SAVE_WHOLE,
    )
