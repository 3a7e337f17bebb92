"""Log-frequency rows of a spectrogram, for every picture that is drawn of one."""

import numpy as np

LOWEST = 43.0  # Hz, lower end of log-frequency axes: the second bin of 2015's transform


def lowest_frequency(frequencies: np.ndarray) -> float:
    """Centre of the lowest row (Hz): `LOWEST`, or the first bin above 0 Hz where that is higher."""
    return max(LOWEST, float(frequencies[1]))


def row_centres(frequencies: np.ndarray, n_rows: int) -> np.ndarray:
    """Centre frequency of every row (Hz), equally spaced in octaves, shape ``(n_rows,)``."""
    return np.geomspace(lowest_frequency(frequencies), frequencies[-1], n_rows)


def bins_of_rows(frequencies: np.ndarray, n_rows: int) -> np.ndarray:
    """Bins that each row shows: those nearest to it, so that every bin has a row.

    Parameters
    ----------
    frequencies : ndarray, shape (n_bins,)
        Centres of the bins (Hz), ascending.
    n_rows : int

    Returns
    -------
    ndarray of int, shape (n_rows, 2)
        First bin and the one after the last. At the lower end, where bins lie further apart than
        rows, neighbouring rows show the same bin; the lowest row has all bins below it as well.

    Examples
    --------
    >>> bins_of_rows(np.array([0.0, 100, 200, 300, 400]), 3).tolist()
    [[0, 2], [2, 3], [3, 5]]
    """
    octaves = np.log2(np.maximum(frequencies, lowest_frequency(frequencies)))
    share = (octaves - octaves[0]) / (octaves[-1] - octaves[0])
    row_of_bin = np.rint(share * (n_rows - 1)).astype(int)
    rows = np.arange(n_rows)
    spans = np.stack(
        [np.searchsorted(row_of_bin, rows), np.searchsorted(row_of_bin, rows, "right")], axis=1
    )
    empty = spans[:, 0] == spans[:, 1]
    centres = np.log2(row_centres(frequencies, n_rows))[empty]
    nearest = np.abs(octaves - centres[:, None]).argmin(axis=1)
    spans[empty] = np.stack([nearest, nearest + 1], axis=1)
    return spans


def log_frequency_rows(values: np.ndarray, frequencies: np.ndarray, n_rows: int = 96) -> np.ndarray:
    """Each row's greatest value, so that what stands in a single bin is seen.

    Parameters
    ----------
    values : ndarray, shape (..., n_bins, n_frames)
    frequencies : ndarray, shape (n_bins,)
        In Hz, ascending.
    n_rows : int

    Returns
    -------
    ndarray, shape (..., n_rows, n_frames)
        The lowest frequency is row 0.
    """
    spans = bins_of_rows(frequencies, n_rows)
    return np.stack([values[..., a:b, :].max(axis=-2) for a, b in spans], axis=-2)
