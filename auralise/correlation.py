"""What a feature keeps when one musical attribute changes: pairwise correlation of its maps.

Our protocol, since the one of Choi 2016 was never published: for one feature and one
attribute, Pearson's r between the deconvolved maps of every pair of signals that differ in
that attribute alone; the mean over the pairs is the feature's value, and the mean over its
live features, with its spread, the layer's.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats
from tqdm import tqdm

from auralise.deconvnet import Deconvnet
from auralise.errors import SettingsError

WORKING_MEMORY = 1024 * 2**20  # bytes of the maps of all signals held at once
N_RESAMPLES = 2000
CONFIDENCE = 0.95

COLUMNS = ["network", "layer", "feature", "attribute", "correlation", "n_pairs", "live"]


def pairs_by_attribute(signals: pd.DataFrame, attributes: Sequence[str]) -> dict[str, np.ndarray]:
    """Pairs of signals that differ in exactly one attribute.

    Parameters
    ----------
    signals : DataFrame
        One row per signal, one column per attribute.
    attributes : sequence of str
        Columns of `signals` that describe them.

    Returns
    -------
    dict of str to ndarray of int, shape (n_pairs, 2)
        Row numbers of each pair, the lower first, by the attribute in which they differ.

    Raises
    ------
    SettingsError
        Two signals are alike in every attribute.
    """
    codes = np.stack([pd.factorize(signals[name])[0] for name in attributes])
    first, second = np.triu_indices(len(signals), k=1)
    differs = codes[:, first] != codes[:, second]
    n_differences = differs.sum(axis=0)
    if (n_differences == 0).any():
        row = signals.iloc[first[n_differences == 0][0]]
        raise SettingsError(
            f"two signals have the same attributes, {dict(row[list(attributes)])}; "
            "each needs a combination of its own"
        )
    alone = n_differences == 1
    return {
        name: np.column_stack([first, second])[alone & differs[number]]
        for number, name in enumerate(attributes)
    }


def correlation_matrices(maps: np.ndarray) -> np.ndarray:
    """Pearson's r between the maps of every two signals, feature by feature.

    Parameters
    ----------
    maps : ndarray, shape (n_signals, n_features, n_bins, n_frames)

    Returns
    -------
    ndarray, float32, shape (n_features, n_signals, n_signals)
        NaN for signals on which the feature's map is constant: there r is not defined.
    """
    return np.stack([_correlation_matrix(maps[:, k]) for k in range(maps.shape[1])])


def _correlation_matrix(maps: np.ndarray) -> np.ndarray:
    flat = maps.reshape(len(maps), -1)
    centred = flat - flat.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    # A constant map leaves rounding residue, not zeros, when its mean is taken off.
    constant = np.ptp(flat, axis=1, keepdims=True) == 0
    centred /= np.where(constant, np.nan, norms)
    return np.clip(centred @ centred.T, -1, 1)


def mean_over_pairs(matrices: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean correlation of some pairs of signals.

    Parameters
    ----------
    matrices : ndarray, shape (n_features, n_signals, n_signals)
        NaN where r is not defined; such pairs are left out.
    pairs : ndarray of int, shape (n_pairs, 2)

    Returns
    -------
    means : ndarray, shape (n_features,)
        NaN for a feature without a pair.
    counts : ndarray of int, shape (n_features,)
        Pairs that took part.
    """
    values = matrices[:, pairs[:, 0], pairs[:, 1]].astype(np.float64)
    counts = np.isfinite(values).sum(axis=1)
    sums = np.nansum(values, axis=1)
    return np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0), counts


