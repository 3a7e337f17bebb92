"""Scores of whole networks: what a trained one does on the clips, and what untrained ones score."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from auralise.dissection.activations import Activations, Cells, Targets, measure
from auralise.dissection.exam import Exam
from auralise.dissection.scores import energy_inside, enrichment, fires
from auralise.errors import NetworkError
from auralise.explainers.protocol import Explainer
from auralise.explainers.workload import MANY, STRONGEST, sample_features
from auralise.files import whole_file
from auralise.hdf5 import create_hdf5, open_hdf5
from auralise.progress import tracked

HEARD = 2.0  # s of a clip that are deconvolved


@dataclass(frozen=True)
class Scored:
    """One layer of a network on the clips.

    Attributes
    ----------
    activations : Activations
    fires : ndarray, shape (n_features, n_concepts)
        Over all clips; NaN for dead features and concepts that cannot be resolved.
    enrichments : ndarray, shape (n_features, n_concepts)
        Over some clips; NaN for a concept that none of them has.
    """

    activations: Activations
    fires: np.ndarray
    enrichments: np.ndarray


def targets_of(exam: Exam, activations: Sequence[Activations]) -> list[Targets]:
    """For each layer, the concepts' masks, averaged over the cells of its feature maps."""
    return [Targets.of(exam, layer.cells) for layer in activations]


def score_layer(activations: Activations, targets: Targets) -> np.ndarray:
    """`fires` over all clips, ``(n_features, n_concepts)``; NaN where nothing can be said."""
    return np.where(targets.resolvable, fires(activations.values, targets.values), np.nan)


def examined_features(explainer: Explainer) -> dict[int, list[int]]:
    """Features by layer that are examined: all, or `STRONGEST` drawn by lot where there are `MANY`.

    The same in every network of an architecture.
    """
    sizes = dict(enumerate(explainer.n_features, start=1))
    return sample_features(sizes, None if sum(sizes.values()) <= MANY else STRONGEST, seed=0)


def score_network(explainer: Explainer, exam: Exam, n_heard: int) -> list[Scored]:
    """Activations and scores of the features of every layer that are examined.

    Parameters
    ----------
    explainer : Explainer
    exam : Exam
    n_heard : int
        Held-out clips whose first `HEARD` seconds are deconvolved, to see what every feature
        lets through.
    """
    features = examined_features(explainer)
    activations = measure(explainer, exam, features)
    targets = targets_of(exam, activations)
    heard = hear(explainer, exam, choose_clips(exam, n_heard), features)
    return [
        Scored(layer, score_layer(layer, own), enriched)
        for layer, own, enriched in zip(activations, targets, heard, strict=True)
    ]


def choose_clips(exam: Exam, n_clips: int) -> list[int]:
    """Choose held-out clips one by one: each adds most to the concepts that were rare so far."""
    present = np.asarray(exam.present[:, :, : _heard_frames(exam)].any(axis=2))
    waiting = list(np.flatnonzero(exam.held_out))
    chosen: list[int] = []
    seen = np.zeros(present.shape[1])
    while waiting and len(chosen) < n_clips:
        gains = [(present[clip] / (1 + seen)).sum() for clip in waiting]
        chosen.append(int(waiting.pop(int(np.argmax(gains)))))
        seen += present[chosen[-1]]
    return sorted(chosen)


def _heard_frames(exam: Exam) -> int:
    """Frames of `HEARD` seconds, or of the clip."""
    return min(exam.magnitudes.shape[2], round(HEARD / exam.hop))


