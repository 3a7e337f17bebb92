"""What a feature is made of: the features of the layer below that drive it, and their names."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

N_SHOWN = 5  # features below

CONTRIBUTIONS = ("layer", "feature", "name", "below", "name_below", "contribution", "share")


def contributions(kernels: np.ndarray, means: np.ndarray) -> np.ndarray:
    """How much each feature of the layer below contributes to each feature.

    Parameters
    ----------
    kernels : ndarray, shape (n_features, n_below, n_bins, n_frames)
    means : ndarray, shape (n_below,)
        Mean activation of the features below.

    Returns
    -------
    ndarray, shape (n_features, n_below)
        Sum of a kernel's magnitudes times the mean activation, with the sign of the kernel's sum:
        positive where the feature below excites more than it inhibits.

    Examples
    --------
    >>> kernels = np.array([[[[1.0, -2.0]], [[3.0, 0.0]]]])
    >>> contributions(kernels, np.array([10.0, 1.0]))
    array([[-30.,   3.]])
    """
    signs = np.sign(kernels.sum(axis=(2, 3)))
    return signs * np.abs(kernels).sum(axis=(2, 3)) * means


def list_contributions(
    names: pd.DataFrame, kernels: Sequence[np.ndarray], values: Sequence[np.ndarray]
) -> pd.DataFrame:
    """The `N_SHOWN` features below that contribute most to each feature that has a name.

    Parameters
    ----------
    names : DataFrame
        ``layer, feature, name``.
    kernels : sequence of ndarray
        Of each layer, as `auralise.networks.genre.layer_kernels` returns them; none of a network
        whose layers are not convolutions of one another, of which nothing is listed.
    values : sequence of ndarray, each of shape (n_features, ...)
        Activations of each layer on the clips of the exam.

    Returns
    -------
    DataFrame
        With the columns `CONTRIBUTIONS`, the largest magnitude first: ``below`` is a feature of the
        layer below, ``name_below`` its name (empty: unknown), ``share`` the contribution's of the
        magnitudes of all features below.
    """
    called = names.set_index(["layer", "feature"])["name"]
    rows = []
    for (layer, feature), name in called.items() if kernels else ():
        if layer == 1 or not name:
            continue
        below = values[layer - 2]
        means = below.reshape(len(below), -1).mean(axis=1, dtype=np.float64)
        found = contributions(kernels[layer - 1][[feature]], means)[0]
        total = np.abs(found).sum() or 1.0
        for source in np.argsort(-np.abs(found), kind="stable")[:N_SHOWN]:
            of_below = (source, called[layer - 1, source])
            rows.append((layer, feature, name, *of_below, found[source], found[source] / total))
    return pd.DataFrame(rows, columns=list(CONTRIBUTIONS))
