"""SVDNet, its inverters and its normalisation: files of our own, and Lasagne's as published.

Published arrays hold frames first; here bins come first, so kernels are transposed, and dense
weights on either side of a picture are sorted anew. Lasagne convolves in the strict sense, and its
transposed convolution is that convolution's gradient: kernels of both are flipped for torch.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from auralise.errors import NetworkError, WeightsError, cause_of
from auralise.files import parse_json, whole_file
from auralise.networks.inverters import GRID, PUBLISHED, Plan, build_inverter
from auralise.networks.svdnet import (
    LAYERS,
    N_PARAMETERS,
    PICTURE,
    SHAPES,
    WEIGHT_SHAPES,
    build_svdnet,
)
from auralise.recognition import describe_file
from auralise.weights import zips
from auralise.weights.common import fill, listing, names_file, refusal, require_finite, shape_text
from auralise.weights.lasagne import SAVE_AGAIN, parse_array, read_arrays, variance_of
from auralise.weights.own import as_text, read_safetensors, write_tensors

SVDNET_FORMAT = "auralise-svdnet/1"
INVERTER_FORMAT = "auralise-inverter/1"
ANOTHER = "Give another file, or train one: see config/inversion.yaml."


@dataclass(frozen=True)
class Inverter:
    """An inverter, as read from its file.

    Attributes
    ----------
    layer : str
        Whose features it inverts.
    plan : Plan
    network : torch.nn.Sequential
        In evaluation mode.
    classifier_sha256 : str, optional
        Of the weights file of the classifier it was trained on; None where the file is silent.
    """

    layer: str
    plan: Plan
    network: nn.Sequential
    classifier_sha256: str | None = None


def write_svdnet(path: str | Path, network: nn.Sequential, **metadata: object) -> None:
    """Write SVDNet's weights as safetensors, with further facts."""
    facts = {key: as_text(value) for key, value in metadata.items()} | {"format": SVDNET_FORMAT}
    write_tensors(path, network.state_dict(), facts)


@names_file
def read_svdnet(path: str | Path) -> nn.Sequential:
    """SVDNet from a file of our own or a published ``.npz``.

    Returns
    -------
    torch.nn.Sequential
        As `auralise.networks.svdnet.build_svdnet`, in evaluation mode.

    Raises
    ------
    WeightsError
        The file is missing, damaged or holds another network; the message says which array
        does not fit.
    """
    what = "weights of SVDNet, published or auralise's own"
    _require_kind(path, what, "an archive of", "a safetensors")
    if _is_npz(path):
        tensors = _svdnet_tensors(_arrays(path))
    else:
        tensors, metadata = read_safetensors(path)
        _require_format(metadata, SVDNET_FORMAT, "SVDNet")
    with torch.device("meta"):
        network = build_svdnet()
    fill(network, tensors, ANOTHER)
    return network.eval()


def write_inverter(path: str | Path, inverter: Inverter, **metadata: object) -> None:
    """Write an inverter as safetensors with its layer and plan, and further facts."""
    facts = {key: as_text(value) for key, value in metadata.items()} | {
        "format": INVERTER_FORMAT,
        "layer": inverter.layer,
        "design": json.dumps(asdict(inverter.plan), sort_keys=True),
        "classifier_sha256": inverter.classifier_sha256 or "",
    }
    write_tensors(path, inverter.network.state_dict(), facts)


@names_file
def read_inverter(path: str | Path, layer: str | None = None) -> Inverter:
    """An inverter from a file of our own or a published ``.npz``.

    Number and size of its blocks, and with them the layer that it inverts, are read off the
    file.

    Parameters
    ----------
    path : str or Path
    layer : str, optional
        The layer it has to be for.

    Raises
    ------
    WeightsError
        The file is missing or damaged, holds no inverter, or one for another layer; the message
        names it.
    """
    what = "an inverter, published or auralise's own"
    _require_kind(path, what, "an archive of", "a safetensors")
    if _is_npz(path):
        arrays = _arrays(path)
        blocks = list(_blocks(arrays))
        found, plan = _recognise(blocks)
        tensors = _inverter_tensors(arrays, blocks, plan)
        classifier = None
    else:
        tensors, metadata = read_safetensors(path)
        _require_format(metadata, INVERTER_FORMAT, "an inverter")
        found, plan = _described(metadata)
        classifier = metadata.get("classifier_sha256") or None
    if layer is not None and found != layer:
        raise refusal(f"it holds the inverter of '{found}'", f"that of '{layer}'", ANOTHER)
    with torch.device("meta"):
        network = build_inverter(plan)
    fill(network, tensors, ANOTHER)
    if classifier is None and _is_npz(path):
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.eps = 0.0  # Lasagne's inv_std already holds it
    return Inverter(found, plan, network.eval(), classifier)


