"""Methods of explanation side by side, on one protocol and beside two that know no network.

A map ranks the bins of a song by what they are to a feature. If it is right, the strongest bins
alone leave the feature's map as it is (keep), and without them little of it is left (delete). Bins
that are taken away get the mean spectrum of the song, never zeros: on spectra full of zeros, which
no network has seen, a few random bins excite a feature more than the song does. And if a map
is about the network, it changes when the network's layers are drawn anew (Adebayo et al. 2018).
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from torch import nn

from auralise.explainers.others import mean_spectrum
from auralise.explainers.protocol import Explainer
from auralise.networks.initialisation import fit_batch_norms, redraw_weights
from auralise.progress import tracked
from auralise.statistics import mean_of_known, ratio, resample, with_interval

NULLS = ("energy", "random")  # methods that know no network
FRACTIONS = (0.05, 0.1, 0.2, 0.5)  # of the bins
OPERATIONS = ("keep", "delete")
RANKED = ("value", "size")  # bins by the map, or by its magnitude
N_RANDOMISED = 5  # clips on which maps of randomised networks are made
SUMS = ("error", "variation", "product", "energy", "energy_left")
TABLE = (
    *("method", "ranked", "layer", "operation", "amount", "measure"),
    *("value", "ci_low", "ci_high", "n_features", "n_clips"),
)

# The feature maps of a magnitude, up to the layer that is asked for.
LayerMaps = Callable[[np.ndarray, int], Sequence[np.ndarray]]
Makers = Mapping[str, Callable[[nn.Module], Explainer]]


@dataclass(frozen=True)
class Material:
    """A network, its clips and the features that are explained on them.

    Attributes
    ----------
    network : torch.nn.Sequential
        As `auralise.networks.genre.build_network` builds it.
    layer_maps : callable
        Its feature maps.
    magnitudes : ndarray, shape (n_clips, n_bins, n_frames)
    features : mapping of int to list of int
        By layer.
    """

    network: nn.Sequential
    layer_maps: LayerMaps
    magnitudes: np.ndarray
    features: Mapping[int, list[int]]


def chain_feature_maps(network: nn.Sequential) -> Callable[..., list[np.ndarray]]:
    """A function that computes a genre network's feature maps, and keeps nothing else.

    Parameters
    ----------
    network : torch.nn.Sequential
        As `auralise.networks.genre.build_network` builds it; is put into evaluation mode.

    Returns
    -------
    callable
        From a magnitude, and optionally the number of the last layer, to one array a layer.
    """
    stages = list(network.get_submodule("convolutional").eval().children())

    def feature_maps(magnitude: np.ndarray, deepest: int | None = None) -> list[np.ndarray]:
        found: list[np.ndarray] = []
        with torch.inference_mode():
            x = torch.from_numpy(magnitude)[None, None]
            for stage in stages:
                for module in stage if isinstance(stage, nn.Sequential) else [stage]:
                    x = module(x)
                    if isinstance(module, nn.MaxPool2d):
                        found.append(x[0].numpy())
                        if len(found) == deepest:
                            return found
        return found

    return feature_maps


def choose_explainable(
    layer_maps: Sequence[Sequence[np.ndarray]], n_features: int, seed: int = 0
) -> dict[int, list[int]]:
    """Features that can be explained on the clips, drawn by lot.

    Parameters
    ----------
    layer_maps : sequence of sequence of ndarray, shape (n_features, height, width)
        Of each clip, layer by layer.
    n_features : int
        Of each layer. Those whose maps vary on most clips come first.
    seed : int

    Returns
    -------
    dict of int to list of int
        By layer; fewer where no more vary on any clip.
    """
    chosen = {}
    for layer, maps in enumerate(zip(*layer_maps, strict=True), start=1):
        n_varied = sum(np.ptp(of.reshape(len(of), -1), axis=1) > 0 for of in maps)
        lots = np.random.default_rng([seed, layer]).random(len(n_varied))
        order = np.lexsort((lots, -n_varied))
        chosen[layer] = sorted(int(k) for k in order[:n_features] if n_varied[k])
    return chosen


def rank(values: np.ndarray) -> np.ndarray:
    """Places in a flattened map, the largest value first; equal ones in random order."""
    shuffled = np.random.default_rng(0).permutation(values.size)
    return shuffled[np.argsort(-values.ravel()[shuffled], kind="stable")]


def perturb(
    magnitude: np.ndarray, order: np.ndarray, operation: str, fraction: float
) -> np.ndarray:
    """Keep, or delete, the first bins of an order in a magnitude.

    Parameters
    ----------
    magnitude : ndarray, shape (n_bins, n_frames)
    order : ndarray of int, shape (n_bins * n_frames,)
        As `rank` gives it.
    operation : {'keep', 'delete'}
    fraction : float
        Of the bins.

    Returns
    -------
    ndarray, shape (n_bins, n_frames)
        The mean spectrum over time in all other bins, or in these.

    Examples
    --------
    >>> import numpy as np
    >>> perturb(np.array([[1.0, 2.0, 3.0, 6.0]]), np.array([3, 2, 1, 0]), "keep", 0.25)
    array([[3., 3., 3., 6.]])
    """
    chosen = np.zeros(magnitude.size, bool)
    chosen[order[: round(fraction * magnitude.size)]] = True
    stays = (chosen if operation == "keep" else ~chosen).reshape(magnitude.shape)
    return np.where(stays, magnitude, mean_spectrum(magnitude))


def compare_maps(own: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Sums from which `r_squared` and `cosine` follow, in the order of `SUMS`.

    Parameters
    ----------
    own, left : ndarray, shape (height, width)
        A feature's map on the song, and on what is left of it.
    """
    own, left = own.astype(np.float64), left.astype(np.float64)
    return np.array(
        [
            np.square(left - own).sum(),
            np.square(own - own.mean()).sum(),
            (own * left).sum(),
            np.square(own).sum(),
            np.square(left).sum(),
        ]
    )


