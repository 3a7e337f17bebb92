"""How much of its input a layer has kept: reconstruction errors."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from auralise.datasets.segments import Segments
from auralise.inversion.subjects import Subject
from auralise.progress import tracked
from auralise.storage import temporary_file, write_temporarily

BATCH = 16
SPACES = ("input", "features")
# The lowest value of an ELU, in which every inverter ends.
LOWEST = -1.0


@dataclass(frozen=True)
class Reconstructions:
    """An inverter's reconstructions of test excerpts, beside references that need no inverter.

    Attributes
    ----------
    pictures, inversions : ndarray, shape (n_excerpts, n_bins * n_frames)
    shape : (int, int)
        ``(n_bins, n_frames)``.
    mean : ndarray, shape (n_bins * n_frames,)
        The mean picture of the training set.
    distances : dict of str to ndarray, shape (n_excerpts,)
        Euclidean, from picture to inversion, by space: ``input`` or ``features``.
    mean_distances : dict of str to ndarray, shape (n_excerpts,)
        The same for the mean picture of the training set in place of an inversion.
    bound : ndarray, shape (n_excerpts,)
        From picture to the nearest one that no value of which is below -1: no inverter that ends
        in an ELU comes nearer.
    excerpts, labels, clips : ndarray of int, shape (n_excerpts,)
        Rows of the test set, and what they belong to.
    classes : tuple of str
    draws : ndarray of int, shape (n_draws, n_drawn)
        The excerpts of each draw.
    scales : dict of str to ndarray, shape (n_draws,)
        Mean distance between the excerpts of each draw, by space.
    """

    pictures: np.ndarray
    inversions: np.ndarray
    shape: tuple[int, int]
    mean: np.ndarray
    distances: dict[str, np.ndarray]
    mean_distances: dict[str, np.ndarray]
    bound: np.ndarray
    excerpts: np.ndarray
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

    Returns
    -------
    Reconstructions
        Of every excerpt that was drawn at least once.
    """
    test = Segments.open(segments, "test")
    rng = np.random.default_rng(0)
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
    with temporary_file() as file:
        # On disk, since the features of the first layers are large.
        for batch in tracked(_batches(rows), f"invert {layer}", unit="batches"):
            x = subject.scaling(torch.from_numpy(test.read(batch))[:, None])
            features = front(x)
            found = inverter(features)
            again = front(found).flatten(1)
            features = features.flatten(1)
            write_temporarily(file, features.numpy())
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
        all_features = np.memmap(file, np.float32, "r", shape=(len(rows), features.shape[1]))
        all_pictures = np.concatenate(pictures)
        scales = {
            space: np.array([mean_distance(points[draw]) for draw in draws])
            for space, points in (("input", all_pictures), ("features", all_features))
        }
    joined = {name: np.concatenate(values) for name, values in parts.items()}
    return Reconstructions(
        pictures=all_pictures,
        inversions=np.concatenate(inversions),
        shape=(mean.shape[2], mean.shape[3]),
        mean=mean.flatten().numpy(),
        distances={space: joined[space] for space in SPACES},
        mean_distances={space: joined[f"mean_{space}"] for space in SPACES},
        bound=joined["bound"],
        excerpts=rows,
        labels=test.labels[rows],
        clips=test.clips[rows],
        classes=test.classes,
        draws=draws,
        scales=scales,
    )


def mean_distance(points: np.ndarray) -> float:
    """Mean Euclidean distance over all pairs of rows."""
    rows = torch.from_numpy(points)
    # Through a matrix product: a hundred times faster than pair by pair.
    distances = torch.cdist(rows, rows, compute_mode="use_mm_for_euclid_dist").fill_diagonal_(0)
    return float(distances.double().sum() / (len(rows) * (len(rows) - 1)))


def _batches(rows: np.ndarray) -> list[np.ndarray]:
    return np.array_split(rows, max(1, -(-len(rows) // BATCH)))


def excerpt_errors(found: Reconstructions) -> pd.DataFrame:
    """What each excerpt adds to the NRE of one layer, in both spaces.

    Returns
    -------
    DataFrame
        One row per space and excerpt: ``space``, ``excerpt``, ``clip``; ``error``, its distance
        in units of the mean distance within the draws that it is in, averaged over them;
        ``n_draws``, their number. The mean of ``error`` with the weights ``n_draws`` is the NRE.
    """
    drawn = found.draws.ravel()
    n_draws = np.bincount(drawn)
    tables = []
    for space in SPACES:
        units = np.repeat(1 / found.scales[space], found.draws.shape[1])
        error = found.distances[space] * np.bincount(drawn, units) / n_draws
        columns = {"excerpt": found.excerpts, "clip": found.clips, "error": error}
        tables.append(pd.DataFrame({"space": space, **columns, "n_draws": n_draws}))
    return pd.concat(tables, ignore_index=True)


def normalised_errors(found: Reconstructions) -> pd.DataFrame:
    """Normalised reconstruction error (NRE) of one layer, in both spaces.

    The Euclidean distance from picture to inversion, averaged over the excerpts of a draw, in
    units of their mean distance from each other (Mishra 2018): 0 is the picture itself, 1 as
    far as another excerpt.

    Returns
    -------
    DataFrame
        One row per space: ``space``; ``nre`` and ``nre_std``, mean and standard deviation over
        draws, which come from the same excerpts and say nothing of others; ``mean_picture`` and
        ``mean_picture_std``, the NRE of the training set's mean picture, which an inverter must
        beat to say anything; ``bound``, in input space, what no inverter that ends in an ELU can
        beat; ``n_excerpts``, ``n_drawn``, ``n_draws``.
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
