"""The seconds in which a feature is most active, over many clips: what to listen to first."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from auralise.audio import read_audio
from auralise.errors import AudioError
from auralise.excerpts import Excerpt
from auralise.explainers.edges import activations, margin_of
from auralise.explainers.protocol import Explainer
from auralise.progress import tracked
from auralise.stft import Stft

log = logging.getLogger(__name__)

SECONDS = 1.0  # how long each of them is
N_STRONGEST = 3  # of a feature, each from another clip
PIECE = 30.0  # s of a clip that are analysed at a time

COLUMNS = ("layer", "feature", "rank", "clip", "start", "end", "activation")


def find_strongest_seconds(
    explainer: Explainer, clips: Mapping[str, Path], stft: Stft, edges: str
) -> pd.DataFrame:
    """Where every feature of a network is most active.

    Parameters
    ----------
    explainer : Explainer
    clips : mapping of str to Path
        Sound files by name. One that cannot be read is logged and left out.
    stft : Stft
        What the network hears.
    edges : {'surroundings', 'reflect', 'zero'}
        What sounds around a clip, as `auralise.excerpts.Excerpt` takes it.

    Returns
    -------
    DataFrame
        With `COLUMNS`: of each feature that fires on the clips, the `N_STRONGEST` seconds, each
        from another clip, in which its activation, averaged over frequency, is greatest on average.
        Layers count from 1, features from 0, ranks from 1; ``start`` and ``end`` are in seconds.
        Where a column of a feature map is longer than a second, it alone decides.
    """
    best: dict[int, list[np.ndarray]] = {}
    starts: dict[int, list[np.ndarray]] = {}
    names = []
    for name, path in tracked(list(clips.items()), "find the strongest seconds", unit="clips"):
        try:
            samples = read_audio(path, stft.sample_rate)
        except AudioError as error:
            log.warning("%s", error)
            continue
        names.append(name)
        for layer, (values, at) in _strongest_of_clip(explainer, samples, stft, edges).items():
            best.setdefault(layer, []).append(values)
            starts.setdefault(layer, []).append(at)
    tables = [_rank(layer, best[layer], starts[layer], names) for layer in sorted(best)]
    return pd.concat(tables or [pd.DataFrame(columns=list(COLUMNS))], ignore_index=True)


def _strongest_of_clip(
    explainer: Explainer, samples: np.ndarray, stft: Stft, edges: str
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Of every feature, by layer: its strongest second's activation, and where that begins (s)."""
    margin = margin_of(explainer, edges)
    found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for first, length in _pieces(len(samples), stft.n_samples(PIECE)):
        duration = length / stft.sample_rate
        excerpt = Excerpt(samples, first, length, edges)
        for layer, maps in activations(explainer, excerpt, stft, margin).items():
            by_column = maps.mean(axis=1, dtype=np.float64)
            column = duration / by_column.shape[1]
            values, at = strongest_run(by_column, max(1, round(SECONDS / column)))
            middle = (at + max(1, round(SECONDS / column)) / 2) * column
            start = np.clip(middle - SECONDS / 2, 0, max(0.0, duration - SECONDS))
            start += first / stft.sample_rate
            if layer in found:
                known, where = found[layer]
                start = np.where(values > known, start, where)
                values = np.maximum(values, known)
            found[layer] = values, start
    return found


def _pieces(n_samples: int, most: int) -> Iterator[tuple[int, int]]:
    """First sample and length of each piece; the last takes what is left."""
    firsts = range(0, max(1, n_samples - most + 1), most)
    for first in firsts:
        yield first, (n_samples if first == firsts[-1] else first + most) - first


def strongest_run(values: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Find, in each row, the consecutive columns with the greatest mean.

    Parameters
    ----------
    values : ndarray, shape (n_rows, n_columns)
    length : int
        How many consecutive columns; all columns if there are fewer.

    Returns
    -------
    means, firsts : ndarray, shape (n_rows,)
        The greatest mean of each row, and the first of its columns.

    Examples
    --------
    >>> means, firsts = strongest_run(np.array([[0.0, 3.0, 1.0, 0.0]]), 2)
    >>> means.tolist(), firsts.tolist()
    ([2.0], [1])
    """
    length = min(length, values.shape[1])
    sums = np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=1)
    means = (sums[:, length:] - sums[:, :-length]) / length
    firsts = means.argmax(axis=1)
    return means[np.arange(len(means)), firsts], firsts


def _rank(
    layer: int, values: list[np.ndarray], starts: list[np.ndarray], names: list[str]
) -> pd.DataFrame:
    by_clip, where = np.array(values), np.array(starts)
    rows = []
    for feature in range(by_clip.shape[1]):
        order = np.argsort(-by_clip[:, feature], kind="stable")[:N_STRONGEST]
        for rank, clip in enumerate(order, start=1):
            activation, start = by_clip[clip, feature], where[clip, feature]
            if activation > 0:
                end = start + SECONDS
                rows.append((layer, feature, rank, names[clip], start, end, activation))
    return pd.DataFrame(rows, columns=list(COLUMNS)).round({"start": 3, "end": 3})
