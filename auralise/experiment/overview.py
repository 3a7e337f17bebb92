"""The first page of an experiment's results: what its networks know, and where to look."""

from collections.abc import Mapping

from auralise.training.baselines import BASELINES, describe_accuracy


def write_overview(
    experiment: str, evaluations: Mapping[str, Mapping], places: str, names: str = ""
) -> str:
    """Write the first page of an experiment's results.

    Parameters
    ----------
    experiment : str
    evaluations : mapping of str to mapping
        By network, as `auralise.training.evaluation.evaluate_network` returns them.
    places : str
        Where to look, as the run says it at its end.
    names : str
        What names hold on the songs, as `auralise.dissection.own_songs.describe_names` says it.

    Returns
    -------
    str
        Markdown. What the networks know beside the baselines is its first line.
    """
    labels = [label for _, label in BASELINES.values()]
    lines = [
        f"| network | test clips right | {' | '.join(labels)} | chance |",
        "|---|---|" + "---|" * (len(labels) + 1),
    ]
    for name, of in evaluations.items():
        low, high = of["intervals"]["clip_accuracy"]
        shares = [of[f"{baseline}clip_accuracy"] for baseline in BASELINES]
        cells = [f"{of['clip_accuracy']:.0%} [{low:.0%}, {high:.0%}]"]
        cells += [f"{share:.0%}" for share in (*shares, of["chance_accuracy"])]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    parts = [
        describe_accuracy(evaluations),
        f"# {experiment}",
        "\n".join(lines),
        "In brackets: 95 % intervals over test clips. The baselines are logistic regression on the "
        "mean log spectrum, with its deviation, and with flux.",
        names,
        f"```\n{places.strip()}\n```",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
