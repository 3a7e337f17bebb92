"""The first page of an experiment's results: what its networks know, and where to look."""

from collections.abc import Mapping

import pandas as pd

from auralise.errors import counted
from auralise.training.baselines import BASELINES, describe_accuracy

MOST_SONGS, MOST_CLASSES = 5, 3  # that are told


def write_overview(
    experiment: str,
    evaluations: Mapping[str, Mapping],
    places: str,
    names: str = "",
    answers: Mapping[str, pd.DataFrame] | None = None,
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
    answers : mapping of str to DataFrame, optional
        By network, as in ``predictions.csv``: columns song, class and probability.

    Returns
    -------
    str
        Markdown. What the networks know beside the baselines is its first line.
    """
    parts = [
        describe_accuracy(evaluations),
        f"# {experiment}",
        *(_describe_answers(name, table) for name, table in (answers or {}).items()),
        _table_of(evaluations) if evaluations else "",
        names,
        f"```\n{places.strip()}\n```",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _describe_answers(network: str, answers: pd.DataFrame) -> str:
    likeliest = answers.sort_values("probability", ascending=False, kind="stable")
    songs = list(dict.fromkeys(answers["song"]))
    told = []
    for song in songs[:MOST_SONGS]:
        of_song = likeliest[likeliest["song"] == song].head(MOST_CLASSES)
        classes = zip(of_song["class"], of_song["probability"], strict=True)
        told.append(f"{song}: " + ", ".join(f"{name} {share:.0%}" for name, share in classes))
    if not told:
        return ""
    if len(songs) > MOST_SONGS:
        told.append(counted(len(songs) - MOST_SONGS, "more song"))
    where = f"`networks/{network}/predictions.csv`"
    return f"What {network} takes the songs for – {'; '.join(told)} ({where})."


def _table_of(evaluations: Mapping[str, Mapping]) -> str:
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
    return "\n".join(lines) + (
        "\n\nIn brackets: 95 % intervals over test clips. The baselines are logistic regression on "
        "the mean log spectrum, with its deviation, and with flux."
    )
