"""The project's own weights files: safetensors that carry their architecture."""

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from auralise.errors import NetworkError, WeightsError, cause_of
from auralise.files import parse_json, whole_file
from auralise.networks.genre import Architecture, build_network
from auralise.weights.common import fill, names_file, refusal

FORMAT = "auralise-network/1"
TRAIN_AGAIN = "Train the network again, or copy the file again from where it was written."


@names_file
def write_weights(
    path: str | Path,
    network: nn.Sequential,
    architecture: Architecture,
    *,
    n_bins: int,
    n_frames: int,
    classes: Sequence[str],
    **metadata: object,
) -> None:
    """Write a whole classifier, so that `read_network` rebuilds it from the file alone.

    Parameters
    ----------
    path : str or Path
        Ends in ``.safetensors`` by custom. Written whole; equal networks give equal bytes.
    network : torch.nn.Sequential
        ``convolutional`` and ``classifier``, as from `build_network`.
    architecture : Architecture
    n_bins, n_frames : int
        Size of the segments it takes.
    classes : sequence of str
        One name per score, in order.
    **metadata : object
        Further facts, as text; what is not text is written as JSON.

    Raises
    ------
    WeightsError
        The network is not what `architecture`, the sizes and the classes describe, or holds
        values that are not finite.
    """
    facts = {key: as_text(value) for key, value in metadata.items()} | {
        "format": FORMAT,
        "architecture": json.dumps(architecture.to_settings(), sort_keys=True),
        "n_bins": str(n_bins),
        "n_frames": str(n_frames),
        "classes": json.dumps(list(classes), ensure_ascii=False),
    }
    tensors = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    remedy = "Pass the architecture, n_bins, n_frames and classes that the network was built with."
    fill(_untrained(architecture, n_bins, n_frames, len(classes)), tensors, remedy)
    write_tensors(path, tensors, facts)


def write_tensors(
    path: str | Path, tensors: Mapping[str, Tensor], facts: Mapping[str, str]
) -> None:
    """Write safetensors whole; equal tensors and facts give equal bytes."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = _with_metadata(safetensors.torch.save(tensors), dict(facts))
    with whole_file(path) as partial:
        partial.write_bytes(content)


@names_file
def read_network(path: str | Path) -> tuple[nn.Sequential, Architecture, dict]:
    """The whole classifier from a file that `write_weights` wrote.

    Returns
    -------
    network : torch.nn.Sequential
        ``convolutional`` and ``classifier``, in evaluation mode; maps
        ``(batch, 1, n_bins, n_frames)`` to scores ``(batch, n_classes)``.
    architecture : Architecture
    metadata : dict
        ``n_bins``, ``n_frames`` (int), ``classes`` (list of str), ``format`` and whatever else
        was written, as text.

    Raises
    ------
    WeightsError
        The file is not of this format, is damaged, or its tensors do not fit its architecture.
    """
    tensors, metadata = read_safetensors(path)
    if metadata.get("format") != FORMAT:
        raise refusal(
            f"its format is {metadata.get('format', 'not stated')}",
            f"'{FORMAT}', a network that auralise trained",
            "Use read_weights for the convolutional part of any other network.",
        )
    architecture, facts = _parse(metadata)
    try:
        network = _untrained(
            architecture, facts["n_bins"], facts["n_frames"], len(facts["classes"])
        )
    except (NetworkError, OverflowError, RuntimeError, TypeError, ValueError) as error:
        raise _not_an_architecture(metadata, error) from None
    fill(network, tensors, TRAIN_AGAIN)
    return network.eval(), architecture, facts


def is_network(path: str | Path) -> bool:
    """Whether a file is one that `write_weights` wrote."""
    return safetensors_facts(path).get("format") == FORMAT


def safetensors_facts(path: str | Path) -> dict[str, str]:
    """The metadata of a safetensors file; empty for any other file."""
    if not Path(path).is_file():  # a pipe would be waited for
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            return dict(sorted((file.metadata() or {}).items()))
    except (SafetensorError, OSError, ValueError, RuntimeError, AttributeError):
        return {}


def stated_assumptions(path: str | Path) -> tuple[str, ...]:
    """What was assumed of a network when its file was made, in words."""
    try:
        stated = parse_json(safetensors_facts(path).get("assumptions", "[]"))
    except ValueError:
        return ()
    return tuple(map(str, stated)) if isinstance(stated, list) else ()


@names_file
def read_safetensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors by name, and the metadata (empty if there is none).

    Raises
    ------
    WeightsError
        Not safetensors, or cut short.
    """
    try:
        with safe_open(path, framework="pt") as file:
            # A copy, because what safetensors returns is mapped to the file on disk.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}
            return tensors, dict(sorted((file.metadata() or {}).items()))
    except (SafetensorError, OSError, ValueError, RuntimeError, AttributeError) as error:
        raise refusal(
            f"damaged or cut short ({error})",
            "a whole safetensors file",
            TRAIN_AGAIN,
        ) from None


def as_text(value: object) -> str:
    """A fact as metadata hold it: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _untrained(
    architecture: Architecture, n_bins: int, n_frames: int, n_classes: int
) -> nn.Sequential:
    """The network without memory for its weights, and without drawing random numbers."""
    with torch.device("meta"):
        return build_network(architecture, n_bins, n_frames, n_classes)


def _with_metadata(content: bytes, metadata: dict[str, str]) -> bytes:
    """A safetensors file with metadata in sorted order.

    safetensors itself writes them in the order of a hash map, another one in every process.
    """
    (length,) = struct.unpack_from("<Q", content)
    header = {"__metadata__": dict(sorted(metadata.items()))} | parse_json(content[8 : 8 + length])
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


def _parse(metadata: dict[str, str]) -> tuple[Architecture, dict]:
    try:
        facts = metadata | {
            "n_bins": int(metadata["n_bins"]),
            "n_frames": int(metadata["n_frames"]),
            "classes": [str(name) for name in parse_json(metadata["classes"])],
        }
        architecture = Architecture.from_settings(parse_json(metadata["architecture"]))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, NetworkError) as error:
        raise _not_an_architecture(metadata, error) from None
    del facts["architecture"]
    return architecture, facts


def _not_an_architecture(metadata: dict[str, str], error: Exception) -> WeightsError:
    described = ", ".join(
        f"{key} {metadata.get(key, 'missing')}"
        for key in ("architecture", "n_bins", "n_frames", "classes")
    )
    return refusal(
        f"its metadata describe no network: {described} ({cause_of(error)})",
        "the settings of an Architecture, two sizes and a list of classes",
        TRAIN_AGAIN,
    )
