"""What is linearly readable from a layer: probes (Alain & Bengio 2016).

Of every feature the mean and the deviation over its map on a clip's first segment, and from these,
by logistic regression, the genre, and for clips of `bands` which concepts their notes hold. What
the input tells by itself, what untrained layers tell, and the same probe of shuffled labels stand
beside.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from auralise.datasets.segments import Segments
from auralise.dissection.concepts import DRUMMED, FAMILIES, QUALITIES, chords_at
from auralise.dissection.pieces import Piece, bands_piece
from auralise.dissection.stems import KEYS, OTHER_DRUMS
from auralise.networks.comparison import judge_samples
from auralise.progress import tracked
from auralise.statistics import mean_and_spread, ratio, resample, with_interval
from auralise.training.baselines import linear_model, segment_statistics

INPUT = 0  # in place of a layer's number: mean, deviation and flux of the log spectrum
GENRE, CONCEPTS = "genre", "concepts (mean)"
READABLE: tuple[str, ...] = (*DRUMMED, *QUALITIES, *FAMILIES)  # from notes
FEWEST = 10  # clips with a label, and without, in training and test, for it to be probed
N_TIMES = 40  # at which the chord of a segment is looked up
AT_ONCE = 64  # clips
KEY, VERDICT = ("layer", "label"), ("p", "q", "verdict", "n_networks_needed")
TABLE = (
    *("network", "layer", "label", "n_classes", "score", "ci_low", "ci_high"),
    *("shuffled", "shuffled_low", "shuffled_high", "n_train", "n_clips"),
)
SUMMARY = (
    *("variant", "layer", "label", "n_classes", "score", "spread", "untrained"),
    *("untrained_spread", "permuted", "input", "shuffled", "p", "q", "verdict"),
    *("n_networks_needed", "n_networks", "n_untrained", "n_clips"),
)


@dataclass(frozen=True)
class Probed:
    """Clips of a split on which probes are trained or tested.

    Attributes
    ----------
    magnitudes : ndarray, float32, shape (n_clips, n_bins, n_frames)
        First segments.
    labels : mapping of str to ndarray of int, shape (n_clips,)
        By what is to be read.
    """

    magnitudes: np.ndarray
    labels: Mapping[str, np.ndarray]

    @classmethod
    def of(
        cls,
        segments: Segments,
        names: Sequence[str],
        n_clips: int,
        concepts: Callable[[str], Collection[str]] | None = None,
    ) -> "Probed":
        """Clips drawn by lot.

        Parameters
        ----------
        segments : Segments
        names : sequence of str
            Of the split's clips.
        n_clips : int
            At most.
        concepts : callable, optional
            The concepts in the first segment of a clip, by its name.
        """
        rows = segments.one_of_each(n_clips)
        labels = {GENRE: segments.labels[rows]}
        if concepts is not None:
            found = [concepts(names[clip]) for clip in segments.clips[rows]]
            labels |= {of: np.array([of in held for held in found], int) for of in READABLE}
        return cls(segments.read(rows), labels)


def concepts_played(piece: Piece, seconds: float) -> set[str]:
    """Those of `READABLE` that the notes of a piece hold before `seconds`."""
    found = set(chords_at(np.linspace(0, seconds, N_TIMES, endpoint=False), piece.chords)) - {""}
    for _, part in piece.parts:
        notes = [note for note in part.notes if note.start < seconds]
        if part.is_drum:
            found |= {KEYS.get(note.pitch, OTHER_DRUMS) for note in notes}
        elif notes:
            found |= {name for name, programs in FAMILIES.items() if part.program in programs}
    return found


def concepts_of_bands(clip: str, seed: int, duration: float, seconds: float) -> set[str]:
    """The concepts in the first seconds of a clip of `bands`, such as ``jazz.00054``.

    Parameters
    ----------
    clip : str
    seed, duration
        Of the data set: its seed, and how long its clips are (s).
    seconds : float
    """
    genre, _, index = clip.rpartition(".")
    return concepts_played(bands_piece(genre, int(index), seed, duration), seconds)


def read_layers(
    feature_maps: Callable[[np.ndarray], Sequence[np.ndarray]], magnitudes: np.ndarray
) -> dict[int, np.ndarray]:
    """What a probe sees of each layer, and of the input, by layer: shape ``(n_clips, n_values)``.

    Mean and deviation of each feature. Of `INPUT`: mean, deviation and flux of each bin's
    logarithm, as the strongest of the linear baselines. `feature_maps` gives those of every layer
    for a magnitude.
    """
    parts = np.array_split(magnitudes, 1 + len(magnitudes) // AT_ONCE)
    found = {INPUT: [segment_statistics(part).reshape(len(part), -1) for part in parts]}
    for magnitude in tracked(magnitudes, "read layers", unit="clips"):
        for layer, maps in enumerate(feature_maps(magnitude), start=1):
            cells = maps.reshape(len(maps), -1)
            seen = np.concatenate([cells.mean(axis=1), cells.std(axis=1)])
            found.setdefault(layer, []).append(seen[None])
    return {layer: np.concatenate(of_layer) for layer, of_layer in found.items()}


def probe_layers(
    feature_maps: Callable[[np.ndarray], Sequence[np.ndarray]],
    train: Probed,
    test: Probed,
) -> pd.DataFrame:
    """How well each label can be read from each layer of a network.

    Parameters
    ----------
    feature_maps : callable
        As `read_layers` takes it.
    train, test : Probed

    Returns
    -------
    DataFrame
        Columns `TABLE` but ``network``. ``score`` is the balanced accuracy on the test clips, the
        mean share of each class that is read right: 1/``n_classes`` by chance; ``shuffled`` that of
        a probe of labels that were shuffled among the training clips. Intervals: 95 %, bootstrap
        over test clips. A label that less than `FEWEST` clips have, or do not have, is left out.
    """
    seen, heard = (read_layers(feature_maps, of.magnitudes) for of in (train, test))
    drawn = resample([len(test.magnitudes)])
    rng = np.random.default_rng(0)
    rows = []
    for label in (name for name in train.labels if _is_probed(name, train, test)):
        own, true = train.labels[label], test.labels[label]
        shuffled = rng.permutation(own)
        for layer in seen:
            found = [
                with_interval(balanced_accuracy(fitted.predict(heard[layer]), true, drawn))
                for fitted in (_fit(seen[layer], labels) for labels in (own, shuffled))
            ]
            counts = len(own), len(true)
            rows.append((layer, label, len(np.unique(true)), *found[0], *found[1], *counts))
    return pd.DataFrame(rows, columns=list(TABLE[1:]))


def _is_probed(label: str, train: Probed, test: Probed) -> bool:
    if label == GENRE:
        return True
    counts = [np.bincount(of.labels[label], minlength=2) for of in (train, test)]
    return bool(np.min(counts) >= FEWEST)


def _fit(seen: np.ndarray, labels: np.ndarray) -> Pipeline:
    # Few clips hold some of the concepts; without weights, none is what a probe would say.
    model = linear_model().set_params(logisticregression__class_weight="balanced")
    return model.fit(seen, labels)


def balanced_accuracy(read: np.ndarray, true: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Mean over classes of the share that is read right, for each draw of clips.

    Parameters
    ----------
    read, true : ndarray of int, shape (n_clips,)
    drawn : ndarray of int, shape (n_draws, n_clips)
        How often each clip counts.

    Returns
    -------
    ndarray, shape (n_draws,)
        Of the classes that are drawn at all.

    Examples
    --------
    >>> import numpy as np
    >>> balanced_accuracy(np.array([0, 0, 1]), np.array([0, 1, 1]), np.ones((1, 3)))
    array([0.75])
    """
    shares = []
    for number in np.unique(true):
        of_class = drawn * (true == number)
        total = of_class.sum(axis=1)
        right = (of_class * (read == true)).sum(axis=1)
        shares.append(ratio(right, total))
    return np.nanmean(shares, axis=0)


