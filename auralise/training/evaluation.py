"""Evaluation of a network on the test clips, beside linear baselines."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support
from torch import nn

from auralise.datasets.segments import Segments
from auralise.networks.names import variant_of
from auralise.progress import tracked
from auralise.statistics import LEVEL, interval, resample
from auralise.training.baselines import BASELINES, baseline_probabilities

BATCH = 32  # segments
N_BINS = 10  # of a calibration

# What `summarise_evaluations` gives the spread of.
MEASURES = ("clip_accuracy", "segment_accuracy", "macro_f1", "calibration_error")

SUMMARISED = (
    "n_parameters",
    "clip_accuracy",
    "segment_accuracy",
    *(f"{name}clip_accuracy" for name in BASELINES),
    "chance_accuracy",
)


@torch.inference_mode()
def predict(network: nn.Module, segments: Segments) -> np.ndarray:
    """Class probabilities of every segment, shape ``(n_segments, n_classes)``."""
    # A copy with channels last: max-pooling, above all, is several times faster.
    network = copy.deepcopy(network).eval()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    batches = np.array_split(np.arange(len(segments)), max(1, len(segments) // BATCH))
    return np.concatenate(
        [
            torch.softmax(network(torch.from_numpy(segments.read(rows))[:, None]), 1).numpy()
            for rows in tracked(batches, f"predict {segments.split}", unit="batches")
        ]
    )


def clip_probabilities(probabilities: np.ndarray, segments: Segments) -> np.ndarray:
    """Mean of the probabilities of a clip's segments, shape ``(n_clips, n_classes)``."""
    return pd.DataFrame(probabilities).groupby(segments.clips).mean().to_numpy()


def accuracies(probabilities: np.ndarray, segments: Segments) -> dict[str, float]:
    """Share of segments, and of clips, whose most probable class is the right one."""
    by_clip = clip_probabilities(probabilities, segments)
    labels = _clip_labels(segments)
    return {
        "segment_accuracy": float((probabilities.argmax(1) == segments.labels).mean()),
        "clip_accuracy": float((by_clip.argmax(1) == labels).mean()),
    }


def _clip_labels(segments: Segments) -> np.ndarray:
    return pd.Series(segments.labels).groupby(segments.clips).first().to_numpy()


def evaluate_network(network: nn.Module, path: str | Path) -> dict:
    """Evaluate a network and the linear baselines on the test clips.

    A baseline is logistic regression on a segment's mean log spectrum, on mean and deviation,
    or on mean, deviation and flux: see `auralise.training.baselines`.

    Parameters
    ----------
    network : torch.nn.Module
    path : str or Path
        File of segments.

    Returns
    -------
    dict
        ``segment_accuracy``, ``clip_accuracy`` (a clip's class is the most probable one by the
        mean of its segments' probabilities), the same with each of `BASELINES` before them,
        ``chance_accuracy`` (always the most frequent class of the training set), ``n_segments``,
        ``n_clips``, ``n_parameters``, ``classes`` and ``confusion`` (clips, row: true, column:
        predicted); ``by_class``: precision, recall, F1 and number of clips of each class;
        ``calibration`` of the clips, as `calibrate` returns it; ``intervals``: of each accuracy,
        and of ``clip_accuracy_above_<baseline>``, as `accuracy_intervals` returns them, at
        ``interval_level``.
    """
    train, test = Segments.open(path, "train"), Segments.open(path, "test")
    labels = _clip_labels(test)
    probabilities = {"": predict(network, test), **baseline_probabilities(train, test)}
    by_clip = {name: clip_probabilities(values, test) for name, values in probabilities.items()}
    predicted = by_clip[""].argmax(1)
    most_frequent = np.bincount(train.labels).argmax()
    return {
        "split": "test",
        "n_segments": len(test),
        "n_clips": len(labels),
        "n_parameters": sum(parameter.numel() for parameter in network.parameters()),
        **{
            f"{name}{measure}": value
            for name, values in probabilities.items()
            for measure, value in accuracies(values, test).items()
        },
        "chance_accuracy": float((labels == most_frequent).mean()),
        "classes": list(test.classes),
        "confusion": confusion_matrix(labels, predicted, labels=range(len(test.classes))).tolist(),
        "by_class": _by_class(labels, predicted, test.classes),
        "calibration": calibrate(by_clip[""], labels),
        "interval_level": LEVEL,
        "intervals": accuracy_intervals(
            {
                f"{name}{measure}": hits
                for name, values in probabilities.items()
                for measure, hits in (
                    (
                        "segment_accuracy",
                        _hits_by_clip(values.argmax(1) == test.labels, test.clips),
                    ),
                    ("clip_accuracy", _hits_by_clip(by_clip[name].argmax(1) == labels)),
                )
            }
        ),
    }


def _by_class(labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str]) -> dict:
    measures = precision_recall_fscore_support(
        labels, predicted, labels=range(len(classes)), zero_division=0
    )
    names = ("precision", "recall", "f1", "n_clips")
    return {
        of_class: dict(zip(names, (float(p), float(r), float(f), int(n)), strict=True))
        for of_class, p, r, f, n in zip(classes, *measures, strict=True)
    }


