"""Lasagne's weights: arrays in layer order in an ``.npz``, without names or architecture.

Lasagne convolves in the strict sense, so kernels are flipped for torch. The network of Schlüter
& Grill 2015 (singing voice detection) is recognised by its shapes and built as published; for
any other file the structure of 2015 is assumed (`common.assume_2015`).
"""

import io
import itertools
import logging
import math
import re
import zipfile
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from auralise.networks.svdnet import N_PARAMETERS, PICTURE, SLOPE, WEIGHT_SHAPES
from auralise.weights import zips
from auralise.weights.common import (
    FoundConvolution,
    arrange_layers,
    assume_2015,
    batch_norm,
    convolution,
    declare_bins,
    refusal,
    require_chain,
    require_size,
    shape_text,
)

log = logging.getLogger(__name__)

SVDNET_SHAPES = [shape for shape in WEIGHT_SHAPES.values() if len(shape) == 4]
SVDNET_POOLED = (1, 3)  # indices of the convolutions before a pooling
READ_HEADER = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
SAVE_AGAIN = "Save it again with numpy.savez(path, *lasagne.layers.get_all_param_values(network))."


def read_lasagne(archive: zipfile.ZipFile) -> nn.Module:
    """The convolutional part of a network that Lasagne saved, as ``layer1``, ``layer2``, …

    Arrays with SVDNet's shapes are read as SVDNet. Its kernels were published for
    ``(n_frames, n_bins)`` and are transposed to take ``(batch, 1, n_bins, n_frames)``. For any
    other arrays the layers of 2015 are assumed.

    Raises
    ------
    WeightsError
        Arrays are missing, cut short, or in an order that is not Lasagne's.
    """
    arrays = read_arrays(archive)
    found = _convolutions(arrays)
    if [tuple(item.weight.shape) for item in found] == SVDNET_SHAPES:
        return _svdnet(found, arrays)
    return assume_2015(found, "If the network is another one, save it from PyTorch.")


def read_arrays(archive: zipfile.ZipFile) -> dict[str, np.ndarray]:
    """Arrays by name, in the order of their numbers.

    Raises
    ------
    WeightsError
        Members with other names, numbers left out, or content that is not an array of numbers.
    """
    numbered: dict[int, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        match = re.fullmatch(r"(?:arr_|param_?)(\d+)\.npy", info.filename)
        if match is None or int(match[1]) in numbered:
            raise refusal(
                f"its member '{info.filename}'",
                "arrays 'arr_0', 'arr_1', … or 'param0', 'param1', …, as Lasagne's users save them",
                SAVE_AGAIN,
            )
        numbered[int(match[1])] = info
    gaps = [number for number in range(len(numbered)) if number not in numbered]
    if gaps:
        raise refusal(
            f"array {gaps[0]} is missing",
            f"arrays 0 to {max(numbered)} without gaps",
            SAVE_AGAIN,
        )
    require_size("its arrays", sum(info.file_size for info in numbered.values()))
    return {
        name.removesuffix(".npy"): parse_array(name, zips.member(archive, name))
        for name in (numbered[number].filename for number in range(len(numbered)))
    }


def parse_array(name: str, content: bytes) -> np.ndarray:
    """One ``.npy``; its header is checked first, because numpy reserves what it claims."""
    stream = io.BytesIO(content)
    try:
        read_header = READ_HEADER[np.lib.format.read_magic(stream)]
        shape, _, dtype = read_header(stream)
        if dtype.kind != "f" or math.prod(shape) * dtype.itemsize != len(content) - stream.tell():
            raise ValueError(f"its header claims {shape_text(shape)} of {dtype}")
        stream.seek(0)
        return np.lib.format.read_array(stream, allow_pickle=False)
    except (ValueError, KeyError, EOFError, TypeError, SyntaxError) as error:
        raise refusal(
            f"'{name}' is damaged or no array of numbers ({error})",
            "a whole array of floating-point numbers",
            SAVE_AGAIN,
        ) from None


def _convolutions(arrays: dict[str, np.ndarray]) -> list[FoundConvolution]:
    """Each array of four axes together with the vectors that follow it."""
    found = []
    names = list(arrays)
    for start, name in enumerate(names):
        if arrays[name].ndim != 4:
            continue
        dense = [before for before in names[:start] if arrays[before].ndim not in (1, 4)]
        if dense:
            raise refusal(
                f"'{name}' is a convolution after '{dense[0]}', which is none",
                "convolutions first, dense layers after them",
                SAVE_AGAIN,
            )
        vectors = itertools.takewhile(lambda item: arrays[item].ndim == 1, names[start + 1 :])
        found.append(_convolution(arrays, name, list(vectors)))
    return found


def _convolution(arrays: dict[str, np.ndarray], name: str, vectors: list[str]) -> FoundConvolution:
    kernels = torch.from_numpy(arrays[name].astype(np.float32)).flip(2, 3)
    for vector in vectors:
        if len(arrays[vector]) != len(kernels):
            raise refusal(
                f"'{vector}' is {shape_text(arrays[vector].shape)}",
                f"{len(kernels)}, one value per feature of '{name}'",
                SAVE_AGAIN,
            )
    values = [torch.from_numpy(arrays[vector].astype(np.float32)) for vector in vectors]
    if len(values) not in (0, 1, 4, 5):
        raise refusal(
            f"'{name}' is followed by {len(values)} vectors",
            "none, a bias, or the beta, gamma, mean and inv_std of a batch normalisation",
            SAVE_AGAIN,
        )
    bias = values.pop(0) if len(values) in (1, 5) else None
    norm = _norm(name, *values) if values else None
    return FoundConvolution(name, kernels, bias, norm)


def _norm(name: str, beta: Tensor, gamma: Tensor, mean: Tensor, inv_std: Tensor) -> nn.BatchNorm2d:
    variance = variance_of(f"the fourth vector after '{name}'", inv_std)
    return batch_norm(mean, variance, gamma, beta, epsilon=0.0)


def variance_of(where: str, inv_std: Tensor) -> Tensor:
    """Variances behind Lasagne's ``inv_std``, which hold the epsilon already.

    Raises
    ------
    WeightsError
        A value is not positive.
    """
    if not (inv_std > 0).all():
        raise refusal(
            f"{where} has values that are not positive",
            "inv_std, the inverse standard deviations of a batch normalisation",
            SAVE_AGAIN,
        )
    return inv_std**-2


def _svdnet(found: list[FoundConvolution], arrays: dict[str, np.ndarray]) -> nn.Module:
    require_chain(found, SAVE_AGAIN)
    size = sum(array.size for array in arrays.values())
    is_whole = any(array.ndim == 2 for array in arrays.values())
    has_norm = any(item.norm for item in found)
    if is_whole and not has_norm and size != N_PARAMETERS:
        raise refusal(
            f"the convolutions of SVDNet, but {size:,} parameters in all",
            f"{N_PARAMETERS:,}",
            "Leave out the dense layers if they are not those of Schlüter & Grill 2015.",
        )
    log.info(
        "the file holds SVDNet (Schlüter & Grill 2015); its kernels, stored frames first, are "
        "transposed to (n_bins, n_frames)"
    )
    modules: list[nn.Module] = []
    for index, item in enumerate(found):
        item = replace(item, weight=item.weight.transpose(2, 3))
        modules.append(convolution(item.weight, item.bias))
        if item.norm is not None:
            modules.append(item.norm)
        modules.append(nn.LeakyReLU(SLOPE))
        if index in SVDNET_POOLED:
            modules.append(nn.MaxPool2d(3))
    return declare_bins(arrange_layers(modules), PICTURE[0])
