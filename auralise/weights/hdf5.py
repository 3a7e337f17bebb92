"""HDF5 files from strangers: nothing outside the file is touched, nothing unbounded is read."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import h5py
import numpy as np
import torch
from torch import Tensor

from auralise.files import parse_json
from auralise.weights.common import refusal, require_size

COPY_AGAIN = "Copy the file again, or save the network again."

# Ends by itself, with whatever status, unless libhdf5 loops or crashes.
LOOK = """
import io, resource, sys
import h5py
resource.setrlimit(resource.RLIMIT_CPU, (5, 5))  # s; a whole file takes a fraction of one
def look(name, item):
    for key in item.attrs:
        item.attrs[key]
source = io.BytesIO(sys.stdin.buffer.read()) if sys.argv[1] == "-" else sys.argv[1]
with h5py.File(source, "r", locking=False) as file:
    look("", file)
    file.visititems(look)
"""

# What h5py raises for damaged files, besides OSError.
DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError, OverflowError)


@contextmanager
def open_foreign(source: str | Path | BinaryIO) -> Iterator[h5py.File]:
    """A file to read from; whatever h5py raises in the block becomes a WeightsError.

    Parameters
    ----------
    source : str, Path or binary file
        What to open: the path itself, or a member of an archive.
    """
    _refuse_endless(source)
    try:
        with h5py.File(source, "r", locking=False) as file:  # some file systems have no locks
            yield file
    except DAMAGE as error:
        raise refusal(f"damaged or cut short ({error})", "a whole HDF5 file", COPY_AGAIN) from None


def _refuse_endless(source: str | Path | BinaryIO) -> None:
    """Refuse a file with which libhdf5 loops or crashes; a process apart finds out."""
    content = None
    if not isinstance(source, str | Path):
        content = source.read()
        source.seek(0)
    command = [sys.executable, "-P", "-c", LOOK, "-" if content is not None else str(source)]
    if subprocess.run(command, input=content, capture_output=True, check=False).returncode < 0:
        raise refusal(
            "damaged: the HDF5 library comes to no end with it", "a whole HDF5 file", COPY_AGAIN
        )


def child(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    """A group's descendant, reached without leaving the file.

    Raises
    ------
    WeightsError
        It is missing, or a link that points elsewhere.
    """
    for part in [part for part in name.split("/") if part]:
        link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
        if link is None:
            raise refusal(f"'{group.name}' holds no '{part}'", f"'{name}' in it", COPY_AGAIN)
        if not isinstance(link, h5py.HardLink):
            raise refusal(
                f"'{group.name}/{part}' is a link to another place",
                "all data in the file itself",
                "Save the network again with Keras; do not trust this file.",
            )
        group = group[part]
    return group


def tensor(dataset: h5py.Group | h5py.Dataset) -> Tensor:
    """A dataset's values, float32.

    Raises
    ------
    WeightsError
        No array of floating-point numbers, too large, or stored outside the file.
    """
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind != "f":
        kind = dataset.dtype if isinstance(dataset, h5py.Dataset) else "a group"
        raise refusal(
            f"'{dataset.name}' is {kind}", "an array of floating-point numbers", COPY_AGAIN
        )
    if dataset.external or dataset.is_virtual:
        raise refusal(
            f"the values of '{dataset.name}' lie in another file",
            "all data in the file itself",
            "Save the network again with Keras; do not trust this file.",
        )
    require_size(f"'{dataset.name}'", int(dataset.size) * dataset.dtype.itemsize)
    return torch.from_numpy(np.asarray(dataset[()], dtype=np.float32))


def text(value: object) -> str:
    """An attribute as text, whether it was written as bytes or as a string."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def names(group: h5py.Group, attribute: str) -> list[str]:
    """An attribute that lists names; Keras splits long lists into ``names0``, ``names1``, …"""
    if attribute in group.attrs:
        return [text(name) for name in group.attrs[attribute]]
    parts: list[str] = []
    while f"{attribute}{len(parts)}" in group.attrs:
        parts.append(f"{attribute}{len(parts)}")
    return [text(name) for part in parts for name in group.attrs[part]]


def json_object(content: str | bytes, what: str) -> dict:
    """A JSON object from a foreign file.

    Raises
    ------
    WeightsError
        Not JSON, or not an object.
    """
    try:
        parsed = parse_json(content)
    except ValueError as error:
        raise refusal(f"{what} is no JSON ({error})", "JSON", COPY_AGAIN) from None
    if not isinstance(parsed, dict):
        raise refusal(f"{what} is a {type(parsed).__name__}", "a JSON object", COPY_AGAIN)
    return parsed
