"""What a run of the workflow prints: one line when a stage begins, one when it is done.

A stage is a file of rules. ``python -m auralise.experiment`` registers this module as a plugin of
Snakemake's for its log, under the name ``stages``.
"""

import logging
import sys
import time
from collections import Counter
from collections.abc import Mapping

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from auralise.progress import in_time

# What Snakemake says without an event, and a user wants to read; the rest is in its log file.
TOLD = ("Nothing to be done",)

_stage_of: dict[str, str] = {}


def name_stages(stage_of: Mapping[str, str]) -> None:
    """Say which stage each rule belongs to, by the rule's name; the workflow does, once."""
    _stage_of.update(stage_of)


class LogHandler(LogHandlerBase):
    """Prints stages instead of jobs, and warnings and errors as Snakemake words them.

    Snakemake's log file has every job, as without this handler.
    """

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = False
    needs_rulegraph = False

    def __post_init__(self) -> None:
        self.planned: Counter[str] = Counter()  # jobs, by stage
        self.done: Counter[str] = Counter()
        self.begun: dict[str, float] = {}
        self.running: dict[int, str] = {}  # stage of each job that has begun

    def emit(self, record: logging.LogRecord) -> None:
        """Print what belongs on the screen of one record of Snakemake's log."""
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            self._plan(record.stats)  # type: ignore[attr-defined]
        elif event == LogEvent.JOB_INFO:
            self._begin(record.jobid, record.rule_name)  # type: ignore[attr-defined]
        elif event == LogEvent.JOB_FINISHED:
            self._finish(record.job_id)  # type: ignore[attr-defined]
        elif record.levelno >= logging.WARNING or (
            event is None and str(record.msg).startswith(TOLD)
        ):
            _print(self.format(record))

    def _plan(self, jobs: Mapping[str, int]) -> None:
        for rule in jobs.keys() & _stage_of.keys():
            self.planned[_stage_of[rule]] += jobs[rule]

    def _begin(self, job: int, rule: str) -> None:
        stage = _stage_of.get(rule)
        if stage is None:
            return
        self.running[job] = stage
        if stage not in self.begun:
            self.begun[stage] = time.monotonic()
            _print(f"{_now()}  {stage} begins: {_jobs(self.planned[stage])}")

    def _finish(self, job: int) -> None:
        stage = self.running.pop(job, None)
        if stage is None:
            return
        self.done[stage] += 1
        if self.done[stage] == self.planned[stage]:
            took = in_time(time.monotonic() - self.begun[stage])
            n_done, n_planned = sum(self.done.values()), sum(self.planned.values())
            _print(f"{_now()}  {stage} done after {took} ({n_done} of {n_planned} jobs in all)")


def _jobs(number: int) -> str:
    return f"{number} job" + "s" * (number != 1)


def _now() -> str:
    return time.strftime("%H:%M:%S")


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
