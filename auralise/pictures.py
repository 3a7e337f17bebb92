"""What pictures are made of and say of themselves: log-frequency rows, and how they came to be."""

import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from auralise.files import parse_json, whole_file

FORMAT = "auralise-picture/1"
PNG, PDF = b"\x89PNG\r\n\x1a\n", b"%PDF-"
KEYWORD = b"auralise"
PNG_TEXT = re.compile(rb"....tEXt" + KEYWORD + rb"\0(.*)....\0\0\0\0IEND", re.DOTALL)
PDF_COMMENT = re.compile(rb"^%" + KEYWORD + rb" (.*)\n", re.MULTILINE)

LOWEST = 43.0  # Hz, lower end of log-frequency axes: the second bin of 2015's transform


def lowest_frequency(frequencies: np.ndarray) -> float:
    """Centre of the lowest row (Hz): `LOWEST`, or the first bin above 0 Hz where that is higher."""
    return max(LOWEST, float(frequencies[1]))


def row_centres(frequencies: np.ndarray, n_rows: int) -> np.ndarray:
    """Centre frequency of every row (Hz), equally spaced in octaves, shape ``(n_rows,)``."""
    return np.geomspace(lowest_frequency(frequencies), frequencies[-1], n_rows)


def bins_of_rows(frequencies: np.ndarray, n_rows: int) -> np.ndarray:
    """Bins that each row shows: those nearest to it, so that every bin has a row.

    Parameters
    ----------
    frequencies : ndarray, shape (n_bins,)
        Centres of the bins (Hz), ascending.
    n_rows : int

    Returns
    -------
    ndarray of int, shape (n_rows, 2)
        First bin and the one after the last. At the lower end, where bins lie further apart than
        rows, neighbouring rows show the same bin; the lowest row has all bins below it as well.

    Examples
    --------
    >>> bins_of_rows(np.array([0.0, 100, 200, 300, 400]), 3).tolist()
    [[0, 2], [2, 3], [3, 5]]
    """
    octaves = np.log2(np.maximum(frequencies, lowest_frequency(frequencies)))
    share = (octaves - octaves[0]) / (octaves[-1] - octaves[0])
    row_of_bin = np.rint(share * (n_rows - 1)).astype(int)
    rows = np.arange(n_rows)
    spans = np.stack(
        [np.searchsorted(row_of_bin, rows), np.searchsorted(row_of_bin, rows, "right")], axis=1
    )
    empty = spans[:, 0] == spans[:, 1]
    centres = np.log2(row_centres(frequencies, n_rows))[empty]
    nearest = np.abs(octaves - centres[:, None]).argmin(axis=1)
    spans[empty] = np.stack([nearest, nearest + 1], axis=1)
    return spans


def log_frequency_rows(values: np.ndarray, frequencies: np.ndarray, n_rows: int = 96) -> np.ndarray:
    """Values on rows of log frequency; each shows the greatest of its bins, so none is lost.

    Parameters
    ----------
    values : ndarray, shape (..., n_bins, n_frames)
    frequencies : ndarray, shape (n_bins,)
        In Hz, ascending.
    n_rows : int

    Returns
    -------
    ndarray, shape (..., n_rows, n_frames)
        The lowest frequency is row 0.
    """
    spans = bins_of_rows(frequencies, n_rows)
    return np.stack([values[..., a:b, :].max(axis=-2) for a, b in spans], axis=-2)


def write_facts(path: str | Path, facts: Mapping[str, Any]) -> None:
    """Write into a picture how it came to be; what was written before is replaced.

    Parameters
    ----------
    path : str or Path
        Of a PNG, which gets a text chunk before its end, or of a PDF, which gets a comment before
        its table of objects. Any other file is left as it is.
    facts : mapping
        Without a date, so that equal pictures are equal files.
    """
    path = Path(path)
    content = path.read_bytes()
    text = json.dumps({"format": FORMAT, **facts}, default=str).encode("ascii")
    if content.startswith(PNG):
        if earlier := PNG_TEXT.search(content):
            content = content[: earlier.start()] + content[earlier.end() - 8 :]
        end = content.rindex(b"\0\0\0\0IEND")
        chunk = b"tEXt" + KEYWORD + b"\0" + text
        size, checksum = len(chunk) - 4, zlib.crc32(chunk)
        chunk = size.to_bytes(4, "big") + chunk + checksum.to_bytes(4, "big")
        content = content[:end] + chunk + content[end:]
    elif content.startswith(PDF) and b"\nxref" in content:
        content = PDF_COMMENT.sub(b"", content)
        table = content.rindex(b"\nxref") + 1
        content = content[:table] + b"%" + KEYWORD + b" " + text + b"\n" + content[table:]
        # The table stands further down than the end of the file says.
        place = str(content.rindex(b"\nxref") + 1).encode("ascii")
        content = re.sub(rb"startxref\n\d+", b"startxref\n" + place, content)
    else:
        return
    with whole_file(path) as partial:
        partial.write_bytes(content)


def read_facts(path: str | Path) -> dict[str, Any] | None:
    """What `write_facts` wrote into a picture; None where there is nothing that can be read."""
    content = Path(path).read_bytes()
    pattern = PNG_TEXT if content.startswith(PNG) else PDF_COMMENT
    found = pattern.search(content)
    try:
        facts = parse_json(found[1]) if found else None
    except (ValueError, RecursionError):
        return None
    return facts if isinstance(facts, dict) else None