def r_squared(sums: np.ndarray) -> np.ndarray:
    """1 − squared error / variation, ``(…, len(SUMS))`` → ``(…)``; NaN where nothing varies."""
    error, variation, *_ = np.moveaxis(sums, -1, 0)
    return 1 - ratio(error, variation)


def cosine(sums: np.ndarray) -> np.ndarray:
    """Cosine between a feature's map and what is left of it, ``(…, 5)`` → ``(…)``; 0 if none is."""
    _, variation, product, energy, left = np.moveaxis(sums, -1, 0)
    found = np.divide(
        product, np.sqrt(energy * left), out=np.zeros(product.shape), where=energy * left > 0
    )
    return np.where(variation > 0, found, np.nan)


MEASURES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "r2": r_squared,
    "cosine": cosine,
}


def compare_methods(material: Material, makers: Makers) -> pd.DataFrame:
    """How faithful each method's maps are, and whether they are about the network.

    Parameters
    ----------
    material : Material
    makers : mapping of str to callable
        By method, the explainer of a network's convolutional part.

    Returns
    -------
    DataFrame
        Columns `TABLE`. ``operation`` ``keep`` or ``delete``: ``amount`` is the fraction of the
        bins, ``measure`` is ``r2`` or ``cosine`` of the feature map. Cells of all clips count
        together, features equally. ``operation`` ``randomise``: ``amount`` is the number of layers
        drawn anew, from the feature's own downwards, ``measure`` is ``rank_correlation`` (Spearman)
        of the map with that of the network as it is, the mean over features. ``ranked`` says
        whether maps count with their signs (``value``) or without (``size``; only where a method's
        maps have signs). Intervals: 95 %, bootstrap over clips.
    """
    rows = [*_faithfulness(material, makers), *_randomisation(material, makers)]
    return pd.DataFrame(rows, columns=list(TABLE))


def _faithfulness(material: Material, makers: Makers) -> Iterator[tuple]:
    part = material.network.get_submodule("convolutional")
    explainers = {name: make(part) for name, make in makers.items()}
    # By method, ranking, layer, operation and fraction: clip → sums of each feature.
    found: dict[tuple, list[np.ndarray]] = {}
    for magnitude in tracked(material.magnitudes, "keep and delete", unit="clips"):
        own = material.layer_maps(magnitude, max(material.features))
        for name, explainer in explainers.items():
            for layer, maps in explainer.deconvolve_all(magnitude, features=material.features):
                for ranked in _rankings(maps):
                    sums = _sums(material, magnitude, layer, _by(ranked, maps), own[layer - 1])
                    for (operation, fraction), of_features in sums.items():
                        key = name, ranked, layer, operation, fraction
                        found.setdefault(key, []).append(of_features)
    drawn = resample([len(material.magnitudes)])
    for key, of_clips in found.items():
        sums_of_draws = np.einsum("dc,cfs->dfs", drawn, np.stack(of_clips))
        for measure, calculate in MEASURES.items():
            values = mean_of_known(calculate(sums_of_draws), axis=1)
            yield (*key, measure, *with_interval(values), of_clips[0].shape[0], len(of_clips))


