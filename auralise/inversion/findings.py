"""The findings of the inversion in words, made from its tables."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import pandas as pd

from auralise.inversion.intervals import error_intervals
from auralise.inversion.parts import INVERSION
from auralise.networks.comparison import judge_samples
from auralise.networks.names import UNTRAINED, variant_of
from auralise.statistics import HIGHER, LOWER, UNKNOWN

COMPARED = (
    *("variant", "layer", "against", "nre", "spread", "other", "other_spread", "difference"),
    *("p", "q", "verdict", "n_networks_needed", "n_networks", "n_others"),
)


def summarise_errors(
    errors: pd.DataFrame, excerpts: pd.DataFrame, controls: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """The NRE of all classifiers and layers, with intervals over clips.

    Parameters
    ----------
    errors, excerpts : DataFrame
        As `normalised_errors` and `excerpt_errors` give them, with ``classifier`` and ``layer``.
    controls : mapping of str to sequence of str
        By classifier, the untrained ones to hold it against.

    Returns
    -------
    DataFrame
        `errors` with the columns ``ci_low``, ``ci_high``, ``n_clips`` and ``control`` (bool).
    """
    names = {name for untrained in controls.values() for name in untrained}
    table = errors.merge(error_intervals(excerpts), on=["classifier", "layer", "space"])
    return table.assign(control=table["classifier"].isin(names))


def compare_inversions(errors: pd.DataFrame, controls: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Differences of NRE between layers, and from untrained networks: beyond the seeds' spread?

    The unit is the network, with the inverters that were trained for it: an interval over clips
    says nothing of other seeds.

    Parameters
    ----------
    errors : DataFrame
        As `summarise_errors` gives it.
    controls : mapping of str to sequence of str
        By classifier, the untrained ones to hold it against.

    Returns
    -------
    DataFrame
        Columns `COMPARED`, for every variant of trained classifiers and layer: against the
        ``untrained`` ones, and against the layer before it. ``spread`` is the standard deviation
        between networks; the verdict is that of `auralise.statistics.judge` over the layers.
    """
    seen = errors[errors["space"] == "input"]
    trained = seen[~seen["control"]]
    parts = []
    for variant, own in trained.groupby(trained["classifier"].map(variant_of), sort=False):
        names = {name for one in own["classifier"] for name in controls.get(one, ())}
        values, others = (
            {layer: of.to_numpy() for layer, of in rows.groupby("layer", sort=False)["nre"]}
            for rows in (own, seen[seen["classifier"].isin(names)])
        )
        before = {(b, a): (values[b], values[a]) for a, b in pairwise(values)}
        untrained = {(layer, UNTRAINED): (values[layer], others[layer]) for layer in others}
        for family in filter(None, (before, untrained)):
            parts.append(judge_samples(family, ("layer", "against")).assign(variant=variant))
    table = pd.concat(parts or [judge_samples({}, ("layer", "against"))], ignore_index=True)
    difference = table["mean"] - table["other"]
    table = table.assign(difference=difference).rename(columns={"mean": "nre"})
    return table.reindex(columns=list(COMPARED))


def describe_errors(errors: pd.DataFrame, classifier: str) -> str:
    """One paragraph: the errors by layer of a classifier, and the floor."""
    table = errors[(errors["classifier"] == classifier) & (errors["space"] == "input")]
    values = ", ".join(
        f"{row.layer} {row.nre:.3f} ± {row.nre_std:.3f} {_range(row.ci_low, row.ci_high)}"
        for row in table.itertuples()
    )
    first = table.iloc[0]
    sentences = [
        f"NRE in input space, mean ± standard deviation over {first.n_draws} draws of "
        f"{first.n_drawn} out of {first.n_excerpts} excerpts, and 95 % interval over the "
        f"{first.n_clips} clips that they are from: {values}.",
        f"The mean picture of the training set has {first.mean_picture:.3f}, and no inverter that "
        f"ends in an ELU can go below {first.bound:.3f}.",
    ]
    useless = table[table["nre"] >= table["mean_picture"]]["layer"].tolist()
    if useless:
        sentences.append(
            f"The inverters of {', '.join(useless)} do not beat the mean picture: they show "
            "nothing of the excerpt, which says more of their training than of the layers."
        )
    return " ".join(sentences)


