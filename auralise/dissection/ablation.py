"""Does a feature matter to the network? It is switched off, and the test clips are heard again.

A feature that is switched off is zero everywhere, as if it never fired. What then changes is held
against random sets of as many features of the same layer, with most similar energy.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from auralise.progress import tracked
from auralise.statistics import interval, resample, with_interval

N_SIMILAR = 20  # random sets beside each
N_DRAWN = 400  # sets, of which the most similar stay
AT_ONCE = 8  # clips
ACCURACY, PROBABILITY = "accuracy", "probability"
FEATURE, NAME, UNNAMED = "feature", "name", "unnamed"  # what is switched off
TABLE = (
    *("ablated", "layer", "feature", "name", "n_features", "measure", "class"),
    *("change", "ci_low", "ci_high", "random", "random_low", "random_high"),
    *("difference_low", "difference_high", "beyond_random", "by_chance", "n_clips"),
)
TRACED = (
    *("name", "ablated", "layer", "feature", "n_features", "class", "change", "ci_low", "ci_high"),
    *("random", "random_low", "random_high", "beyond_random", "by_chance", "n_clips"),
)

Set = tuple[int, tuple[int, ...]]  # a layer, counted from 1, and features of it


@dataclass(frozen=True)
class Ablation:
    """Features that are switched off together.

    Attributes
    ----------
    ablated : {'feature', 'name', 'unnamed'}
        One feature, all of a layer that have one name, or all of a layer that have none.
    layer : int
    features : tuple of int
    name : str
        Empty if they have none.
    similar : tuple of tuple of int
        Random sets of the layer's features, each as large as `features`.
    """

    ablated: str
    layer: int
    features: tuple[int, ...]
    name: str
    similar: tuple[tuple[int, ...], ...]

    @property
    def sets(self) -> list[Set]:
        """The features, then the random sets."""
        return [(self.layer, features) for features in (self.features, *self.similar)]


def plan_ablations(names: pd.DataFrame, energies: Sequence[np.ndarray]) -> list[Ablation]:
    """Plan what to switch off: each live feature, each name's features, each layer's unnamed ones.

    Parameters
    ----------
    names : DataFrame
        Columns ``layer``, ``feature`` and ``name``, which is empty for an unnamed feature.
    energies : sequence of ndarray, shape (n_features,)
        Of the feature maps, layer by layer; 0 for a feature that never fires.
    """
    found = []
    for layer, energy in enumerate(energies, start=1):
        live = np.flatnonzero(energy > 0)
        of_layer = names[names["layer"] == layer].set_index("feature")["name"].fillna("")
        called = {feature: str(of_layer.get(feature, "")) for feature in live.tolist()}
        groups: list[tuple[str, str, tuple[int, ...]]] = [
            (FEATURE, name, (feature,)) for feature, name in called.items()
        ]
        for name in sorted(set(called.values())):
            members = tuple(feature for feature, own in called.items() if own == name)
            if len(members) > 1:
                groups.append((NAME if name else UNNAMED, name, members))
        for ablated, name, members in groups:
            similar = similar_sets(members, energy)
            found.append(Ablation(ablated, layer, members, name, similar))
    return found


def similar_sets(
    features: tuple[int, ...], energy: np.ndarray, n_sets: int = N_SIMILAR
) -> tuple[tuple[int, ...], ...]:
    """Random sets of live features of a layer, as many and with the most similar total energy.

    Drawn from the other features if these are twice as many, else from all live ones.

    Parameters
    ----------
    features : tuple of int
    energy : ndarray, shape (n_features,)
        Of every feature of the layer; 0 for a dead one.
    n_sets : int
        At most.

    Examples
    --------
    >>> import numpy as np
    >>> similar_sets((0,), np.array([1.0, 100.0, 1.1, 0.0, 0.9]), n_sets=2)
    ((2,), (4,))
    """
    live = np.flatnonzero(energy > 0)
    others = np.setdiff1d(live, features)
    pool = others if len(others) >= 2 * len(features) else live
    rng = np.random.default_rng([0, len(pool), *features])
    drawn: list[tuple[int, ...]]
    if len(features) == 1:
        drawn = [(int(k),) for k in pool]
    else:
        orders = (rng.permutation(pool)[: len(features)] for _ in range(N_DRAWN))
        drawn = [tuple(sorted(order.tolist())) for order in orders]
    candidates = sorted({of for of in drawn if of != tuple(sorted(features))})
    wanted = np.log(energy[list(features)].sum())
    distances = [abs(np.log(energy[list(of)].sum()) - wanted) for of in candidates]
    nearest = np.argsort(distances, kind="stable")[:n_sets]
    return tuple(candidates[k] for k in sorted(nearest))


class Switched:
    """A network whose features can be switched off.

    Parameters
    ----------
    network : torch.nn.Sequential
        As `auralise.networks.genre.build_network` builds it; a copy is put into
        evaluation mode.
    """

    def __init__(self, network: nn.Sequential):
        network = copy.deepcopy(network).eval()
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        parts = dict(network.get_submodule("convolutional").named_children())
        self.before = nn.Sequential(*(of for name, of in parts.items() if name == "scaling"))
        self.layers = [of for name, of in parts.items() if name != "scaling"]
        self.classifier = network.get_submodule("classifier")

    @torch.inference_mode()
    def outputs(self, magnitudes: np.ndarray) -> list[Tensor]:
        """Feature maps of every layer, ``(n_clips, n_features, height, width)``."""
        x, found = self.before(torch.from_numpy(magnitudes)[:, None]), []
        for layer in self.layers:
            x = layer(x)
            found.append(x)
        return found

    @torch.inference_mode()
    def probabilities(self, outputs: Sequence[Tensor], off: Set | None = None) -> np.ndarray:
        """Class probabilities, some features of a layer off, shape ``(n_clips, n_classes)``."""
        layer, features = off or (len(self.layers), ())
        x = outputs[layer - 1].clone()
        x[:, list(features)] = 0
        for after in self.layers[layer:]:
            x = after(x)
        return torch.softmax(self.classifier(x), 1).numpy()


def measure_energies(switched: Switched, magnitudes: np.ndarray) -> list[np.ndarray]:
    """Mean energy of every feature map, layer by layer, each of shape ``(n_features,)``."""
    sums = [
        [maps.square().mean(dim=(2, 3)).sum(dim=0).numpy() for maps in switched.outputs(batch)]
        for batch in _batches(magnitudes)
    ]
    return [np.sum(of_layer, axis=0) / len(magnitudes) for of_layer in zip(*sums, strict=True)]


def _batches(magnitudes: np.ndarray) -> list[np.ndarray]:
    return np.array_split(magnitudes, max(1, -(-len(magnitudes) // AT_ONCE)))


def predict_ablated(
    switched: Switched, magnitudes: np.ndarray, sets: Sequence[Set]
) -> tuple[np.ndarray, dict[Set, np.ndarray]]:
    """Class probabilities of the network as it is, and with each set of features off.

    Each of shape ``(n_clips, n_classes)``.
    """
    whole, off = [], {one: [] for one in dict.fromkeys(sets)}  # type: ignore[var-annotated]
    for batch in tracked(_batches(magnitudes), "switch off", unit="batches"):
        outputs = switched.outputs(batch)
        whole.append(switched.probabilities(outputs))
        for one, found in off.items():
            found.append(switched.probabilities(outputs, one))
    return np.concatenate(whole), {one: np.concatenate(found) for one, found in off.items()}


def ablate_features(
    network: nn.Sequential,
    magnitudes: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    names: pd.DataFrame,
) -> pd.DataFrame:
    """How accuracy and the probabilities of the classes change when features are switched off.

    Parameters
    ----------
    network : torch.nn.Sequential
    magnitudes : ndarray, shape (n_clips, n_bins, n_frames)
        One segment of each clip.
    labels : ndarray of int, shape (n_clips,)
    classes : sequence of str
    names : DataFrame
        As `plan_ablations` takes it.

    Returns
    -------
    DataFrame
        Columns `TABLE`. ``ablated`` says what is off: a ``feature``, all of a layer with one
        ``name``, or its ``unnamed`` ones. ``measure``: ``accuracy``, of all clips (``class`` is
        empty), or the ``probability`` of a class on its own clips. ``change`` from the network as
        it is, with its interval; ``random``, ``random_low``, ``random_high``: mean, lowest and
        highest change by the random sets; ``difference_low`` and ``…_high``: interval of the change
        less their mean. ``beyond_random``: the change lies beyond all of theirs, and that interval
        clear of 0; empty with less than two sets. ``by_chance``: the share of the random sets that
        would count as ``beyond_random`` themselves, each held against all others. Intervals: 95 %,
        bootstrap over clips.
    """
    switched = Switched(network)
    plan = plan_ablations(names, measure_energies(switched, magnitudes))
    sets = [one for ablation in plan for one in ablation.sets]
    whole, off = predict_ablated(switched, magnitudes, sets)
    outcomes = _outcomes(labels, classes)
    drawn = resample([len(labels)])
    rows = []
    for ablation in plan:
        for measure, name, clips in outcomes:
            of = labels if measure == ACCURACY else np.full(len(labels), classes.index(name))
            changes = np.stack(
                [_changes(measure, whole, off[one], of)[clips] for one in ablation.sets]
            )
            rows.append(
                (
                    *(ablation.ablated, ablation.layer, ablation.features[0], ablation.name),
                    *(len(ablation.features), measure, name),
                    *_describe(changes, drawn[:, clips]),
                    len(clips),
                )
            )
    table = pd.DataFrame(rows, columns=list(TABLE))
    alone = table["ablated"] == FEATURE
    return table.assign(
        feature=table["feature"].astype("Int64").where(alone),
        beyond_random=table["beyond_random"].astype("boolean"),
    )


def _outcomes(labels: np.ndarray, classes: Sequence[str]) -> list[tuple[str, str, np.ndarray]]:
    """Measure, class and the clips on which it is taken."""
    of_classes = [
        (PROBABILITY, name, np.flatnonzero(labels == number)) for number, name in enumerate(classes)
    ]
    return [(ACCURACY, "", np.arange(len(labels))), *(of for of in of_classes if len(of[2]))]


def _changes(measure: str, whole: np.ndarray, off: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Of each clip: is it right, or how probable is a class."""
    if measure == ACCURACY:
        return (off.argmax(1) == of).astype(float) - (whole.argmax(1) == of)
    return (off - whole)[np.arange(len(of)), of]


