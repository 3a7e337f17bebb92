"""Who runs an experiment in this folder, and whether that process still lives.

Snakemake locks the files of a run, and a run that is killed leaves its locks behind. Beside them
each run notes its host, its process and when that started, so that the next one can tell locks
that nobody holds from those of a living run.
"""

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from auralise.errors import SettingsError
from auralise.files import read_json, write_json

LONGEST_CANCEL = 60  # s that Slurm may take to end jobs that are cancelled
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

RECORDS, LOCKS = Path(".snakemake/auralise"), Path(".snakemake/locks")


@dataclass(frozen=True)
class Run:
    """A run of the workflow.

    Attributes
    ----------
    host : str
    process : int
        The process's number on that host.
    started : float
        When that process started (s since 1970).
    experiment : str
        Name of the results folder.
    locks : tuple of str
        Names of Snakemake's lock files that the run holds.
    """

    host: str
    process: int
    started: float
    experiment: str
    locks: tuple[str, ...] = ()

    @classmethod
    def of_this_process(cls, experiment: str, locks: tuple[str, ...] = ()) -> "Run":
        return cls(
            socket.gethostname(),
            os.getpid(),
            psutil.Process().create_time(),
            experiment,
            locks,
        )

    @property
    def is_here(self) -> bool:
        return self.host == socket.gethostname()

    @property
    def is_alive(self) -> bool:
        """Whether its process runs; of other hosts nothing is known, so theirs count as alive."""
        if not self.is_here:
            return True
        try:
            # A number is given to another process after a while, at another time.
            return abs(psutil.Process(self.process).create_time() - self.started) < 1
        except psutil.NoSuchProcess:
            return False

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}"


def note_run(experiment: str) -> None:
    """Note that this process runs the experiment and holds the locks that no other run holds."""
    claimed = {name for _, run in _records() for name in run.locks}
    locks = tuple(sorted({path.name for path in LOCKS.glob("*.lock")} - claimed))
    run = Run.of_this_process(experiment, locks)
    write_json(_path_of(run), asdict(run))


def forget_run(experiment: str) -> None:
    """Remove the note of this process."""
    _path_of(Run.of_this_process(experiment)).unlink(missing_ok=True)


def release_stale_locks(experiment: str, unlock: bool = False) -> list[str]:
    """Remove the locks of runs whose process has ended.

    Parameters
    ----------
    experiment : str
        That is about to run.
    unlock : bool
        Whether the user asks to remove all locks: those of other hosts, of which nothing is
        known, then go too.

    Returns
    -------
    list of str
        One line for each run whose locks were removed.

    Raises
    ------
    SettingsError
        A living run, not of this process, runs the same experiment here.
    """
    lines = []
    for path, run in _records():
        if run.is_alive and (run.is_here or not unlock):
            is_own = run.is_here and run.process == os.getpid()
            if run.experiment == experiment and not is_own:
                remedy = "wait for it, or stop it"
                if not run.is_here:
                    remedy += "; if it has ended, remove its lock with 'make unlock'"
                raise SettingsError(f"results/{experiment} is being made by {run}; {remedy}")
            continue
        for name in run.locks:
            (LOCKS / name).unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        lines.append(f"{run} has ended without releasing its lock: released")
    if lines:
        lines += [f"process {number}, a job of it, still ran: stopped" for number in _stop_jobs()]
        lines += _cancel_slurm_jobs()
    return lines


def _cancel_slurm_jobs() -> list[str]:
    """Cancel what a run that has ended left to Slurm; a line for each job.

    A duplicate would work in the same folders. A training goes on from its last epoch.
    """
    left = _slurm_jobs()
    if not left:
        return []
    if any(run.is_alive for _, run in _records()):
        remedy = "scancel those of the run that has ended"
        return [
            f"Slurm job {job} in this folder may be of another run: left alone; {remedy}"
            for job in left
        ]
    subprocess.run(["scancel", *left], check=False)
    deadline = time.monotonic() + LONGEST_CANCEL
    while (running := [job for job in left if job in _slurm_jobs()]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.5)
    return [
        f"Slurm job {job}, of a run that has ended, still ran or waited: "
        + ("cancelled, but it is still there" if job in running else "cancelled")
        for job in left
    ]


def _slurm_jobs() -> list[str]:
    """Numbers of this user's jobs in Slurm that Snakemake has started in this folder."""
    command = ["squeue", "--noheader", "--user", str(os.getuid()), "--format", "%i %j %Z"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return []  # there is no Slurm here
    found = []
    for line in told.stdout.splitlines():
        number, name, folder = line.split(" ", 2)
        # The executor names all jobs of a run by the run's UUID.
        if UUID.fullmatch(name) and Path(folder) == Path.cwd():
            found.append(number)
    return found


def _stop_jobs() -> list[int]:
    """Stop jobs in this folder whose run has ended; they would disturb those of the next run."""
    living = {run.process for _, run in _records() if run.is_here and run.is_alive}
    orphans = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            parents = {parent.pid for parent in process.parents()}
            if _is_job(process) and not parents & {*living, os.getpid()}:
                orphans.append(process)
    for process in orphans:
        with suppress(psutil.Error):
            process.terminate()
    for process in psutil.wait_procs(orphans, timeout=10)[1]:
        with suppress(psutil.Error):
            process.kill()
    return [process.pid for process in orphans]


def _is_job(process: psutil.Process) -> bool:
    """Whether a process is a job that Snakemake has started in this folder."""
    if process.uids().real != os.getuid() or Path(process.cwd()) != Path.cwd():
        return False
    command = process.cmdline()
    is_script = any(".snakemake/scripts/" in part for part in command)
    return is_script or ("subprocess" in command and "--mode" in command)


def _records() -> Iterator[tuple[Path, Run]]:
    for path in sorted(RECORDS.glob("*.json")):
        # What is not a record, or was removed by its run just now, says nothing.
        with suppress(OSError, ValueError, TypeError, KeyError):
            values = read_json(path)
            yield path, Run(**values | {"locks": tuple(values["locks"])})


def _path_of(run: Run) -> Path:
    return RECORDS / f"{run.host}-{run.process}.json"
