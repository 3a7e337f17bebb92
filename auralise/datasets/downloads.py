"""One large file over HTTP: resumed after a break, verified at the end."""

import logging
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import requests

from auralise.datasets.archives import verify_checksum
from auralise.errors import AuraliseError
from auralise.files import read_json, write_json
from auralise.progress import tracked

log = logging.getLogger(__name__)

CHUNK = 2**16  # bytes at a time; a break loses at most one
TIMEOUT = 30.0  # s without a byte
ATTEMPTS = 6  # in a row that bring nothing new
FINAL = {400, 401, 403, 404, 405, 410, 451}  # answers that asking again would not change


class DownloadError(AuraliseError):
    """A file that could not be fetched."""


class _BrokenOffError(Exception):
    """An attempt ended before the whole file had arrived."""


# A connection that breaks in the middle of the body is a ChunkedEncodingError, chunked or not.
BREAKS = (
    _BrokenOffError,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)


def download_file(
    url: str,
    path: str | Path,
    checksum: str | None = None,
    attempts: int = ATTEMPTS,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Fetch a file; continue a broken or killed attempt by HTTP range requests.

    A part is only continued if the server still has the same file, by its ETag or time of
    change (RFC 9110, sections 13.1.5 and 14); otherwise the download starts again. The part
    lies beside `path`, which appears when it is whole and has its checksum.

    Parameters
    ----------
    url : str
    path : str or Path
    checksum : str, optional
        ``<algorithm>:<hexadecimal digits>``.
    attempts : int
        In a row without a new byte, before it gives up.
    pause : callable
        Waits between attempts (s); doubles each time, up to a minute.

    Raises
    ------
    DownloadError
        The server refuses, or the file does not come whole; what came is kept for the next
        run.
    ArchiveError
        The file does not have `checksum`; what came is thrown away.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".partial-{path.name}")
    origin = path.with_name(f".partial-{path.name}.json")
    fruitless = 0
    with requests.Session() as session:
        while True:
            before = _size(part)
            try:
                _continue(session, url, part, origin)
                break
            except BREAKS as error:
                reason = error
            except requests.RequestException as error:
                raise DownloadError(f"{url}: cannot be fetched ({error})") from None
            fruitless = 0 if _size(part) > before else fruitless + 1
            if fruitless >= attempts:
                raise DownloadError(
                    f"{url}: broke off {attempts} times without a new byte, after {_size(part):,} "
                    f"({reason}); run again to go on from there"
                )
            log.warning("%s: broke off after %s bytes (%s)", url, f"{_size(part):,}", reason)
            pause(min(60.0, 2.0**fruitless))
    try:
        verify_checksum(part, checksum)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
        origin.unlink(missing_ok=True)


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _continue(session: requests.Session, url: str, part: Path, origin: Path) -> None:
    """One attempt to bring `part` to its full length."""
    have = _size(part)
    known = _read_facts(origin) if have else {}
    headers = {"Accept-Encoding": "identity"}
    if known.get("url") == url and known["validator"]:
        headers |= {"Range": f"bytes={have}-", "If-Range": known["validator"]}
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if answer.status_code == 416 and have == known.get("length"):
            return
        if answer.status_code in FINAL:
            raise DownloadError(
                f"{url}: the server answers {answer.status_code} {answer.reason}; check the "
                "address in dataset.path"
            )
        if answer.status_code not in (200, 206):
            if answer.status_code == 416:
                part.unlink()
            raise _BrokenOffError(f"the server answers {answer.status_code} {answer.reason}")
        start, length = _span(answer, have)
        if start == 0:
            validator = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
            # A weak validator promises the same meaning, not the same bytes.
            validator = "" if validator.startswith("W/") else validator
            facts = {"url": url, "validator": validator, "length": length}
            # Before there are new facts, or they would be taken for those of the old bytes.
            part.unlink(missing_ok=True)
            write_json(origin, facts)
        free = shutil.disk_usage(part.parent).free
        if length is not None and length - start > free:
            raise DownloadError(
                f"{url}: {length - start:,} bytes to come, but only {free:,} are free in "
                f"{part.parent}; make room"
            )
        with (
            part.open("r+b" if start else "wb") as file,
            tracked(
                desc=part.name.removeprefix(".partial-"),
                total=length,
                initial=start,
                unit="B",
                unit_scale=True,
            ) as progress,
        ):
            file.seek(start)
            for chunk in answer.iter_content(CHUNK):
                file.write(chunk)
                progress.update(len(chunk))
    if length is not None and _size(part) != length:
        raise _BrokenOffError(f"{_size(part):,} of {length:,} bytes came")


def _read_facts(origin: Path) -> dict:
    """Recorded facts about a partial download; empty if they cannot be read."""
    try:
        return read_json(origin)
    except (OSError, ValueError):
        return {}


def _span(answer: requests.Response, have: int) -> tuple[int, int | None]:
    """The byte range of a response, and the file's length (None if the server omits it)."""
    if answer.status_code == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
        if not match or int(match[1]) != have:
            raise _BrokenOffError("the server sent another part than was asked for")
        return have, int(match[2])
    length = answer.headers.get("Content-Length")
    return 0, int(length) if length is not None else None
