"""Whole files and folders or none, tables of names, and what identifies a file's content."""

import csv
import errno
import hashlib
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from auralise.errors import SettingsError, printable
from auralise.storage import naming_storage

if TYPE_CHECKING:
    import pandas as pd

# Columns that hold names, whatever the table.
NAMES = (
    "attribute",
    "best_descriptor",
    "candidate",
    "class",
    "classifier",
    "clip",
    "descriptor",
    "file",
    "genre",
    "name",
    "name_below",
    "network",
    "null",
    "path",
    "problem",
    "role",
    "runner_up",
    "sha256",
    "signal",
    "song",
    "sound",
    "split",
    "variant",
)

# Of a process: digests of file and host, its number, when it started.
PARTIAL = re.compile(r"\.partial-[0-9a-f]{10}-([0-9a-f]{10})-(\d+)-(\d+)-")


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Write beside `path` and rename on success, so that a file that exists is whole.

    Parameters
    ----------
    path : str or Path
        The final name; its folder is made if it is missing.

    Yields
    ------
    Path
        The name to write to, in the same folder and with the same ending. When the block
        raises, whatever was written there is removed and `path` is left as it was.

    Raises
    ------
    StorageError
        The disk is full, the folder may not be written, or the name is too long.
    """
    path = Path(path)
    with naming_storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = _own_partial(path)
        try:
            partial.unlink(missing_ok=True)
            with naming_storage(path):  # while the partial file still fills the disk
                yield partial
                with partial.open("rb") as written:
                    os.fsync(written.fileno())
            os.replace(partial, path)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)


def _own_partial(path: Path) -> Path:
    """This process's name for a partial file; partial files of ended processes are removed."""
    # A digest, since the name itself may be as long as the file system allows. The ending stays
    # because soundfile and matplotlib choose the format by it.
    ending = path.suffix if len(path.suffix) < 16 else ""
    start = f".partial-{_digest(path.name)}-"
    # Those of other names, too: where a partial file is itself written whole, the name of its own
    # partial file never comes again.
    for leftover in path.parent.glob(".partial-*"):
        told = PARTIAL.match(leftover.name)
        is_of_other = not leftover.name.startswith(start)
        if told is None or (is_of_other and leftover.suffix == ".former"):
            continue
        with suppress(FileNotFoundError):  # its own process may remove it just now
            if _is_abandoned(leftover, *told.groups()):
                remove(leftover)
    process = psutil.Process()
    own = f"{_digest(socket.gethostname())}-{process.pid}-{int(process.create_time())}"
    return path.with_name(f"{start}{own}-{ending}")


def _digest(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:10]


def _is_abandoned(leftover: Path, host: str, process: str, started: str) -> bool:
    """Whether the process that wrote a file has ended."""
    if host != _digest(socket.gethostname()):
        # Of other hosts nothing is known: nobody writes at one file for a day.
        return time.time() - leftover.stat().st_mtime > 86400
    try:
        return abs(psutil.Process(int(process)).create_time() - int(started)) > 2
    except psutil.NoSuchProcess:
        return True


def remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it; nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def parse_json(text: str | bytes) -> Any:
    """As `json.loads`; what is nested too deep is a `ValueError`, as all else that is no JSON."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("brackets within each other, too many of them") from None


def read_json(path: str | Path) -> Any:
    """As `parse_json`, of a file in UTF-8."""
    return parse_json(Path(path).read_text(encoding="utf-8"))


def write_text(path: str | Path, text: str) -> None:
    """Write text in UTF-8, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any, **options: Any) -> None:
    """Write plain values as JSON, whole or not at all; options as those of `json.dumps`."""
    write_text(path, json.dumps(value, **{"indent": 1} | options) + "\n")


def write_table(path: str | Path, table: "pd.DataFrame") -> None:
    """Write a table as CSV, whole or not at all; `read_table` gives the same names back.

    Parameters
    ----------
    path : str or Path
    table : DataFrame
        Its index is not written.
    """
    text = table.select_dtypes(exclude=["number", "bool"])
    # The csv module does not quote a carriage return, at which readers begin a new line.
    returns = any("\r" in str(value) for _, column in text.items() for value in column)
    quoting = csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL
    with whole_file(path) as partial:
        table.to_csv(partial, index=False, quoting=quoting, errors="surrogateescape")


