"""Correlations summarised by layer; trained networks compared with untrained ones.

The network is the unit: the features of one network were learned together and are not
independent. A verdict comes from an exact permutation test over networks alone, of
s = (r_a − r_all)/(1 − r_all), where r_a is a layer's mean correlation when one attribute alone
changes, and r_all when everything changes. s is 1 where a change of the attribute leaves nothing
changed, and 0 where it changes as much as everything does.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from auralise.attributes.correlation import COLUMNS
from auralise.networks.comparison import compare_variants
from auralise.networks.names import PERMUTED, variant_of
from auralise.statistics import interval, mean_and_spread, resample

HIGHEST_ALL = 0.9  # r_all above which nothing is left that an attribute could change


def summarise_correlation(table: pd.DataFrame) -> pd.DataFrame:
    """Mean over the live features of each layer, with spread, confidence interval and s.

    Parameters
    ----------
    table : DataFrame
        As `attributes.correlation.correlate_attributes` returns it, of one network or several.

    Returns
    -------
    DataFrame
        Columns ``network, layer, attribute, mean, std, ci_low, ci_high, mean_all, s, n_features,
        n_live``: standard deviation over features, and the 95 % bootstrap interval (percentile,
        over features) of the mean, both empty for fewer than two live features, and the interval
        for networks of permuted labels; the mean over live features when everything differs; and
        s of the two means, as `share_kept` gives it.
    """
    rows = []
    for key, group in table.groupby(["network", "layer", "attribute"], sort=False):
        values = _live(group)
        bounds = _bounds(variant_of(key[0]), [values])
        (mean, std), mean_all = mean_and_spread(values), _mean(_live(group, "correlation_all"))
        numbers = (mean, std, *bounds, mean_all, share_kept(mean, mean_all))
        rows.append((*key, *numbers, len(group), len(values)))
    names = ["network", "layer", "attribute", "mean", "std", "ci_low", "ci_high", "mean_all", "s"]
    return pd.DataFrame(rows, columns=[*names, "n_features", "n_live"])


def share_kept(mean: float, mean_all: float) -> float:
    """s = (r_a − r_all)/(1 − r_all); NaN where r_all is not known or above `HIGHEST_ALL`.

    Examples
    --------
    >>> share_kept(0.75, 0.5)
    0.5
    """
    return (mean - mean_all) / (1 - mean_all) if mean_all <= HIGHEST_ALL else np.nan


def summarise_variants(table: pd.DataFrame) -> pd.DataFrame:
    """Correlations by variant, layer and attribute: means over networks of means over features.

    Parameters
    ----------
    table : DataFrame
        As `summarise_correlation` takes it; untrained networks, and those of permuted labels, are
        variants.

    Returns
    -------
    DataFrame
        Columns ``variant, layer, attribute, mean, std, std_networks, ci_low, ci_high,
        resampled, mean_all, s, n_networks, n_features, n_live``: standard deviations over features
        (of all networks) and over the networks' means; the 95 % bootstrap interval resamples what
        ``resampled`` says, networks and the features within each where there are several
        networks, and is empty for permuted labels. With few networks it is rather too narrow.
        ``mean_all`` and ``s`` are means over networks. Also ``share_of_pairs``, the mean over live
        features of the share of the attribute's pairs on which r is defined, and
        ``mean_complete`` over the ``n_complete`` features for which all are.
    """
    n_pairs = table.groupby("attribute")["n_pairs"].max()
    shares = table["n_pairs"] / table["attribute"].map(n_pairs)
    table = table.assign(share=shares.where(table["live"]))
    rows = []
    variants = table["network"].map(variant_of).rename("variant")
    for key, group in table.groupby([variants, "layer", "attribute"], sort=False):
        by_network = [part for _, part in group.groupby("network", sort=False)]
        networks = [values for part in by_network if len(values := _live(part))]
        means = np.array([values.mean() for values in networks])
        means_all = np.array([_mean(_live(part, "correlation_all")) for part in by_network])
        s = [share_kept(_mean(_live(p)), of) for p, of in zip(by_network, means_all, strict=True)]
        values = _live(group)
        how = "networks and features" if len(networks) > 1 else "features"
        mean, std_networks = mean_and_spread(means)
        spreads = mean_and_spread(values)[1], std_networks
        of_all = _mean(_known(means_all)), _mean(_known(np.array(s)))
        counts = len(by_network), len(group), len(values)
        complete = group.loc[group["share"] == 1, "correlation"]
        on_pairs = group["share"].mean(), complete.mean(), len(complete)
        bounds = _bounds(key[0], networks)
        rows.append((*key, mean, *spreads, *bounds, how, *of_all, *counts, *on_pairs))
    names = ["variant", "layer", "attribute", "mean", "std", "std_networks", "ci_low", "ci_high"]
    names += ["resampled", "mean_all", "s", "n_networks", "n_features", "n_live"]
    return pd.DataFrame(rows, columns=[*names, "share_of_pairs", "mean_complete", "n_complete"])


def compare_with_controls(summary: pd.DataFrame, controls: Mapping[str, str]) -> pd.DataFrame:
    """`auralise.networks.comparison.compare_variants` of s, by layer and attribute."""
    return compare_variants(summary, controls, "s", ("layer", "attribute"))


def rank_features(table: pd.DataFrame, untrained: pd.DataFrame) -> pd.DataFrame:
    """Rank each feature among the untrained features of its layer.

    Parameters
    ----------
    table : DataFrame
        As `attributes.correlation.correlate_attributes` returns it, of one network.
    untrained : DataFrame
        The same of the untrained networks of its architecture, pooled; empty without any. The
        network's own features are left out of them.

    Returns
    -------
    DataFrame
        The table with a column ``percentile`` before ``n_pairs``: the share of the live untrained
        features of the layer whose correlation is lower, in %, equal ones counted half; empty
        where there is nothing to rank, or nothing to rank it among.
    """
    pool = untrained[untrained["live"].astype(bool) & ~untrained["network"].isin(table["network"])]
    ranks = pd.Series(np.nan, index=table.index)
    for key, group in table.groupby(["layer", "attribute"], sort=False):
        same = (pool["layer"] == key[0]) & (pool["attribute"] == key[1])
        others = np.sort(pool.loc[same, "correlation"].to_numpy(np.float64))
        live = group.loc[group["live"], "correlation"].to_numpy(np.float64)
        if len(others):
            lower, upper = (np.searchsorted(others, live, side) for side in ("left", "right"))
            ranks[group.index[group["live"]]] = 50 * (lower + upper) / len(others)
    ranked = table.assign(percentile=ranks)
    place = COLUMNS.index("n_pairs")
    return ranked[[*COLUMNS[:place], "percentile", *COLUMNS[place:]]]


def confidence_interval(networks: Sequence[np.ndarray]) -> tuple[float, float]:
    """95 % bootstrap interval of a mean over networks, each with the values of its features.

    Networks are drawn first, then features of each; of a single network, its features alone. NaN
    for fewer than two values.
    """
    if sum(map(len, networks)) < 2:
        return np.nan, np.nan
    shares = [values / (len(values) * len(networks)) for values in networks]
    return interval(resample(list(map(len, networks))) @ np.concatenate(shares))


def _bounds(variant: str, networks: Sequence[np.ndarray]) -> tuple[float, float]:
    # Permuted labels show what any training does; they are not a sample to generalise from.
    return (np.nan, np.nan) if variant == PERMUTED else confidence_interval(networks)


def _live(group: pd.DataFrame, column: str = "correlation") -> np.ndarray:
    return _known(group.loc[group["live"], column])


def _known(values: pd.Series | np.ndarray) -> np.ndarray:
    values = np.asarray(values, np.float64)
    return values[np.isfinite(values)]


def _mean(values: np.ndarray) -> float:
    return mean_and_spread(values)[0]