def describe_kept(kept: pd.DataFrame, classifier: str) -> str:
    """One paragraph: what of an excerpt its inversions return, beside oracles."""
    of_one = kept[kept["classifier"] == classifier]
    layers = of_one[of_one["shown"] == INVERSION]
    first = layers.iloc[0]
    values = "; ".join(
        f"{row.layer} {row.level:.2f}, {row.spectrum:.2f}, {row.detail:.2f}, {row.retrieval:.0%} "
        f"{_range(row.retrieval_low, row.retrieval_high, '.0%')}"
        for row in layers.itertuples()
    )
    oracles = of_one[(of_one["layer"] == first["layer"]) & (of_one["shown"] != INVERSION)]
    sentences = [
        "R² of level, spectrum and detail (0: the same for every excerpt), and how often an "
        f"inversion is nearer to its own excerpt than to {first.n_drawn - 1} others, by chance "
        f"{first.chance:.1%}, with its 95 % interval over clips: {values}.",
        "NRE of oracles that know of an excerpt only "
        + ", ".join(
            f"its {row.shown} {row.nre:.3f}" if row.shown != "mean" else f"nothing {row.nre:.3f}"
            for row in oracles.itertuples()
        )
        + ", and have the rest from the mean picture.",
    ]
    for oracle, words in (("level", "level"), ("level + spectrum", "level and spectrum")):
        nre = float(oracles[oracles["shown"] == oracle]["nre"].iloc[0])
        behind = layers[layers["nre"] >= nre]["layer"].tolist()
        if behind:
            sentences.append(
                f"Not below the oracle that knows {words} alone: the inversions of "
                f"{', '.join(behind)}."
            )
    return " ".join(sentences)


def describe_comparison(comparison: pd.DataFrame, variant: str) -> str:
    """Which differences between layers, and from controls, are beyond the seeds' spread."""
    rows = comparison[comparison["variant"] == variant]
    sentences = []
    for is_control, what in ((False, "Between layers"), (True, "Trained less untrained")):
        family = rows[(rows["against"] == UNTRAINED) == is_control]
        if family.empty:
            continue
        n, n_others = int(family["n_networks"].iloc[0]), int(family["n_others"].iloc[0])
        of = f"{n} network{'s' * (n > 1)}"
        if is_control:
            of = f"{n} against {n_others} network{'s' * (n_others > 1)}"
        if (family["verdict"] == UNKNOWN).all():
            sentences.append(
                f"{what}: unknown, of {of}; what could be said of other seeds takes "
                f"{int(family['n_networks_needed'].max())}."
            )
            continue
        found = family[family["verdict"].isin([HIGHER, LOWER])]
        parts = [
            f"{row.layer} {row.difference:+.3f} from {row.against} (q = {row.q:.2g})"
            for row in found.itertuples()
        ]
        others = family[~family["verdict"].isin([HIGHER, LOWER])]["layer"].tolist()
        said = f"NRE differs beyond the spread of {of} at {', '.join(parts)}" if parts else ""
        rest = f"not beyond the spread of {of}: {', '.join(others)}" if others else ""
        sentences.append(f"{what}: {'; '.join(part for part in (said, rest) if part)}.")
    return " ".join(sentences)


def _range(low: float, high: float, form: str = ".3f") -> str:
    return "[unknown]" if pd.isna(low) else f"[{low:{form}}, {high:{form}}]"


def describe_dependence(dependence: pd.DataFrame, classifier: str, layer: str) -> str:
    """Describe in a paragraph how far the inversions of a layer depend on the class.

    Parameters
    ----------
    dependence : DataFrame
        As `auralise.inversion.intervals.class_dependence` returns it, with columns
        ``classifier`` and ``layer``.
    classifier, layer : str
        Which rows to describe.
    """
    rows = dependence[(dependence["classifier"] == classifier) & (dependence["layer"] == layer)]
    table = rows.set_index("measure")

    def said(measure: str) -> str:
        row = table.loc[measure]
        return f"{row['value']:.3f} {_range(row['ci_low'], row['ci_high'])}"

    classes = [name.removeprefix("within_") for name in table.index if name.startswith("within_")]
    sentences = [
        f"At {layer} of {classifier}, NRE by class: "
        + ", ".join(f"{name} {said(f'nre_{name}')}" for name in classes)
        + "."
    ]
    if "nre_difference" in table.index:
        first, second = classes
        sentences.append(
            f"{second} less {first}: {said('nre_difference')}, "
            f"{_sign(table.loc['nre_difference'], 'distinguishable from 0')}."
        )
    sentences += [
        "Similarity (r) of inversions from different clips: "
        + ", ".join(f"within {name} {said(f'within_{name}')}" for name in classes)
        + f", between classes {said('between')}.",
        f"Within less between: {said('contrast')}; of the inputs themselves "
        f"{said('input_contrast')}; the layer's excess over its input {said('excess')}.",
        _verdict(table.loc["contrast"], table.loc["excess"], layer),
        f"Intervals: 95 %, bootstrap over {int(table['n_clips'].iloc[0])} test clips.",
    ]
    return " ".join(sentences)


