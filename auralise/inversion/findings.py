"""The findings of the inversion in words, made from its tables."""

from collections.abc import Mapping, Sequence

import pandas as pd

from auralise.inversion.intervals import compare_errors, error_intervals


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


def compare_inversions(
    excerpts: pd.DataFrame, controls: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """Difference of NRE between trained and untrained classifiers, layer by layer.

    Parameters
    ----------
    excerpts, controls
        As in `summarise_errors`.

    Returns
    -------
    DataFrame
        Columns ``classifier``, ``control``, ``layer``, ``difference``, ``ci_low``, ``ci_high``,
        ``n_clips``.
    """
    found = [
        compare_errors(excerpts, classifier, control).assign(classifier=classifier, control=control)
        for classifier, untrained in controls.items()
        for control in untrained
    ]
    names = ["classifier", "control", "layer", "difference", "ci_low", "ci_high", "n_clips"]
    return pd.concat(found)[names] if found else pd.DataFrame(columns=names)


def describe_errors(errors: pd.DataFrame, classifier: str) -> str:
    """One paragraph: the errors by layer, whether they rise with depth, and the floor.

    Parameters
    ----------
    errors : DataFrame
        As `summarise_errors` gives it, layers of a classifier from the input on.
    classifier : str
    """
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
    fallen = [
        f"{after.layer} is {before.nre - after.nre:.3f} below {before.layer}"
        for before, after in zip(
            table.iloc[:-1].itertuples(), table.iloc[1:].itertuples(), strict=True
        )
        if after.nre < before.nre
    ]
    if len(table) > 1:
        sentences.append(
            "It rises with depth from each layer to the next."
            if not fallen
            else f"It does not rise with depth everywhere: {'; '.join(fallen)}."
        )
    useless = table[table["nre"] >= table["mean_picture"]]["layer"].tolist()
    if useless:
        sentences.append(
            f"The inverters of {', '.join(useless)} do not beat the mean picture: they show "
            "nothing of the excerpt, which says more of their training than of the layers."
        )
    return " ".join(sentences)


def describe_control(errors: pd.DataFrame, comparison: pd.DataFrame) -> str:
    """Two sentences: the errors of an untrained classifier with the same layers.

    Parameters
    ----------
    errors : DataFrame
        As `summarise_errors` gives it.
    comparison : DataFrame
        Of one classifier and one control, as `compare_inversions` gives it.
    """
    control = comparison["control"].iloc[0]
    rows = errors[(errors["space"] == "input") & (errors["classifier"] == control)]
    nre = rows.set_index("layer")["nre"]
    parts = [
        f"{row.layer} {nre[row.layer]:.3f} ({_loss_by_training(row)})"
        for row in comparison.itertuples()
    ]
    return (
        f"The untrained {control}, whose inverters were trained in the same way: "
        f"{', '.join(parts)}. 'Alike' means that the 95 % interval of the difference on the same "
        "excerpts, over clips and for each layer by itself, holds 0; one network of each kind "
        "was compared, each inverter trained once, so this says nothing of other seeds."
    )


def _loss_by_training(row) -> str:
    if pd.isna(row.ci_low):
        return "unknown: too few test clips"
    if row.ci_low > 0:
        return "more is lost by training"
    return "less is lost by training" if row.ci_high < 0 else "alike"


def _range(low: float, high: float) -> str:
    return "[unknown]" if pd.isna(low) else f"[{low:.3f}, {high:.3f}]"


def describe_dependence(dependence: pd.DataFrame, classifier: str, layer: str) -> str:
    """A paragraph: whether what a layer keeps depends on the class.

    Parameters
    ----------
    dependence : DataFrame
        As `class_dependence` gives it, with ``classifier`` and ``layer``.
    classifier, layer : str
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
        return "of unknown size, for want of test clips"
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
    comparison: pd.DataFrame,
    dependence: pd.DataFrame,
    evaluations: Mapping[str, Mapping],
) -> str:
    """The findings of all classifiers, as Markdown.

    Parameters
    ----------
    errors : DataFrame
        As `summarise_errors` gives it, layers of a classifier from the input on.
    comparison : DataFrame
        As `compare_inversions` gives it.
    dependence : DataFrame
        As `class_dependence` gives it, with ``classifier`` and ``layer``.
    evaluations : mapping of str to mapping
        As `auralise.training.singing.evaluate_svdnet` gives them, by classifier.

    Returns
    -------
    str
    """
    lines = ["# What the inversion found", ""]
    trained = errors[~errors["control"]]
    for classifier, rows in trained.groupby("classifier", sort=False):
        lines += [f"## {classifier}", ""]
        if classifier in evaluations:
            lines += [describe_evaluation(evaluations[classifier]), ""]
        lines += [describe_errors(errors, classifier), ""]
        compared = comparison[comparison["classifier"] == classifier]
        for _, with_control in compared.groupby("control", sort=False):
            lines += [describe_control(errors, with_control), ""]
        lines += [describe_dependence(dependence, classifier, rows["layer"].iloc[-1]), ""]
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
