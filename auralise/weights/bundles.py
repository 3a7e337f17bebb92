"""TensorFlow checkpoints in the V2 bundle format, read without TensorFlow.

``PREFIX.index`` is a sorted table (as LevelDB's) of protocol buffers that say where each tensor
lies; ``PREFIX.data-00000-of-00001`` holds the tensors. Source of the formats: TensorFlow,
``tensor_bundle.proto`` and ``lib/io/table_format.txt``.
"""

import math
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import google_crc32c
import numpy as np

from auralise.errors import WeightsError
from auralise.weights.common import listing, naming, refusal, shape_text

LARGEST_INDEX = 2**24  # bytes; an index has some 60 a tensor
MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
FOOTER = 48  # bytes: two block handles, zeros, the magic number
TRAILER = 5  # bytes behind a block: how it is compressed, and its checksum
TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 19: "<f2"}
COPY_AGAIN = "Copy the file again."


class Entry(NamedTuple):
    """Where a tensor lies in the data file."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    size: int
    checksum: int


def read_bundle(prefix: str | Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Tensors of a checkpoint by name; those that are not asked for are passed over.

    The names of the checkpoint's files begin with `prefix`: ``FOLDER/`` for ``FOLDER/.index``. A
    WeightsError says that a file is missing or damaged, is of another kind, or lacks a tensor.
    """
    names = list(names)
    index, data = (Path(f"{prefix}{end}") for end in (".index", ".data-00000-of-00001"))
    try:
        with naming(index), index.open("rb") as file:
            entries = read_index(file.read(LARGEST_INDEX + 1))
            missing = [name for name in names if name not in entries]
            if missing:
                raise refusal(
                    f"it lacks {listing(missing)}", f"{len(names)} tensors by name",
                    "Give the checkpoint of the network that is asked for.",
                )  # fmt: skip
        with naming(data), data.open("rb") as file:
            n_bytes = file.seek(0, 2)
            tensors = {}
            for name in names:
                with naming(f"tensor '{name}'"):
                    entry = entries[name]
                    if entry.offset + entry.size > n_bytes:
                        raise _damaged(
                            f"cut short at {n_bytes} bytes", f"at least {entry.offset + entry.size}"
                        )
                    file.seek(entry.offset)
                    content = file.read(entry.size)
                    _verify(content, entry.checksum, "it")
                    tensors[name] = np.frombuffer(content, entry.dtype).reshape(entry.shape)
            return tensors
    except OSError as error:
        raise WeightsError(
            f"{error.filename}: cannot be read ({error.strerror}); expected {index.name} and "
            f"{data.name}, the two files of a TensorFlow checkpoint, in one folder"
        ) from None


def read_index(table: bytes) -> dict[str, Entry]:
    """Where the tensors of a checkpoint lie, from the content of its index file.

    A WeightsError says that it is damaged, compressed, or of several data files.
    """
    if len(table) > LARGEST_INDEX:
        raise refusal(
            "larger than any index", f"at most {LARGEST_INDEX} bytes", "Check where it is from."
        )
    if len(table) < FOOTER or not table.endswith(MAGIC):
        raise _damaged("damaged, cut short, or no TensorFlow index", "its magic number at the end")
    footer = table[-FOOTER : -len(MAGIC)]
    metaindex, at = _handle(footer, 0)
    index, at = _handle(footer, at)
    if any(footer[at:]):
        raise _damaged("its last 48 bytes are damaged", "zeros before the magic number")
    blocks = [_handle(value, 0)[0] for _, value in _rows(_block(table, index))]
    used = FOOTER + sum(size + TRAILER for _, size in (metaindex, index, *blocks))
    if used != len(table):
        raise _damaged(f"its blocks fill {used} of {len(table)} bytes", "all of them")
    _block(table, metaindex)
    rows = {key: value for block in blocks for key, value in _rows(_block(table, block))}
    header = _numbers(rows.pop(b"", b""))
    if header.get(1, 1) != 1 or header.get(2, 0) != 0:
        raise refusal(
            "its tensors lie in several data files, or big-endian",
            "one data file, little-endian",
            "Save the checkpoint again on one machine.",
        )
    entries = {}
    for key, value in rows.items():
        name = key.decode("utf-8", "replace")
        with naming(f"tensor '{name}'"):
            entries[name] = _entry(value)
    return entries


