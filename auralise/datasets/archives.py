"""Sound files out of a tar archive that may come from anywhere."""

import hashlib
import logging
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from auralise.errors import AuraliseError
from auralise.files import whole_folder
from auralise.songs import AUDIO_SUFFIXES

log = logging.getLogger(__name__)

ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")

# Many times GTZAN (1,000 files, 1.3 GB); what is larger is a mistake or a trap.
MAX_MEMBERS = 200_000
MAX_FILE_BYTES = 4 * 2**30
MAX_BYTES = 200 * 2**30

CHUNK = 2**20


class ArchiveError(AuraliseError):
    """An archive that is damaged, dangerous, or not the one expected."""


def is_url(path: str | None) -> bool:
    """Whether a data set's path is an address, not a place on this machine."""
    return path is not None and path.lower().startswith(("http://", "https://"))


def is_archive(path: str | None) -> bool:
    """Whether a data set's path is an archive, at hand or to be fetched, not a folder."""
    return path is not None and (is_url(path) or path.lower().endswith(ARCHIVE_SUFFIXES))


def unpack_sounds(
    archive: str | Path,
    folder: str | Path,
    max_members: int = MAX_MEMBERS,
    max_file_bytes: int = MAX_FILE_BYTES,
    max_bytes: int = MAX_BYTES,
) -> int:
    """Unpack the sound files of a tar archive, compressed or not.

    Every member is looked at before anything of it is written. One that would lie outside
    `folder`, or is neither a plain file nor a folder, refuses the whole archive. Other files and
    hidden ones (AppleDouble ``._*`` among them) are passed over. Owners and rights that the
    archive gives are not taken over.

    Parameters
    ----------
    archive : str or Path
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
        raise ArchiveError(f"{archive}: no such file")
    n_files, n_bytes = 0, 0
    with _damage_is_named(archive), whole_folder(folder) as target:
        for member, content in _members(archive, max_members):
            path = _place(archive, member)
            if content is None or not _is_sound(path):
                continue
            n_bytes += member.size
            if member.size > max_file_bytes or n_bytes > max_bytes:
                raise ArchiveError(
                    f"{archive}: {member.name} is too large ({member.size:,} bytes, {n_bytes:,} in "
                    f"all); expected at most {max_file_bytes:,} and {max_bytes:,}; unpack it "
                    "yourself, if you trust it, and give the folder"
                )
            place = target / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.exists():
                raise ArchiveError(f"{archive}: holds {member.name} twice")
            with place.open("xb") as file:
                shutil.copyfileobj(content, file, CHUNK)
            n_files += 1
        if n_files == 0:
            raise ArchiveError(
                f"{archive}: holds no sound file; expected some ending in "
                f"{', '.join(AUDIO_SUFFIXES)}"
            )
    return n_files


def _members(archive: Path, max_members: int) -> Iterator[tuple[tarfile.TarInfo, IO | None]]:
    """Members in their order, with the content of files."""
    with tarfile.open(archive, "r:*") as tar:
        for number, member in enumerate(tqdm(tar, "unpack", unit=" files")):
            if number == max_members:
                raise ArchiveError(f"{archive}: holds more than {max_members:,} members")
            yield member, tar.extractfile(member) if member.isfile() else None
        while tar.fileobj and tar.fileobj.read(CHUNK):
            pass  # to the end, where a compressed file's own checksum is


@contextmanager
def _damage_is_named(archive: Path) -> Iterator[None]:
    damaged = (
        f"{archive}: damaged or not a tar archive (%s); fetch it again, or unpack it yourself and "
        "give the folder"
    )
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, LZMAError) as error:
        raise ArchiveError(damaged % error) from None
    except OSError as error:
        if error.errno is not None:  # of the disk, not of what gzip and bz2 found
            raise
        raise ArchiveError(damaged % error) from None


def _place(archive: Path, member: tarfile.TarInfo) -> PurePosixPath:
    path = PurePosixPath(member.name)
    what = None
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or "\0" in member.name:
        what = "would lie outside the folder"
    elif member.issym() or member.islnk():
        what = f"is a link to {member.linkname}"
    elif not member.isfile() and not member.isdir():
        what = "is neither a file nor a folder"
    if what:
        raise ArchiveError(
            f"{archive}: {member.name} {what}; such an archive is not unpacked: look at where it "
            "comes from"
        )
    return path


def _is_sound(path: PurePosixPath) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in AUDIO_SUFFIXES and not hidden


def verify_checksum(
    path: str | Path, checksum: str | None, published: Mapping[str, str] | None = None
) -> None:
    """Hold a file's bytes against the checksum that the settings give, or the published ones.

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