def _sign(row: pd.Series, words: str) -> str:
    if row[["value", "ci_low", "ci_high"]].isna().any():
        return "of unknown size: too few test clips"
    return words if row["ci_low"] > 0 or row["ci_high"] < 0 else f"not {words}"


def _verdict(contrast: pd.Series, excess: pd.Series, layer: str) -> str:
    if contrast[["value", "ci_low", "ci_high"]].isna().any():
        return f"Whether what {layer} keeps depends on the class is unknown: too few test clips."
    if contrast["ci_low"] <= 0:
        return f"So it is not shown that what {layer} keeps depends on the class."
    depends = f"So what {layer} keeps depends on the class"
    if excess["ci_low"] > 0:
        return f"{depends}, more than the input itself does."
    if excess["ci_high"] < 0:
        return f"{depends}, and less than the input itself does."
    return f"{depends}; whether more or less than the input itself does, is not shown."


def describe_inversion(
    errors: pd.DataFrame,
    kept: pd.DataFrame,
    comparison: pd.DataFrame,
    dependence: pd.DataFrame,
    evaluations: Mapping[str, Mapping],
) -> str:
    """The findings of all classifiers, as Markdown.

    The tables are those of `summarise_errors`, `kept_parts`, `compare_inversions` and
    `class_dependence`, with ``classifier`` and ``layer``; `evaluations` are as `evaluate_svdnet`
    gives them, by classifier.
    """
    lines = ["# What the inversion found", ""]
    trained = errors[~errors["control"]]
    for classifier, rows in trained.groupby("classifier", sort=False):
        lines += [f"## {classifier}", ""]
        if classifier in evaluations:
            lines += [describe_evaluation(evaluations[classifier]), ""]
        lines += [describe_errors(errors, classifier), ""]
        lines += [describe_kept(kept, classifier), ""]
        lines += [describe_dependence(dependence, classifier, rows["layer"].iloc[-1]), ""]
    compared = {
        variant: describe_comparison(comparison, variant)
        for variant in dict.fromkeys(trained["classifier"].map(variant_of))
    }
    lines += ["## Beyond the spread between seeds", ""]
    for variant, text in compared.items():
        lines += [f"{variant}. {text}" if text else f"{variant}. Nothing to compare with.", ""]
    lines += [
        "NRE is the Euclidean distance from an excerpt to its inversion in units of the mean "
        "distance between excerpts (Mishra 2018). It measures a layer and the inverter that was "
        "trained for it together: what an inverter does not show may still be in the layer.",
        "",
    ]
    return "\n".join(lines)


def describe_evaluation(evaluation: Mapping) -> str:
    """One sentence: SVDNet's accuracy beside chance."""
    low, high = evaluation["error_ci"]
    if low is None:
        interval, verdict = "unknown interval", "too few test songs to tell it from chance"
    else:
        interval = f"{low:.1%}, {high:.1%}"
        verdict = (
            "better than chance"
            if high < evaluation["chance_error"]
            else "not distinguishable from chance, so read all that follows with that in mind"
        )
    return (
        f"On {evaluation['n_songs']} test songs ({evaluation['n_frames']:,} frames) its frame "
        f"error is {evaluation['error']:.1%} [{interval}] at the threshold "
        f"{evaluation['threshold']:g} that validation chose, where always saying the more "
        f"frequent class errs in {evaluation['chance_error']:.1%}: {verdict}. Precision "
        f"{evaluation['precision']:.3f}, recall {evaluation['recall']:.3f}, "
        f"F1 {evaluation['f1']:.3f}."
    )
