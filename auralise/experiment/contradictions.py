"""Settings valid alone but incompatible together, and paths that do not exist."""

import importlib.util
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from auralise.choices import INSTALL_CAPTUM, INSTALL_PUBLISHED, PUBLISHED
from auralise.datasets.archives import is_url
from auralise.errors import SettingsError, counted
from auralise.experiment.settings import refuse, shown, stft_settings
from auralise.networks.names import SVDNET, SVDNET_PUBLISHED, SVDNET_UNTRAINED, is_given
from auralise.stft import Stft

KNOWN = list(PUBLISHED)  # networks


def refuse_contradictions(settings: Mapping, results: Path) -> None:
    """Refuse settings that contradict each other, and paths that do not exist.

    Settings that the chosen methods do not use are not checked.

    Parameters
    ----------
    settings : mapping
        As `complete_settings` returns them.
    results : Path
        The folder of the results, which need not exist.

    Raises
    ------
    SettingsError
        One line per contradiction: the key, the value and what was expected.
    """
    lines = [*_of_segments(settings), *_of_variants(settings), *_of_crops(settings)]
    lines += [*_of_given(settings, results), *_of_results(results), *_of_paths(settings)]
    of_method = {"deconvolution": _of_deconvolution, "inversion": _of_inversion}
    for method in settings["methods"]:
        lines += of_method.get(method, _of_compared)(settings, results)
    if settings["methods"] != ["inversion"] or settings["inversion"]["genre_layers"]:
        lines += _of_dataset(settings["dataset"], results)
    refuse(list(dict.fromkeys(lines)))


def _of_segments(settings: Mapping) -> Iterator[str]:
    given = dict(settings["stft"])
    duration, _ = given.pop("duration"), given.pop("edges")
    try:
        stft = Stft(**given)
    except SettingsError as error:
        yield f"  {error}"
        return
    n_bins, n_frames = stft.n_bins, stft.n_frames(stft.n_samples(duration))
    crop = settings["training"]["augmentation"]["crop"]
    n_frames -= round(crop * n_frames)
    for name, variant in _trained(settings):
        if min(n_bins, n_frames) < 2 ** variant["layers"]:
            yield (
                f"  networks.{name}.layers = {variant['layers']}: segments of {n_bins} bins × "
                f"{n_frames} frames are too small; expected fewer, or a longer stft.duration"
                f"{', or a smaller training.augmentation.crop' if crop else ''}"
            )


def _trained(settings: Mapping) -> list[tuple[str, Mapping]]:
    """The networks that are trained here, with their settings."""
    return [(name, of) for name, of in settings["networks"].items() if not is_given(of)]


def _of_given(settings: Mapping, results: Path) -> Iterator[str]:
    for name, network in settings["networks"].items():
        if not is_given(network):
            continue
        key = f"networks.{name}"
        if ("weights" in network) == ("published" in network):
            yield f"  {key}: expected either weights, a file, or published, such as {KNOWN[0]}"
            continue
        if "published" in network:
            if own := [of for of in ("module", "front_end", "stft", "classes") if of in network]:
                yield f"  {key}.{own[0]}: {network['published']} has its own; leave it out"
            package = network["published"].partition("/")[0]
            if importlib.util.find_spec(package) is None:
                yield (
                    f"  {key}.published = {network['published']}: the package '{package}' is not "
                    f"installed; expected it, without what it requires: {INSTALL_PUBLISHED}"
                )
        else:
            yield from _missing(f"{key}.weights", network["weights"], "a file of weights", False)
        place = network.get("module", "").rpartition(":")[0]
        if place.endswith(".py"):
            yield from _missing(f"{key}.module", place, "the file of the class", False)
        try:
            Stft(**stft_settings(settings, name))
        except SettingsError as error:
            yield f"  {key}: {error}"


def _of_variants(settings: Mapping) -> Iterator[str]:
    for name, variant in _trained(settings):
        for key in ("features", "dropout"):
            values = variant[key]
            if isinstance(values, list) and len(values) != variant["layers"]:
                yield (
                    f"  networks.{name}.{key} = {shown(values)}: {counted(len(values), 'value')} "
                    f"for {counted(variant['layers'], 'layer')}; expected one number, or one for "
                    "each layer (the default of 'dropout' is for 5)"
                )


def _of_crops(settings: Mapping) -> Iterator[str]:
    crop = settings["training"]["augmentation"]["crop"]
    for name, variant in _trained(settings):
        if crop and variant["over_time"] == "flatten":
            yield (
                f"  training.augmentation.crop = {crop}: {name} takes whole segments only; "
                f"expected 0, or networks.{name}.over_time: max_mean"
            )


def _of_results(results: Path) -> Iterator[str]:
    nearest = next(path for path in (results, *results.parents) if os.path.exists(path))
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        yield (
            f"  experiment = {shown(results.name)}: cannot write to {results}; make '{nearest}' a "
            "folder that can be written to, or choose another name"
        )


def _of_paths(settings: Mapping) -> Iterator[str]:
    paths = {
        "songs": settings["songs"],
        "dataset.path": settings["dataset"]["path"],
        "attributes.path": settings["attributes"]["path"],
        "auralisation.labels": settings["auralisation"]["labels"],
        "inversion.data.path": settings["inversion"]["data"]["path"],
    } | _published_files(settings["inversion"]["published"])
    for key, path in paths.items():
        if isinstance(path, str) and set(path) & set("{}") and not is_url(path):
            yield (
                f"  {key} = {shown(path)}: braces, which are wildcards in the workflow; expected a "
                "path without; rename it, or give a link to it"
            )


