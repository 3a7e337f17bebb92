"""A lock whose owner has ended is released; one whose owner lives is named."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace

import psutil
import pytest

from auralise.errors import SettingsError
from auralise.experiment.runs import LOCKS, RECORDS, Run, forget_run, note_run, release_stale_locks


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    LOCKS.mkdir(parents=True)
    return tmp_path


def lock(number):
    names = [f"{number}.input.lock", f"{number}.output.lock"]
    for name in names:
        (LOCKS / name).touch()
    return tuple(names)


def record(run):
    RECORDS.mkdir(exist_ok=True)
    (RECORDS / f"{run.host}-{run.process}.json").write_text(json.dumps(asdict(run)))


def ended():
    """A process of this host that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return replace(Run.of_this_process("bands"), process=process.pid)


def test_locks_of_an_ended_process_are_released_and_named():
    run = replace(ended(), locks=lock(0))
    record(run)
    (line,) = release_stale_locks("bands")
    assert f"process {run.process}" in line
    assert not list(LOCKS.iterdir())
    assert release_stale_locks("bands") == []


@pytest.mark.slow
def test_jobs_of_an_ended_run_are_stopped_and_named(folder):
    script = folder / ".snakemake/scripts/tmp.train_network.py"
    script.parent.mkdir()
    script.write_text("import time; time.sleep(60)")
    # Started by a process that ends: so it has no run above it.
    start = (
        "import subprocess as s, sys\n"
        "print(s.Popen([sys.executable, sys.argv[1]], stdout=s.DEVNULL).pid)"
    )
    started = subprocess.run(
        [sys.executable, "-c", start, str(script)], stdout=subprocess.PIPE, text=True
    )
    job = int(started.stdout)
    record(ended())
    lines = release_stale_locks("bands")
    assert f"process {job}" in lines[1]
    assert not psutil.pid_exists(job) or psutil.Process(job).status() == psutil.STATUS_ZOMBIE


def test_a_number_given_to_a_later_process_is_not_the_run():
    run = Run.of_this_process("bands", lock(0))
    record(replace(run, started=run.started - 1000))
    assert len(release_stale_locks("bands")) == 1


def test_a_living_run_of_the_same_experiment_is_named():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        started = psutil.Process(process.pid).create_time()
        run = replace(Run.of_this_process("bands", lock(0)), process=process.pid, started=started)
        record(run)
        for unlock in (False, True):
            with pytest.raises(SettingsError, match=f"process {process.pid} on"):
                release_stale_locks("bands", unlock)
        assert release_stale_locks("another") == []
        process.communicate(b"\n")
    assert len(release_stale_locks("bands")) == 1


def test_of_another_host_nothing_is_known_but_what_the_user_says():
    record(replace(Run.of_this_process("bands", lock(0)), host="node7"))
    with pytest.raises(SettingsError, match="on node7; .*make unlock"):
        release_stale_locks("bands")
    assert len(release_stale_locks("bands", unlock=True)) == 1
    assert not list(LOCKS.iterdir())


def test_a_run_holds_the_locks_that_no_other_holds():
    dead = replace(ended(), experiment="another", locks=lock(0))
    record(dead)
    own = lock(1)
    note_run("bands")
    release_stale_locks("bands")
    assert {path.name for path in LOCKS.iterdir()} == set(own)
    forget_run("bands")
    assert not list(RECORDS.iterdir())


def test_a_damaged_record_is_passed_over():
    RECORDS.mkdir()
    (RECORDS / "x-1.json").write_text("{")
    (RECORDS / "y-2.json").write_text('{"host": 3}')
    assert release_stale_locks("bands") == []
    assert os.listdir(RECORDS)
