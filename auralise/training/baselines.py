"""Linear classifiers on a few statistics of a segment: baselines for a network."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from auralise.networks.names import PERMUTED, UNTRAINED, variant_of

if TYPE_CHECKING:
    # Whoever draws a baseline needs no torch.
    from auralise.datasets.segments import Segments

AT_A_TIME = 64  # segments

# How many of the `segment_statistics` of a segment each baseline sees, and how it is called.
BASELINES = {
    "baseline_": (1, "mean spectrum"),
    "deviation_baseline_": (2, "+ deviation"),
    "flux_baseline_": (3, "+ flux"),
}


def segment_statistics(magnitudes: np.ndarray) -> np.ndarray:
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


def linear_model() -> Pipeline:
    """Logistic regression on standardised values, not fitted yet."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))


def baseline_probabilities(train: "Segments", test: "Segments") -> dict[str, np.ndarray]:
    """Class probabilities of every test segment by logistic regression on each of `BASELINES`."""
    seen, heard = _statistics_of(train), _statistics_of(test)
    found = {}
    for name, (n, _) in BASELINES.items():
        model = linear_model()
        model.fit(seen[:, :n].reshape(len(seen), -1), train.labels)
        found[name] = model.predict_proba(heard[:, :n].reshape(len(heard), -1))
    return found


def _statistics_of(segments: "Segments") -> np.ndarray:
    parts = np.array_split(np.arange(len(segments)), 1 + len(segments) // AT_A_TIME)
    return np.concatenate([segment_statistics(segments.read(part)) for part in parts if len(part)])


def is_above_mean_spectrum(evaluation: Mapping) -> bool:
    """Whether a network knows more than the mean spectrum tells: if not, nothing is learned.

    Parameters
    ----------
    evaluation : mapping
        As `auralise.training.evaluation.evaluate_network` returns it.

    Returns
    -------
    bool
        Whether the paired interval of the difference of clip accuracies lies above zero.
    """
    return _above(evaluation, next(iter(BASELINES)))[1] > 0


def describe_accuracy(evaluations: Mapping[str, Mapping]) -> str:
    """Say in words how accurate the trained networks are, beside the baselines.

    Parameters
    ----------
    evaluations : mapping of str to mapping
        By network, as `auralise.training.evaluation.evaluate_network` returns them; controls are
        passed over.

    Returns
    -------
    str
        One line: first, in bold, which networks are not clear of the mean spectrum, and which are
        not clear of the strongest baseline and how far below it they are; then every variant's
        accuracy and its differences from the baselines. Empty without a trained network.
    """
    variants: dict[str, dict[str, Mapping]] = {}
    for name, evaluation in evaluations.items():
        if (variant := variant_of(name)) not in (UNTRAINED, PERMUTED):
            variants.setdefault(variant, {})[name] = evaluation
    doubts = [doubt for of_variant in variants.values() for doubt in _doubts(of_variant)]
    parts = [f"**{' '.join(doubts)}**"] if doubts else []
    return " ".join([*parts, *map(_accuracy, variants.values())])


def _above(evaluation: Mapping, baseline: str) -> tuple[float, float, float]:
    """By how much the clip accuracy lies above a baseline's, and the ends of its interval."""
    difference = evaluation["clip_accuracy"] - evaluation[f"{baseline}clip_accuracy"]
    return difference, *evaluation["intervals"][f"clip_accuracy_above_{baseline.rstrip('_')}"]


def _doubts(evaluations: Mapping[str, Mapping]) -> Iterator[str]:
    unclear = [name for name, of in evaluations.items() if not is_above_mean_spectrum(of)]
    if unclear:
        yield (
            f"Not clear of logistic regression on the mean spectrum: {', '.join(unclear)}; nothing "
            f"of {'them' if len(unclear) > 1 else 'it'} is called learned."
        )
    # Baselines see the same clips, whatever the network.
    shares = next(iter(evaluations.values()))
    strongest = max(BASELINES, key=lambda baseline: shares[f"{baseline}clip_accuracy"])
    found = {name: _above(of, strongest) for name, of in evaluations.items()}
    if below := {name: above for name, above in found.items() if above[1] <= 0}:
        yield (
            f"Not clear of the strongest baseline, '{BASELINES[strongest][1]}': "
            f"{', '.join(below)}, {_differences(list(below.values()))} points from it."
        )


def _accuracy(evaluations: Mapping[str, Mapping]) -> str:
    of = list(evaluations.values())
    shares = [f"{share:.0%}" for share in _ends([e["clip_accuracy"] for e in of])]
    beside = []
    for baseline, (_, label) in BASELINES.items():
        found = [_above(evaluation, baseline) for evaluation in of]
        share = np.mean([evaluation[f"{baseline}clip_accuracy"] for evaluation in of])
        beside.append(f"{label} {share:.0%}, {_differences(found)} points from it")
    return (
        f"{', '.join(evaluations)}: {' to '.join(shares)} of {of[0]['n_clips']} test clips right. "
        f"Logistic regression, in brackets paired 95 % intervals: {'; '.join(beside)}."
    )


def _differences(found: Sequence[tuple[float, float, float]]) -> str:
    """Differences and the outermost ends of their intervals."""
    text = " to ".join(map(_points, _ends([difference for difference, *_ in found])))
    lowest, highest = min(low for _, low, _ in found), max(high for *_, high in found)
    return f"{text} [{_points(lowest)}, {_points(highest)}]"


def _ends(values: Sequence[float]) -> list[float]:
    return sorted({min(values), max(values)})


def _points(share: float) -> str:
    return f"{100 * share:+z.0f}"
