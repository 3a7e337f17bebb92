"""Does a feature fire where a concept is, and let through what it sounds like: on arrays alone.

Correlation and average precision, over all cells and not the strongest alone, fall both when a
feature misses part of a concept and when it fires elsewhere too.
"""

from collections.abc import Iterable

import numpy as np
from scipy import sparse

from auralise.statistics import ratio

LEVELS = 256  # of activation, at most, that average precision tells apart


def pooled_sizes(length: int, sizes: Iterable[int]) -> list[int]:
    """How many bins, or frames, one cell of each layer's feature maps stands for.

    Parameters
    ----------
    length : int
        Of the input.
    sizes : iterable of int
        Of each layer's feature maps, in order. From one layer to the next the step is the least
        that gives the size, whether or not what does not fill a cell is left out.

    Examples
    --------
    >>> pooled_sizes(173, [86, 43, 21, 10, 5])  # and not 173 // 5 = 34
    [2, 4, 8, 16, 32]
    >>> pooled_sizes(257, [129, 65, 33])  # strided convolutions, padded
    [2, 4, 8]
    >>> pooled_sizes(96, [94, 31, 15, 30])  # without padding; pooled by 3, by 2; as large again
    [1, 3, 6, 3]
    """
    found, before, pooled = [], length, 1
    for size in sizes:
        if size > before:
            pooled = max(1, pooled // round(size / before))
        else:
            steps = range(1, before + 1)
            fitting = (step for step in steps if before // step <= size <= -(-before // step))
            pooled *= next(fitting, round(before / size))
        before = size
        found.append(pooled)
    return found


def cell_offset(length: int, size: int, pooled: int) -> int:
    """Where the first cell begins: in the bin, or frame, of that number.

    What is left over at the end is less than a cell where poolings left it out. Where it is more,
    or negative, convolutions without padding, or with stride and padding, are centred.

    Examples
    --------
    >>> cell_offset(173, 5, 32), cell_offset(120, 110, 1), cell_offset(257, 33, 8)
    (0, 5, -4)
    """
    left = length - size * pooled
    return 0 if 0 <= left < pooled else left // 2


def cell_means(masks: np.ndarray, shape: tuple[int, int], pooled: tuple[int, int]) -> np.ndarray:
    """The mean of masks over each cell of a feature map.

    Parameters
    ----------
    masks : ndarray, shape (..., n_bins, n_frames)
    shape : (int, int)
        Height and width of the feature map.
    pooled : (int, int)
        Bins and frames of a cell. The first one begins at `cell_offset`; beyond the ends the mask
        goes on as it ends.

    Returns
    -------
    ndarray, float32, shape (..., height, width)

    Examples
    --------
    >>> import numpy as np
    >>> cell_means(np.array([[1, 0, 5], [1, 0, 5]]), (1, 1), (2, 2))
    array([[0.5]], dtype=float32)
    """
    (height, width), (rows, columns) = shape, pooled
    for axis, size, step in (-2, height, rows), (-1, width, columns):
        length = masks.shape[axis]
        first = cell_offset(length, size, step)
        places = np.arange(first, first + size * step)
        if first or len(places) > length:
            masks = np.take(masks, places.clip(0, length - 1), axis=axis)
    cut = masks[..., : height * rows, : width * columns]
    blocks = cut.reshape(*masks.shape[:-2], height, rows, width, columns)
    return blocks.mean(axis=(-3, -1), dtype=np.float32)


def correlations(activations: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Pearson's r of every feature with every concept.

    Parameters
    ----------
    activations : ndarray, shape (n_features, n_cells)
    targets : ndarray, shape (n_concepts, n_cells)

    Returns
    -------
    ndarray, shape (n_features, n_concepts)
        NaN where one of the two does not vary.

    Examples
    --------
    >>> import numpy as np
    >>> correlations(np.array([[0.0, 1.0, 2.0, 3.0]]), np.array([[0.0, 0.0, 1.0, 1.0]])).round(3)
    array([[0.894]])
    """
    a = activations - activations.mean(axis=1, keepdims=True, dtype=np.float64)
    b = targets - targets.mean(axis=1, keepdims=True, dtype=np.float64)
    scale = np.sqrt(np.square(a).sum(axis=1)[:, None] * np.square(b).sum(axis=1)[None, :])
    return ratio(a @ b.T, scale)


def average_precisions(activations: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """How well activation ranks the cells of a concept: (AP − prevalence)/(1 − prevalence).

    Average precision is the mean, over positive cells, of the precision among all cells that
    fire as strongly; equal activations count as one. Activations are told apart at `LEVELS` at
    most, equally many cells in each.

    Parameters
    ----------
    activations : ndarray, shape (n_features, n_cells)
    targets : ndarray, shape (n_concepts, n_cells)
        A cell is positive above half of the concept's largest target.

    Returns
    -------
    ndarray, shape (n_features, n_concepts)
        1 for a perfect ranking, about 0 by chance; NaN where all cells or none are positive.

    Examples
    --------
    >>> import numpy as np
    >>> target = np.array([[1.0, 0.0, 1.0, 0.0]])
    >>> average_precisions(np.array([[3.0, 2.0, 1.0, 0.0]]), target).round(3)
    array([[0.667]])
    """
    positive = targets > targets.max(axis=1, keepdims=True) / 2
    hits = np.ascontiguousarray(positive.T, dtype=np.float32)
    n_positive = hits.sum(axis=0, dtype=np.float64)
    prevalence = n_positive / len(hits)
    found = np.full((len(activations), len(targets)), np.nan)
    for feature, values in enumerate(activations):
        levels, n_levels = _levels(values)
        cells = np.arange(len(values) + 1)
        of_level = sparse.csc_matrix(
            (np.ones(len(values), np.float32), levels, cells), shape=(n_levels, len(values))
        )
        caught = of_level @ hits
        n_cells = np.bincount(levels, minlength=n_levels)
        # From the strongest level down.
        precision = np.cumsum(caught[::-1], axis=0) / np.cumsum(n_cells[::-1])[:, None]
        summed = (precision * caught[::-1]).sum(axis=0)
        found[feature] = ratio(summed, n_positive)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(prevalence < 1, (found - prevalence) / (1 - prevalence), np.nan)


def _levels(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Which level each value is of, from 0 for the smallest, and how many levels there are."""
    ordered = np.sort(values)
    is_new = np.diff(ordered, prepend=np.nan) != 0
    distinct = ordered[is_new]
    if len(distinct) > LEVELS:
        # Zero is one level, however many cells are silent.
        firing = ordered[ordered > ordered[0]]
        places = np.linspace(0, len(firing) - 1, LEVELS - 1).astype(int)
        distinct = np.unique(np.concatenate([ordered[:1], firing[places]]))
    return np.searchsorted(distinct, values, side="right") - 1, len(distinct)


def fires(activations: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The score of a name: the mean of `correlations` and `average_precisions`.

    Parameters
    ----------
    activations : ndarray, shape (n_features, ...)
    targets : ndarray, shape (n_concepts, ...)
        Of the same clips and cells.

    Returns
    -------
    ndarray, shape (n_features, n_concepts)
        NaN where either is.
    """
    a, t = activations.reshape(len(activations), -1), targets.reshape(len(targets), -1)
    return (correlations(a, t) + average_precisions(a, t)) / 2


def energy_inside(
    maps: np.ndarray, magnitude: np.ndarray, masks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Energy of what features let through, inside each mask and in all.

    Parameters
    ----------
    maps : ndarray, shape (n_features, n_bins, n_frames)
        What multiplies the STFT.
    magnitude : ndarray, shape (n_bins, n_frames)
    masks : ndarray, shape (n_masks, n_bins, n_frames)

    Returns
    -------
    inside : ndarray, float64, shape (n_features, n_masks)
    total : ndarray, float64, shape (n_features,)
    """
    heard = np.square(maps * magnitude).reshape(len(maps), -1)
    flat = masks.reshape(len(masks), -1).astype(heard.dtype)
    return (heard @ flat.T).astype(np.float64), heard.sum(axis=1, dtype=np.float64)


def enrichment(
    inside: np.ndarray, total: np.ndarray, inside_song: np.ndarray, total_song: float
) -> np.ndarray:
    """How much more of a concept is in what a feature lets through than in the song.

    Parameters
    ----------
    inside : ndarray, shape (n_features, n_concepts)
        Energy inside the masks, of |map|²·|X|².
    total : ndarray, shape (n_features,)
    inside_song : ndarray, shape (n_concepts,)
        The same of |X|².
    total_song : float

    Returns
    -------
    ndarray, shape (n_features, n_concepts)
        The share inside the masks over that of the song: 1 where as much is let through as there
        is; NaN for a feature that lets nothing through, and for a concept that is not there.

    Examples
    --------
    >>> import numpy as np
    >>> enrichment(np.array([[3.0]]), np.array([4.0]), np.array([1.0]), 2.0)
    array([[1.5]])
    """
    return ratio(ratio(inside, total[:, None]), inside_song / total_song)