def _describe(changes: np.ndarray, drawn: np.ndarray) -> Iterator[object]:
    """From ``change`` to ``by_chance``, of changes ``(1 + n_sets, n_clips)``."""
    n_drawn = drawn.sum(axis=1)
    drawn = drawn[n_drawn > 0] / n_drawn[n_drawn > 0, None]
    means = drawn @ changes.T  # (1 + n_resamples, 1 + n_sets)
    yield from with_interval(means[:, 0])
    if means.shape[1] < 3:
        yield from (np.nan,) * 5 + (pd.NA, np.nan)
        return
    others = means[0, 1:]
    yield from (float(others.mean()), float(others.min()), float(others.max()))
    low, high, beyond = _beyond(means, 0)
    yield from (low, high, beyond)
    yield float(np.mean([_beyond(means, k)[2] for k in range(1, means.shape[1])]))


def _beyond(means: np.ndarray, one: int) -> tuple[float, float, bool]:
    """Interval of a set's change less the mean of the others', and whether it is beyond theirs."""
    others = np.delete(means, one, axis=1)
    low, high = interval(means[:, one] - others.mean(axis=1))
    value, rest = means[0, one], others[0]
    return low, high, bool((value < rest.min() and high < 0) or (value > rest.max() and low > 0))


def trace_concepts(table: pd.DataFrame) -> pd.DataFrame:
    """The class that loses most when named features are switched off.

    Parameters
    ----------
    table : DataFrame
        As `ablate_features` returns it.

    Returns
    -------
    DataFrame
        Columns `TRACED`; a row for each named feature, each name's features together, and each
        layer's unnamed features together, with the class whose probability falls most.
    """
    rows = table[(table["measure"] == PROBABILITY)]
    rows = rows[(rows["name"] != "") | (rows["ablated"] == UNNAMED)]
    groups = rows.groupby(["name", "ablated", "layer", "feature"], sort=True, dropna=False)
    return rows.loc[groups["change"].idxmin(), list(TRACED)].reset_index(drop=True)
