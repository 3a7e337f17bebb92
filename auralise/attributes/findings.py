"""The attribute experiment in words: what was found, with which numbers, and how sure it is."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from auralise.networks.names import INPUT, PERMUTED, UNTRAINED, is_control
from auralise.statistics import ALPHA, HIGHER, LOWER, NOT_DISTINGUISHABLE, UNKNOWN

REPRESENTED = {
    "maps": "deconvolved maps",
    "auralised": "magnitudes of the auralised spectra (what is heard)",
    "feature_maps": "feature maps",
    "activations": "activations over time (feature maps averaged over frequency)",
}
ONSETS = {
    "own": "every signal has random onsets of its own",
    "common": "all signals have the same onsets, as published",
}
MEANING_OF_S = (
    "s = (r_a − r_all)/(1 − r_all): 1 where the change of the attribute leaves everything as it "
    "was, 0 where it changes as much as a change of all attributes does."
)


@dataclass(frozen=True)
class Protocol:
    """What was correlated with what.

    Attributes
    ----------
    design : DataFrame
        As `auralise.attributes.designs.describe_design` returns it.
    compare : str
        One of `auralise.attributes.representations.COMPARED`.
    onsets : {'own', 'common'}, optional
        Whether rendered signals keep each instrument's own onset or all begin alike; None for
        signals that were not rendered.
    features : int, optional
        How many were drawn of each layer; all by default.
    """

    design: pd.DataFrame
    compare: str
    onsets: str | None = None
    features: int | None = None

    def __str__(self) -> str:
        """In words, with the number of pairs."""
        kinds = self.design.drop_duplicates("kind")
        pairs = [f"{row.n_pairs} in {row.attribute}" for row in self.design.itertuples()]
        text = (
            f"Pearson's r between the {REPRESENTED[self.compare]} of signals that differ in one "
            f"attribute alone: {kinds['n_signals'].sum()} signals, pairs: {', '.join(pairs)}."
        )
        if self.onsets:
            text = f"{text[:-1]}; {ONSETS[self.onsets]}."
        if self.features:
            text += f" {self.features} features of each layer, drawn by the seed."
        for row in kinds[kinds["n_missing"] > 0].itertuples():
            text += (
                f" Of the {row.n_cells} combinations {row.kind}, {row.n_missing} are missing, and "
                "so are their pairs."
            )
        return text


def _describe_networks(variants: pd.DataFrame) -> str:
    """How many networks, and how many of their features are live, layer by layer."""
    parts = []
    kinds = {UNTRAINED: "untrained", PERMUTED: "trained on permuted labels"}
    for variant, rows in variants[variants["variant"] != INPUT].groupby("variant", sort=False):
        n = int(rows["n_networks"].iloc[0])
        what = kinds.get(str(variant))
        if what is None:
            what = f"'{variant}'" if is_control(str(variant)) else f"'{variant}', trained"
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


def caption_attributes(variants: pd.DataFrame, protocol: Protocol) -> str:
    """Caption of `auralise.figures.attributes.draw_attributes`."""
    return (
        f"Mean correlation by layer. {protocol} {_describe_networks(variants)} Thick lines: r when "
        "the attribute alone changes, mean over networks of the mean over live features; bands: "
        "95 % bootstrap interval, over networks and their features where there are several "
        "networks, over features otherwise, none for permuted labels; dots: single networks, where "
        "several. Thin lines: r when every attribute changes. Dotted: the input itself, as the "
        "network's front end gives it. None of these is tested.\n"
    )


def caption_as_in_2016(summary: pd.DataFrame, protocol: Protocol) -> str:
    """Caption of `auralise.figures.attributes.draw_as_in_2016`."""
    networks = ", ".join(dict.fromkeys(summary["network"]))
    return (
        f"As in 2016: {networks}. {protocol} Lines: mean over live features; bands: their standard "
        "deviation. Maps are compared, not what is heard of them, and what signals have in common "
        "beside the attribute counts as well: nothing here is tested.\n"
    )


def caption_distribution(variants: pd.DataFrame, protocol: Protocol) -> str:
    """Caption of `auralise.figures.attributes.draw_distribution`."""
    return (
        f"Distribution over features. {protocol} {_describe_networks(variants)} Violins: density "
        "of the live features' mean correlations, all of one width, cut at the extremes; lines "
        "within: quartiles. Dotted: the input itself, as the network's front end gives it.\n"
    )


def caption_comparison(comparison: pd.DataFrame, variants: pd.DataFrame, protocol: Protocol) -> str:
    """Caption of `auralise.figures.attributes.draw_comparison`."""
    return (
        f"Trained against untrained networks. {protocol} {MEANING_OF_S} Dots: networks; lines: "
        f"their means. Filled squares: higher or lower than in untrained networks. "
        f"{_describe_test(comparison, variants)}\n"
    )


def caption_features(table: pd.DataFrame, protocol: Protocol) -> str:
    """Caption of `auralise.figures.attributes.draw_features`, for the features of one network."""
    features = table.groupby(["layer", "feature"])["live"].any()
    return (
        f"Features of {table['network'].iloc[0]} by attribute. {protocol} Rows: the "
        f"{int(features.sum())} live features of {len(features)}, in each layer from those that "
        "keep most to those that keep least. Grey: no pair on which the feature fired. No feature "
        "is named by this: where it lies among untrained features says correlation.csv.\n"
    )


def write_findings(
    experiment: str,
    protocol: Protocol,
    variants: pd.DataFrame,
    comparison: pd.DataFrame,
    accuracy: str = "",
) -> str:
    """Write the page of findings of the attribute experiment.

    Parameters
    ----------
    experiment : str
    protocol : Protocol
    variants, comparison : DataFrame
        As `summarise_variants` and `compare_with_controls` of `attributes.comparison` return them.
    accuracy : str
        What the networks know, as `auralise.training.baselines.describe_accuracy` says it; it
        stands before everything else.

    Returns
    -------
    str
        Markdown.
    """
    levels = [f"- {row.attribute}: {row.levels}" for row in protocol.design.itertuples()]
    parts = [
        *([accuracy] if accuracy else []),
        f"# What the features of '{experiment}' keep when one attribute changes",
        "Written by the workflow from the tables beside this page. A correlation near 1 means "
        "that what the features show stays the same.",
        "## Protocol",
        str(protocol),
        "\n".join(levels),
        _describe_networks(variants),
        "## Findings",
        *_found(comparison, variants),
        "## How sure this is",
        "\n".join(f"- {line}" for line in _sureness(comparison, variants, protocol.design)),
        "## Layer by layer",
        _table(comparison, variants),
    ]
    return "\n\n".join(parts) + "\n"


def _found(comparison: pd.DataFrame, variants: pd.DataFrame) -> Iterator[str]:
    """One paragraph for each attribute of each variant."""
    means = variants.set_index(["variant", "layer", "attribute"])
    for (variant, attribute), rows in comparison.groupby(["variant", "attribute"], sort=False):
        first, last = rows["layer"].iloc[0], rows["layer"].iloc[-1]
        text = f"**{attribute}, {variant}.**"
        of_input = variants[(variants["variant"] == INPUT) & (variants["attribute"] == attribute)]
        if len(of_input):
            text += f" The input itself correlates with {_both(of_input.iloc[0])}."
        ends = [_both(means.loc[(variant, layer, attribute)]) for layer in (first, last)]
        text += f" The features' mean is {ends[0]} in layer {first} and {ends[1]} in layer {last}"
        control = _control_of(variant, means.index.get_level_values("variant"))
        if (control, first, attribute) in means.index and rows["s_untrained"].notna().any():
            ends = [_both(means.loc[(control, layer, attribute)]) for layer in (first, last)]
            text += f"; untrained, {ends[0]} and {ends[1]}"
        has_s = rows["s"].notna()
        sentences = [
            f"in {_layers(which, rows)} s is {verdict} than in untrained networks "
            f"({_span(which['s'])} against {_span(which['s_untrained'])}, q ≤ "
            f"{which['q'].max():.2g})"
            for verdict in (HIGHER, LOWER)
            if len(which := rows[rows["verdict"] == verdict])
        ]
        if len(which := rows[rows["verdict"] == NOT_DISTINGUISHABLE]):
            sentences.append(
                f"in {_layers(which, rows)} s is not distinguishable from that of untrained "
                "networks"
            )
        if len(which := rows[(rows["verdict"] == UNKNOWN) & has_s]):
            sentences.append(
                f"in {_layers(which, rows)} it is unknown whether training makes a difference"
            )
        if len(which := rows[~has_s]):
            sentences.append(
                f"in {_layers(which, rows)} there is no s: nothing else varies beside the "
                f"{attribute}, no feature is live, or r_all is above .9"
            )
        yield f"{text}. {_sentence('; '.join(sentences))}."


def _control_of(variant: str, variants: Iterable[str]) -> str:
    """The variant of a variant's untrained networks: its own, or the first network's."""
    own = f"{variant}-{UNTRAINED}"
    return own if own in variants else UNTRAINED


def _both(row: pd.Series) -> str:
    """r when the attribute alone changes, and when everything does."""
    text = f"r_a = {_r(row['mean'])}"
    return text + (f" (r_all = {_r(row['mean_all'])})" if np.isfinite(row["mean_all"]) else "")


def _sureness(
    comparison: pd.DataFrame, variants: pd.DataFrame, design: pd.DataFrame
) -> Iterator[str]:
    yield (
        "r_a is the mean correlation when one attribute alone changes, r_all when every attribute "
        f"changes; both are shown and not tested. {MEANING_OF_S}"
    )
    yield _describe_test(comparison, variants)
    if (variants["variant"] == PERMUTED).any():
        yield (
            "Networks trained on labels permuted clip by clip show what training does when there "
            "is nothing to learn but the clips themselves: their means stand in summary.csv and "
            "variants.csv, neither bounded nor tested."
        )
    yield (
        "Signals share notes and instruments, so pairs are not independent; the verdicts are over "
        "networks, not over signals: other signals may give other numbers."
    )
    yield _pairs_left_out(variants)
    if (design["n_missing"] > 0).any():
        yield "Cells of the design are missing (design.csv): the attributes are not balanced."
    yield (
        "No feature is named by this experiment. Where each lies among the untrained features of "
        "its layer is a percentile in correlation.csv, which is not tested either."
    )
    yield (
        "The protocol is ours: what was correlated with what in the experiment of 2016 was never "
        "published, and these numbers cannot be held against its figures."
    )


def _pairs_left_out(variants: pd.DataFrame) -> str:
    """How many pairs the means rest on, and the means of the features that have all pairs."""
    shown = variants[(variants["variant"] != INPUT) & (variants["n_live"] > 0)]
    of_controls = shown["variant"].map(is_control)
    untrained = shown[of_controls]
    trained = shown[~of_controls & (shown["variant"] != PERMUTED)]

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


def _describe_test(comparison: pd.DataFrame, variants: pd.DataFrame) -> str:
    """What the test over networks is, and whether there are enough of them for it."""
    counts = variants.groupby("variant")["n_networks"].max()
    parts = [
        "Verdicts come from the exact permutation test of s over whole networks alone, two-sided, "
        f"at a false-discovery rate of {ALPHA:.0%} over the layers and attributes of a variant "
        "that have an s."
    ]
    for variant, rows in comparison.groupby("variant", sort=False):
        tests = rows[rows["s"].notna()]
        n = int(counts[variant])
        m = (
            int(counts.get(_control_of(variant, counts.index), 0))
            if rows["s_untrained"].notna().any()
            else 0
        )
        text = f"{variant}: {n} trained against {m} untrained, {len(tests)} tests"
        if len(tests) and (tests["verdict"] == UNKNOWN).all():
            needed = int(tests["n_networks_needed"].max())
            text += (
                f": unknown, too few for any verdict; it takes {needed} trained networks against "
                f"{max(m, 2 * needed)} untrained ones of the same architecture"
            )
        parts.append(f"{text}.")
    parts.append(
        "A trained network that has the seed of an untrained one began as it: the two are not "
        "independent, by which a difference is missed rather than invented. No verdict is no proof "
        "of equality."
    )
    return " ".join(parts)


def _table(comparison: pd.DataFrame, variants: pd.DataFrame) -> str:
    means = variants.set_index(["variant", "layer", "attribute"])
    lines = [
        "| variant | attribute | layer | r_a | r_all | s | s untrained | p | q | verdict |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    order = {name: number for number, name in enumerate(comparison["attribute"].unique())}
    places = comparison["attribute"].map(order)
    ordered = comparison.assign(place=places).sort_values(["variant", "place"], kind="stable")
    for row in ordered.to_dict("records"):
        found = means.loc[(row["variant"], row["layer"], row["attribute"])]
        cells = [
            row["variant"],
            row["attribute"],
            str(row["layer"]),
            _r(found["mean"]) + _interval(found["ci_low"], found["ci_high"]),
            _r(found["mean_all"]),
            _r(row["s"], "+"),
            _r(row["s_untrained"], "+"),
            _p(row["p"]),
            _p(row["q"]),
            row["verdict"],
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n\nIn brackets: 95 % bootstrap intervals."


def _r(value: float, sign: str = "") -> str:
    return f"{value:{sign}z.2f}" if np.isfinite(value) else "–"


def _interval(low: float, high: float) -> str:
    return f" [{_r(low)}, {_r(high)}]" if np.isfinite(low) else ""


def _p(value: float) -> str:
    return f"{value:.2g}" if np.isfinite(value) else "–"


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
