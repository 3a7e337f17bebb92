"""TensorFlow's checkpoint bundles: read as data, every byte of them checked."""

import struct

import google_crc32c
import numpy as np
import pytest

from auralise.errors import WeightsError
from auralise.weights.bundles import read_bundle, read_index

MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
TENSORS = {
    "1CNN/bias": np.array([0.5, -1.0], np.float32),
    "1CNN/kernel": np.arange(6, dtype=np.float32).reshape(3, 2),
    "dense/bias": np.array([3.0], np.float64),
    "global_step": np.array(7, np.int64),
}


def varint(value):
    content = b""
    while value >= 0x80:
        content += bytes([value & 0x7F | 0x80])
        value >>= 7
    return content + bytes([value])


def masked(content):
    checksum = google_crc32c.value(content)
    return struct.pack("<I", ((checksum >> 15 | checksum << 17) + 0xA282EAD8) % 2**32)


def block(rows, compression=b"\0"):
    content, before = b"", b""
    for key, value in rows:
        shared = 0
        while shared < min(len(key), len(before)) and key[shared] == before[shared]:
            shared += 1
        sizes = varint(shared) + varint(len(key) - shared) + varint(len(value))
        content, before = content + sizes + key[shared:] + value, key
    content += struct.pack("<II", 0, 1)  # one restart, at the first row
    return content + compression + masked(content + compression)


def entry(array, offset):
    kind = {"f4": 1, "f8": 2, "i8": 9}[array.dtype.str[1:]]
    sizes = [b"\x08" + varint(size) for size in array.shape]
    shape = b"".join(b"\x12" + varint(len(size)) + size for size in sizes)
    message = b"\x08" + varint(kind) + b"\x12" + varint(len(shape)) + shape
    message += b"\x20" + varint(offset) + b"\x28" + varint(array.nbytes)
    return message + b"\x35" + masked(array.tobytes())


def index_of(rows, compression=b"\0"):
    data = block(rows, compression)
    meta = block([])
    handles = [varint(0) + varint(len(data) - 5), varint(len(data)) + varint(len(meta) - 5)]
    index = block([(b"z", handles[0])])
    footer = handles[1] + varint(len(data) + len(meta)) + varint(len(index) - 5)
    return data + meta + index + footer.ljust(40, b"\0") + MAGIC


def rows_of(tensors, header=b"\x08\x01"):
    rows, offset = [(b"", header)], 0
    for name, array in tensors.items():
        rows.append((name.encode(), entry(array, offset)))
        offset += array.nbytes
    return rows


@pytest.fixture
def bundle(tmp_path):
    (tmp_path / "net.index").write_bytes(index_of(rows_of(TENSORS)))
    content = b"".join(array.tobytes() for array in TENSORS.values())
    (tmp_path / "net.data-00000-of-00001").write_bytes(content)
    return tmp_path / "net"


def test_tensors_are_read_as_they_were_written(bundle):
    read = read_bundle(bundle, TENSORS)
    assert list(read) == list(TENSORS)
    for name, array in TENSORS.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


def test_only_what_is_asked_for_is_read(bundle):
    assert list(read_bundle(bundle, iter(["dense/bias"]))) == ["dense/bias"]


@pytest.mark.parametrize("end", [".index", ".data-00000-of-00001"])
@pytest.mark.slow
def test_every_wrong_byte_is_found(bundle, end):
    file = bundle.with_name(f"net{end}")
    content = file.read_bytes()
    for place in range(len(content)):
        for flipped in (0x01, 0x80):
            wrong = bytearray(content)
            wrong[place] ^= flipped
            file.write_bytes(wrong)
            with pytest.raises(WeightsError, match=file.name):
                read_bundle(bundle, TENSORS)


@pytest.mark.parametrize("end", [".index", ".data-00000-of-00001"])
def test_a_file_that_is_cut_short_anywhere_is_refused(bundle, end):
    file = bundle.with_name(f"net{end}")
    content = file.read_bytes()
    for size in range(len(content)):
        file.write_bytes(content[:size])
        with pytest.raises(WeightsError, match=file.name):
            read_bundle(bundle, TENSORS)


def test_a_missing_file_is_told_with_what_belongs_together(bundle):
    bundle.with_name("net.data-00000-of-00001").unlink()
    with pytest.raises(WeightsError, match=r"net.data-\S+ cannot be read .* two files"):
        read_bundle(bundle, TENSORS)


def test_a_tensor_that_is_not_there_is_named(bundle):
    with pytest.raises(WeightsError, match=r"net.index: it lacks '9CNN/bias'; expected 1 tensors"):
        read_bundle(bundle, ["9CNN/bias"])


@pytest.mark.parametrize(
    ("table", "finding"),
    [
        (index_of(rows_of(TENSORS), compression=b"\x01"), "compressed with snappy; expected"),
        (index_of(rows_of(TENSORS, header=b"\x08\x02")), "several data files"),
        (index_of(rows_of(TENSORS, header=b"\x10\x01")), "big-endian"),
        (index_of([(b"a", b"\x08\x07")]), "tensor 'a': it is of TensorFlow's type 7"),
        (index_of([(b"a", b"\x08\x01\x28\x08")]), "tensor 'a': it is a single number in 8 bytes"),
        (index_of([(b"a", b"\x08\x01\x12\x7f")]), "cut short"),
        (index_of([(b"a", b"\x08" + b"\xff" * 12)]), "at most 10 bytes"),
        (b"\0" * 2**24 + MAGIC, "larger than any index"),
        (b"", "no TensorFlow index"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_read_is_said(table, finding):
    with pytest.raises(WeightsError, match=finding):
        read_index(table)