def _sums(
    material: Material, magnitude: np.ndarray, layer: int, maps: np.ndarray, own: np.ndarray
) -> dict[tuple[str, float], np.ndarray]:
    """Of each operation and fraction, shape ``(n_features, 5)``."""
    found: dict[tuple[str, float], list[np.ndarray]] = {
        (of, fraction): [] for of in OPERATIONS for fraction in FRACTIONS
    }
    for feature, values in zip(material.features[layer], maps, strict=True):
        order = rank(values)
        for (operation, fraction), sums in found.items():
            changed = perturb(magnitude, order, operation, fraction).astype(np.float32)
            left = material.layer_maps(changed, layer)[layer - 1]
            sums.append(compare_maps(own[feature], left[feature]))
    return {key: np.stack(sums) for key, sums in found.items()}


def _rankings(maps: np.ndarray) -> Sequence[str]:
    """Without signs, magnitude and value are one."""
    return RANKED if (maps < 0).any() else RANKED[1:]


def _by(ranked: str, maps: np.ndarray) -> np.ndarray:
    return np.abs(maps) if ranked == "size" else maps


def _randomisation(material: Material, makers: Makers) -> Iterator[tuple]:
    magnitudes = material.magnitudes[:N_RANDOMISED]
    part = material.network.get_submodule("convolutional")
    drawn = resample([len(magnitudes)])
    for layer, features in tracked(material.features.items(), "randomise", unit="layers"):

        def explain(network: nn.Module, layer=layer, features=features) -> dict[str, np.ndarray]:
            """By method, shape ``(n_clips, n_features, n_bins, n_frames)``."""
            chosen = {layer: features}
            return {
                name: np.stack(
                    [
                        next(iter(explainer.deconvolve_all(magnitude, [layer], chosen)))[1]
                        for magnitude in magnitudes
                    ]
                )
                for name, explainer in ((name, make(network)) for name, make in makers.items())
            }

        own = explain(part)
        for n_layers in range(1, layer + 1):
            others = explain(randomise(part, layer - n_layers + 1, layer, magnitudes, seed=0))
            for name, maps in own.items():
                for ranked in _rankings(maps):
                    values = _correlations(_by(ranked, maps), _by(ranked, others[name]))
                    means = _weighted_mean(drawn, values)
                    yield (
                        *(name, ranked, layer, "randomise", n_layers, "rank_correlation"),
                        *(*with_interval(means), len(features), len(magnitudes)),
                    )


def randomise(
    part: nn.Module, first: int, last: int, magnitudes: np.ndarray, seed: int
) -> nn.Module:
    """A copy of the convolutional part, the weights of layers `first` to `last` drawn at random.

    Their batch normalisations get the statistics of what reaches them: with the old ones their
    features would fire nowhere or everywhere.
    """
    changed = copy.deepcopy(part)
    x = torch.from_numpy(magnitudes)[:, None]
    with torch.no_grad():
        for name, stage in changed.named_children():
            number = int(name.removeprefix("layer")) if name.startswith("layer") else 0
            if first <= number <= last:
                redraw_weights(stage, seed + number)
                fit_batch_norms(stage, x)
            x = stage(x)
    return changed


def _correlations(maps: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Spearman's r of each clip's and feature's maps; NaN where either is constant."""
    found = np.full(maps.shape[:2], np.nan)
    for place in np.ndindex(*maps.shape[:2]):
        pair = maps[place].ravel(), others[place].ravel()
        if all(np.ptp(values) > 0 for values in pair):
            found[place] = spearmanr(*pair).statistic
    return found


def _weighted_mean(drawn: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean over clips of each draw, then over features; a NaN takes no part."""
    known = np.isfinite(values)
    means = ratio(drawn @ np.where(known, values, 0.0), drawn @ known)
    return mean_of_known(means, axis=1)
