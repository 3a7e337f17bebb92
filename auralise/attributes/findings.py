"""The attribute experiment in words: what was found, with which numbers, and how sure it is."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from auralise.networks.names import INPUT, UNTRAINED, is_control

ALPHA = 0.05
MOST_NAMES = 12  # in the table of names

REPRESENTED = {
    "maps": "deconvolved maps",
    "auralised": "magnitudes of the auralised spectra",
    "feature_maps": "feature maps",
    "activations": "activations over time (feature maps averaged over frequency)",
}


HIGHER, LOWER = "higher", "lower"
NOT_OVER_NETWORKS = "{} over features, not over networks"
NOT_DISTINGUISHABLE = "not distinguishable"
UNKNOWN = "unknown"


def judge(row: Mapping) -> str:
    """A row of `attributes.comparison.compare_with_controls` in a few words.

    Returns
    -------
    str
        'unknown' without a control; 'not distinguishable' where the features' test does not
        reject at a false-discovery rate of 5 %; else 'higher' or 'lower', with a reservation
        where the interval of the difference, which resamples networks too, includes zero.
    """
    if not np.isfinite(row["p_features_adjusted"]):
        return UNKNOWN
    if row["p_features_adjusted"] >= ALPHA:
        return NOT_DISTINGUISHABLE
    direction = HIGHER if row["difference"] > 0 else LOWER
    if row["ci_low"] <= 0 <= row["ci_high"]:
        return NOT_OVER_NETWORKS.format(direction)
    return direction


def describe_protocol(design: pd.DataFrame, compare: str) -> str:
    """What was correlated with what, and how many pairs there were."""
    n_signals = design.drop_duplicates("kind")["n_signals"].sum()
    pairs = [f"{row.n_pairs} in {row.attribute}" for row in design.itertuples()]
    text = (
        f"Pearson's r between the {REPRESENTED[compare]} of signals that differ in one attribute "
        f"alone: {n_signals} signals, pairs: {', '.join(pairs)}."
    )
    missing = design.drop_duplicates("kind")
    missing = missing[missing["n_missing"] > 0]
    for row in missing.itertuples():
        text += (
            f" Of the {row.n_cells} combinations {row.kind}, {row.n_missing} are missing, and so "
            "are their pairs."
        )
    return text


def _describe_networks(variants: pd.DataFrame) -> str:
    """How many networks, and how many of their features are live, layer by layer."""
    parts = []
    for variant, rows in variants[variants["variant"] != INPUT].groupby("variant", sort=False):
        n = int(rows["n_networks"].iloc[0])
        what = (
            f"'{variant}', trained"
            if not is_control(str(variant))
            else ("untrained" if variant == UNTRAINED else f"'{variant}'")
        )
        live = rows.groupby("layer")["n_live"].agg(["min", "max"])
        spans = [
            f"{low}" if low == high else f"{low}–{high}"
            for low, high in live.itertuples(index=False)
        ]
        n_features = rows.drop_duplicates("layer")["n_features"].sum()
        parts.append(
            f"{n} network{'s' * (n != 1)} {what}, live features by layer {', '.join(spans)}, of "
            f"{n_features} in all"
        )
    return (
        "; ".join(parts) + ". Features that fired on no pair are dead and left out (a range: "
        "live for the pairs of one attribute, dead for those of another)."
    )


def caption_attributes(variants: pd.DataFrame, design: pd.DataFrame, compare: str) -> str:
    """Caption of `auralise.figures.attributes.draw_attributes`."""
    return (
        f"Mean correlation by layer. {describe_protocol(design, compare)} "
        f"{_describe_networks(variants)} Lines: mean over networks of the mean over live "
        "features; bands: 95 % bootstrap interval, over networks and their features where there "
        "are several networks, over features otherwise; dots: single networks, where several. "
        "Dotted: the input spectrograms themselves, against which every layer must be read.\n"
    )


def caption_distribution(variants: pd.DataFrame, design: pd.DataFrame, compare: str) -> str:
    """Caption of `auralise.figures.attributes.draw_distribution`."""
    return (
        f"Distribution over features. {describe_protocol(design, compare)} "
        f"{_describe_networks(variants)} Violins: density of the live features' mean "
        "correlations, all of one width, cut at the extremes; lines within: quartiles. Dotted: "
        "the input spectrograms themselves.\n"
    )


def caption_comparison(comparison: pd.DataFrame, design: pd.DataFrame, compare: str) -> str:
    """Caption of `auralise.figures.attributes.draw_comparison`."""
    tests = comparison["p_features"].notna().sum()
    return (
        f"Trained against untrained networks. {describe_protocol(design, compare)} Above: "
        "difference of the layer means with its 95 % bootstrap interval. Below: Cliff's delta of "
        "the features. Filled: the permutation test over features rejects at a false-discovery "
        f"rate of 5 % over the {tests} layers and attributes; it speaks of these networks, whose "
        f"features are not independent. {_sureness_of_networks(comparison)}\n"
    )


def caption_features(
    features: pd.DataFrame, thresholds: pd.DataFrame, design: pd.DataFrame, compare: str
) -> str:
    """Caption of `auralise.figures.attributes.draw_features`, for the features of one network."""
    n_untrained = thresholds.groupby("layer", sort=False)["n_untrained_live"].max()
    named = features["name"].str.contains("-")
    return (
        f"Features of {features['network'].iloc[0]} by attribute. "
        f"{describe_protocol(design, compare)} Rows: the {int(features['live'].sum())} live "
        f"features of {len(features)}, in each layer from those that keep most to those that keep "
        "least. +: invariant, above the 95th percentile of the live untrained features of the "
        "layer; -: sensitive, below the 5th (each by chance in one of twenty; untrained features "
        f"by layer: {', '.join(map(str, n_untrained))}); {int(named.sum())} features carry a "
        "mark. Grey: no pair on which the feature fired.\n"
    )


def write_findings(
    experiment: str,
    compare: str,
    design: pd.DataFrame,
    variants: pd.DataFrame,
    comparison: pd.DataFrame,
    features: pd.DataFrame,
    names: pd.DataFrame,
) -> str:
    """The page of findings.

    Parameters
    ----------
    experiment : str
    compare : str
        One of `auralise.attributes.representations.COMPARED`.
    design, variants, comparison, features, names : DataFrame
        As `describe_design`, `summarise_variants`, `compare_with_controls`, `name_features`
        with `link_sounds`, and `count_names` return them.

    Returns
    -------
    str
        Markdown.
    """
    parts = [
        f"# What the features of '{experiment}' keep when one attribute changes",
        "Written by the workflow from the tables beside this page. A correlation near 1 means "
        "that what the features show stays the same when that attribute alone changes.",
        "## Protocol",
        describe_protocol(design, compare),
        "\n".join(f"- {row.attribute}: {row.levels}" for row in design.itertuples()),
        _describe_networks(variants),
        "## Findings",
        *_found(comparison, variants),
        "## How sure this is",
        "\n".join(f"- {line}" for line in _sureness(comparison, variants, features, design)),
        "## Layer by layer",
        _table(comparison, variants),
        "## Features with a name",
        *_named(features, names),
    ]
    return "\n\n".join(parts) + "\n"


def _found(comparison: pd.DataFrame, variants: pd.DataFrame) -> Iterator[str]:
    """One paragraph for each attribute of each variant."""
    for (variant, attribute), rows in comparison.groupby(["variant", "attribute"], sort=False):
        first, last = rows.iloc[0], rows.iloc[-1]
        text = (
            f"**{attribute}, {variant}.** The input spectrograms correlate with "
            f"{_r(first['input'])} when the {attribute} alone changes. The features' mean goes "
            f"from {_r(first['mean'])} in layer {first['layer']} to {_r(last['mean'])} in layer "
            f"{last['layer']}"
        )
        if first["n_untrained_networks"]:
            text += f" (untrained: {_r(first[UNTRAINED])} to {_r(last[UNTRAINED])})"
        verdicts = rows.apply(judge, axis=1)
        sentences = []
        for verdict in (HIGHER, LOWER):
            if (which := rows[verdicts == verdict]).size:
                sentences.append(
                    f"in {_layers(which, rows)} it is {verdict} than in untrained networks "
                    f"(differences {_span(which['difference'])}, Cliff's delta "
                    f"{_span(which['delta'])}, adjusted {_p(which['p_features_adjusted'].max())})"
                )
        for direction in (HIGHER, LOWER):
            if (which := rows[verdicts == NOT_OVER_NETWORKS.format(direction)]).size:
                sentences.append(
                    f"in {_layers(which, rows)} it is {direction} over the features of these "
                    "networks, but the networks differ among themselves as much"
                )
        if (which := rows[verdicts == NOT_DISTINGUISHABLE]).size:
            sentences.append(
                f"in {_layers(which, rows)} it is not distinguishable from untrained networks"
            )
        if (which := rows[verdicts == UNKNOWN]).size:
            sentences.append(
                f"in {_layers(which, rows)} whether training matters is unknown, for want of a "
                "control"
            )
        yield f"{text}. {_sentence('; '.join(sentences))}. {_against_input(rows, variants)}"


def _against_input(rows: pd.DataFrame, variants: pd.DataFrame) -> str:
    """Where the trained mean's interval lies above or below the input's own correlation."""
    variant, attribute = rows["variant"].iloc[0], rows["attribute"].iloc[0]
    bounds = variants[(variants["variant"] == variant) & (variants["attribute"] == attribute)]
    bounds = bounds.set_index("layer").loc[rows["layer"]]
    above = bounds["ci_low"].to_numpy() > rows["input"].to_numpy()
    below = bounds["ci_high"].to_numpy() < rows["input"].to_numpy()
    parts = [
        f"{_layers(rows[where], rows)} {'lie' if where.sum() > 1 else 'lies'} {side} it"
        for where, side in ((above, "above"), (below, "below"))
        if where.any()
    ]
    if not parts:
        return "Read against the input, no layer's interval lies clear of it."
    return f"Read against the input, {' and '.join(parts)}."


def _sureness(
    comparison: pd.DataFrame, variants: pd.DataFrame, features: pd.DataFrame, design: pd.DataFrame
) -> Iterator[str]:
    yield (
        "'Higher' and 'lower' are the verdicts of a permutation test over features, at a "
        "false-discovery rate of 5 % over all layers and attributes of a variant, where the "
        "interval of the difference excludes zero as well. They hold for these networks: the "
        "features of one network were learned together and are not independent."
    )
    yield (
        "What lies above or below the input is judged layer by layer by its 95 % interval, without "
        "an adjustment for their number."
    )
    yield _sureness_of_networks(comparison)
    yield (
        "Signals share notes and instruments, so pairs are not independent either; the intervals "
        "are over networks and features, not over signals: other signals may give other numbers."
    )
    trained = features[~features["network"].map(is_control)]
    n_dead = int((~trained["live"]).sum())
    yield f"{n_dead} of {len(trained)} trained features fired on no pair at all and are left out."
    yield _pairs_left_out(variants)
    if (design["n_missing"] > 0).any():
        yield "Cells of the design are missing (design.csv): the attributes are not balanced."
    yield (
        "The protocol is ours: what was correlated with what in the experiment of 2016 was never "
        "published, and these numbers cannot be held against its figures."
    )


def _pairs_left_out(variants: pd.DataFrame) -> str:
    """On how many pairs the means rest, and what they were of features that have them all."""
    shown = variants[(variants["variant"] != INPUT) & (variants["n_live"] > 0)]
    of_controls = shown["variant"].map(is_control)
    trained, untrained = shown[~of_controls], shown[of_controls]

    def span(rows: pd.DataFrame) -> str:
        return f"{rows['share_of_pairs'].min():.0%} to {rows['share_of_pairs'].max():.0%}"

    text = (
        "A pair has no r in a feature that is constant on one of its signals, and is left out "
        f"there: live trained features have {span(trained)} of an attribute's pairs, by layer"
    )
    if len(untrained):
        text += f", untrained ones {span(untrained)}"
    change = (trained["mean_complete"] - trained["mean"]).abs()
    if change.notna().any():
        row = trained.loc[change.idxmax()]
        text += (
            f". Over features that have all of them the means differ by up to "
            f"{change.max():.2f} (layer {row['layer']}, {row['attribute']}: "
            f"{_r(row['mean_complete'])} of {row['n_complete']} features instead of "
            f"{_r(row['mean'])} of {row['n_live']})"
        )
    return text + "."


def _sureness_of_networks(comparison: pd.DataFrame) -> str:
    """What the test over networks, the one that speaks of training, can say and says."""
    n = int(comparison["n_networks"].max()), int(comparison["n_untrained_networks"].max())
    counts = f"{n[0]} trained against {n[1]} untrained"
    least = comparison["p_networks_least"].min()
    if not np.isfinite(least):
        return (
            f"Whether training in general makes the difference is unknown: {counts}, and a test "
            "over networks needs two on each side."
        )
    p = comparison["p_networks"].dropna()
    reached = int((p <= least * (1 + 1e-9)).sum())
    text = (
        f"Over whole networks ({counts}) the exact test can yield no p below {least:.2g}; "
        f"{reached} of {len(p)} comparisons reach it"
    )
    if least > ALPHA:
        return text + ", which is not enough to say that training in general does it."
    return text + f", {int((p < ALPHA).sum())} lie below 0.05 (not adjusted)."


def _table(comparison: pd.DataFrame, variants: pd.DataFrame) -> str:
    intervals = variants.set_index(["variant", "layer", "attribute"])[["ci_low", "ci_high"]]
    lines = [
        "| variant | attribute | layer | trained | untrained | input | difference | delta "
        "| p (features, adjusted) | p (networks) | verdict |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in comparison.sort_values(
        ["variant", "attribute"], key=lambda c: c.map({v: n for n, v in enumerate(c.unique())})
    ).to_dict("records"):
        key = (row["variant"], row["layer"], row["attribute"])
        own = f"{row['variant']}-{UNTRAINED}"
        control = (own if (own, *key[1:]) in intervals.index else UNTRAINED, *key[1:])
        cells = [
            row["variant"],
            row["attribute"],
            str(row["layer"]),
            _r(row["mean"]) + _interval(*intervals.loc[key]),
            "–"
            if not np.isfinite(row[UNTRAINED])
            else _r(row[UNTRAINED]) + _interval(*intervals.loc[control]),
            _r(row[INPUT]),
            _r(row["difference"], "+") + _interval(row["ci_low"], row["ci_high"], "+"),
            _r(row["delta"], "+"),
            _p(row["p_features_adjusted"], ""),
            _p(row["p_networks"], ""),
            judge(row),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n\nIn brackets: 95 % bootstrap intervals."


def _named(features: pd.DataFrame, names: pd.DataFrame) -> Iterator[str]:
    yield (
        "Against the untrained features of the same layer, a feature is called *invariant* to an "
        "attribute above their 95th percentile and *sensitive* below their 5th. All features, "
        "with their sounds: [features.html](features.html), features.csv."
    )
    if names.empty:
        yield "No feature has a name, or there is no control to name it by."
        return
    lines = [
        "| variant | name | features | of live | expected by chance |",
        "|---|---|---|---|---|",
    ]
    for row in names.groupby("variant", sort=False).head(MOST_NAMES).itertuples():
        lines.append(
            f"| {row.variant} | {row.name} | {row.n_features} | {row.n_live} | "
            f"{row.n_expected:.1f} |"
        )
    yield "\n".join(lines)
    if (names.groupby("variant").size() > MOST_NAMES).any():
        yield f"The {MOST_NAMES} most frequent names of each variant; names.csv has all."
    yield (
        "Expected: as often as among the untrained features themselves. A name rests on pairs of "
        "these signals alone; hear the feature before believing it."
    )


def _r(value: float, sign: str = "") -> str:
    return f"{value:{sign}z.2f}" if np.isfinite(value) else "–"


def _interval(low: float, high: float, sign: str = "") -> str:
    return f" [{_r(low, sign)}, {_r(high, sign)}]" if np.isfinite(low) else ""


def _p(value: float, name: str = "p") -> str:
    if not np.isfinite(value):
        return "unknown"
    relation = f"{name} ≤" if name else ""
    return f"{relation} {value:.2g}".strip()


def _span(values: pd.Series) -> str:
    low, high = _r(values.min(), "+"), _r(values.max(), "+")
    return low if low == high else f"{low} to {high}"


def _layers(rows: pd.DataFrame, all_rows: pd.DataFrame) -> str:
    numbers = [str(layer) for layer in rows["layer"]]
    if len(rows) == len(all_rows) > 1:
        return "all layers"
    if len(numbers) == 1:
        return f"layer {numbers[0]}"
    return f"layers {', '.join(numbers[:-1])} and {numbers[-1]}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
