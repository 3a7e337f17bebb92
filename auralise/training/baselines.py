"""Linear classifiers on a few statistics of a segment: baselines for a network."""

from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

if TYPE_CHECKING:
    # Whoever draws a baseline needs no torch.
    from auralise.datasets.segments import Segments

AT_A_TIME = 64  # segments

# How many of the `statistics` of a segment each baseline sees, and how it is called.
BASELINES = {
    "baseline_": (1, "mean spectrum"),
    "deviation_baseline_": (2, "+ deviation"),
    "flux_baseline_": (3, "+ flux"),
}


def statistics(magnitudes: np.ndarray) -> np.ndarray:
    """Mean, standard deviation and flux of each bin's logarithm over time.

    Flux is the mean absolute change from one frame to the next.

    Parameters
    ----------
    magnitudes : ndarray, shape (n_segments, n_bins, n_frames)

    Returns
    -------
    ndarray, shape (n_segments, 3, n_bins)
    """
    spectra = np.log(magnitudes + 1e-5)
    flux = np.abs(np.diff(spectra, axis=2)).mean(axis=2)
    return np.stack([spectra.mean(axis=2), spectra.std(axis=2), flux], axis=1)


def baseline_probabilities(train: "Segments", test: "Segments") -> dict[str, np.ndarray]:
    """Class probabilities of every test segment by logistic regression on each baseline.

    Parameters
    ----------
    train, test : Segments

    Returns
    -------
    dict of str to ndarray, shape (n_segments, n_classes)
        By the keys of `BASELINES`.
    """
    seen, heard = _statistics_of(train), _statistics_of(test)
    found = {}
    for name, (n, _) in BASELINES.items():
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        model.fit(seen[:, :n].reshape(len(seen), -1), train.labels)
        found[name] = model.predict_proba(heard[:, :n].reshape(len(heard), -1))
    return found


def _statistics_of(segments: "Segments") -> np.ndarray:
    parts = np.array_split(np.arange(len(segments)), 1 + len(segments) // AT_A_TIME)
    return np.concatenate([statistics(segments.read(part)) for part in parts if len(part)])
