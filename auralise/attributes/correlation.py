"""What a feature keeps when one musical attribute changes: pairwise correlation.

Our protocol, since the one of Choi 2016 was never published: for one feature and one
attribute, Pearson's r between the deconvolved maps of every pair of signals that differ in
that attribute alone; the mean over the pairs is the feature's value, and the mean over its
live features, with its spread, the layer's. Beside it stands the mean over the pairs that differ
in every attribute: what is as high there is no matter of the attribute. What is compared of a
feature, its maps or what is heard of them: see `auralise.attributes.representations`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import pandas as pd
import torch

from auralise.progress import tracked
from auralise.storage import reserve_temporarily, temporary_file

WORKING_MEMORY = 2048 * 2**20  # bytes of what is kept of all signals at once
BLOCK = 128 * 2**20  # bytes that are multiplied at a time
NO_PAIR = np.empty((0, 2), int)

COLUMNS = ["network", "layer", "feature", "attribute", "correlation", "correlation_all"]
COLUMNS += ["n_pairs", "live"]


class Representations(Protocol):
    """What a network makes of each signal.

    Attributes
    ----------
    magnitudes : sequence of ndarray, each of shape (n_bins, n_frames)
        Of the signals.
    n_features : mapping of int to int
        Features of each layer.
    """

    @property
    def magnitudes(self) -> Sequence[np.ndarray]: ...

    @property
    def n_features(self) -> Mapping[int, int]: ...

    def of(
        self, row: int, features: Mapping[int, Sequence[int]]
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Values of one signal in some features of some layers.

        Yields
        ------
        layer : int
        values : ndarray, float32, shape (n_features, ...)
        """
        ...


def standardise(values: np.ndarray) -> torch.Tensor:
    """Flattened values ``(n_features, ...)``, float16, with a mean of 0 and a mean square of 1.

    Half precision halves the memory. Its rounding, at most 1 in 2048 of each value, largely
    cancels in a correlation: r of maps of 257 × 173 pixels moves by less than 1e-4. NaN where all
    values of a feature are the same.
    """
    flat = torch.from_numpy(np.ascontiguousarray(values, np.float32)).flatten(1)
    low, high = flat.aminmax(dim=1, keepdim=True)
    # Deep maps are as small as 1e-9: squares of what is scaled to one do not vanish.
    flat = flat / torch.maximum(low.abs(), high.abs())
    flat -= flat.mean(dim=1, keepdim=True)
    scale = flat.shape[1] ** 0.5 / torch.linalg.vector_norm(flat, dim=1, keepdim=True)
    # A constant map leaves rounding residue, not zeros, when its mean is taken off.
    scale[low == high] = torch.nan
    return (flat * scale).to(torch.float16)


