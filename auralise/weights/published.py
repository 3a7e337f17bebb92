"""Published networks: trained weights that a package on PyPI holds, read as data."""

import ast
import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from auralise.choices import INSTALL_PUBLISHED, PUBLISHED
from auralise.errors import WeightsError
from auralise.networks import musicnn
from auralise.stft import Stft
from auralise.weights.bundles import read_bundle
from auralise.weights.common import fill, naming

REMEDY = f"Install the package again: {INSTALL_PUBLISHED}"


@dataclass(frozen=True)
class PublishedNetwork:
    """A trained network, with what belongs to it.

    Attributes
    ----------
    name : str
        Such as ``musicnn/MTT_vgg``.
    network : torch.nn.Sequential
        ``convolutional`` and ``classifier``, in evaluation mode; from magnitudes to probabilities.
    stft : Stft
        Whose magnitudes the network takes.
    n_frames : int
        Frames of one decision.
    classes : tuple of str
        In the order of the network's answers.
    weights : Path
        The file that holds the tensors.
    """

    name: str
    network: nn.Sequential
    stft: Stft
    n_frames: int
    classes: tuple[str, ...]
    weights: Path


def read_published(name: str) -> PublishedNetwork:
    """A published network, from the package that is installed beside auralise.

    The package is found and never imported, so what it requires need not be there.

    Parameters
    ----------
    name : {'musicnn/MTT_vgg', 'musicnn/MSD_vgg'}

    Raises
    ------
    WeightsError
        The name is unknown; the package is not installed, or damaged.
    """
    if name not in PUBLISHED:
        raise WeightsError(
            f"'{name}' is not a published network that auralise knows; expected one of "
            f"{', '.join(PUBLISHED)}"
        )
    package, _, model = name.partition("/")
    folder = folder_of(package)
    if folder is None:
        raise WeightsError(
            f"the package '{package}', which holds the weights of {name}, is not installed; "
            f"install it without what it requires: {INSTALL_PUBLISHED}"
        )
    classes = read_literal(folder / "configuration.py", PUBLISHED[name])
    prefix = f"{folder / model}/"
    network = read_vgg(prefix, len(classes))
    weights = Path(f"{prefix}.data-00000-of-00001")
    return PublishedNetwork(name, network, musicnn.STFT, musicnn.N_FRAMES, tuple(classes), weights)


def folder_of(package: str) -> Path | None:
    """Where a package that holds weights lies; None if it is not installed."""
    found = importlib.util.find_spec(package)  # of a package without parents, this runs nothing
    places = found.submodule_search_locations if found else None
    return Path(places[0]) if places else None


def read_vgg(prefix: str | Path, n_classes: int) -> nn.Sequential:
    """A tagger of musicnn, as `build_vgg` builds it, from its TensorFlow checkpoint.

    A WeightsError is as that of `read_bundle`, or names a tensor of another shape.
    """
    norms = ["batch_normalization", *(f"batch_normalization_{n}" for n in range(1, 6))]
    statistics = {
        "gamma": "weight", "beta": "bias", "moving_mean": "running_mean",
        "moving_variance": "running_var",
    }  # fmt: skip
    convolutions = [f"{number}CNN/{part}" for number in range(1, 6) for part in ("kernel", "bias")]
    names = [*convolutions, *(f"{norm}/{kind}" for norm in norms for kind in statistics)]
    arrays = read_bundle(prefix, [*names, "dense/kernel", "dense/bias"])
    with naming(f"{prefix}.index"):
        axes = {name: 4 for name in convolutions[::2]} | {"dense/kernel": 2}
        for name, array in arrays.items():
            if array.ndim != axes.get(name, 1) or not array.size:
                raise WeightsError(
                    f"tensor '{name}' has {array.ndim} axes; expected {axes.get(name, 1)}. {REMEDY}"
                )
        gain, offset = _affine(*(arrays[f"{norms[0]}/{kind}"] for kind in statistics))
        tensors = {}
        for number, norm in enumerate(norms[1:], start=1):
            layer = f"convolutional.layer{number}"
            # Height × width × in × out, time first.
            kernel = arrays[f"{number}CNN/kernel"].transpose(3, 2, 1, 0)
            tensors[f"{layer}.convolution.weight"] = kernel
            tensors[f"{layer}.convolution.bias"] = arrays[f"{number}CNN/bias"]
            for kind, ours in statistics.items():
                tensors[f"{layer}.batch_norm.{ours}"] = arrays[f"{norm}/{kind}"]
        dense = arrays["dense/kernel"]
        if dense.shape == (2 * musicnn.N_FEATURES, n_classes):
            # Units count time, then features; ours features, then time.
            dense = dense.reshape(2, -1, n_classes).transpose(2, 1, 0).reshape(n_classes, -1)
        tensors["classifier.dense.weight"] = dense
        tensors["classifier.dense.bias"] = arrays["dense/bias"]
        network = musicnn.build_vgg(gain, offset, n_classes)
        parts = {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}
        fill(network, parts, REMEDY)
    return network.eval()


def read_literal(path: Path, name: str) -> list[str]:
    """A list of strings assigned to a name in Python source, which is parsed and not run.

    Raises
    ------
    WeightsError
        The file cannot be read, or gives that name no such list.
    """
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for statement in tree.body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name:
                texts = ast.literal_eval(statement.value)
                if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
                    return texts
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise WeightsError(f"{path}: cannot be read ({error}). {REMEDY}") from None
    raise WeightsError(f"{path}: it gives no list of texts the name {name}. {REMEDY}")


def _affine(
    gamma: np.ndarray, beta: np.ndarray, mean: np.ndarray, variance: np.ndarray
) -> tuple[float, float]:
    """Evaluated batch normalisation of one channel as a gain and an offset."""
    values = [float(array[0]) for array in (gamma, beta, mean, variance)]
    if not all(map(math.isfinite, values)) or values[3] < 0:
        raise WeightsError(
            f"the input's normalisation is {values}; expected finite numbers and a variance of 0 "
            f"or more. {REMEDY}"
        )
    gain = values[0] / math.sqrt(values[3] + musicnn.EPSILON)
    return gain, values[1] - values[2] * gain
