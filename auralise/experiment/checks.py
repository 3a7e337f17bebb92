"""Invariants of an experiment's results, each with its outcome."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from auralise.errors import AuraliseError
from auralise.explainers.making import read_explainer
from auralise.explainers.protocol import Explainer
from auralise.features import NAME as FEATURES
from auralise.features import audible, read_features
from auralise.files import read_table
from auralise.maps import Maps, open_maps

N_RECOMPUTED = 3  # features of each song whose maps are made again
# Of a map's norm. Another batch size rounds otherwise; in bfloat16, sums may nearly cancel.
TOLERANCES = {"float32": 1e-4, "bfloat16": 5e-2}


class CheckError(AuraliseError):
    """Results that contradict themselves."""


def check_results(
    results: Path,
    networks: Mapping[str, Mapping],
    heard: Sequence[str],
    controls: Sequence[str],
    songs: Sequence[str],
    deconvolution: Mapping,
    seed: int,
    n_correlated: int | None = None,
    floor: float | None = None,
) -> pd.DataFrame:
    """Check the results of one experiment.

    Parameters
    ----------
    results : Path
        The experiment's folder.
    networks : mapping of str to mapping
        What has to be there, and the settings of each, as `read_explainer` takes them.
    heard, controls, songs : sequence of str
        What has to be there; of `networks`, there are maps and sounds of those `heard`, and
        `controls` are untrained.
    deconvolution : mapping
        The settings of that name.
    seed : int
        Chooses the maps that are made again.
    n_correlated : int, optional
        Features of each layer in the attribute experiment; all by default.
    floor : float, optional
        Down to which level sounds are kept (dB, as `auralise.features.audible` takes it); all by
        default.

    Returns
    -------
    DataFrame
        Columns ``check``, ``subject``, ``passed``, ``found``, ``expected``.
    """
    rows = [_check_control(results, controls), _check_splits(results / "clips.csv")]
    rng, tolerance = np.random.default_rng(seed), TOLERANCES[deconvolution["precision"]]
    for network, settings in networks.items():
        path = results / "networks" / network / "weights.safetensors"
        explainer = read_explainer(path, settings, {**deconvolution, "precision": "float32"})
        for song in songs if network in heard else ():
            subject = f"{network}/{song}"
            with open_maps(results / "deconvolution" / network / f"{song}.h5") as maps:
                rows += _check_maps(maps, explainer, deconvolution, subject)
                rows.append(_check_sounds(maps, results / "auralisation" / subject, floor, subject))
                rows.append(_check_features(maps, results / "auralisation" / subject, subject))
                rows += _check_definition(maps, explainer, rng, tolerance, subject)
        table = results / "attributes" / network / "correlation.csv"
        rows.append(_check_correlation(table, explainer, n_correlated))
    rows.append(_check_summary(results / "attributes/summary.csv", list(networks)))
    return pd.DataFrame(rows, columns=["check", "subject", "passed", "found", "expected"])


def refuse_failures(checks: pd.DataFrame, path: Path) -> None:
    """Raise where a check failed.

    Parameters
    ----------
    checks : DataFrame
        As `check_results` returns it.
    path : Path
        Where the whole table is, for the message.

    Raises
    ------
    CheckError
        Names the failed checks.
    """
    failed = checks[~checks["passed"]]
    if len(failed):
        lines = [
            f"  {row.check}, {row.subject}: found {row.found}, expected {row.expected}"
            for row in failed.itertuples()
        ]
        raise CheckError(
            f"{len(failed)} of {len(checks)} checks of the results failed (all in {path}); "
            "delete the files named and run again\n" + "\n".join(lines)
        )


Row = tuple[str, str, bool, str, str]


def _check_control(results: Path, controls: Sequence[str]) -> Row:
    found = [
        name for name in controls if (results / "networks" / name / "weights.safetensors").is_file()
    ]
    passed = len(controls) > 0 and len(found) == len(controls)
    return ("untrained control is there", "networks", passed, f"{len(found)}", f"{len(controls)}")


def _check_splits(path: Path) -> Row:
    used = read_table(path).query("split != ''")
    n_splits = used.groupby("sha256")["split"].nunique()
    crossing = int((n_splits > 1).sum())
    text = f"{crossing} of {len(n_splits)}"
    return ("no content is in two splits", path.name, crossing == 0, text, "none")


def _check_maps(
    maps: Maps, explainer: Explainer, deconvolution: Mapping, subject: str
) -> Iterator[Row]:
    layers = sorted(deconvolution["layers"] or range(1, len(explainer.n_features) + 1))
    yield ("layers", subject, maps.layers == layers, f"{maps.layers}", f"{layers}")
    wanted = deconvolution["features"]
    for layer in maps.layers:
        name = f"{subject}/layer{layer}"
        of_layer = range(explainer.n_features[layer - 1])
        expected = [f for f in of_layer if wanted is None or f in wanted]
        features = maps.features(layer).tolist()
        yield ("maps", name, features == expected, f"{len(features)}", f"{len(expected)}")
        deconvolved = maps.deconvolved(layer)
        n_finite = int(np.isfinite(deconvolved).all(axis=(1, 2)).sum())
        yield ("finite maps", name, n_finite == len(features), f"{n_finite}", f"{len(features)}")
        n_dead = int(np.count_nonzero(~maps.live(layer)))
        silent = not deconvolved[~maps.live(layer)].any()
        yield ("dead features have zero maps", name, silent, f"{n_dead} dead", "zero maps")


def _check_sounds(maps: Maps, folder: Path, floor: float | None, subject: str) -> Row:
    n_sounds = len(list(folder.glob("layer*/feature*.wav")))
    n_maps = sum(len(maps.features(layer)) for layer in maps.layers)
    if floor is None:
        return ("one sound per map", subject, n_sounds == n_maps, f"{n_sounds}", f"{n_maps}")
    n_heard = int(audible(read_features(folder / FEATURES), floor).sum())
    check = "one sound per map that is heard"
    return (check, subject, n_sounds == n_heard, f"{n_sounds}", f"{n_heard}")


def _check_features(maps: Maps, folder: Path, subject: str) -> Row:
    table = read_features(folder / FEATURES)
    found = list(zip(table["layer"], table["feature"], strict=True))
    expected = [(layer, feature) for layer in maps.layers for feature in maps.features(layer)]
    told = f"{len(found)} rows", f"{len(expected)}, one for each map"
    return (f"{FEATURES} has what each sound bears", subject, found == expected, *told)


def _check_definition(
    maps: Maps, explainer: Explainer, rng: np.random.Generator, tolerance: float, subject: str
) -> Iterator[Row]:
    """A few maps made again in float32, one by one, from the stored spectrum and the weights."""
    spectrum, frames = maps.surrounded_spectrum
    magnitude = np.abs(spectrum)
    live = [(layer, int(row)) for layer in maps.layers for row in np.flatnonzero(maps.live(layer))]
    for layer, row in rng.permutation(live).tolist()[:N_RECOMPUTED]:
        feature = int(maps.features(layer)[row])
        stored = maps.deconvolved(layer, slice(row, row + 1))
        ((_, again),) = explainer.deconvolve_all(magnitude, [layer], {layer: [feature]})
        again = again[:, :, frames]
        scale = np.linalg.norm(again)
        error = float(np.linalg.norm(stored - again) / scale) if scale else float(stored.any())
        yield (
            "map is the same when made again",
            f"{subject}/layer{layer}/feature{feature:02d}",
            error <= tolerance,
            f"relative error {error:.1e}",
            f"at most {tolerance:g}",
        )


def _check_correlation(path: Path, explainer: Explainer, n: int | None) -> Row:
    table = read_table(path)
    values = table.loc[table["live"], "correlation"]
    inside = values.between(-1, 1).all()
    n_features = sum(size if n is None else min(n, size) for size in explainer.n_features)
    complete = len(table) == n_features * table["attribute"].nunique()
    return (
        "correlations lie in [-1, 1], one per feature and attribute",
        path.parent.name,
        bool(inside and complete),
        f"{len(table)} rows, {values.min():.3f} to {values.max():.3f}",
        f"{n_features} features, -1 to 1",
    )


def _check_summary(path: Path, networks: Sequence[str]) -> Row:
    found = set(read_table(path)["network"])
    missing = sorted({*networks, "input"} - found)
    text = ", ".join(missing) or "none"
    return ("summary has every network", path.name, not missing, f"missing: {text}", "none missing")
