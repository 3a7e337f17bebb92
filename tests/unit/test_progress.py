"""Long work shows how far it has come: a bar on a terminal, a line at every tenth in a file."""

import io
import sys

import pytest

from auralise import progress
from auralise.progress import tracked


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by three seconds whenever it is asked."""
    seconds = iter(range(0, 10_000, 3))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(seconds))


def test_a_file_gets_a_line_at_every_tenth(clock, capsys):
    assert list(tracked(range(1000), "render", unit="clips")) == list(range(1000))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("render: 100 of 1000 clips,") and "\r" not in "".join(lines)
    assert lines[-1].startswith("render: 1000 of 1000 clips,")


def test_short_work_says_nothing(capsys):
    list(tracked(range(1000), "render"))
    assert capsys.readouterr().err == ""


def test_resumed_work_counts_on(clock, capsys):
    with tracked(desc="fetch", total=100, initial=80) as done:
        done.update(10)
    assert capsys.readouterr().err.startswith("fetch: 90 of 100")


def test_work_of_unknown_length_is_passed_on(clock, capsys):
    assert list(tracked(iter("abc"), "unpack")) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    list(tracked(range(3), "render"))
    assert "100%" in sys.stderr.getvalue()
