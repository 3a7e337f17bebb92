"""Summaries of the correlations by layer; trained networks versus untrained ones.

Two questions are kept apart. *Do these networks differ?* is answered over their features; but
the features of one network were learned together and are not independent, so the answer holds
for these networks only. *Does training make the difference?* is answered over whole networks,
as far as there are enough: three against three cannot yield a p below 0.1.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from auralise.networks.names import INPUT, UNTRAINED, variant_of
from auralise.statistics import (
    adjust_p,
    cliffs_delta,
    interval,
    permutation_p,
    resample,
    smallest_p,
)

TAIL = 0.05  # of the untrained features, on each side, beyond which a feature is called by a name
LEAST_CONTROLS = 20  # live untrained features in a layer, fewer have no tails


def summarise_correlation(table: pd.DataFrame) -> pd.DataFrame:
    """Mean over the live features of each layer, with spread and confidence interval.

    Parameters
    ----------
    table : DataFrame
        As `attributes.correlation.correlate_attributes` returns it, of one network or several.

    Returns
    -------
    DataFrame
        Columns ``network, layer, attribute, mean, std, ci_low, ci_high, n_features, n_live``:
        standard deviation over features, and the 95 % bootstrap interval (percentile, over
        features) of the mean; both are empty for fewer than two live features.
    """
    rows = []
    for key, group in table.groupby(["network", "layer", "attribute"], sort=False):
        values = _live(group)
        low, high = confidence_interval([values])
        rows.append((*key, _mean(values), _std(values), low, high, len(group), len(values)))
    names = ["network", "layer", "attribute", "mean", "std", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=[*names, "n_features", "n_live"])


def summarise_variants(table: pd.DataFrame) -> pd.DataFrame:
    """The same for each variant: the mean over its networks of the mean over their features.

    Parameters
    ----------
    table : DataFrame
        As `summarise_correlation` takes it; the untrained networks are a variant.

    Returns
    -------
    DataFrame
        Columns ``variant, layer, attribute, mean, std, std_networks, ci_low, ci_high,
        resampled, n_networks, n_features, n_live``: standard deviations over features (of all
        networks) and over the networks' means; the 95 % bootstrap interval resamples what
        ``resampled`` says, networks and the features within each where there are several
        networks. Of so few networks it is rather too narrow. Also ``share_of_pairs``, the mean
        over live features of the share of the attribute's pairs on which r is defined, and
        ``mean_complete`` over the ``n_complete`` features for which all are.
    """
    n_pairs = table.groupby("attribute")["n_pairs"].max()
    shares = table["n_pairs"] / table["attribute"].map(n_pairs)
    table = table.assign(share=shares.where(table["live"]))
    rows = []
    variants = table["network"].map(variant_of).rename("variant")
    for key, group in table.groupby([variants, "layer", "attribute"], sort=False):
        networks = _by_network(group)
        means = np.array([values.mean() for values in networks])
        values = _live(group)
        low, high = confidence_interval(networks)
        how = "networks and features" if len(networks) > 1 else "features"
        spreads = _std(values), _std(means)
        counts = group["network"].nunique(), len(group), len(values)
        complete = group.loc[group["share"] == 1, "correlation"]
        on_pairs = group["share"].mean(), complete.mean(), len(complete)
        rows.append((*key, _mean(means), *spreads, low, high, how, *counts, *on_pairs))
    names = ["variant", "layer", "attribute", "mean", "std", "std_networks", "ci_low", "ci_high"]
    names += ["resampled", "n_networks", "n_features", "n_live"]
    return pd.DataFrame(rows, columns=[*names, "share_of_pairs", "mean_complete", "n_complete"])


def compare_with_controls(table: pd.DataFrame, controlled: Sequence[str]) -> pd.DataFrame:
    """Hold each variant of trained networks against the untrained ones, layer by layer.

    Parameters
    ----------
    table : DataFrame
        As `summarise_correlation` takes it, with the network 'input' for the baseline.
    controlled : sequence of str
        Variants whose architecture the untrained networks have. The others are compared with
        the input alone.

    Returns
    -------
    DataFrame
        One row per variant, layer and attribute:

        ``mean, untrained, input``: mean correlations;
        ``difference, ci_low, ci_high``: of the trained from the untrained, with its 95 %
        bootstrap interval (as in `summarise_variants`);
        ``delta``: Cliff's delta of the features, the probability that a trained one lies above
        an untrained one less that of the contrary. It is bounded and asks for no normal
        distribution, which correlations near their bounds do not have;
        ``p_features``: two-sided permutation test of the difference of means over features;
        ``p_features_adjusted``: with the false-discovery rate controlled over all layers and
        attributes of the variant (Benjamini & Hochberg 1995);
        ``p_networks``: the exact test over the networks' means, empty with fewer than two on
        a side, and ``p_networks_least``, the least p that so many networks can yield;
        ``n_networks, n_untrained_networks, n_features, n_live, n_untrained_features,
        n_untrained_live``.

        Empty where there is nothing to compare with.
    """
    variants = table["network"].map(variant_of)
    parts = []
    for variant in dict.fromkeys(variants[~variants.isin([UNTRAINED, INPUT])]):
        rows = []
        for (layer, attribute), group in table[variants == variant].groupby(
            ["layer", "attribute"], sort=False
        ):
            same = table[(table["layer"] == layer) & (table["attribute"] == attribute)]
            untrained = same[same["network"].map(variant_of) == UNTRAINED]
            if variant not in controlled:
                untrained = untrained.iloc[:0]
            of_input = table[(table["network"] == INPUT) & (table["attribute"] == attribute)]
            rows.append(
                {"variant": variant, "layer": layer, "attribute": attribute}
                | _compare(group, untrained)
                | {"input": _mean(of_input["correlation"].to_numpy())}
            )
        part = pd.DataFrame(rows)
        part["p_features_adjusted"] = adjust_p(part["p_features"].to_numpy())
        parts.append(part)
    columns = ["variant", "layer", "attribute", "mean", UNTRAINED, INPUT, "difference"]
    columns += ["ci_low", "ci_high", "delta", "p_features", "p_features_adjusted"]
    columns += ["p_networks", "p_networks_least", "n_networks", "n_untrained_networks"]
    columns += ["n_features", "n_live", "n_untrained_features", "n_untrained_live"]
    return pd.concat(parts, ignore_index=True)[columns]


def _compare(trained: pd.DataFrame, untrained: pd.DataFrame) -> dict[str, float]:
    networks, controls = _by_network(trained), _by_network(untrained)
    means, control_means = (np.array([v.mean() for v in group]) for group in (networks, controls))
    values, control_values = _live(trained), _live(untrained)
    result = {
        "mean": _mean(means),
        UNTRAINED: _mean(control_means),
        "difference": _mean(means) - _mean(control_means),
        "delta": cliffs_delta(values, control_values),
        "p_features": permutation_p(values, control_values),
        "p_networks": permutation_p(means, control_means),
        "p_networks_least": smallest_p(len(means), len(control_means)),
        "n_networks": trained["network"].nunique(),
        "n_untrained_networks": untrained["network"].nunique(),
        "n_features": len(trained),
        "n_live": len(values),
        "n_untrained_features": len(untrained),
        "n_untrained_live": len(control_values),
    }
    result["ci_low"], result["ci_high"] = confidence_interval(networks, controls)
    return result


def confidence_interval(
    networks: Sequence[np.ndarray], others: Sequence[np.ndarray] | None = None
) -> tuple[float, float]:
    """95 % bootstrap interval of a mean over networks, or of the difference of two such means.

    Networks are drawn first, then features of each; of a single network, its features alone.

    Parameters
    ----------
    networks : sequence of ndarray, each of shape (n_features,)
        The values of each network's features.
    others : sequence of ndarray, optional
        The same for the networks whose mean is subtracted.

    Returns
    -------
    low, high : float
        NaN for fewer than two values on either side.
    """
    rng = np.random.default_rng(0)
    groups = [networks] if others is None else [networks, others]
    if any(sum(map(len, group)) < 2 for group in groups):
        return np.nan, np.nan
    mean, *subtracted = (_resampled_means(group, rng) for group in groups)
    return interval(mean - sum(subtracted))


def _resampled_means(networks: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    shares = [values / (len(values) * len(networks)) for values in networks]
    return resample(list(map(len, networks)), rng) @ np.concatenate(shares)


def find_thresholds(table: pd.DataFrame) -> pd.DataFrame:
    """What is unusually low and unusually high among the untrained features of a layer.

    Returns
    -------
    DataFrame
        Columns ``layer, attribute, low, high, n_untrained_live``: the 5th and the 95th
        percentile of the live untrained features; empty where there are fewer than
        `LEAST_CONTROLS`.
    """
    rows = []
    untrained = table[table["network"].map(variant_of) == UNTRAINED]
    for key, group in untrained.groupby(["layer", "attribute"], sort=False):
        values = _live(group)
        enough = len(values) >= LEAST_CONTROLS
        low, high = np.quantile(values, [TAIL, 1 - TAIL]) if enough else (np.nan, np.nan)
        rows.append((*key, low, high, len(values)))
    return pd.DataFrame(rows, columns=["layer", "attribute", "low", "high", "n_untrained_live"])


def name_features(
    table: pd.DataFrame, thresholds: pd.DataFrame, controlled: Sequence[str]
) -> pd.DataFrame:
    """Say of every feature to which attributes it is unusually invariant or sensitive.

    Invariant to an attribute is a feature whose correlation lies above the 95th percentile of
    the untrained features of its layer, sensitive one that lies below the 5th: each by chance
    in one of twenty.

    Parameters
    ----------
    table : DataFrame
        As `compare_with_controls` takes it.
    thresholds : DataFrame
        As `find_thresholds` returns them.
    controlled : sequence of str
        Variants whose architecture the untrained networks have; features of others are
        'unknown'.

    Returns
    -------
    DataFrame
        One row per network, layer and feature: ``network, layer, feature, live``, one column
        per attribute with the correlation, and ``name``: such as ``key-invariant
        instrument-sensitive``, empty for a usual feature, ``dead`` for one that fired on no
        pair, ``unknown`` without thresholds.
    """
    table = table[table["network"] != INPUT]
    attributes = list(dict.fromkeys(table["attribute"]))
    index = ["network", "layer", "feature"]
    wide = table.pivot(index=index, columns="attribute", values="correlation")[attributes]
    wide = wide.reindex(pd.MultiIndex.from_frame(table[index].drop_duplicates()))
    bounds = {(row.layer, row.attribute): (row.low, row.high) for row in thresholds.itertuples()}
    names = []
    for (network, layer, _), values in wide.iterrows():
        known = variant_of(network) in (*controlled, UNTRAINED)
        names.append(_name(values, {a: bounds.get((layer, a)) for a in attributes}, known))
    live = wide.notna().any(axis=1)
    return wide.assign(live=live, name=names).reset_index()[[*index, "live", *attributes, "name"]]


def _name(values: pd.Series, bounds: Mapping[str, tuple[float, float] | None], known: bool) -> str:
    if values.isna().all():
        return "dead"
    words, compared = [], False
    for attribute, value in values.items():
        low, high = bounds[str(attribute)] or (np.nan, np.nan)
        compared |= bool(np.isfinite(low) and np.isfinite(value))
        if value > high:
            words.append(f"{attribute}-invariant")
        elif value < low:
            words.append(f"{attribute}-sensitive")
    return " ".join(words) if known and compared else "unknown"


def count_names(features: pd.DataFrame) -> pd.DataFrame:
    """How many features of each variant have each name, beside what chance would give.

    Returns
    -------
    DataFrame
        Columns ``variant, name, n_features, n_live, n_expected``: the last is the share of
        the live untrained features with that name, times the variant's live features.
    """
    variants = features["network"].map(variant_of)
    live = features["live"] & (features["name"] != "unknown")
    of_chance = features.loc[live & (variants == UNTRAINED), "name"].value_counts(normalize=True)
    rows = []
    for variant in dict.fromkeys(variants[variants != UNTRAINED]):
        names = features.loc[live & (variants == variant), "name"]
        for name, count in names[names != ""].value_counts().items():
            rows.append((variant, name, count, len(names), of_chance.get(name, 0.0) * len(names)))
    return pd.DataFrame(rows, columns=["variant", "name", "n_features", "n_live", "n_expected"])


def _live(group: pd.DataFrame) -> np.ndarray:
    return group.loc[group["live"], "correlation"].to_numpy(dtype=np.float64)


def _by_network(group: pd.DataFrame) -> list[np.ndarray]:
    """Values of the live features of each network that has any."""
    values = [_live(part) for _, part in group.groupby("network", sort=False)]
    return [of_network for of_network in values if len(of_network)]


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan


def _std(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else np.nan