def compare_probes(
    probes: pd.DataFrame,
    variants: Mapping[str, Sequence[str]],
    untrained: Mapping[str, Sequence[str]],
    permuted: Mapping[str, Sequence[str]],
) -> pd.DataFrame:
    """Does training make more, or less, readable? The unit is the network.

    Parameters
    ----------
    probes : DataFrame
        Of all networks, columns `TABLE`.
    variants, untrained, permuted : mapping of str to sequence of str
        By variant, its trained networks, and its controls.

    Returns
    -------
    DataFrame
        Columns `SUMMARY`: means over networks, standard deviations between them (``spread``), and
        the exact permutation test of `auralise.statistics.judge` over the layers of a variant, for
        the genre and for the mean over concepts. Single concepts are shown untested.
    """
    concepts = probes[probes["label"] != GENRE]
    means = concepts.groupby(["network", "layer"], as_index=False, sort=False)[
        ["score", "shuffled", "n_classes", "n_clips"]
    ].mean()
    whole = pd.concat([probes, means.assign(label=CONCEPTS)], ignore_index=True)
    parts = []
    for variant, networks in variants.items():
        own, beside, control = (
            dict(list(whole[whole["network"].isin(names)].groupby(["layer", "label"])))
            for names in (networks, untrained.get(variant, ()), permuted.get(variant, ()))
        )
        labels = list(dict.fromkeys(whole.loc[whole["network"].isin(networks), "label"]))
        layers = sorted({layer for layer, _ in own} - {INPUT})
        keys = [(layer, label) for label in labels for layer in layers]
        samples = {key: (_scores(own, key), _scores(beside, key)) for key in keys}
        tested = {key: samples[key] for key in keys if key[1] in (GENRE, CONCEPTS)}
        found = judge_samples(samples, KEY)
        verdicts = judge_samples(tested, KEY)[[*KEY, *VERDICT]]
        parts.append(
            found.drop(columns=list(VERDICT)).merge(verdicts, "left", KEY).assign(
                variant=variant,
                n_classes=[int(own[key]["n_classes"].iloc[0]) for key in keys],
                permuted=[mean_and_spread(_scores(control, key))[0] for key in keys],
                input=[mean_and_spread(_scores(own, (INPUT, label)))[0] for _, label in keys],
                shuffled=[float(own[key]["shuffled"].mean()) for key in keys],
                n_clips=[int(own[key]["n_clips"].iloc[0]) for key in keys],
            )
        )  # fmt: skip
    names = {"mean": "score", "other": "untrained", "other_spread": "untrained_spread"}
    table = pd.concat(parts, ignore_index=True).rename(columns=names | {"n_others": "n_untrained"})
    return table.fillna({"verdict": ""})[list(SUMMARY)]


def _scores(of: Mapping[tuple[int, str], pd.DataFrame], key: tuple[int, str]) -> np.ndarray:
    return of[key]["score"].to_numpy() if key in of else np.empty(0)
