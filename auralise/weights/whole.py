"""A network with all that belongs to it: weights, front end, transform, names of its classes."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from auralise.errors import SettingsError
from auralise.files import parse_json, sha256_of_file
from auralise.networks.front_ends import build_front_end, front_end_spec, is_time_first
from auralise.networks.spectrograms import replace_spectrograms
from auralise.stft import Stft
from auralise.weights.common import (
    Assumed,
    declared_bins,
    fill,
    ignore_biases,
    naming,
    refusal,
)
from auralise.weights.modules import build_module
from auralise.weights.own import (
    as_text,
    is_network,
    read_network,
    read_safetensors,
    safetensors_facts,
    write_tensors,
)
from auralise.weights.published import read_published
from auralise.weights.reader import load_weights

STFT_KEYS = ("sample_rate", "n_fft", "hop_length")
KINDS = {list: "a list", dict: "a mapping", int: "an integer"}


@dataclass(frozen=True)
class Description:
    """What settings or options say of a network whose weights are given.

    Attributes
    ----------
    weights : Path, optional
        The file of the tensors; None for a published network.
    published : str, optional
        Such as ``musicnn/MTT_vgg``.
    module : str, optional
        The class that the tensors belong to, as `build_module` takes it.
    front_end : list of dict, optional
        Its steps, as `build_front_end` takes them; by default what the weights file states.
    classes : tuple of str
        Names of the answers; by default what the weights file states.
    assume : bool
        Whether bare tensors may be taken for a network of 2015.
    source : str
        Where the front end stands, for messages.
    """

    weights: Path | None = None
    published: str | None = None
    module: str | None = None
    front_end: Sequence[Mapping] | None = None
    classes: tuple[str, ...] = ()
    assume: bool = False
    source: str = "front end"

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> "Description":
        """Of a network under ``networks``."""
        return cls(
            Path(settings["weights"]) if settings.get("weights") else None,
            settings.get("published"),
            settings.get("module"),
            settings.get("front_end"),
            tuple(settings.get("classes") or ()),
            settings.get("assume", False),
            "the setting front_end",
        )


@dataclass(frozen=True)
class WholeNetwork:
    """A network, ready to be explained and asked.

    Attributes
    ----------
    name : str
        Of the file or the published network.
    weights : Path
        The file that holds the tensors.
    network : torch.nn.Module
        From the magnitude of the STFT, ``(batch, 1, n_bins, n_frames)``, to its answers.
    convolutional : torch.nn.Module
        What is explained of it, with its front end.
    core : torch.nn.Module
        What the tensors of the file belong to: `network` without what was put before it.
    stft : Stft
        Whose magnitude it takes.
    classes : tuple of str
        Of its answers; empty where they have no names.
    n_frames : int, optional
        Of one answer; None for a network that takes any length.
    assumptions : tuple of str
        What was taken for granted, or replaced, when the file was read, in words.
    facts : mapping of str to str
        Metadata of the file.
    """

    name: str
    weights: Path
    network: nn.Module
    convolutional: nn.Module
    core: nn.Module
    stft: Stft
    classes: tuple[str, ...] = ()
    n_frames: int | None = None
    assumptions: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


def read_whole(described: Description, stft: Stft, biases: bool = True) -> WholeNetwork:
    """Read a network from a weights file or by its published name, front end and head included.

    Parameters
    ----------
    described : Description
    stft : Stft
        The transform whose magnitude the network gets; ignored for a published network, which
        has its own.
    biases : bool
        As in `auralise.weights.reader.read_weights`.

    Returns
    -------
    WholeNetwork
        In evaluation mode.

    Raises
    ------
    SettingsError
        The file holds no architecture and none was to be assumed, or the file contradicts the
        settings.
    WeightsError, NetworkError
        The files cannot be read, or weights, module and front end do not fit each other.
    """
    if (described.weights is None) == (described.published is None):
        raise SettingsError(
            "expected either weights (--weights) or a published network (published, --network)"
        )
    if described.published is not None:
        return _published(described.published, biases)
    assert described.weights is not None
    path = described.weights
    facts = safetensors_facts(path)
    _hold_against_facts(path, facts, stft)
    module = build_module(described.module) if described.module else None
    core = load_weights(path, biases, module)
    assumptions: list[str] = []
    if isinstance(core, Assumed):
        assumptions.append(core.assumption)
        if not described.assume:
            raise SettingsError(
                f"{path} holds no architecture; give the class that its tensors belong to with "
                "module (--module), or assume (--assume) that it is a network as in 2015 (in every "
                "layer convolution 'same', ReLU, max-pooling 2×2)"
            )
    convolutional = whole = core
    classes, n_frames = _stated_list(path, facts, "classes"), _stated_int(path, facts, "n_frames")
    if module is None and is_network(path):
        whole, _, _ = read_network(path)
        core = whole
        convolutional = whole.get_submodule("convolutional")
        if not biases:
            ignore_biases(convolutional)
    elif module is not None:
        convolutional, replaced = replace_spectrograms(core, stft)
        whole = convolutional
        assumptions += replaced
    steps = _front_end_steps(described, facts)
    if steps:
        if module is not None and convolutional is not core:
            raise SettingsError(
                f"{described.source}: the module {described.module} has a spectrogram of its own "
                f"({assumptions[-1]}); leave the front end out"
            )
        front_end = build_front_end(steps, stft, described.source)
        convolutional, whole = (nn.Sequential(front_end, part) for part in (convolutional, whole))
    else:
        front_end = nn.Sequential()
    _hold_against_bins(path, core, front_end, stft)
    return WholeNetwork(
        path.stem,
        path,
        whole.eval(),
        convolutional.eval(),
        core,
        stft,
        tuple(described.classes or classes or ()),
        n_frames,
        tuple(assumptions),
        facts,
    )


def _published(name: str, biases: bool) -> WholeNetwork:
    found = read_published(name)
    convolutional = found.network.get_submodule("convolutional")
    if not biases:
        ignore_biases(convolutional)
    return WholeNetwork(
        found.name.replace("/", "-"),
        found.weights,
        found.network,
        convolutional,
        found.network,
        found.stft,
        found.classes,
        found.n_frames,
        (),
        {"front_end": as_text(front_end_spec(convolutional.get_submodule("front_end")))},
    )


def declared_stft(path: str | Path) -> dict[str, int]:
    """The STFT settings that a weights file states for its network.

    Returns
    -------
    dict
        Some of ``sample_rate``, ``n_fft`` and ``hop_length``; empty for files that are silent.
    """
    return _stated_stft(path, safetensors_facts(path))


def write_whole(path: str | Path, whole: WholeNetwork, **facts: object) -> None:
    """Write a network's tensors as safetensors, with what belongs to them as metadata.

    Parameters
    ----------
    path : str or Path
    whole : WholeNetwork
    **facts : object
        More metadata, such as where the network comes from; what is not text is written as JSON.
    """
    stft = {key: getattr(whole.stft, key) for key in STFT_KEYS}
    stated: dict[str, object] = {"stft": stft, "n_bins": whole.stft.n_bins}
    if whole.classes:
        stated["classes"] = list(whole.classes)
    if whole.assumptions:
        stated["assumptions"] = list(whole.assumptions)
    if whole.n_frames:
        stated["n_frames"] = whole.n_frames
    metadata = {name: as_text(fact) for name, fact in (dict(whole.facts) | stated | facts).items()}
    write_tensors(path, whole.core.state_dict(), metadata)


def source_of(described: Description, whole: WholeNetwork) -> dict[str, str]:
    """Where a network comes from, as facts for `write_whole`."""
    facts = {"source": described.published or whole.weights.name}
    if described.module:
        facts["module"] = described.module
    if described.front_end:
        facts["front_end"] = as_text([dict(step) for step in described.front_end])
    return facts | {"source_sha256": sha256_of_file(whole.weights)}


def read_filled(
    path: str | Path, described: Description, stft: Stft, biases: bool = True
) -> WholeNetwork:
    """The network that is described, with the tensors of a file that `write_whole` wrote.

    The file says all but the architecture. Where a module has that, nothing else is read; else
    the original is read once more for it. Errors are as those of `read_whole`; a WeightsError also
    says that the tensors are not those of the network.
    """
    if described.module:
        return read_whole(replace(described, weights=Path(path)), stft, biases)
    whole = read_whole(described, stft)
    with naming(path):
        tensors, _ = read_safetensors(path)
        remedy = "Delete the file to make it again, or correct the settings under 'networks'."
        fill(whole.core, tensors, remedy)
    if not biases:
        ignore_biases(whole.convolutional)
    return whole


def _hold_against_facts(path: Path, facts: Mapping[str, str], stft: Stft) -> None:
    for key, expected in _stated_stft(path, facts).items():
        given = getattr(stft, key)
        if given != expected:
            raise SettingsError(
                f"{path}: the network takes {key} = {expected}, and {given} is given; set {key} "
                f"to {expected}"
            )
    n_bins = _stated_int(path, facts, "n_bins")
    if n_bins is not None and n_bins != stft.n_bins:
        raise SettingsError(
            f"{path}: the network takes {n_bins} bins, and n_fft = {stft.n_fft} gives "
            f"{stft.n_bins}; set n_fft (--n-fft) to {2 * (n_bins - 1)}"
        )


def _hold_against_bins(path: Path, core: nn.Module, front_end: nn.Sequential, stft: Stft) -> None:
    """Refuse a front end whose bands are not as many as the network was built for."""
    expected = declared_bins(core)
    if expected is None:
        return
    with torch.no_grad():
        seen = copy.deepcopy(front_end).eval()(torch.zeros(1, 1, stft.n_bins, 2))
    n_bins = seen.shape[-1 if is_time_first(front_end) else -2]
    if n_bins != expected:
        what = "its front end gives" if len(front_end) else f"n_fft = {stft.n_fft} gives"
        raise SettingsError(
            f"{path}: the network takes {expected} bands, and {what} {n_bins}; give the front end "
            "that it was trained with (--front-end FILE.yaml, or the setting front_end)"
        )


def _front_end_steps(described: Description, facts: Mapping[str, str]) -> list[Mapping]:
    """The front end's steps, as given or as the file states; refuses two that differ."""
    given = None if described.front_end is None else list(described.front_end)
    if "front_end" not in facts:
        return given or []
    assert described.weights is not None
    stated = _stated(described.weights, facts, "front_end", list)
    if given is not None and given != stated:
        raise SettingsError(
            f"{described.source}: {described.weights} states another front end in its metadata; "
            "give none, or take it out of the file"
        )
    return stated


def _stated(path: str | Path, facts: Mapping[str, str], key: str, kind: type) -> Any:
    try:
        value = parse_json(facts[key])
    except ValueError:
        value = None
    if not isinstance(value, kind):
        with naming(path):
            raise refusal(
                f"its metadata give {key} as {facts[key][:60]!r}",
                f"JSON of {KINDS[kind]}",
                "Write the metadata again.",
            )
    return value


def _stated_list(path: Path, facts: Mapping[str, str], key: str) -> tuple[str, ...]:
    return tuple(map(str, _stated(path, facts, key, list))) if key in facts else ()


def _stated_int(path: Path, facts: Mapping[str, str], key: str) -> int | None:
    return _stated(path, facts, key, int) if key in facts else None


def _stated_stft(path: str | Path, facts: Mapping[str, str]) -> dict[str, int]:
    if "stft" not in facts:
        return {}
    found = _stated(path, facts, "stft", dict)
    return {key: int(found[key]) for key in STFT_KEYS if key in found}
