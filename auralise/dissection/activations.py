"""What the features of a network do on the clips, and the concepts on the same cells.

A layer has more cells than a score needs: as many as `CELLS` of a clip are drawn once, the same
ones in every clip and network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from auralise.dissection.concepts import APART, REGISTER_NAMES
from auralise.dissection.exam import Exam
from auralise.dissection.scores import cell_means, pooled_sizes
from auralise.explainers.protocol import Explainer

CELLS = 512
RESOLVABLE = 0.1  # the standard deviation of a target, at least
GROUPED = 0.7  # concepts whose targets correlate above it cannot be told apart


@dataclass(frozen=True)
class Cells:
    """The cells of a layer's feature maps that are compared with concepts; a sample where many.

    Attributes
    ----------
    height, width : int
        Of the feature maps.
    pooled : (int, int)
        Bands and frames that a cell stands for.
    places : ndarray of int, shape (n_cells,)
        In a flattened feature map.
    band_weights : ndarray, shape (n_bands, n_bins), optional
        As `Explainer.band_weights` returns them.
    """

    height: int
    width: int
    pooled: tuple[int, int]
    places: np.ndarray
    band_weights: np.ndarray | None = None

    @classmethod
    def draw(
        cls,
        height: int,
        width: int,
        pooled: tuple[int, int],
        band_weights: np.ndarray | None = None,
    ) -> "Cells":
        n_cells = height * width
        places = np.random.default_rng(0).permutation(n_cells)[:CELLS]
        return cls(height, width, pooled, np.sort(places), band_weights)

    def means(self, masks: np.ndarray) -> np.ndarray:
        """The mean over each cell: ``(..., n_bins, n_frames)`` → ``(..., height, width)``."""
        if self.band_weights is not None:
            masks = self.band_weights @ masks
        shape = self.height, self.width
        if self.height > masks.shape[-2] or self.width > masks.shape[-1]:
            # Finer than what the network gets: nothing is said of such a layer.
            return np.zeros((*masks.shape[:-2], *shape), np.float32)
        return cell_means(masks, shape, self.pooled)

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
    features : ndarray of int, shape (n_features,)
        Their numbers, counted from 0.
    cells : Cells
    values : ndarray, float32, shape (n_features, n_clips, n_cells)
    levels : ndarray, float32, shape (n_features, n_clips, width)
        Averaged over all bins.
    """

    layer: int
    features: np.ndarray
    cells: Cells
    values: np.ndarray
    levels: np.ndarray


def measure(
    explainer: Explainer, exam: Exam, features: Mapping[int, Sequence[int]] | None = None
) -> list[Activations]:
    """Activations of every layer on every clip: of these features by layer, or of all."""
    features = features or {n: range(size) for n, size in enumerate(explainer.n_features, 1)}
    found: list[Activations] = []
    for clip, magnitude in enumerate(exam.magnitudes):
        # What convolutions of one dimension give has no bins.
        layers = [
            maps.reshape(len(maps), -1, maps.shape[-1])
            for maps in explainer.feature_maps(magnitude)
        ]
        if not found:
            cells = _cells_of(explainer, [maps.shape[1:] for maps in layers], magnitude.shape)
            numbers = [np.asarray(features[layer]) for layer in sorted(features)]
            found = [
                Activations(
                    *(layer, own, of),
                    np.empty((len(own), len(exam.clips), len(of.places)), np.float32),
                    np.empty((len(own), len(exam.clips), of.width), np.float32),
                )
                for layer, (own, of) in enumerate(zip(numbers, cells, strict=True), start=1)
            ]
        for layer, maps in zip(found, layers, strict=True):
            own = maps[layer.features]
            layer.values[:, clip] = layer.cells.of(own)
            layer.levels[:, clip] = own.mean(axis=1)
    return found


def _cells_of(
    explainer: Explainer, shapes: Sequence[tuple[int, ...]], shape: tuple[int, ...]
) -> list[Cells]:
    """The cells of every layer, whose feature maps have these shapes, of a magnitude of `shape`."""
    n_bins, n_frames = shape
    weights = explainer.band_weights(n_bins)
    heights, widths = zip(*shapes, strict=True)
    rows = pooled_sizes(n_bins if weights is None else len(weights), heights)
    columns = pooled_sizes(n_frames, widths)
    # What the explainer knows, and else what the sizes say.
    rows = [known or size for known, size in zip(explainer.band_strides, rows, strict=True)]
    columns = [known or size for known, size in zip(explainer.strides, columns, strict=True)]
    pooled = zip(rows, columns, strict=True)
    return [
        Cells.draw(height, width, of, weights)
        for height, width, of in zip(heights, widths, pooled, strict=True)
    ]


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
        targets = np.stack([cells.means(masks) for masks in exam.masks], axis=1)
        flat = targets.reshape(len(targets), -1)
        resolvable = flat.std(axis=1) >= RESOLVABLE
        together = np.eye(len(flat), dtype=bool)
        varies = np.flatnonzero(resolvable)  # of the others nothing is asked
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
