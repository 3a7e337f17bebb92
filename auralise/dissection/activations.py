"""What the features of a network do on the clips, and the concepts on the same cells.

A layer has more cells than a score needs: as many as `CELLS` of a clip are drawn once, the same
ones in every clip and network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import nn

from auralise.dissection.concepts import APART, REGISTER_NAMES
from auralise.dissection.exam import Exam
from auralise.dissection.scores import cell_means, pooled_sizes

CELLS = 512
RESOLVABLE = 0.1  # the standard deviation of a target, at least
GROUPED = 0.7  # concepts whose targets correlate above it cannot be told apart

FeatureMaps = Callable[[np.ndarray], list[np.ndarray]]


@dataclass(frozen=True)
class Cells:
    """The cells of a layer's feature maps that are compared with concepts; a sample where many.

    Attributes
    ----------
    height, width : int
        Of the feature maps.
    pooled : (int, int)
        Bins and frames that a cell stands for.
    places : ndarray of int, shape (n_cells,)
        In a flattened feature map.
    """

    height: int
    width: int
    pooled: tuple[int, int]
    places: np.ndarray

    @classmethod
    def draw(cls, height: int, width: int, pooled: tuple[int, int]) -> "Cells":
        n_cells = height * width
        places = np.random.default_rng(0).permutation(n_cells)[:CELLS]
        return cls(height, width, pooled, np.sort(places))

    def of(self, maps: np.ndarray) -> np.ndarray:
        """Values of feature maps in these cells: ``(..., height, width)`` → ``(..., n_cells)``."""
        return maps.reshape(*maps.shape[:-2], -1)[..., self.places]


@dataclass(frozen=True)
class Activations:
    """A layer's features on all clips.

    Attributes
    ----------
    layer : int
        Counted from 1.
    cells : Cells
    values : ndarray, float32, shape (n_features, n_clips, n_cells)
    levels : ndarray, float32, shape (n_features, n_clips, width)
        Averaged over all bins.
    """

    layer: int
    cells: Cells
    values: np.ndarray
    levels: np.ndarray


def measure(feature_maps: FeatureMaps, exam: Exam) -> list[Activations]:
    """Activations of every layer on every clip; `feature_maps` gives those of a magnitude."""
    found: list[Activations] = []
    for clip, magnitude in enumerate(exam.magnitudes):
        # What convolutions of one dimension give has no bins.
        layers = [maps.reshape(len(maps), -1, maps.shape[-1]) for maps in feature_maps(magnitude)]
        if not found:
            found = _empty(layers, magnitude.shape, len(exam.clips))
        for layer, maps in zip(found, layers, strict=True):
            layer.values[:, clip] = layer.cells.of(maps)
            layer.levels[:, clip] = maps.mean(axis=1)
    return found


def _empty(layers: list[np.ndarray], shape: tuple[int, ...], n_clips: int) -> list[Activations]:
    """Activations to be filled in, of feature maps like these of a magnitude of that shape."""
    rows, columns = (
        pooled_sizes(length, [maps.shape[axis] for maps in layers])
        for axis, length in zip((1, 2), shape, strict=True)
    )
    found = []
    for number, maps in enumerate(layers):
        _, height, width = maps.shape
        cells = Cells.draw(height, width, (rows[number], columns[number]))
        values = np.empty((len(maps), n_clips, len(cells.places)), np.float32)
        levels = np.empty((len(maps), n_clips, cells.width), np.float32)
        found.append(Activations(number + 1, cells, values, levels))
    return found


def chain_feature_maps(network: nn.Sequential) -> Callable[..., list[np.ndarray]]:
    """Feature maps of a genre network, without what deconvolution would have to remember.

    Parameters
    ----------
    network : torch.nn.Sequential
        As `auralise.networks.genre.build_network` builds it; evaluated as it is.

    Returns
    -------
    callable
        From a magnitude, and optionally the number of the last layer that is asked for.
    """
    stages = list(network.get_submodule("convolutional").eval().children())

    def feature_maps(magnitude: np.ndarray, deepest: int | None = None) -> list[np.ndarray]:
        found: list[np.ndarray] = []
        with torch.inference_mode():
            x = torch.from_numpy(magnitude)[None, None]
            for stage in stages:
                for module in stage if isinstance(stage, nn.Sequential) else [stage]:
                    x = module(x)
                    if isinstance(module, nn.MaxPool2d):
                        found.append(x[0].numpy())
                        if len(found) == deepest:
                            return found
        return found

    return feature_maps


@dataclass(frozen=True)
class Targets:
    """The concepts in the cells of a layer.

    Attributes
    ----------
    concepts : tuple of str
    cells : Cells
    values : ndarray, float32, shape (n_concepts, n_clips, n_cells)
        The mean of each mask over each cell.
    resolvable : ndarray of bool, shape (n_concepts,)
        Whether a target varies enough for anything to be said.
    together : ndarray of bool, shape (n_concepts, n_concepts)
        Pairs of concepts that cannot be told apart here; a concept is in its own group.
    profiles : ndarray, float32, shape (n_registers, height)
        Of the registers, which are the last of the concepts: the same in all frames and clips.
    """

    concepts: tuple[str, ...]
    cells: Cells
    values: np.ndarray
    resolvable: np.ndarray
    together: np.ndarray
    profiles: np.ndarray

    @classmethod
    def of(cls, exam: Exam, cells: Cells) -> "Targets":
        shape = cells.height, cells.width
        targets = cell_means(exam.masks, shape, cells.pooled).swapaxes(0, 1)
        flat = targets.reshape(len(targets), -1)
        resolvable = flat.std(axis=1) >= RESOLVABLE
        together = np.eye(len(flat), dtype=bool)
        varies = np.flatnonzero(flat.std(axis=1) > 0)
        together[np.ix_(varies, varies)] |= np.corrcoef(flat[varies]) > GROUPED
        one, other = map(exam.concepts.index, APART)
        together[one, other] = together[other, one] = False
        registers = [exam.concepts.index(name) for name in REGISTER_NAMES]
        return cls(
            exam.concepts,
            cells,
            cells.of(targets),
            resolvable,
            together,
            targets[registers, 0, :, 0],
        )

    @cached_property
    def rows(self) -> np.ndarray:
        """The row of each cell, shape ``(n_cells,)``."""
        return self.cells.places // self.cells.width