def hear(
    explainer: Explainer, exam: Exam, clips: Sequence[int], features: Mapping[int, Sequence[int]]
) -> list[np.ndarray]:
    """How much more of each concept features let through than the clips hold, as `enrichment`.

    By layer, each of shape ``(n_features, n_concepts)``; of the `features` of each layer.
    """
    scale = explainer.mask_scale(exam.magnitudes.shape[1])[:, None]
    sizes = [len(features[layer]) for layer in sorted(features)]
    inside = [np.zeros((n, len(exam.concepts))) for n in sizes]
    total = [np.zeros(n) for n in sizes]
    song, whole = np.zeros(len(exam.concepts)), 0.0
    n_frames = _heard_frames(exam)
    try:
        explainer.feature_maps(exam.magnitudes[0, :, :n_frames])
    except NetworkError:  # too short for it
        n_frames = exam.magnitudes.shape[2]
    for clip in tracked(clips, "deconvolve", unit="clips"):
        magnitude, masks = exam.magnitudes[clip, :, :n_frames], exam.masks[clip, ..., :n_frames]
        own, own_total = energy_inside(np.ones((1, *magnitude.shape), "f4"), magnitude, masks)
        song, whole = song + own[0], whole + own_total[0]
        for layer, maps in explainer.deconvolve_all(magnitude, features=features):
            caught, of_all = energy_inside(maps * scale, magnitude, masks)
            inside[layer - 1] += caught
            total[layer - 1] += of_all
    return [
        enrichment(caught, of_all, song, whole)
        for caught, of_all in zip(inside, total, strict=True)
    ]


def score_untrained(
    make: Callable[[int], Explainer], exam: Exam, n_networks: int
) -> list[np.ndarray]:
    """Scores of untrained networks' features; of the networks nothing else is kept.

    Parameters
    ----------
    make : callable
        The explainer of the untrained network of a seed.
    exam : Exam
    n_networks : int
        The seeds are 0 … n_networks − 1.

    Returns
    -------
    list of ndarray, each of shape (n_networks, n_features, n_concepts)
        Layer by layer.
    """
    targets: list[Targets] = []
    found: list[list[np.ndarray]] = []
    for seed in tracked(range(n_networks), "untrained", unit="networks"):
        explainer = make(seed)
        activations = measure(explainer, exam, examined_features(explainer))
        targets = targets or targets_of(exam, activations)
        pairs = zip(activations, targets, strict=True)
        found.append([score_layer(layer, own) for layer, own in pairs])
    return [np.stack(of_layer) for of_layer in zip(*found, strict=True)]


def write_scores(path: str | Path, layers: Sequence[Scored]) -> None:
    """Write what `score_network` returned."""
    with whole_file(path) as partial, create_hdf5(partial) as file:
        for scored in layers:
            group = file.create_group(f"layer{scored.activations.layer}")
            cells = scored.activations.cells
            group.attrs.update(height=cells.height, width=cells.width, pooled=cells.pooled)
            group["cells"] = cells.places
            if cells.band_weights is not None:
                group["band_weights"] = cells.band_weights
            group["features"] = scored.activations.features
            group["values"] = scored.activations.values
            group["levels"] = scored.activations.levels
            group["fires"] = scored.fires
            group["enrichments"] = scored.enrichments


def read_scores(path: str | Path) -> list[Scored]:
    """Read what `write_scores` wrote."""
    found = []
    with open_hdf5(path) as file:
        for number in range(1, len(file) + 1):
            group = file[f"layer{number}"]
            height, width = int(group.attrs["height"]), int(group.attrs["width"])
            bins, frames = map(int, group.attrs["pooled"])
            weights = group["band_weights"][:] if "band_weights" in group else None
            cells = Cells(height, width, (bins, frames), group["cells"][:], weights)
            arrays = (group[name][:] for name in ("values", "levels"))
            activations = Activations(number, group["features"][:], cells, *arrays)
            found.append(Scored(activations, group["fires"][:], group["enrichments"][:]))
    return found


def write_untrained(path: str | Path, layers: Sequence[np.ndarray]) -> None:
    """Write what `score_untrained` returned."""
    with whole_file(path) as partial, create_hdf5(partial) as file:
        for number, scores in enumerate(layers, start=1):
            file[f"layer{number}"] = scores


def read_untrained(path: str | Path) -> list[np.ndarray]:
    """Read what `write_untrained` wrote."""
    with open_hdf5(path) as file:
        return [file[f"layer{number}"][:] for number in range(1, len(file) + 1)]
