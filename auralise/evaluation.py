"""Evaluation of a network on the test clips, beside a trivial baseline."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from tqdm import tqdm

from auralise.datasets.segments import Segments


@torch.inference_mode()
def predict(network: nn.Module, segments: Segments, batch_size: int = 32) -> np.ndarray:
    """Class probabilities of every segment, shape ``(n_segments, n_classes)``."""
    network = network.eval()
    batches = np.array_split(np.arange(len(segments)), max(1, len(segments) // batch_size))
    return np.concatenate(
        [
            torch.softmax(network(torch.from_numpy(segments.read(rows))[:, None]), 1).numpy()
            for rows in tqdm(batches, f"predict {segments.split}", unit="batch")
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
    """How well a network, and a trivial baseline, know the test clips.

    The baseline is logistic regression on the mean log spectrum of a segment: what can be
    known from the average timbre alone.

    Parameters
    ----------
    network : torch.nn.Module
    path : str or Path
        File of segments.

    Returns
    -------
    dict
        ``segment_accuracy``, ``clip_accuracy``, the same with ``baseline_`` before them,
        ``chance_accuracy`` (always the most frequent class of the training set), ``n_segments``,
        ``n_clips``, ``classes`` and ``confusion`` (clips, row: true, column: predicted).
    """
    test = Segments.open(path, "test")
    probabilities = predict(network, test)
    labels = _clip_labels(test)
    predicted = clip_probabilities(probabilities, test).argmax(1)
    most_frequent = np.bincount(Segments.open(path, "train").labels).argmax()
    baseline = accuracies(_baseline_probabilities(path), test)
    return {
        "split": "test",
        "n_segments": len(test),
        "n_clips": len(labels),
        **accuracies(probabilities, test),
        **{f"baseline_{name}": value for name, value in baseline.items()},
        "chance_accuracy": float((labels == most_frequent).mean()),
        "classes": list(test.classes),
        "confusion": confusion_matrix(labels, predicted, labels=range(len(test.classes))).tolist(),
    }


def _baseline_probabilities(path: str | Path) -> np.ndarray:
    def mean_log_spectra(segments: Segments) -> np.ndarray:
        rows = np.arange(len(segments))
        return np.concatenate(
            [
                np.log(segments.read(part) + 1e-5).mean(axis=2)
                for part in np.array_split(rows, 1 + len(rows) // 64)
                if len(part)
            ]
        )

    train = Segments.open(path, "train")
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    model.fit(mean_log_spectra(train), train.labels)
    return model.predict_proba(mean_log_spectra(Segments.open(path, "test")))
