"""Sound files out of a tar or zip archive that may come from anywhere."""

import errno
import hashlib
import logging
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO

from auralise.errors import AuraliseError, counted
from auralise.files import printable, whole_folder
from auralise.progress import tracked
from auralise.songs import AUDIO_SUFFIXES, UNREAD_SUFFIXES, is_hidden

log = logging.getLogger(__name__)

ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".zip")
UNREAD_ARCHIVES = (".zst", ".tzst", ".7z", ".rar", ".lz4")
UNREAD_KINDS = {  # by how the file begins: who made it, and what unpacks it
    b"\x28\xb5\x2f\xfd": ("Zstandard", "tar --zstd -xf"),
    b"7z\xbc\xaf\x27\x1c": ("7-Zip", "7z x"),
    b"Rar!": ("RAR", "unrar x"),
    b"\x04\x22\x4d\x18": ("LZ4", "lz4 -d, then tar -xf"),
}

# Many times GTZAN (1,000 files, 1.3 GB); what is larger is a mistake or a trap.
MAX_MEMBERS = 200_000
MAX_FILE_BYTES = 4 * 2**30
MAX_BYTES = 200 * 2**30
MAX_DEPTH = 64  # folders

CHUNK = 2**20


class ArchiveError(AuraliseError):
    """An archive that is damaged, dangerous, or not the one expected."""


def is_url(path: str | None) -> bool:
    """Whether a data set's path is a web address."""
    return path is not None and path.lower().startswith(("http://", "https://"))


def is_archive(path: str | None) -> bool:
    """Whether a data set's path is an archive, local or to be downloaded."""
    suffixes = (*ARCHIVE_SUFFIXES, *UNREAD_ARCHIVES)
    return path is not None and (
        is_url(path) or (path.lower().endswith(suffixes) and not Path(path).is_dir())
    )


@dataclass(frozen=True)
class _Member:
    """What an archive says of a member: its kind is 'file', 'folder' or what else it is."""

    name: str
    kind: str
    size: int
    open: Callable[[], IO[bytes] | None]


def unpack_sounds(
    archive: str | Path,
    folder: str | Path,
    max_members: int = MAX_MEMBERS,
    max_file_bytes: int = MAX_FILE_BYTES,
    max_bytes: int = MAX_BYTES,
) -> int:
    """Unpack the sound files of a zip or tar archive, compressed or not.

    Every member is looked at before anything of it is written. One that would lie outside
    `folder`, or is neither a plain file nor a folder, refuses the whole archive. Other files and
    hidden ones (AppleDouble ``._*`` among them) are passed over. Owners and rights that the
    archive gives are not taken over.

    Parameters
    ----------
    archive : str or Path
        Its content says what it is, whatever its name.
    folder : str or Path
        Appears whole, or not at all.
    max_members, max_file_bytes, max_bytes : int
        Bounds: of the members, of one file, and of all that is written.

    Returns
    -------
    int
        Sound files written.

    Raises
    ------
    ArchiveError
        The archive is missing, damaged, dangerous or too large, or holds no sound file.
    """
    archive = Path(archive)
    if not archive.is_file():
        raise ArchiveError(f"{archive}: no such file; check dataset.path")
    _refuse_unread(archive)
    n_files, n_bytes = 0, 0
    unread: dict[str, int] = {}
    with _damage_is_named(archive), whole_folder(folder) as target:
        for member in _members(archive, max_members):
            path = _place(archive, member)
            if member.kind != "file" or not _is_sound(path):
                suffix = path.suffix.lower()
                if suffix in UNREAD_SUFFIXES and not _is_hidden(path):
                    unread[suffix] = unread.get(suffix, 0) + 1
                continue
            n_bytes += member.size
            if member.size > max_file_bytes or n_bytes > max_bytes:
                raise ArchiveError(
                    f"{archive}: {printable(member.name)} is too large ({member.size:,} bytes, "
                    f"{n_bytes:,} in all); expected at most {max_file_bytes:,} and "
                    f"{max_bytes:,}; unpack it yourself, if you trust it, and give the folder"
                )
            _write(archive, member, target / path)
            n_files += 1
        if n_files == 0:
            others = "".join(f"; {number} of {suffix}" for suffix, number in unread.items())
            raise ArchiveError(
                f"{archive}: holds no sound file; expected some ending in "
                f"{', '.join(AUDIO_SUFFIXES)}{others}"
            )
    for suffix, number in unread.items():
        files = f"{counted(number, 'file')} ending in {suffix}"
        log.warning("%s: %s passed over: not read", archive, files)
    return n_files


def _refuse_unread(archive: Path) -> None:
    with archive.open("rb") as file:
        head = file.read(8)
    for magic, (kind, remedy) in UNREAD_KINDS.items():
        if head.startswith(magic):
            raise ArchiveError(
                f"{archive}: is packed by {kind}, which is not read; unpack it yourself "
                f"({remedy}) and give the folder"
            )