def _entry(message: bytes) -> Entry:
    values = _numbers(message)
    kind = values.get(1, 0)
    if kind not in TYPES:
        raise refusal(
            f"it is of TensorFlow's type {kind}",
            f"one of {', '.join(map(str, TYPES))} (real numbers)",
            "Save the checkpoint again without it.",
        )
    parts = dict(_fields(message)).get(2, b"")
    if not isinstance(parts, bytes):
        raise _damaged("its shape is damaged", "a list of sizes")
    shape = tuple(
        _numbers(part).get(1, 0)
        for number, part in _fields(parts)
        if number == 2 and isinstance(part, bytes)
    )
    size = values.get(5, 0)
    if math.prod(shape) * np.dtype(TYPES[kind]).itemsize != size:
        raise _damaged(f"it is {shape_text(shape)} in {size} bytes", "sizes that agree")
    return Entry(TYPES[kind], shape, values.get(4, 0), size, values.get(6, 0))


def _block(table: bytes, handle: tuple[int, int]) -> bytes:
    """The content of a block, checked against its checksum."""
    offset, size = handle
    end = offset + size
    if end + TRAILER > len(table) - FOOTER:
        raise _damaged(f"a block ends at byte {end} of {len(table)}", "blocks inside the file")
    (checksum,) = struct.unpack_from("<I", table, end + 1)
    _verify(table[offset : end + 1], checksum, "a block of it")
    if table[end]:
        raise refusal(
            "compressed with snappy" if table[end] == 1 else "compressed",
            "a table without compression, as TensorFlow writes checkpoints",
            "Save the checkpoint again.",
        )
    return table[offset:end]


def _rows(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block; a key states only what differs from the one before."""
    n_restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 * (n_restarts + 1)
    if end < 0:
        raise _damaged("a block of it is too short", "a list of restarts at its end")
    at, key = 0, b""
    while at < end:
        shared, at = _varint(block, at)
        n_more, at = _varint(block, at)
        n_value, at = _varint(block, at)
        if shared > len(key) or at + n_more + n_value > end:
            raise _damaged("a row of it is longer than its block", "rows inside a block")
        key = key[:shared] + block[at : at + n_more]
        at += n_more + n_value
        yield key, block[at - n_value : at]


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of the fields of a protocol buffer."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        if tag % 8 == 0:
            value, at = _varint(message, at)
            yield tag // 8, value
            continue
        if tag % 8 == 2:
            size, at = _varint(message, at)
        else:
            size = {1: 8, 5: 4}.get(tag % 8, len(message))
        content, at = message[at : at + size], at + size
        if at > len(message):
            raise _damaged("an entry of it is cut short", "whole protocol buffers")
        yield tag // 8, content if tag % 8 == 2 else int.from_bytes(content, "little")


def _numbers(message: bytes) -> dict[int, int]:
    return {number: value for number, value in _fields(message) if isinstance(value, int)}


def _handle(content: bytes, at: int) -> tuple[tuple[int, int], int]:
    offset, at = _varint(content, at)
    size, at = _varint(content, at)
    return (offset, size), at


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """A number in groups of 7 bits, and where the next thing begins."""
    value = 0
    for shift, byte in enumerate(content[at : at + 10]):
        value |= (byte & 0x7F) << (7 * shift)
        if byte == 0 and shift:
            break  # a number has one spelling, so that no wrong byte passes
        if byte < 0x80:
            return value, at + shift + 1
    raise _damaged("a number in it is cut short or spelt oddly", "numbers of at most 10 bytes")


def _verify(content: bytes, masked: int, what: str) -> None:
    """Hold content against its checksum, which both formats store rotated and shifted."""
    checksum = google_crc32c.value(content)
    if ((checksum >> 15 | checksum << 17) + 0xA282EAD8) % 2**32 != masked:
        raise _damaged(f"{what} is damaged", "the checksum that is stored beside it")


def _damaged(found: str, expected: str) -> WeightsError:
    return refusal(found, expected, COPY_AGAIN)
