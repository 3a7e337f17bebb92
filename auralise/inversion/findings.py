"""What the inversion found, in words made from its tables."""

from collections.abc import Iterable

import pandas as pd


def summarise_errors(tables: Iterable[pd.DataFrame], controls: Iterable[str]) -> pd.DataFrame:
    """The NRE of all classifiers and layers in one table.

    Parameters
    ----------
    tables : iterable of DataFrame
        As `normalised_errors` gives them, with ``classifier`` and ``layer``.
    controls : iterable of str
        Classifiers that are untrained.

    Returns
    -------
    DataFrame
        With the column ``control`` (bool).
    """
    table = pd.concat(tables, ignore_index=True)
    return table.assign(control=table["classifier"].isin(list(controls)))


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
        f"{row.layer} {row.nre:.3f} ± {row.nre_std:.3f}" for row in table.itertuples()
    )
    first = table.iloc[0]
    sentences = [
        f"NRE in input space, mean ± standard deviation over {first.n_draws} draws of "
        f"{first.n_drawn} excerpts: {values}.",
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


def describe_control(errors: pd.DataFrame, classifier: str, control: str) -> str:
    """Two sentences: the same for an untrained classifier, whose layers are the same."""
    table = errors[errors["space"] == "input"].set_index(["classifier", "layer"])
    parts = []
    for layer in table.loc[classifier].index:
        own, other = table.loc[(classifier, layer)], table.loc[(control, layer)]
        spread = (own["nre_std"] ** 2 + other["nre_std"] ** 2) ** 0.5
        difference = own["nre"] - other["nre"]
        verdict = (
            "alike"
            if abs(difference) < 2 * spread
            else "more is lost by training"
            if difference > 0
            else "less is lost by training"
        )
        parts.append(f"{layer} {other['nre']:.3f} ({verdict})")
    return (
        f"The untrained {control}, whose inverters were trained in the same way: "
        f"{', '.join(parts)}. 'Alike' means less than two standard deviations apart; one network "
        "of each kind was compared, so this says nothing of other seeds."
    )


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
        return f"{row['value']:.3f} [{row['ci_low']:.3f}, {row['ci_high']:.3f}]"

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
        _verdict(table.loc["excess"], layer),
        f"Intervals: 95 %, bootstrap over {int(table['n_clips'].iloc[0])} test clips.",
    ]
    return " ".join(sentences)


def _sign(row: pd.Series, words: str) -> str:
    if row[["value", "ci_low", "ci_high"]].isna().any():
        return "of unknown size, for want of test clips"
    return words if row["ci_low"] > 0 or row["ci_high"] < 0 else f"not {words}"


def _verdict(excess: pd.Series, layer: str) -> str:
    if excess[["value", "ci_low", "ci_high"]].isna().any():
        return f"Whether what {layer} keeps depends on the class is unknown: too few test clips."
    if excess["ci_low"] > 0:
        return f"So what {layer} keeps depends on the class, more than the input itself does."
    if excess["ci_high"] < 0:
        return f"So {layer} keeps less of the difference between classes than the input has."
    return f"So it is not shown that what {layer} keeps depends on the class."


def write_findings(
    errors: pd.DataFrame, dependence: pd.DataFrame, evaluations: dict[str, dict]
) -> str:
    """The findings of all classifiers, as Markdown.

    Parameters
    ----------
    errors, dependence : DataFrame
    evaluations : dict of str to dict
        As `auralise.singing.evaluate_svdnet` gives them, by classifier.

    Returns
    -------
    str
    """
    lines = ["# What the inversion found", ""]
    names = errors[["classifier", "control"]].drop_duplicates()
    controls = names[names["control"]]["classifier"].tolist()
    by_name = {
        name: rows["layer"].drop_duplicates().tolist()
        for name, rows in errors.groupby("classifier")
    }
    for classifier in names[~names["control"]]["classifier"]:
        layers = by_name[classifier]
        lines += [f"## {classifier}", ""]
        if classifier in evaluations:
            lines += [describe_evaluation(evaluations[classifier]), ""]
        lines += [describe_errors(errors, classifier), ""]
        for control in controls:
            if by_name[control] == layers:
                lines += [describe_control(errors, classifier, control), ""]
        lines += [describe_dependence(dependence, classifier, layers[-1]), ""]
    lines += [
        "NRE is the Euclidean distance from an excerpt to its inversion in units of the mean "
        "distance between excerpts (Mishra 2018). It measures a layer and the inverter that was "
        "trained for it together: what an inverter does not show may still be in the layer.",
        "",
    ]
    return "\n".join(lines)


def describe_evaluation(evaluation: dict) -> str:
    """One sentence: how well SVDNet knows singing, beside chance."""
    low, high = evaluation["error_ci"]
    verdict = (
        "better than chance"
        if high < evaluation["chance_error"]
        else "not distinguishable from chance, so read all that follows with that in mind"
    )
    return (
        f"On {evaluation['n_songs']} test songs ({evaluation['n_frames']:,} frames) its frame "
        f"error is {evaluation['error']:.1%} [{low:.1%}, {high:.1%}] at the threshold "
        f"{evaluation['threshold']:g} that validation chose, where always saying the more "
        f"frequent class errs in {evaluation['chance_error']:.1%}: {verdict}. Precision "
        f"{evaluation['precision']:.3f}, recall {evaluation['recall']:.3f}, "
        f"F1 {evaluation['f1']:.3f}."
    )
