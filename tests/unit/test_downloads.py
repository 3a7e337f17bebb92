"""Downloads, from a real server on this machine that breaks in every way we know."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import auralise.datasets.downloads as downloads
from auralise.datasets.archives import ArchiveError
from auralise.datasets.downloads import CHUNK, DownloadError, download_file
from tests.conftest import Killed

CONTENT = np.random.default_rng(0).integers(0, 256, 3_000_000, np.uint8).tobytes()
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Server:
    """What the server does, request by request, and what it was asked."""

    def __init__(self):
        self.content, self.etag = CONTENT, '"one"'
        self.ranges: list[str | None] = []
        self.behaviours: list[str] = []  # of the next requests; then it serves well

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        self.ranges.append(asked)
        behaviour = self.behaviours.pop(0) if self.behaviours else ""
        start = 0
        same = handler.headers.get("If-Range") == self.etag
        if asked and same and behaviour != "no ranges":
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        body = self.content[start:]
        if behaviour.isdigit():
            handler.send_error(int(behaviour))
            return
        if start >= len(self.content):
            handler.send_error(416)
            return
        handler.send_response(206 if start else 200)
        if start:
            span = f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
            handler.send_header("Content-Range", span)
        if self.etag:
            handler.send_header("ETag", self.etag)
        if behaviour == "too long a length":
            handler.send_header("Content-Length", str(len(body) + 1000))
        elif behaviour != "no length":
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        sent = body[: len(body) // 2] if behaviour == "break" else body
        piece = 997 if behaviour == "short reads" else len(sent)
        for first in range(0, len(sent), piece):
            handler.wfile.write(sent[first : first + piece])
        if behaviour == "break":
            handler.wfile.flush()
            handler.connection.close()


@pytest.fixture
def server():
    behaviour = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def do_GET(self):  # noqa: N802 (the name that http.server calls)
            behaviour.answer(self)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        behaviour.url = f"http://127.0.0.1:{http.server_port}/genres.tar.gz"
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield behaviour
        http.shutdown()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "download/dataset.tar"


def fetch(server, path, **options):
    download_file(server.url, path, pause=lambda _: None, **options)


def leftovers(path):
    return sorted(file.name for file in path.parent.glob(".partial*"))


@pytest.mark.parametrize("behaviour", ["", "short reads"])
def test_a_file_comes_whole(server, path, behaviour):
    server.behaviours = [behaviour]
    fetch(server, path, checksum=SHA256)
    assert path.read_bytes() == CONTENT
    assert not leftovers(path)


def test_breaks_are_resumed_where_they_were(server, path):
    server.behaviours = ["break", "break", "503", "break"]
    fetch(server, path, checksum=SHA256)
    assert path.read_bytes() == CONTENT
    first, second = (int(asked.strip("bytes=-")) for asked in server.ranges[1:3])
    assert len(CONTENT) / 2 - CHUNK <= first <= len(CONTENT) / 2
    assert len(CONTENT) * 3 / 4 - 2 * CHUNK <= second <= len(CONTENT) * 3 / 4
    assert None not in server.ranges[1:]


def test_a_killed_download_is_resumed_by_the_next_run(server, path):
    def kill(_):
        raise Killed

    server.behaviours = ["break"]
    with pytest.raises(Killed):
        download_file(server.url, path, pause=kill)
    assert leftovers(path) == [".partial-dataset.tar", ".partial-dataset.tar.json"]
    fetch(server, path, checksum=SHA256)
    assert path.read_bytes() == CONTENT
    assert int(server.ranges[1].strip("bytes=-")) >= len(CONTENT) / 2 - CHUNK


def test_a_file_that_has_changed_meanwhile_is_fetched_anew(server, path):
    server.behaviours = ["break"]

    def change(_):
        server.content, server.etag = CONTENT[::-1], '"two"'

    download_file(server.url, path, pause=change)
    assert path.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_strong_validator_nothing_is_glued_together(server, path, etag):
    server.etag = etag
    server.behaviours = ["break"]
    fetch(server, path)
    assert path.read_bytes() == CONTENT
    assert server.ranges == [None, None]


def test_a_server_without_ranges_or_lengths_serves_too(server, path):
    server.behaviours = ["break", "no ranges"]
    fetch(server, path)
    assert path.read_bytes() == CONTENT
    path.unlink()
    server.behaviours = ["no length"]
    fetch(server, path)
    assert path.read_bytes() == CONTENT


def test_a_wrong_length_is_not_taken_for_the_whole(server, path):
    server.behaviours = ["too long a length"] * 99
    with pytest.raises(DownloadError, match="broke off 3 times without a new byte"):
        fetch(server, path, attempts=3)
    assert not path.exists()


def test_a_length_that_was_wrong_once_is_mended(server, path):
    server.behaviours = ["too long a length"]
    fetch(server, path, checksum=SHA256)
    assert path.read_bytes() == CONTENT


def test_a_refusal_is_final_and_says_what_to_check(server, path):
    server.behaviours = ["404"]
    with pytest.raises(DownloadError, match="answers 404 .*; check the address in dataset.path"):
        fetch(server, path)
    assert len(server.ranges) == 1


def test_no_server_at_all_gives_up_after_some_attempts(path):
    with pytest.raises(DownloadError, match="broke off 2 times"):
        download_file("http://127.0.0.1:9/x", path, attempts=2, pause=lambda _: None)


def test_another_file_than_the_checksum_says_is_thrown_away(server, path):
    with pytest.raises(ArchiveError, match="expected 00"):
        fetch(server, path, checksum="md5:00")
    assert not path.exists()
    assert not leftovers(path)


def test_a_file_larger_than_the_disk_is_refused(server, path, monkeypatch):
    class Usage:
        free = 1000

    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: Usage)
    with pytest.raises(DownloadError, match="only 1,000 are free"):
        fetch(server, path)


def test_a_refusal_for_space_does_not_pass_old_bytes_for_new_ones(server, path, monkeypatch):
    class Usage:
        free = 1000

    part = path.with_name(f".partial-{path.name}")
    path.parent.mkdir()
    part.write_bytes(b"old" * 1000)
    facts = {"url": server.url, "validator": '"zero"', "length": 9_000}
    part.with_name(f"{part.name}.json").write_text(json.dumps(facts))
    with monkeypatch.context() as patch:
        patch.setattr(downloads.shutil, "disk_usage", lambda _: Usage)
        with pytest.raises(DownloadError, match="only 1,000 are free"):
            fetch(server, path)
    fetch(server, path)
    assert path.read_bytes() == CONTENT


def test_facts_that_a_kill_cut_short_are_none(server, path):
    path.parent.mkdir()
    path.with_name(f".partial-{path.name}").write_bytes(b"old" * 1000)
    path.with_name(f".partial-{path.name}.json").write_text("")
    download_file(server.url, path, pause=lambda _: None)
    assert path.read_bytes() == CONTENT


def test_waits_grow_while_nothing_comes(server, path):
    waits = []
    server.behaviours = ["503"] * 3
    download_file(server.url, path, pause=waits.append)
    assert waits == [2.0, 4.0, 8.0]
