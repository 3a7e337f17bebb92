"""What an inverter returns of an excerpt: its level, its spectrum or its detail.

NRE is about .7 for the mean picture already, and does not say what is returned. A picture is the
sum of its level (the mean of all values), its spectrum (the mean over time of each bin, less the
level) and its detail (the rest). Beside every inverter stand oracles that know the first one or two
of these of the excerpt, and have the rest from the mean picture of the training set.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from auralise.inversion.intervals import estimate, sums_over_clips
from auralise.inversion.measures import Reconstructions
from auralise.statistics import ratio

INVERSION = "inversion"
ORACLES = ("mean", "level", "level + spectrum")  # what they know
PARTS = ("level", "spectrum", "detail")
SHARES = (*PARTS, "retrieval")
KEPT = (
    *("shown", "nre"),
    *(name + end for name in SHARES for end in ("", "_low", "_high")),
    *("chance", "n_drawn", "n_clips"),
)


@dataclass(frozen=True)
class Parts:
    """Pictures as the sum of three parts.

    Attributes
    ----------
    level : ndarray, shape (n, 1, 1)
        Mean of each picture.
    spectrum : ndarray, shape (n, n_bins, 1)
        Mean over time of each bin, less the level.
    detail : ndarray, shape (n, n_bins, n_frames)
        The rest.
    """

    level: np.ndarray
    spectrum: np.ndarray
    detail: np.ndarray

    @classmethod
    def of(cls, pictures: np.ndarray) -> "Parts":
        """Split pictures ``(n, n_bins, n_frames)``.

        Examples
        --------
        >>> import numpy as np
        >>> parts = Parts.of(np.array([[[1.0, 3.0], [4.0, 8.0]]]))
        >>> parts.level.ravel(), parts.spectrum.ravel(), parts.detail.ravel()
        (array([4.]), array([-2.,  2.]), array([-1.,  1., -2.,  2.]))
        """
        level = pictures.mean(axis=(1, 2), keepdims=True)
        over_time = pictures.mean(axis=2, keepdims=True)
        return cls(level, over_time - level, pictures - over_time)


def known_to_oracles(pictures: Parts, mean: Parts) -> dict[str, np.ndarray]:
    """What each of `ORACLES` shows of pictures, ``(n, n_bins, n_frames)``."""
    whole = mean.level + mean.spectrum + mean.detail
    return {
        "mean": np.broadcast_to(whole, pictures.detail.shape),
        "level": pictures.level + mean.spectrum + mean.detail,
        "level + spectrum": pictures.level + pictures.spectrum + mean.detail,
    }


def kept_parts(found: Reconstructions) -> pd.DataFrame:
    """What of the test excerpts one layer's inverter returns, and what oracles would.

    Returns
    -------
    DataFrame
        Columns `KEPT`, a row for ``shown`` `INVERSION` and each of `ORACLES`. ``nre`` as
        `auralise.inversion.measures.normalised_errors` defines it; ``level``, ``spectrum``,
        ``detail``: R² of that part over the test excerpts, 0 for what shows the same for all;
        ``retrieval``: share of what is shown that is nearer to its own excerpt than to all others
        of a draw, and ``chance`` of it. With 95 % intervals, bootstrap over clips.
    """
    pictures = found.pictures.reshape(-1, *found.shape)
    own = Parts.of(pictures)
    mean = Parts.of(found.mean.reshape(1, *found.shape))
    shown = {INVERSION: found.inversions.reshape(pictures.shape)} | known_to_oracles(own, mean)
    varies = _errors(own, Parts(*(getattr(own, part).mean(axis=0) for part in PARTS)))
    n_drawn = found.draws.shape[1]
    rows = []
    for name, what in shown.items():
        errors = _errors(own, Parts.of(what))
        values: list[float] = []
        for part in PARTS:
            sums, total = sums_over_clips(found.clips, errors[part], varies[part])
            values += estimate(1 - ratio(sums, total), len(np.unique(found.clips)))
        distances, hits = _retrieve(what.reshape(len(pictures), -1), found)
        n_draws = np.bincount(found.draws.ravel()).astype(float)
        right, asked = sums_over_clips(found.clips, hits, n_draws)
        values += estimate(ratio(right, asked), len(np.unique(found.clips)))
        nre = float(np.mean(distances[found.draws].mean(axis=1) / found.scales["input"]))
        rows.append((name, nre, *values, 1 / n_drawn, n_drawn, len(np.unique(found.clips))))
    return pd.DataFrame(rows, columns=list(KEPT))


def _errors(own: Parts, shown: Parts) -> dict[str, np.ndarray]:
    """Squared error of each part, ``(n,)``."""
    return {
        part: np.square(getattr(shown, part) - getattr(own, part)).sum(axis=(1, 2), dtype=float)
        for part in PARTS
    }


def _retrieve(shown: np.ndarray, found: Reconstructions) -> tuple[np.ndarray, np.ndarray]:
    """Distance to the own excerpt, and over all draws how often none is nearer, ``(n,)`` both.

    Where several are as near, each is found with the same chance.
    """
    hits = np.zeros(len(shown))
    squares = np.square(found.pictures).sum(axis=1, dtype=float)
    for draw in found.draws:
        # Of the squared distance to each picture, what differs between pictures.
        scores = squares[draw] - 2 * (shown[draw] @ found.pictures[draw].T).astype(float)
        own = np.diagonal(scores)[:, None]
        slack = 1e-6 * (np.abs(scores).max() + 1e-30)
        nearest = scores.min(axis=1) >= own[:, 0] - slack
        hits[draw] += nearest / (np.abs(scores - own) <= slack).sum(axis=1)
    return np.linalg.norm(shown - found.pictures, axis=1), hits