def calibrate(probabilities: np.ndarray, labels: np.ndarray) -> dict:
    """Compare predicted probabilities with the share of correct predictions (Guo 2017, section 2).

    Returns ``from`` and ``to`` (what the probability of the predicted class lies between),
    ``confidence`` (its mean), ``accuracy`` and ``count`` of each of `N_BINS` equally wide bins that
    is not empty, and ``error``, the expected calibration error: the mean over the predictions of
    the absolute difference of confidence and accuracy.
    """
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    numbers = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    table = pd.DataFrame({"confidence": confidence, "accuracy": right, "count": 1})
    bins = table.groupby(numbers).agg({"confidence": "mean", "accuracy": "mean", "count": "sum"})
    difference = (bins["confidence"] - bins["accuracy"]).abs()
    error = float((difference * bins["count"]).sum() / len(labels))
    bins.insert(0, "from", bins.index / N_BINS)
    bins.insert(1, "to", (bins.index + 1) / N_BINS)
    return {**{name: column.tolist() for name, column in bins.items()}, "error": error}


def _hits_by_clip(right: np.ndarray, clips: np.ndarray | None = None) -> np.ndarray:
    """How many of a clip's predictions are right, and how many it has, shape (n_clips, 2)."""
    clips = np.arange(len(right)) if clips is None else clips
    return pd.Series(right).groupby(clips).agg(["sum", "count"]).to_numpy()


def accuracy_intervals(hits: Mapping[str, np.ndarray]) -> dict[str, list[float]]:
    """95 % bootstrap intervals of accuracies, over test clips.

    `hits` has for each measure, by clip, how many predictions are right and how many there are.
    Clips are drawn with all their segments, since these are not independent of each other; all
    measures see the same draws. Where all predictions are right, or none, the interval is that of
    Clopper and Pearson over clips. Beside the measures stand the differences from the baselines on
    the same clips, such as ``clip_accuracy_above_baseline``.
    """
    n_clips = len(next(iter(hits.values())))
    drawn = resample([n_clips])
    sums = {name: drawn @ counts for name, counts in hits.items()}
    shares = {name: counts[:, 0] / counts[:, 1] for name, counts in sums.items()}
    for name in BASELINES:
        if f"{name}clip_accuracy" in shares:
            difference = shares["clip_accuracy"] - shares[f"{name}clip_accuracy"]
            shares[f"clip_accuracy_above_{name.rstrip('_')}"] = difference
    intervals = {name: list(interval(values)) for name, values in shares.items()}
    for name, counts in hits.items():
        # Where all are right, or none, all draws are alike: other clips need not be.
        if counts[:, 0].sum() in (0, counts[:, 1].sum()):
            n_right = n_clips if counts[0, 0] else 0
            exact = binomtest(n_right, n_clips).proportion_ci(LEVEL)
            intervals[name] = [float(exact.low), float(exact.high)]
    return intervals


def summarise_evaluations(evaluations: Mapping[str, Mapping]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare the variants: mean and spread over the seeds, baseline and chance beside them.

    Parameters
    ----------
    evaluations : mapping of str to mapping
        By network, such as ``square-0``, as `evaluate_network` returns them.

    Returns
    -------
    variants : DataFrame
        ``variant``, ``n_networks``, ``n_parameters``, then of each of `MEASURES` its mean and,
        with ``_std`` behind its name, its standard deviation over the seeds (missing for a
        single one), ``clip_accuracy_low`` and ``…_high`` (ends of the interval over clips, mean
        over the seeds), the ``clip_accuracy`` of each of `BASELINES` and ``chance_accuracy``.
    classes : DataFrame
        ``variant``, ``class``, ``n_clips``, then ``precision``, ``recall`` and ``f1``, each with
        its ``_std``.
    """
    rows, by_class = [], []
    for network, evaluation in evaluations.items():
        variant = variant_of(network)
        low, high = evaluation["intervals"]["clip_accuracy"]
        of_classes = pd.DataFrame(evaluation["by_class"]).T.rename_axis("class").reset_index()
        rows.append(
            {
                "variant": variant,
                **{name: evaluation[name] for name in SUMMARISED},
                "macro_f1": of_classes["f1"].mean(),
                "calibration_error": evaluation["calibration"]["error"],
                "clip_accuracy_low": low,
                "clip_accuracy_high": high,
            }
        )
        by_class.append(of_classes.assign(variant=variant))
    networks, classes = pd.DataFrame(rows), pd.concat(by_class)
    return (
        _over_seeds(networks, ["variant"], MEASURES)
        .assign(n_networks=networks.groupby("variant", sort=False).size())
        .reset_index()[
            [
                "variant",
                "n_networks",
                "n_parameters",
                *(name + suffix for name in MEASURES for suffix in ("", "_std")),
                "clip_accuracy_low",
                "clip_accuracy_high",
                *(f"{name}clip_accuracy" for name in BASELINES),
                "chance_accuracy",
            ]
        ]
        .astype({"n_parameters": int}),
        _over_seeds(classes, ["variant", "class"], ("precision", "recall", "f1"))
        .reset_index()
        .astype({"n_clips": int}),
    )


def _over_seeds(table: pd.DataFrame, by: list[str], measures: Sequence[str]) -> pd.DataFrame:
    groups = table.groupby(by, sort=False)
    std = groups[list(measures)].std().add_suffix("_std")
    return groups.mean().join(std)
