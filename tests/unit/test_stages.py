"""The screen of a run: when a stage begins and is done; errors in Snakemake's words."""

import logging

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from auralise.experiment import stages


@pytest.fixture
def tell(monkeypatch):
    """Hand a record to the handler, as Snakemake does."""
    monkeypatch.setattr(stages, "_stage_of", {})
    stages.name_stages({"render": "dataset", "cut": "dataset", "train": "training"})
    handler = stages.LogHandler(None, None)
    handler.setFormatter(logging.Formatter())

    def tell(event=None, message="", level=logging.INFO, **facts):
        record = logging.makeLogRecord({"msg": message, "levelno": level, "event": event, **facts})
        handler.handle(record)

    return tell


def test_a_stage_is_told_when_it_begins_and_when_it_is_done(tell, capsys):
    tell(LogEvent.RUN_INFO, stats={"render": 1, "cut": 2, "train": 1, "all": 1, "total": 5})
    tell(message="Select jobs to execute...")
    for number, rule in enumerate(["render", "cut", "cut", "train", "all"]):
        tell(LogEvent.JOB_INFO, jobid=number, rule_name=rule)
        tell(LogEvent.JOB_FINISHED, job_id=number)
    lines = [line[8:].strip() for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        "dataset begins: 3 jobs",
        "dataset done after 1 s (3 of 4 jobs in all)",
        "training begins: 1 job",
        "training done after 1 s (4 of 4 jobs in all)",
    ]


def test_a_job_that_is_tried_again_is_counted_once(tell, capsys):
    tell(LogEvent.RUN_INFO, stats={"train": 1})
    tell(LogEvent.JOB_INFO, jobid=7, rule_name="train")
    tell(LogEvent.JOB_ERROR, "training failed", logging.ERROR)
    tell(LogEvent.JOB_INFO, jobid=7, rule_name="train")
    tell(LogEvent.JOB_FINISHED, job_id=7)
    begun, failed, done = capsys.readouterr().err.splitlines()
    assert failed == "training failed"
    assert done.endswith("(1 of 1 jobs in all)")


def test_warnings_and_a_run_without_work_are_told(tell, capsys):
    tell(message="a warning", level=logging.WARNING)
    tell(message="Nothing to be done (all requested files are present and up to date).")
    assert len(capsys.readouterr().err.splitlines()) == 2
