"""What every script's job says in its log when it fails, and after one that was killed."""

import importlib
import logging
import sys
from types import SimpleNamespace

import pytest

from auralise.errors import SettingsError


@pytest.fixture
def job(repository, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / "scripts"))
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield importlib.import_module("_job").job
    logging.captureWarnings(False)
    root.handlers, root.level = handlers, level
    sys.modules.pop("_job")


@pytest.fixture
def snakemake(tmp_path):
    log = tmp_path / "rule.log"
    return SimpleNamespace(log=[str(log)], rule="train_network", resources={"mem_mb": 6000})


def log_of(snakemake) -> str:
    with open(snakemake.log[0]) as file:
        return file.read()


def run(job, snakemake, error=None):
    with job(snakemake):
        if error is not None:
            raise error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SettingsError("the setting is wrong"), "ERROR the setting is wrong"),
        (MemoryError(), "ERROR not enough memory; the rule asks for 6000 MB"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "ERROR not enough memory"),
    ],
)
def test_a_mistake_is_told_without_a_traceback(job, snakemake, error, told):
    with pytest.raises(SystemExit):
        run(job, snakemake, error)
    assert told in log_of(snakemake) and "Traceback" not in log_of(snakemake)


def test_after_a_job_that_was_killed_the_next_attempt_says_so(job, snakemake):
    with open(snakemake.log[0], "w") as file:
        file.write("2026-01-01 12:00:00 INFO epoch 3\n")
    run(job, snakemake)
    assert "the attempt before this one was killed" in log_of(snakemake)
    assert "6000 MB" in log_of(snakemake)


def test_after_a_job_that_ended_nothing_is_said(job, snakemake):
    with pytest.raises(SystemExit):
        run(job, snakemake, SettingsError("wrong"))
    run(job, snakemake)
    assert "killed" not in log_of(snakemake)