def _write(archive: Path, member: _Member, place: Path) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists():
            raise ArchiveError(f"{archive}: holds {printable(member.name)} twice")
        content = member.open()
        assert content is not None
        with content, place.open("xb") as file:
            left = member.size
            while chunk := content.read(min(CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    raise ArchiveError(
                        f"{archive}: {printable(member.name)} is larger than the archive says, "
                        "so nothing is unpacked; get the archive from a source that you trust"
                    )
                file.write(chunk)
    except (FileExistsError, NotADirectoryError):
        raise ArchiveError(
            f"{archive}: {printable(member.name)} cannot be unpacked, because another member of "
            "the archive is a file with the name of its folder; pack the sounds again"
        ) from None
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise ArchiveError(
            f"{archive}: holds a name that is too long for the file system "
            f"({printable(member.name)[:60]}…, {len(member.name):,} letters)"
        ) from None


def _members(archive: Path, max_members: int) -> Iterator[_Member]:
    """Members in their order."""
    with archive.open("rb") as file:
        is_zip = file.read(4) in (b"PK\3\4", b"PK\5\6")
    members = _zip_members if is_zip else _tar_members
    for number, member in enumerate(tracked(members(archive), "unpack", unit="files")):
        if number == max_members:
            raise ArchiveError(f"{archive}: holds more than {max_members:,} members")
        yield member


def _tar_members(archive: Path) -> Iterator[_Member]:
    with tarfile.open(archive, "r:*") as tar:
        for member in tar:
            kind = "file" if member.isfile() else "folder" if member.isdir() else "special"
            if member.issym() or member.islnk():
                kind = f"a link to {member.linkname}"
            yield _Member(member.name, kind, member.size, partial(tar.extractfile, member))
        while tar.fileobj and tar.fileobj.read(CHUNK):
            pass  # to the end, where a compressed file's own checksum is


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            mode = member.external_attr >> 16
            # filename ends at a zero byte and has its backslashes turned; this is what is written.
            name = member.orig_filename
            kind = "folder" if name.endswith("/") else "file"
            if stat.S_ISLNK(mode):
                kind = "a link to another file"
            elif stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                kind = "special"
            yield _Member(name, kind, member.file_size, partial(packed.open, member))


@contextmanager
def _damage_is_named(archive: Path) -> Iterator[None]:
    damaged = (
        f"{archive}: damaged, or not a tar archive or zip (%s); fetch it again, or unpack it "
        "yourself and give the folder"
    )
    try:
        yield
    except ArchiveError:
        raise
    except RuntimeError as error:  # of zipfile: a password is needed, or it knows no way to unpack
        raise ArchiveError(
            f"{archive}: cannot be unpacked ({error}); unpack it yourself and give the folder"
        ) from None
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        EOFError,
        zlib.error,
        LZMAError,
        ValueError,
        OverflowError,
        struct.error,
    ) as error:
        (first, *_) = str(error).splitlines() or [""]  # tarfile lists all that it has tried
        raise ArchiveError(damaged % first.rstrip(":")[:200]) from None
    except OSError as error:
        # What gzip and bz2 find has no number; a place that is not in a zip file is 'invalid'.
        if error.errno not in (None, errno.EINVAL):
            raise
        raise ArchiveError(damaged % error) from None


def _place(archive: Path, member: _Member) -> PurePosixPath:
    path = PurePosixPath(member.name)
    what = None
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or "\0" in member.name:
        what = "would lie outside the folder"
    elif member.kind.startswith("a link"):
        what = f"is {printable(member.kind)}"
    elif member.kind == "special":
        what = "is neither a file nor a folder"
    elif len(path.parts) > MAX_DEPTH:
        what = f"lies more than {MAX_DEPTH} folders deep"
    if what:
        raise ArchiveError(
            f"{archive}: {printable(member.name)[:200]} {what}, so nothing is unpacked; "
            "get the archive from a source that you trust"
        )
    return path


def _is_hidden(path: PurePosixPath) -> bool:
    return any(is_hidden(PurePosixPath(part)) for part in path.parts)


def _is_sound(path: PurePosixPath) -> bool:
    return path.suffix.lower() in AUDIO_SUFFIXES and not _is_hidden(path)


def verify_checksum(
    path: str | Path, checksum: str | None, published: Mapping[str, str] | None = None
) -> None:
    """Compare a file's checksum with the one in the settings, or with the published ones.

    Parameters
    ----------
    path : str or Path
    checksum : str or None
        ``<algorithm>:<hexadecimal digits>`` of the settings; the file must have it.
    published : mapping of str to str, optional
        Digits by algorithm. Where no `checksum` is given, a file that has none of them is
        warned of: it may be a repacked copy.

    Raises
    ------
    ArchiveError
        The file does not have `checksum`.
    """
    path = Path(path)
    if checksum:
        algorithm, _, expected = checksum.partition(":")
        found = _digest(path, algorithm)
        if found != expected.lower():
            raise ArchiveError(
                f"{path}: its {algorithm} is {found}, expected {expected.lower()} "
                "(dataset.checksum); fetch it again, or mend the setting"
            )
    elif published:
        algorithm, expected = list(published.items())[-1]
        found = _digest(path, algorithm)
        if found != expected:
            log.warning(
                "%s: not the file once published (its %s is %s, not %s); another packing of the "
                "same clips is as good, and the clips are examined one by one",
                path,
                algorithm,
                found,
                expected,
            )


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
