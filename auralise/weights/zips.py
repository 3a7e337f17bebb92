"""Members of zip archives from strangers, read one at a time and never beyond a limit."""

import zipfile
import zlib
from pathlib import Path

from auralise.errors import WeightsError
from auralise.weights.common import refusal, require_size

# What zipfile raises for damaged, encrypted or exotically compressed members.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    NotImplementedError,
)


def open_zip(path: str | Path) -> zipfile.ZipFile:
    """The archive, or a WeightsError where it is cut short."""
    try:
        return zipfile.ZipFile(path)
    except DAMAGE as error:
        raise _damaged("the archive", error) from None


def member(archive: zipfile.ZipFile, name: str) -> bytes:
    """One member's content, checked against its checksum.

    Raises
    ------
    WeightsError
        Missing, damaged, or larger than any weights.
    """
    if name not in archive.namelist():
        raise refusal(
            f"an archive of {len(archive.namelist())} members without '{name}'",
            f"'{name}' in it",
            "Save the network again, or copy the file again.",
        )
    # zipfile never unfolds more than the size that is declared here.
    require_size(f"its member '{name}'", archive.getinfo(name).file_size)
    try:
        return archive.read(name)
    except DAMAGE as error:
        raise _damaged(f"its member '{name}'", error) from None


def _damaged(what: str, error: Exception) -> WeightsError:
    return refusal(
        f"{what} is damaged or cut short ({error})",
        "a whole zip archive",
        "Copy the file again, or save the network again.",
    )