def write_mean_std(path: str | Path, mean: np.ndarray, std: np.ndarray) -> None:
    """Write the normalisation of SVDNet's bands as published: arrays ``mean`` and ``std``."""
    with whole_file(path) as partial:
        np.savez(partial, mean=mean, std=std)


@names_file
def read_mean_std(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of SVDNet's bands, each of shape ``(80,)``.

    Raises
    ------
    WeightsError
        The file is no ``.npz`` of ``mean`` and ``std``; or these are not 80 finite numbers each,
        deviations above 0.
    """
    remedy = "Give the file that was saved when the classifier was trained."
    _require_kind(path, "arrays 'mean' and 'std' in an .npz", "a mean and a std", remedy=remedy)
    with zips.open_zip(path) as archive:
        mean, std = (
            parse_array(f"{name}.npy", zips.member(archive, f"{name}.npy"))
            for name in ("mean", "std")
        )
    for name, values in (("mean", mean), ("std", std)):
        if values.shape != PICTURE[:1]:
            raise refusal(f"'{name}' is {shape_text(values.shape)}", "80 bands", remedy)
        require_finite(name, torch.from_numpy(values.astype(np.float64)))
    if not (std > 0).all():
        raise refusal("'std' holds values that are not positive", "deviations", remedy)
    return mean, std


def _is_npz(path: str | Path) -> bool:
    if not Path(path).is_file():
        found = "a folder" if Path(path).is_dir() else "no such file"
        raise refusal(found, "safetensors or an .npz", "Check the path.")
    with Path(path).open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _require_kind(path: str | Path, expected: str, *kinds: str, remedy: str = ANOTHER) -> None:
    """Refuse a file that is of another kind than those, and say what it is."""
    _is_npz(path)  # that it is there at all
    found = describe_file(path)
    if not found.startswith(kinds):
        raise refusal(f"it is {found or 'of no kind that is known here'}", expected, remedy)


def _arrays(path: str | Path) -> dict[str, np.ndarray]:
    with zips.open_zip(path) as archive:
        return read_arrays(archive)


def _require_format(metadata: dict[str, str], format: str, what: str) -> None:
    if metadata.get("format") != format:
        raise refusal(
            f"its format is {metadata.get('format', 'not stated')}", f"{what}: '{format}'",
            ANOTHER,
        )  # fmt: skip


def _svdnet_tensors(arrays: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """SVDNet's arrays under torch's names, bins first; each is held against its shape."""
    # Lasagne stores a dense weight the other way round.
    shapes = [
        (f"{layer}'s {what}", shape)
        for layer, weight in WEIGHT_SHAPES.items()
        for what, shape in (
            ("weight", weight if len(weight) == 4 else weight[::-1]),
            ("bias", weight[:1]),
        )
    ]
    if len(arrays) != len(shapes):
        size = sum(array.size for array in arrays.values())
        raise refusal(
            f"{_guess(arrays)}: {len(arrays)} arrays with {size:,} values",
            f"SVDNet: {len(shapes)} arrays with {N_PARAMETERS:,} values",
            ANOTHER,
        )
    for (name, array), (what, shape) in zip(arrays.items(), shapes, strict=True):
        if array.shape != shape:
            raise refusal(
                f"{_guess(arrays)}: '{name}' is {shape_text(array.shape)}",
                f"{what}, {shape_text(shape)}",
                ANOTHER,
            )
    tensors: dict[str, Tensor] = {}
    values = iter(arrays.values())
    for layer in WEIGHT_SHAPES:
        weight, bias = (_tensor(next(values)) for _ in range(2))
        if layer.startswith("conv"):
            name = f"{layer}.0"
            weight = weight.flip(2, 3).transpose(2, 3)
        else:
            name = f"{layer}.{2 if layer == 'fc7' else 1}"
            if layer == "fc7":
                n_features, n_bins, n_frames = SHAPES["mp6"]
                picture = weight.reshape(n_features, n_frames, n_bins, -1)
                weight = picture.transpose(1, 2).reshape(weight.shape)
            weight = weight.T
        tensors |= {f"{name}.weight": weight, f"{name}.bias": bias}
    return tensors


def _guess(arrays: dict[str, np.ndarray]) -> str:
    """A guess at what a file of arrays holds, in a few words."""
    try:
        layer, _ = _recognise(list(_blocks(arrays)))
    except WeightsError:
        return "another network"
    return f"the inverter of '{layer}'"


@dataclass(frozen=True)
class _Block:
    kind: str
    weight: str
    vectors: list[str]
    n_inputs: int
    n_features: int

    def __str__(self) -> str:
        return f"{self.kind}{self.n_features}"


def _blocks(arrays: dict[str, np.ndarray]) -> Iterator[_Block]:
    """Every weight of an inverter with the vectors that follow it: a bias, or beta, gamma, mean
    and inv_std."""
    names = list(arrays)
    starts = [number for number, name in enumerate(names) if arrays[name].ndim > 1]
    if not starts or starts[0] > 0:
        raise refusal(
            f"'{names[0]}' is not a weight" if names else "no array in it", "a weight", SAVE_AGAIN
        )
    for start, stop in zip(starts, [*starts[1:], len(names)], strict=True):
        name, vectors = names[start], names[start + 1 : stop]
        shape = arrays[name].shape
        match shape:
            case (n_inputs, n_features):
                kind = "FC"
            case (n_features, n_inputs, 3, 3):
                kind = "C"
            case (n_inputs, n_features, 4, 4):
                kind = "U"
            case _:
                raise refusal(
                    f"'{name}' is {shape_text(shape)}",
                    "a dense weight, or kernels of 3×3 or 4×4", ANOTHER,
                )  # fmt: skip
        if len(vectors) not in (1, 4):
            raise refusal(
                f"'{name}' is followed by {len(vectors)} vectors",
                "a bias, or the beta, gamma, mean and inv_std of a batch normalisation", SAVE_AGAIN,
            )  # fmt: skip
        for vector in vectors:
            if arrays[vector].shape != (n_features,):
                raise refusal(
                    f"'{vector}' is {shape_text(arrays[vector].shape)}",
                    f"{n_features}, one value per feature of '{name}'", SAVE_AGAIN,
                )  # fmt: skip
        yield _Block(kind, name, vectors, n_inputs, n_features)


def _recognise(blocks: list[_Block]) -> tuple[str, Plan]:
    """The layer that an inverter is for, by what it takes and how often it doubles."""

    def traits(kinds: list[str], n_inputs: int) -> tuple[bool, int, int]:
        return kinds[0] == "FC", n_inputs, kinds.count("U")

    found = traits([block.kind for block in blocks], blocks[0].n_inputs)
    for layer, text in PUBLISHED.items():
        kinds = [block.rstrip("0123456789") for block in text.split()]
        if traits(kinds, SHAPES[layer][0]) == found:
            break
    else:
        raise refusal(
            f"no inverter of SVDNet: {' '.join(map(str, blocks))} on {blocks[0].n_inputs} inputs",
            f"one for {listing(LAYERS, len(LAYERS))}",
            ANOTHER,
        )
    return layer, Plan(tuple(map(str, blocks)), SHAPES[layer], PICTURE, GRID)


def _inverter_tensors(
    arrays: dict[str, np.ndarray], blocks: list[_Block], plan: Plan
) -> dict[str, Tensor]:
    """An inverter's arrays under torch's names, bins first."""
    tensors: dict[str, Tensor] = {}
    for number, block in enumerate(blocks, start=1):
        weight = _tensor(arrays[block.weight])
        vectors = [_tensor(arrays[name]) for name in block.vectors]
        if block.kind == "FC":
            if number == len(blocks) or blocks[number].kind != "FC":
                weight = _bins_first(block, weight, plan.grid)
                vectors = [_bins_first(block, vector, plan.grid) for vector in vectors]
            weight = weight.T
        else:
            weight = weight.flip(2, 3).transpose(2, 3)
        tensors[f"block{number}.layer.weight"] = weight
        if len(vectors) == 1:
            tensors[f"block{number}.layer.bias"] = vectors[0]
            continue
        beta, gamma, mean, inv_std = vectors
        variance = variance_of(f"'{block.vectors[3]}'", inv_std.double())
        tensors |= {
            f"block{number}.norm.weight": gamma,
            f"block{number}.norm.bias": beta,
            f"block{number}.norm.running_mean": mean,
            f"block{number}.norm.running_var": variance,
        }
    return tensors


def _bins_first(block: _Block, values: Tensor, grid: tuple[int, int]) -> Tensor:
    """Units of a dense block that is folded into frames × bins, sorted as bins × frames."""
    if values.shape[-1] % (grid[0] * grid[1]):
        raise refusal(
            f"'{block.weight}' has {values.shape[-1]} units",
            f"a multiple of {grid[0] * grid[1]}, to be folded into {shape_text(grid)}", ANOTHER,
        )  # fmt: skip
    folded = values.reshape(*values.shape[:-1], -1, grid[1], grid[0])
    return folded.transpose(-1, -2).reshape(values.shape)


def _described(metadata: dict[str, str]) -> tuple[str, Plan]:
    try:
        facts: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in parse_json(metadata["design"]).items()
        }
        plan = Plan(**facts)
        with torch.device("meta"):
            build_inverter(plan)
        return metadata["layer"], plan
    except (KeyError, TypeError, ValueError, NetworkError, RuntimeError) as error:
        raise refusal(
            f"its metadata describe no inverter ({cause_of(error)})",
            "'layer' and 'design' as auralise writes them", ANOTHER,
        ) from None  # fmt: skip


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))