def correlation_matrix(vectors: torch.Tensor) -> np.ndarray:
    """Pearson's r between every two signals in one feature, by one matrix product.

    Parameters
    ----------
    vectors : Tensor, shape (n_signals, n_values)
        As `standardise` returns them.

    Returns
    -------
    ndarray, float32, shape (n_signals, n_signals)
        NaN for signals on which the feature is constant: there r is not defined.
    """
    n_signals = len(vectors)
    products = torch.zeros(n_signals, n_signals)
    for part in vectors.split(max(1, BLOCK // (4 * n_signals)), dim=1):
        block = part.float()
        products.addmm_(block, block.T)
    norms = products.diagonal().sqrt()
    return (products / norms / norms[:, None]).clamp(-1, 1).numpy()


def mean_over_pairs(matrix: np.ndarray, pairs: np.ndarray) -> tuple[float, int]:
    """Mean correlation of pairs of signals ``(n_pairs, 2)``, and how many of them took part.

    Pairs whose r is NaN in the matrix are left out; the mean is NaN without a pair.
    """
    values = matrix[pairs[:, 0], pairs[:, 1]].astype(np.float64)
    values = values[np.isfinite(values)]
    return (float(values.mean()) if len(values) else np.nan), len(values)


def correlate_attributes(
    representations: Representations,
    pairs: Mapping[str, np.ndarray],
    network: str,
    everything: Mapping[str, np.ndarray] | None = None,
    features: Mapping[int, Sequence[int]] | None = None,
) -> pd.DataFrame:
    """Mean pairwise correlation for every layer, feature and attribute.

    A batch of features at a time is made of all signals and reduced. As many share a batch as
    `WORKING_MEMORY` holds; when not even one fits, it lies on disk and is paged. So memory
    grows with the square of the number of signals only (4 bytes for each two).

    Parameters
    ----------
    representations : Representations
    pairs : mapping of str to ndarray
        As `auralise.attributes.designs.pairs_by_attribute` returns it.
    network : str
        Goes into the table.
    everything : mapping of str to ndarray, optional
        As `auralise.attributes.designs.pairs_in_everything` returns it.
    features : mapping of int to sequence of int, optional
        As `auralise.explainers.workload.sample_features` returns it; all by default.

    Returns
    -------
    DataFrame
        Columns ``network, layer, feature, attribute, correlation, correlation_all, n_pairs,
        live``. `correlation` is empty where the feature is not live: it fired on no pair.
        `correlation_all`, over the pairs that differ in everything, is empty without such pairs.
    """
    everything = everything or {}
    n_signals = len(representations.magnitudes)
    features = features or {layer: range(n) for layer, n in representations.n_features.items()}
    batch_size = max(1, WORKING_MEMORY // (2 * n_signals * representations.magnitudes[0].size))
    rows = []
    total = sum(map(len, features.values())) * n_signals
    with tracked(total=total, desc=f"correlate {network}", unit="maps") as progress:
        for batch in _batches(features, batch_size):
            kept: dict[int, torch.Tensor] = {}
            for row in range(n_signals):
                for layer, values in representations.of(row, batch):
                    vectors = standardise(values)
                    if layer not in kept:
                        kept[layer] = _empty(len(vectors), n_signals, vectors.shape[1])
                    kept[layer][:, row] = vectors
                    progress.update(len(vectors))
            for layer, chosen in batch.items():
                for feature, vectors in zip(chosen, kept.pop(layer), strict=True):
                    matrix = correlation_matrix(vectors)
                    for attribute, alone in pairs.items():
                        mean, count = mean_over_pairs(matrix, alone)
                        mean_all, _ = mean_over_pairs(matrix, everything.get(attribute, NO_PAIR))
                        found = (mean, mean_all, count, count > 0)
                        rows.append((network, layer, feature, attribute, *found))
    return pd.DataFrame(rows, columns=COLUMNS)


def telling_features(
    correlations: pd.DataFrame, names: pd.DataFrame, n: int
) -> dict[int, list[int]]:
    """The features of a network to look at on the signals themselves.

    Parameters
    ----------
    correlations : DataFrame
        As `correlate_attributes` returns it.
    names : DataFrame
        Columns ``layer``, ``feature``, ``name`` (empty: none) and ``score``.
    n : int
        How many, at most.

    Returns
    -------
    dict of int to list of int
        By layer, both ascending: of each name the feature of the best score, the best first; then,
        of each attribute, those of which correlation and correlation_all differ most either way.
    """
    named = names[names["name"] != ""]
    best = named.sort_values("score", ascending=False, kind="stable").drop_duplicates("name")
    found: list[tuple[int, int]] = list(zip(best["layer"], best["feature"], strict=True))
    live = correlations[correlations["live"].astype(bool)]
    kept = live["correlation"] - live["correlation_all"].fillna(0)
    ends = []
    for _, rows in live.assign(kept=kept).groupby("attribute", sort=False):
        rows = rows.sort_values("kept", kind="stable")
        places = list(zip(rows["layer"], rows["feature"], strict=True))
        ends.append(places[::-1])
        ends.append(places)
    found += [places[rank] for rank in range(n) for places in ends if rank < len(places)]
    chosen: dict[int, list[int]] = {}
    for layer, feature in sorted(list(dict.fromkeys(found))[:n]):
        chosen.setdefault(int(layer), []).append(int(feature))
    return chosen


def _empty(*shape: int) -> torch.Tensor:
    """An empty float16 array; on disk where it would be too large for memory."""
    n_bytes = 2 * int(np.prod(shape, dtype=np.int64))
    if n_bytes <= WORKING_MEMORY:
        return torch.empty(shape, dtype=torch.float16)
    with temporary_file() as file:
        reserve_temporarily(file, n_bytes)
        return torch.from_numpy(np.memmap(file, np.float16, "w+", shape=shape))


def _batches(features: Mapping[int, Sequence[int]], size: int) -> Iterator[dict[int, list[int]]]:
    """Features of layers in batches of `size`.

    Layers share a batch because deconvolution makes maps of several at once for less.
    """
    everything = [(layer, int(feature)) for layer, of in features.items() for feature in of]
    for first in range(0, len(everything), size):
        batch: dict[int, list[int]] = {}
        for layer, feature in everything[first : first + size]:
            batch.setdefault(layer, []).append(feature)
        yield batch
