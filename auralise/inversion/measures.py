"""How much of its input a layer has kept: reconstruction errors, and what depends on the class."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.spatial.distance import pdist
from torch import nn
from tqdm import tqdm

from auralise.datasets.segments import Segments
from auralise.inversion.subjects import Subject

BATCH = 16
N_RESAMPLES = 2000
FEWEST_CLIPS = 4  # for an interval over clips
SPACES = ("input", "features")
# The lowest value of an ELU, in which every inverter ends.
LOWEST = -1.0


@dataclass(frozen=True)
class Reconstructions:
    """What an inverter made of test excerpts, beside what can be had without it.

    Attributes
    ----------
    pictures, inversions : ndarray, shape (n_excerpts, n_bins * n_frames)
    distances : dict of str to ndarray, shape (n_excerpts,)
        Euclidean, from picture to inversion, by space: ``input`` or ``features``.
    mean_distances : dict of str to ndarray, shape (n_excerpts,)
        The same for the mean picture of the training set in place of an inversion.
    bound : ndarray, shape (n_excerpts,)
        From picture to the nearest one that no value of which is below -1: no inverter that ends
        in an ELU comes nearer.
    labels, clips : ndarray of int, shape (n_excerpts,)
    classes : tuple of str
    draws : ndarray of int, shape (n_draws, n_drawn)
        The excerpts of each draw.
    scales : dict of str to ndarray, shape (n_draws,)
        Mean distance between the excerpts of each draw, by space.
    """

    pictures: np.ndarray
    inversions: np.ndarray
    distances: dict[str, np.ndarray]
    mean_distances: dict[str, np.ndarray]
    bound: np.ndarray
    labels: np.ndarray
    clips: np.ndarray
    classes: tuple[str, ...]
    draws: np.ndarray
    scales: dict[str, np.ndarray]


def mean_picture(segments: Segments, scaling: nn.Module) -> torch.Tensor:
    """Mean of the pictures of a split, shape ``(n_bins, n_frames)``."""
    total = torch.zeros(segments.shape, dtype=torch.float64)
    with torch.inference_mode():
        for rows in _batches(np.arange(len(segments))):
            total += scaling(torch.from_numpy(segments.read(rows))).double().sum(0)
    return (total / len(segments)).float()


@torch.inference_mode()
def reconstruct(
    subject: Subject,
    layer: str,
    inverter: nn.Module,
    segments: str | Path,
    n_drawn: int = 128,
    n_draws: int = 10,
    seed: int = 0,
) -> Reconstructions:
    """Invert the features of randomly drawn test excerpts.

    Parameters
    ----------
    subject : Subject
    layer : str
    inverter : torch.nn.Module
    segments : str or Path
    n_drawn, n_draws : int
        Excerpts of each draw, all of them if there are fewer, and draws (Mishra 2018: 128, 10).
    seed : int
        Of the draws.

    Returns
    -------
    Reconstructions
        Of every excerpt that was drawn at least once.
    """
    test = Segments.open(segments, "test")
    rng = np.random.default_rng(seed)
    n_drawn = min(n_drawn, len(test))
    drawn = np.stack([rng.choice(len(test), n_drawn, replace=False) for _ in range(n_draws)])
    rows, draws = np.unique(drawn, return_inverse=True)
    draws = draws.reshape(drawn.shape)
    front = subject.front(layer).eval()
    mean = mean_picture(Segments.open(segments, "train"), subject.scaling)[None, None]
    mean_features = front(mean).flatten(1)

    pictures, inversions = [], []
    parts: dict[str, list[np.ndarray]] = {
        name: [] for name in ("input", "features", "mean_input", "mean_features", "bound")
    }
    with tempfile.TemporaryFile() as file:
        # On disk, since the features of the first layers are large.
        for batch in tqdm(_batches(rows), f"invert {layer}", unit="batch"):
            x = subject.scaling(torch.from_numpy(test.read(batch))[:, None])
            features = front(x)
            found = inverter(features)
            again = front(found).flatten(1)
            features = features.flatten(1)
            file.write(features.numpy().tobytes())
            x, found = x.flatten(1), found.flatten(1)
            pictures.append(x.numpy())
            inversions.append(found.numpy())
            for name, difference in (
                ("input", found - x),
                ("features", again - features),
                ("mean_input", mean.flatten(1) - x),
                ("mean_features", mean_features - features),
                ("bound", x.clamp(min=LOWEST) - x),
            ):
                parts[name].append(difference.norm(dim=1).numpy())
        file.flush()
        all_features = np.memmap(file, np.float32, "r", shape=(len(rows), features.shape[1]))
        all_pictures = np.concatenate(pictures)
        scales = {
            space: np.array([pdist(points[draw]).mean() for draw in draws])
            for space, points in (("input", all_pictures), ("features", all_features))
        }
    joined = {name: np.concatenate(values) for name, values in parts.items()}
    return Reconstructions(
        pictures=all_pictures,
        inversions=np.concatenate(inversions),
        distances={space: joined[space] for space in SPACES},
        mean_distances={space: joined[f"mean_{space}"] for space in SPACES},
        bound=joined["bound"],
        labels=test.labels[rows],
        clips=test.clips[rows],
        classes=test.classes,
        draws=draws,
        scales=scales,
    )


def _batches(rows: np.ndarray) -> list[np.ndarray]:
    return np.array_split(rows, max(1, -(-len(rows) // BATCH)))


def normalised_errors(found: Reconstructions) -> pd.DataFrame:
    """Normalised reconstruction error (NRE) of one layer, in both spaces.

    The Euclidean distance from picture to inversion, averaged over the excerpts of a draw, in
    units of their mean distance from each other (Mishra 2018): 0 is the picture itself, 1 as
    far as another excerpt.

    Returns
    -------
    DataFrame
        One row per space: ``space``; ``nre`` and ``nre_std``, mean and standard deviation over
        draws; ``mean_picture`` and ``mean_picture_std``, the NRE of the training set's mean
        picture, which an inverter must beat to say anything; ``bound``, in input space, what no
        inverter that ends in an ELU can beat; ``n_excerpts``, ``n_drawn``, ``n_draws``.
    """

    def over_draws(distances: np.ndarray, space: str) -> tuple[float, float]:
        values = distances[found.draws].mean(1) / found.scales[space]
        return float(values.mean()), float(values.std(ddof=min(1, len(values) - 1)))

    rows = []
    for space in SPACES:
        nre, spread = over_draws(found.distances[space], space)
        floor, floor_spread = over_draws(found.mean_distances[space], space)
        bound = over_draws(found.bound, "input")[0] if space == "input" else np.nan
        rows.append(
            {
                "space": space,
                "nre": nre,
                "nre_std": spread,
                "mean_picture": floor,
                "mean_picture_std": floor_spread,
                "bound": bound,
                "n_excerpts": len(found.pictures),
                "n_drawn": found.draws.shape[1],
                "n_draws": len(found.draws),
            }
        )
    return pd.DataFrame(rows)


def class_dependence(found: Reconstructions, seed: int = 0) -> pd.DataFrame:
    """Whether errors and inversions depend on the class of the excerpt.

    Similarity is Pearson's r between two inversions of excerpts from different clips. Intervals
    are 95 % bootstrap intervals over clips, since excerpts of one clip are not independent.

    Parameters
    ----------
    found : Reconstructions
    seed : int
        Of the resampling.

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

    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(clips), size=(N_RESAMPLES, len(clips)))
    # How often each clip counts: once in the first row, as often as it was drawn in the others.
    weights = np.vstack(
        [np.ones(len(clips)), *(np.bincount(draw, minlength=len(clips)) for draw in drawn)]
    )
    values: dict[str, np.ndarray] = {}
    for number, name in enumerate(found.classes):
        values[f"nre_{name}"] = _ratio(weights @ errors[:, number], weights @ by_cell[:, number])
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

    resampled = pd.DataFrame(values).iloc[1:]
    if len(clips) < FEWEST_CLIPS:
        resampled[:] = np.nan
    return pd.DataFrame(
        {
            "measure": list(values),
            "value": [value[0] for value in values.values()],
            "ci_low": resampled.quantile(0.025).to_numpy(),
            "ci_high": resampled.quantile(0.975).to_numpy(),
            "n_clips": len(clips),
        }
    )


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
    return _ratio(total, number)


def _ratio(total: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Means, NaN where there is nothing to average."""
    return np.divide(total, number, out=np.full(len(total), np.nan), where=number > 0)
