"""Settings of which each is possible, but not beside the others, or not on this machine."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from auralise.datasets.archives import is_url
from auralise.settings import refuse


def refuse_contradictions(settings: Mapping, results: Path) -> None:
    """Refuse settings that contradict each other, or name what is not there.

    Parameters
    ----------
    settings : mapping
        Complete.
    results : Path
        The experiment's folder, there or not.

    Raises
    ------
    SettingsError
        One line per contradiction: the key, the value and what was expected.
    """
    lines = [*_of_variants(settings), *_of_paths(settings), *_of_results(results)]
    refuse([*lines, *_of_inversion(settings)] if "inversion" in settings["methods"] else lines)


def _of_variants(settings: Mapping) -> Iterator[str]:
    chosen = settings["deconvolution"]["layers"] or []
    for name, variant in settings["networks"].items():
        n_layers = variant["layers"]
        for key in ("features", "dropout"):
            values = variant[key]
            if isinstance(values, list) and len(values) != n_layers:
                yield (
                    f"  networks.{name}.{key} = {values}: {len(values)} values for {n_layers} "
                    "layers; expected one number, or one for each layer"
                )
        if beyond := [layer for layer in chosen if layer > n_layers]:
            yield (
                f"  deconvolution.layers = {chosen}: {name} has no layer {beyond[0]}; expected "
                f"layers from 1 to {n_layers}"
            )


def _of_paths(settings: Mapping) -> Iterator[str]:
    dataset, attributes = settings["dataset"], settings["attributes"]
    if dataset["name"] != "bands" and not is_url(dataset["path"]):
        yield from _missing(
            "dataset.path", dataset["path"], "a folder, a tar archive or its http(s) address"
        )
    if attributes["source"] == "directory":
        yield from _missing("attributes.path", attributes["path"], "the folder of the signals")


def _of_inversion(settings: Mapping) -> Iterator[str]:
    inversion = settings["inversion"]
    if inversion["data"]["name"] == "folder":
        yield from _missing(
            "inversion.data.path",
            inversion["data"]["path"],
            "a folder with audio/, labels/ and filelists/",
        )
    if not inversion["svdnet_layers"] and not inversion["genre_layers"]:
        yield (
            "  inversion.svdnet_layers, inversion.genre_layers = []: expected a layer in one of "
            "them, or 'methods' without inversion"
        )
    for name, variant in settings["networks"].items():
        if name in ("svdnet", "svdnet_untrained"):
            yield f"  networks.{name}: the name of an inverted network; expected another one"
        known = [f"layer{number + 1}" for number in range(variant["layers"])]
        known += [f"dense{number + 1}" for number in range(len(variant["dense"]))]
        for layer in inversion["genre_layers"]:
            if layer not in known:
                yield (
                    f"  inversion.genre_layers: {name} has no '{layer}'; expected some of "
                    f"{', '.join(known)}"
                )


def _of_results(results: Path) -> Iterator[str]:
    nearest = next(path for path in (results, *results.parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        yield (
            f"  experiment = {results.name!r}: cannot write to {results}; make '{nearest}' a "
            "folder that can be written to, or choose another name"
        )


def _missing(key: str, path: str | None, expected: str) -> Iterator[str]:
    if path is None:
        yield f"  {key} = null: expected {expected}"
    elif not Path(path).exists():
        yield f"  {key} = {path!r}: is not there, seen from {Path.cwd()}; expected {expected}"
