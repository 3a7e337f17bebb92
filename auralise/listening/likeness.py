"""Which features look alike in what they let through of a song."""

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from auralise.pictures import log_frequency_rows

N_ROWS, N_COLUMNS = 28, 43  # of the pictures that are compared
RANGE_DB = 40.0


def sketch(heard: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """A small picture of what a feature lets through, to be compared with others.

    Parameters
    ----------
    heard : ndarray, shape (n_bins, n_frames)
        Magnitude.
    frequencies : ndarray, shape (n_bins,)
        In Hz.

    Returns
    -------
    ndarray, float32, shape (N_ROWS * N_COLUMNS,)
        Levels in dB down to `RANGE_DB` below the greatest, of mean 0 and norm 1; zeros where
        the picture is empty.
    """
    rows = log_frequency_rows(heard, frequencies, N_ROWS)
    starts = np.arange(N_COLUMNS) * rows.shape[1] // N_COLUMNS
    cells = np.maximum.reduceat(rows, starts, axis=1).astype(np.float64)
    relative = np.maximum(cells / (cells.max() or 1.0), 10 ** (-RANGE_DB / 20))
    levels = 20 * np.log10(relative).ravel()
    levels -= levels.mean()
    return (levels / (np.linalg.norm(levels) or 1.0)).astype(np.float32)


def likenesses(sketches: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Correlations ``(n_sketches, n_others)`` of rows that `sketch` made."""
    return np.clip(sketches @ others.T, -1, 1)


def order_by_likeness(sketches: np.ndarray) -> np.ndarray:
    """An order in which neighbours look alike: the leaves of a clustering by average linkage.

    Parameters
    ----------
    sketches : ndarray, shape (n_features, n_cells)

    Returns
    -------
    ndarray of int, shape (n_features,)
    """
    if len(sketches) < 3:
        return np.arange(len(sketches))
    distance = 1 - likenesses(sketches, sketches).astype(np.float64)
    np.fill_diagonal(distance, 0)
    condensed = squareform(distance, checks=False)
    return leaves_list(linkage(condensed, "average", optimal_ordering=True))


def distinctiveness(sketches: np.ndarray) -> np.ndarray:
    """How little each feature looks like the others of its layer: 1 - their mean likeness.

    Returns
    -------
    ndarray, shape (n_features,)
        0 for a feature that is alone.
    """
    n_others = max(1, len(sketches) - 1)
    alike = likenesses(sketches, sketches)
    others = alike.sum(axis=1) - np.diag(alike)
    return 1 - others / n_others if len(sketches) > 1 else np.zeros(len(sketches))