def correlate_attributes(
    net: Deconvnet, magnitudes: np.ndarray, pairs: Mapping[str, np.ndarray], network: str
) -> pd.DataFrame:
    """Mean pairwise correlation for every layer, feature and attribute.

    The maps are made and reduced a few features at a time; memory does not grow with the
    number of signals.

    Parameters
    ----------
    net : Deconvnet
    magnitudes : ndarray, shape (n_signals, n_bins, n_frames)
    pairs : mapping of str to ndarray
        As `pairs_by_attribute` returns it.
    network : str
        Goes into the table.

    Returns
    -------
    DataFrame
        Columns ``network, layer, feature, attribute, correlation, n_pairs, live``.
        `correlation` is empty where the feature is not live: it fired on no pair.
    """
    batch_size = max(1, WORKING_MEMORY // (4 * magnitudes.size))
    tables = []
    total = sum(net.n_features) * len(magnitudes)
    with tqdm(total=total, desc=f"correlate {network}", unit="map") as progress:
        for batch in _batches(net.n_features, batch_size):
            maps = {
                layer: np.empty((len(magnitudes), len(features), *magnitudes.shape[1:]), np.float32)
                for layer, features in batch.items()
            }
            for row, magnitude in enumerate(magnitudes):
                for layer, found in net.deconvolve_all(magnitude, batch, batch):
                    maps[layer][row] = found
                    progress.update(len(found))
            for layer, features in batch.items():
                matrices = correlation_matrices(maps[layer])
                tables.append(_table(matrices, pairs, network, layer, features))
    return pd.concat(tables, ignore_index=True)


def correlate_inputs(magnitudes: np.ndarray, pairs: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """The same for the input itself, as layer 0: what any layer must be read against."""
    matrices = correlation_matrices(magnitudes[:, None])
    return _table(matrices, pairs, "input", 0, [0])


def _batches(n_features: Sequence[int], size: int) -> Iterator[dict[int, list[int]]]:
    """All features of all layers in batches of `size`, as features by layer.

    Layers share a batch because deconvolution makes maps of several at once for less.
    """
    everything = [(layer, f) for layer, n in enumerate(n_features, start=1) for f in range(n)]
    for first in range(0, len(everything), size):
        batch: dict[int, list[int]] = {}
        for layer, feature in everything[first : first + size]:
            batch.setdefault(layer, []).append(feature)
        yield batch


def _table(
    matrices: np.ndarray,
    pairs: Mapping[str, np.ndarray],
    network: str,
    layer: int,
    features: Sequence[int],
) -> pd.DataFrame:
    parts = []
    for attribute, chosen in pairs.items():
        means, counts = mean_over_pairs(matrices, chosen)
        parts.append(
            pd.DataFrame(
                {
                    "network": network,
                    "layer": layer,
                    "feature": features,
                    "attribute": attribute,
                    "correlation": means,
                    "n_pairs": counts,
                    "live": counts > 0,
                }
            )
        )
    return pd.concat(parts)[COLUMNS]


def summarise_correlation(table: pd.DataFrame) -> pd.DataFrame:
    """Mean over the live features of each layer, with spread and confidence interval.

    Parameters
    ----------
    table : DataFrame
        As `correlate_attributes` returns it, of one network or several.

    Returns
    -------
    DataFrame
        Columns ``network, layer, attribute, mean, std, ci_low, ci_high, n_features, n_live``:
        standard deviation over features, and the 95 % bootstrap interval (percentile, over
        features) of the mean; both are empty for fewer than two live features.
    """
    rows = []
    for key, group in table.groupby(["network", "layer", "attribute"], sort=False):
        values = group.loc[group["live"], "correlation"].to_numpy()
        low, high = _confidence_interval(values)
        rows.append(
            (
                *key,
                values.mean() if len(values) else np.nan,
                values.std(ddof=1) if len(values) > 1 else np.nan,
                low,
                high,
                len(group),
                len(values),
            )
        )
    names = ["network", "layer", "attribute", "mean", "std", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=[*names, "n_features", "n_live"])


def _confidence_interval(values: np.ndarray) -> tuple[float, float]:
    if len(values) < 2:
        return np.nan, np.nan
    interval = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=N_RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=0,
    ).confidence_interval
    return interval.low, interval.high
