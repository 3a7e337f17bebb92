"""Bootstrap intervals over clips, for one network and between classes.

Excerpts of one clip are not independent, so that whole clips are drawn again (bootstrap).
"""

import numpy as np
import pandas as pd

from auralise.inversion.measures import Reconstructions
from auralise.statistics import interval, ratio, resample

FEWEST_CLIPS = 4  # for an interval over clips


def error_intervals(errors: pd.DataFrame) -> pd.DataFrame:
    """Intervals over clips of the NRE, of each ``classifier, layer, space``.

    `errors` are as `excerpt_errors` gives them, with ``classifier`` and ``layer``; the new columns
    are ``ci_low, ci_high, n_clips``.
    """
    keys = ["classifier", "layer", "space"]
    rows = []
    for names, of_layer in errors.groupby(keys, sort=False):
        n_draws, clips = of_layer["n_draws"].to_numpy(), of_layer["clip"].to_numpy()
        sums, number = sums_over_clips(clips, of_layer["error"].to_numpy() * n_draws, n_draws)
        n_clips = len(np.unique(clips))
        rows.append((*names, *estimate(sums / number, n_clips)[1:], n_clips))
    return pd.DataFrame(rows, columns=[*keys, "ci_low", "ci_high", "n_clips"])


def sums_over_clips(clips: np.ndarray, *values: np.ndarray) -> list[np.ndarray]:
    """Sums of values over excerpts: of all of them, and of every bootstrap draw of clips.

    `clips` and each of `values` have the shape ``(n_excerpts,)``, each of the results
    ``(1 + N_RESAMPLES,)``, the sum of all first.
    """
    _, numbers = np.unique(clips, return_inverse=True)
    weights = resample([int(numbers.max()) + 1])
    return [weights @ np.bincount(numbers, of) for of in values]


def estimate(values: np.ndarray, n_clips: int) -> tuple[float, float, float]:
    """A statistic with its interval, which is NaN for fewer than `FEWEST_CLIPS` clips."""
    low, high = interval(values) if n_clips >= FEWEST_CLIPS else (np.nan, np.nan)
    return float(values[0]), low, high


def class_dependence(found: Reconstructions) -> pd.DataFrame:
    """Whether errors and inversions depend on the class of the excerpt.

    Similarity is Pearson's r between two inversions of excerpts from different clips. Intervals
    are 95 % bootstrap intervals over clips, since excerpts of one clip are not independent.

    Returns
    -------
    DataFrame
        Columns ``measure``, ``value``, ``ci_low``, ``ci_high``, ``n_clips``. Measures:
        ``nre_<class>``; ``within_<class>`` and ``between``, mean similarities;
        ``contrast``, the similarity within classes less that between them;
        ``input_contrast``, the same of the pictures themselves; ``excess``, their difference:
        above 0, the layer tells classes apart more than the pictures do. With two classes also
        ``nre_difference``, second less first. A value that cannot be had is NaN, as is an
        interval over fewer than `FEWEST_CLIPS` clips.
    """
    clips, numbers = np.unique(found.clips, return_inverse=True)
    n_classes = len(found.classes)
    members = np.eye(len(clips) * n_classes)[numbers * n_classes + found.labels]
    by_cell = members.sum(0).reshape(len(clips), n_classes)  # excerpts by clip and class
    errors = members.T @ (found.distances["input"] / found.scales["input"].mean())
    errors = errors.reshape(by_cell.shape)
    counts = _by_clips(by_cell.ravel()[:, None] * by_cell.ravel(), by_cell.shape)
    similar = _by_clips(_similarities(found.inversions, members), by_cell.shape)
    similar_input = _by_clips(_similarities(found.pictures, members), by_cell.shape)

    weights = resample([len(clips)])
    values: dict[str, np.ndarray] = {}
    for number, name in enumerate(found.classes):
        values[f"nre_{name}"] = ratio(weights @ errors[:, number], weights @ by_cell[:, number])
    if n_classes == 2:
        first, second = found.classes
        values["nre_difference"] = values[f"nre_{second}"] - values[f"nre_{first}"]
    for number, name in enumerate(found.classes):
        values[f"within_{name}"] = _mean_of_pairs(similar[number], counts[number], weights)
    *_, between = similar
    values["between"] = _mean_of_pairs(between, counts[-1], weights)
    for name, matrices in (("contrast", similar), ("input_contrast", similar_input)):
        within = _mean_of_pairs(np.sum(matrices[:-1], 0), np.sum(counts[:-1], 0), weights)
        values[name] = within - _mean_of_pairs(matrices[-1], counts[-1], weights)
    values["excess"] = values["contrast"] - values["input_contrast"]

    rows = [(name, *estimate(found, len(clips))) for name, found in values.items()]
    table = pd.DataFrame(rows, columns=["measure", "value", "ci_low", "ci_high"])
    return table.assign(n_clips=len(clips))


def _similarities(points: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Sums of Pearson's r over the pairs of excerpts of every two cells, of a clip and a class."""
    centred = points - points.mean(1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = np.divide(centred, lengths, out=np.zeros_like(centred), where=lengths > 0)
    sums = members.T @ unit
    return sums @ sums.T


def _by_clips(cells: np.ndarray, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Sums over pairs of cells as sums over pairs of clips: within each class, then between.

    What a clip has with itself is left out: excerpts of one clip are alike whatever the class.
    """
    pairs = cells.reshape(*shape, *shape)
    within = [pairs[:, number, :, number] for number in range(shape[1])]
    matrices = [*within, pairs.sum((1, 3)) - sum(within)]
    return [matrix * ~np.eye(shape[0], dtype=bool) for matrix in matrices]


def _mean_of_pairs(sums: np.ndarray, counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Means over pairs of clips, each clip counted as often as a row of weights says."""
    total, number = (((weights @ matrix) * weights).sum(1) for matrix in (sums, counts))
    return ratio(total, number)
