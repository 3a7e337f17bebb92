"""Full disks and folders that may not be written: errors that name them."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import RawIOBase
from pathlib import Path
from typing import IO

import numpy as np

from auralise.errors import AuraliseError, StorageError, printable

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
# What is left of "no space" where a library makes a text of it.
SAID_FULL = ("No space left", "os error 28", "errno = 28", "Disk quota", "os error 122")

ANOTHER_TMP = "make room there, or name another one with the environment variable TMPDIR"


class PatientFile(RawIOBase):
    """A new file that takes every write; `raise_failure` tells the first one that failed.

    libhdf5 cannot close a file after a failed write (it ends in a segmentation fault), and
    libsndfile forgets why one failed.
    """

    def __init__(self, path: str | Path):
        super().__init__()
        self._file = open(path, "w+b", buffering=0)
        self._failure: BaseException | None = None

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def readable(self) -> bool:
        return True

    writable = seekable = readable

    def readinto(self, buffer) -> int:
        return self._file.readinto(buffer)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def write(self, data) -> int:
        content = memoryview(data).cast("B")
        written = 0
        try:
            while self._failure is None and written < len(content):
                written += self._file.write(content[written:])
        except BaseException as error:  # an interruption, too, would be raised within the library
            self._failure = error
        if written < len(content):
            self._file.seek(len(content) - written, os.SEEK_CUR)
        return len(content)

    def truncate(self, size: int | None = None) -> int:
        try:
            return self._file.truncate(size)
        except OSError as error:
            self._failure = self._failure or error
            return self._file.tell() if size is None else size

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


@contextmanager
def patient_file(path: str | Path) -> Iterator[PatientFile]:
    """A new file for a library that cannot handle failed writes; the first is raised at the end."""
    with PatientFile(path) as file:
        try:
            yield file
        finally:
            file.raise_failure()


@contextmanager
def naming_storage(path: Path) -> Iterator[None]:
    """Raise a `StorageError` about `path` where a disk is full or a folder may not be written."""
    try:
        yield
    except AuraliseError:
        raise
    except Exception as error:
        told = storage_error(error, path)
        if told is None:
            raise
        raise told from error


def storage_error(error: BaseException, path: Path) -> StorageError | None:
    """What a failed write to `path` says of the disk or the folder; None if it says nothing."""
    folder = _lasting(path.parent)
    if _says_full(error) or (not isinstance(error, OSError) and _is_full(folder)):
        elsewhere = Path(tempfile.gettempdir())
        if not _is_full(folder) and _is_full(elsewhere):
            return temporary_folder_full()
        return _no_room(error, folder, path.name)
    if not isinstance(error, OSError):
        return None
    if error.errno == errno.ENAMETOOLONG:
        return StorageError(
            f"{printable(path.name)}: a name too long for the file system "
            f"({len(os.fsencode(path.name))} bytes); shorten it"
        )
    given = error.filename
    is_ours = isinstance(given, str | Path) and Path(given).is_relative_to(folder)
    is_ours |= isinstance(given, str | Path) and folder.is_relative_to(given)
    if is_ours and error.errno in (*FORBIDDEN, errno.ENOTDIR, errno.EEXIST):
        return StorageError(
            f"{printable(folder)} may not be written ({error.strerror}); change its permissions, "
            "or choose another folder"
        )
    return None


def _no_room(error: BaseException, folder: Path, name: str) -> StorageError:
    number = getattr(error, "errno", None)
    where, name = printable(folder), printable(name)
    if number == errno.EFBIG:
        return StorageError(
            f"{where}: {name} is larger than a file may be here; raise the limit (ulimit -f), or "
            "choose another folder"
        )
    if number == errno.EDQUOT:
        return StorageError(
            f"your quota on the disk of {where} is used up: no room for {name}; make room there, "
            "or choose another folder"
        )
    return full_disk(folder, f"no room for {name}")


def _lasting(folder: Path) -> Path:
    """The folder that stays where a partial one in it is renamed later."""
    for outer in folder.parents[::-1]:
        if any(part.startswith(".partial-") for part in folder.relative_to(outer).parts[:1]):
            return outer
    return folder


def full_disk(folder: Path, what: str) -> StorageError:
    """The error of a disk that is full; `what` says what found no room."""
    free = ""
    with suppress(OSError):
        free = f" ({in_bytes(shutil.disk_usage(folder).free)} free)"
    return StorageError(
        f"the disk of {printable(folder)} is full{free}: {printable(what)}; make room there, or "
        "choose another folder"
    )


def temporary_folder_full(n_bytes: int | None = None) -> StorageError:
    """The error of a full folder for temporary files; more than `n_bytes` are needed."""
    needed = "" if n_bytes is None else f", and more than {in_bytes(n_bytes)} are needed"
    return StorageError(
        f"the folder for temporary files, {tempfile.gettempdir()}, is full{needed}; {ANOTHER_TMP}"
    )


@contextmanager
def temporary_file() -> Iterator[IO[bytes]]:
    """A file of no name that is gone when the context closes; see `write_temporarily`.

    Raises
    ------
    StorageError
        There is no folder for temporary files, or it may not be written.
    """
    try:
        opened = tempfile.TemporaryFile(buffering=0)
    except FileNotFoundError:  # none of the usual places
        raise StorageError(
            "there is no folder for temporary files that may be written; name one with the "
            "environment variable TMPDIR"
        ) from None
    except OSError as error:
        if error.errno in FULL:
            raise temporary_folder_full() from None
        raise StorageError(
            f"the folder for temporary files, {tempfile.gettempdir()}, may not be written "
            f"({error.strerror}); name another one with the environment variable TMPDIR"
        ) from None
    with opened as file:
        yield file


def write_temporarily(file: IO[bytes], values: np.ndarray) -> None:
    """Append an array's values to a temporary file.

    Raises
    ------
    StorageError
        Its folder is full.
    """
    content = memoryview(np.ascontiguousarray(values).view(np.uint8).data).cast("B")
    written = 0
    try:
        while written < len(content):
            written += file.write(content[written:])
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise _no_room_temporarily(error, file.tell() + len(content) - written) from None


def reserve_temporarily(file: IO[bytes], n_bytes: int) -> None:
    """Reserve the space of a memory-mapped file, since a full disk would kill the process later.

    Raises
    ------
    StorageError
        The folder of the temporary file has less room.
    """
    try:
        os.posix_fallocate(file.fileno(), 0, n_bytes)
    except OSError as error:
        if error.errno not in FULL:
            return  # a file system that cannot reserve
        raise _no_room_temporarily(error, n_bytes) from None


def _no_room_temporarily(error: OSError, n_bytes: int) -> StorageError:
    if error.errno == errno.EFBIG:
        return StorageError(
            f"a temporary file of {in_bytes(n_bytes)} is larger than a file may be here; raise "
            "the limit (ulimit -f)"
        )
    return temporary_folder_full(n_bytes)


def require_space(folder: Path, n_bytes: int, what: str) -> None:
    """Refuse to begin what will not fit on the disk.

    Raises
    ------
    StorageError
    """
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return
    if free < n_bytes:
        raise full_disk(folder, f"{what} need {in_bytes(n_bytes)}")


def in_bytes(n_bytes: float) -> str:
    """A size in words, such as ``2.3 GB``."""
    if n_bytes < 1000:
        return f"{n_bytes:.0f} bytes"
    power = min(4, (len(str(int(n_bytes))) - 1) // 3)
    return f"{n_bytes / 1000**power:.1f} {('kB', 'MB', 'GB', 'TB')[power - 1]}"


def _says_full(error: BaseException | None) -> bool:
    while error is not None:
        if getattr(error, "errno", None) in FULL or any(said in str(error) for said in SAID_FULL):
            return True
        error = error.__cause__ or error.__context__
    return False


def _is_full(folder: Path) -> bool:
    """Whether a folder's disk does not take another 64 KiB."""
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            return file.write(bytes(2**16)) < 2**16
    except OSError as error:
        return error.errno in FULL
