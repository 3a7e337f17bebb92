"""Names of all networks, and how often the same procedure names what means nothing."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from auralise.dissection.exam import Exam
from auralise.dissection.learned import learned, learned_by_chance
from auralise.dissection.naming import Naming, Question
from auralise.dissection.networks import Scored, targets_of
from auralise.statistics import ALPHA

N_CHANCES = 20  # of masks of other clips, for each network
TOLERATED = 0.01  # share of features that may be named, or marked, where nothing is to be found

NAMES = (
    *("layer", "feature", "name", "p", "q", "score", "runner_up", "runner_up_score"),
    *("learned", "p_learned", "q_learned", "n_clips"),
)
NULLS = ("null", "n_networks", "share_of_verdicts", "share_named", "share_learned")
EXAM = ("layer", "feature", "name", "candidate", "q", "score", "wins", "lets_through", "still")


@dataclass(frozen=True)
class Dissected:
    """What the features of a network are called.

    Attributes
    ----------
    names : DataFrame
        One row a feature, with the columns `NAMES`.
    exam : DataFrame
        How each candidate fared, with the columns `EXAM`.
    excerpts : DataFrame
        ``layer, feature, clip, start, end`` (s): without the concept, and the feature is still.
    by_chance : ndarray, shape (N_CHANCES,)
        Share of features named with masks of other clips.
    """

    names: pd.DataFrame
    exam: pd.DataFrame
    excerpts: pd.DataFrame
    by_chance: np.ndarray


def dissect_network(
    exam: Exam,
    layers: Sequence[Scored],
    untrained: Sequence[np.ndarray],
    n_chances: int = N_CHANCES,
) -> Dissected:
    """Name the features of a network, and say which training made what they are.

    `layers` are as `score_network` returns them; `untrained` are scores of the same layers, each of
    shape ``(n_networks, n_features, n_concepts)``, the network itself not among them. With masks of
    other clips names are asked for `n_chances` times.
    """
    powers = np.square(exam.magnitudes).sum(axis=1)
    tables, excerpts, chances = [], [], []
    targets = targets_of(exam, [scored.activations for scored in layers])
    for scored, own, others in zip(layers, targets, untrained, strict=True):
        question = Question(
            *(scored.activations, own, exam.held_out, exam.present, powers, exam.hop),
            scored.enrichments,
        )
        layer = Naming(question)
        table, heard = layer.names()
        p, q = learned(scored.fires, others)
        tables.append(
            table.assign(learned=(table["name"] != "") & (q <= ALPHA), p_learned=p, q_learned=q)
        )
        excerpts.append(heard)
        chances.append([layer.names_by_chance(1 + k)["name"] for k in range(n_chances)])
    table = pd.concat(tables, ignore_index=True)
    heard = pd.concat(excerpts, ignore_index=True)
    heard["clip"] = [exam.clips[number] for number in heard["clip"]]
    by_chance = np.array([(pd.concat(names) != "").mean() for names in zip(*chances, strict=True)])
    return Dissected(table[list(NAMES)], table[list(EXAM)], heard, by_chance)


def count_nulls(
    networks: Sequence[Dissected], untrained: Sequence[np.ndarray], of: str = ""
) -> pd.DataFrame:
    """How many features get a name, or a mark, where nothing is to be found.

    Of trained networks of one architecture and scores of untrained ones, layer by layer, each of
    shape ``(n_networks, n_features, n_concepts)``; `of` is what the networks are called where there
    are several architectures. Columns `NULLS` (an empty share: no verdicts here) and ``printed``:
    False where the mean share minus its standard error exceeds `TOLERATED`.
    """
    named = np.concatenate([network.by_chance for network in networks])
    marked = np.hstack([learned_by_chance(layer) for layer in untrained]).mean(axis=1)
    suffix = f", {of}" if of else ""
    rows = [
        (f"masks of other clips{suffix}", len(networks), np.nan, named.mean(), np.nan),
        (f"untrained against untrained{suffix}", len(marked), np.nan, np.nan, marked.mean()),
    ]
    table = pd.DataFrame(rows, columns=list(NULLS))
    return table.assign(printed=[is_tolerable(named), is_tolerable(marked)])


def is_tolerable(shares: np.ndarray) -> bool:
    """Whether a mean share, minus its standard error, is at most `TOLERATED`."""
    error = shares.std(ddof=1) / np.sqrt(len(shares)) if len(shares) > 1 else 0.0
    return bool(shares.mean() - error <= TOLERATED)


def printable_names(names: pd.DataFrame, nulls: pd.DataFrame) -> pd.DataFrame:
    """The names and marks that the nulls of their architecture allow to print.

    Parameters
    ----------
    names : DataFrame
    nulls : DataFrame
        As `count_nulls` returns them: first that of names, then that of marks.
    """
    names_hold, marks_hold = nulls["printed"]
    if not names_hold:
        return names.assign(name="", learned=False)
    return names if marks_hold else names.assign(learned=np.nan)


def dissect_networks(
    exams: Mapping[str, Exam],
    scores: Mapping[str, Sequence[Scored]],
    untrained: Mapping[str, Sequence[np.ndarray]],
    trained: Mapping[str, Sequence[str]],
    controls: Mapping[str, Mapping[str, int]],
    unproven: Collection[str] = (),
) -> tuple[dict[str, Dissected], pd.DataFrame]:
    """Dissect networks of any number of architectures.

    Parameters
    ----------
    exams : mapping of str to Exam
        By architecture: what its networks were examined on.
    scores : mapping of str to sequence of Scored
        Of every network, by its name.
    untrained : mapping of str to sequence of ndarray
        As `auralise.dissection.networks.score_untrained` returns them, by architecture.
    trained : mapping of str to sequence of str
        The trained networks of each architecture.
    controls : mapping of str to mapping of str to int
        Untrained networks of an architecture, with their seeds: each is held against those of other
        seeds.
    unproven : collection of str
        Networks that are not shown to know more than a linear classifier of mean spectra: nothing
        of theirs is called learned.

    Returns
    -------
    dissected : dict of str to Dissected
        By network, with the names that may be printed.
    nulls : DataFrame
        As `count_nulls`, of all architectures.
    """
    found: dict[str, Dissected] = {}
    nulls: list[pd.DataFrame] = []
    for architecture, names in trained.items():
        exam, null = exams[architecture], untrained[architecture]
        own = {name: dissect_network(exam, scores[name], null) for name in names}
        of = architecture if len(trained) > 1 else ""
        nulls.append(count_nulls(list(own.values()), null, of))
        for name, seed in controls.get(architecture, {}).items():
            others = [np.delete(layer, [seed], axis=0) for layer in null]
            own[name] = dissect_network(exam, scores[name], others, 1)
        for name, network in own.items():
            printable = printable_names(network.names, nulls[-1])
            if name in unproven:
                printable = printable.assign(learned=False)
            found[name] = replace(network, names=printable)
    return found, pd.concat(nulls, ignore_index=True)