def read_table(path: str | Path, names: Sequence[str] = NAMES) -> "pd.DataFrame":
    """Read a table that `write_table` wrote.

    Parameters
    ----------
    path : str or Path
    names : sequence of str
        Columns of text: ``1980``, ``NA``, ``000022`` and ``True`` stay what they are, and what
        is empty is an empty text. Those that the table does not have are passed over. In the
        other columns what is empty is missing.
    """
    import pandas as pd  # here, because few of those who import this module need it

    encoding = {"encoding": "utf-8", "encoding_errors": "surrogateescape"}
    table = pd.read_csv(path, **encoding)
    text = [name for name in table if name in names]
    if text:
        table[text] = pd.read_csv(path, usecols=text, dtype=str, keep_default_na=False, **encoding)[
            text
        ]
    return table


class Journal:
    """A record of the parts of an unfinished file that are safely on disk.

    Attributes
    ----------
    done : set of str
        Names of the parts that are written.
    """

    def __init__(self, path: Path, file: Path, fingerprint: str):
        self._path, self._file = path, file
        self.done: set[str] = set()
        if path.is_file() and file.is_file():
            # A line without its end is one that a kill cut short.
            found, *done = path.read_text(encoding="utf-8").split("\n")[:-1] or [""]
            if found == fingerprint:
                self.done = set(done)
                self._lines = [fingerprint, *done]
                return
        for leftover in (path, file):
            leftover.unlink(missing_ok=True)
        self._lines = [fingerprint]

    def note(self, names: Iterable[str] = ()) -> None:
        """Record that these parts are on disk; the record survives a crash of the machine."""
        names = list(names)
        with self._file.open("rb") as written:
            os.fsync(written.fileno())
        self.done |= set(names)
        self._lines += names
        write_text(self._path, "".join(f"{line}\n" for line in self._lines))


@contextmanager
def resumed_file(path: str | Path, fingerprint: str) -> Iterator[tuple[Path, Journal]]:
    """Like `whole_file`, for a file of many parts: an interrupted attempt is continued.

    Parameters
    ----------
    path : str or Path
        The final name.
    fingerprint : str
        Of everything that the content depends on; what was written under another one is
        thrown away.

    Yields
    ------
    partial : Path
        The name to write to. If it exists, it holds the parts in ``journal.done``.
    journal : Journal
        To note what has been written.
    """
    path = Path(path)
    with naming_storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".partial-{path.name}")
        lines = path.with_name(f".journal-{path.name}")
        yield partial, Journal(lines, partial, fingerprint)
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(partial, path)
        lines.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Fill a folder beside `path` and rename it on success, in place of what was there.

    Parameters
    ----------
    path : str or Path
        The final name; the folder that it is in is made if it is missing.

    Yields
    ------
    Path
        An empty folder, beside `path`. When the block raises, it is removed and `path` is left
        as it was.
    """
    path = Path(path)
    with naming_storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = _own_partial(path)
        former = partial.with_name(f"{partial.name}.former")
        for leftover in (partial, former):
            remove(leftover)
        partial.mkdir()
    try:
        with naming_storage(path):
            yield partial
        # Whoever comes last wins, whole: between the two steps another process may have put
        # its own folder there.
        while True:
            with suppress(FileNotFoundError):
                os.replace(path, former)
            try:
                os.replace(partial, path)
                return
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                remove(former)
    finally:
        if former.exists() and not path.exists():
            os.replace(former, path)
        for leftover in (partial, former):
            remove(leftover)


def require_replaceable(
    folder: Path, ours: Sequence[str], made_by: str, mark: str | None = None
) -> None:
    """Refuse to replace a folder that holds anything but earlier results.

    Parameters
    ----------
    folder : Path
        May be missing, or empty.
    ours : sequence of str
        Patterns of the files in a folder of results.
    made_by : str
        What writes such folders, for the message.
    mark : str, optional
        Pattern of what every folder of results holds.

    Raises
    ------
    SettingsError
    """
    if not folder.exists():
        return
    found = sorted(path for path in folder.rglob("*") if not path.is_dir())
    foreign = [path for path in found if not any(map(path.match, ours))]
    if not folder.is_dir():
        foreign = [folder]
    if foreign:
        raise not_replaceable(folder, f"holds something else ('{foreign[0].name}')")
    if mark is not None and any(folder.iterdir()) and not any(folder.glob(mark)):
        raise not_replaceable(folder, f"was not written by an earlier {made_by}")


def not_replaceable(path: Path, reason: str) -> SettingsError:
    """The error for a file or folder that results must not replace; `reason` says what it is."""
    return SettingsError(
        f"{printable(path)} is where results would go, but {reason}; choose another folder or move "
        "it"
    )


def sha256_of_file(path: str | Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint_of(*parts: Sequence | Mapping | str | int) -> str:
    """SHA-256 of plain values, the same for the same values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