def _of_dataset(dataset: Mapping, results: Path) -> Iterator[str]:
    fractions = dataset["split"]
    if fractions and abs(sum(fractions) - 1) > 1e-6:
        yield f"  dataset.split = {fractions}: these make {sum(fractions):g}; expected 1 in all"
    if dataset["name"] == "bands":
        yield from _unused("dataset.path", dataset["path"], "dataset.name 'gtzan' or 'folder'")
    elif not is_url(dataset["path"]):
        # A source is not needed any more once it was read: an archive may be gone.
        made = (results / "clips.csv").exists()
        expected = "a folder, a tar archive or its http(s) address"
        yield from _missing("dataset.path", dataset["path"], expected, made)


def _of_deconvolution(settings: Mapping, results: Path) -> Iterator[str]:
    chosen, attributes = settings["deconvolution"], settings["attributes"]
    labels = settings["auralisation"]["labels"]
    if labels is not None:
        yield from _missing("auralisation.labels", labels, "labels.csv of the page", made=False)
    for name, variant in _trained(settings):
        n_layers, features = variant["layers"], variant["features"]
        layers = chosen["layers"] or range(1, n_layers + 1)
        if beyond := [layer for layer in layers if layer > n_layers]:
            yield (
                f"  deconvolution.layers = {shown(layers)}: {name} has no layer {beyond[0]}; "
                f"expected layers from 1 to {n_layers}"
            )
            continue
        n_features = features if isinstance(features, list) else [features] * n_layers
        if not chosen["features"] or len(n_features) != n_layers:
            continue
        sizes = {layer: n_features[layer - 1] for layer in layers}
        least, most = min(sizes, key=sizes.__getitem__), max(sizes.values())
        if max(chosen["features"]) >= most:
            yield (
                f"  deconvolution.features = {shown(chosen['features'])}: {name} has no feature "
                f"{max(chosen['features'])}; expected some from 0 to {most - 1}"
            )
        elif min(chosen["features"]) >= sizes[least]:
            yield (
                f"  deconvolution.features = {shown(chosen['features'])}: none is in layer "
                f"{least} of {name}; expected some from 0 to {sizes[least] - 1}"
            )
    if attributes["source"] == "directory":
        made = (results / "attributes/signals.csv").exists()
        yield from _missing(
            "attributes.path", attributes["path"], "the folder of the signals", made
        )
    else:
        yield from _unused("attributes.path", attributes["path"], "attributes.source 'directory'")


def _of_compared(settings: Mapping, results: Path) -> Iterator[str]:
    methods = shown(settings["methods"])
    if not _trained(settings):
        yield (
            f"  methods = {methods}: methods are held against each other on networks that are "
            "trained here; expected one under networks, or methods without others than "
            "deconvolution and inversion"
        )
    if "integrated_gradients" in settings["methods"] and not importlib.util.find_spec("captum"):
        yield (
            f"  methods = {methods}: Captum, which integrated_gradients takes, is not installed: "
            f"{INSTALL_CAPTUM}"
        )


def _of_inversion(settings: Mapping, results: Path) -> Iterator[str]:
    inversion = settings["inversion"]
    data = inversion["data"]
    if data["name"] == "voices":
        yield from _unused("inversion.data.path", data["path"], "inversion.data.name 'folder'")
    elif inversion["svdnet_layers"] or inversion["published"]["classifier"]:
        made = (results / "inversion/spectra.h5").exists()
        expected = "a folder with audio/, labels/ and filelists/"
        yield from _missing("inversion.data.path", data["path"], expected, made)
    yield from _of_published(inversion["published"])
    layers = inversion["svdnet_layers"], inversion["genre_layers"]
    if not any(layers) and inversion["published"]["classifier"] is None:
        yield (
            "  inversion.svdnet_layers, inversion.genre_layers = []: expected a layer in one of "
            "them, or 'methods' without inversion"
        )
    for name, variant in _trained(settings):
        if name in (SVDNET, SVDNET_UNTRAINED, SVDNET_PUBLISHED):
            yield f"  networks.{name}: the name of an inverted network; expected another one"
        known = [f"layer{number + 1}" for number in range(variant["layers"])]
        known += [f"dense{number + 1}" for number in range(len(variant["dense"]))]
        for layer in inversion["genre_layers"]:
            if layer not in known:
                yield (
                    f"  inversion.genre_layers: {name} has no '{layer}'; expected some of "
                    f"{', '.join(known)}"
                )


def _published_files(published: Mapping) -> dict[str, str]:
    """The files of ``inversion.published`` by their keys."""
    files = [(name, published[name]) for name in ("classifier", "meanstd")]
    files += [(f"inverters.{number}", path) for number, path in enumerate(published["inverters"])]
    return {f"inversion.published.{name}": path for name, path in files if path is not None}


def _of_published(published: Mapping) -> Iterator[str]:
    if not any(published.values()):
        return
    for name, of in published.items():
        if not of:
            yield (
                f"  inversion.published.{name} = {shown(of)}: expected a file, since "
                "inversion.published names others"
            )
    for key, path in _published_files(published).items():
        if not set(path) & set("{}"):  # refused for that
            yield from _missing(key, path, "a file", False)


def _unused(key: str, path: str | None, user: str) -> Iterator[str]:
    if path is not None:
        yield f"  {key} = {shown(path)}: would not be used; expected {user}, or no path"


def _missing(key: str, path: str | None, expected: str, made: bool) -> Iterator[str]:
    if not path:
        yield f"  {key} = {shown(path)}: expected {expected}"
    elif not made and not os.path.exists(path):
        remedy = "; '~' has to be written out" if str(path).startswith("~") else ""
        yield (
            f"  {key} = {shown(path)}: is not there, seen from {Path.cwd()}; expected "
            f"{expected}{remedy}"
        )
