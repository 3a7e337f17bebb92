"""A job of the workflow answers a mistake, a full disk and a damaged input without a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CODE = """
import os
import sys
from pathlib import Path
from types import SimpleNamespace
sys.path.insert(0, {scripts!r})
from _job import job
from auralise.errors import SettingsError

class Named(list):
    def __init__(self, *values, **names):
        super().__init__([*values, *names.values()]); self.names = names
    def items(self):
        return self.names.items()

def run(rule, inputs, output, action, made=1, others=()):
    about = dict(record=f"results/a/provenance/{{rule}}.json", results="results/a", rule=rule,
                 made=made, temporary=[])
    snakemake = SimpleNamespace(
        rule=rule, log=["job.log"], resources=dict(mem_mb=6000),
        input=inputs, output=[output], wildcards=Named(),
        params=Named("code of auralise/a.py 12", about, epochs=3))
    with job(snakemake) as outputs:
        action()
        outputs += map(Path, others)

def write(path, text):
    return lambda: open(path, "w").write(text)
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "results/a").mkdir(parents=True)

    def run(code):
        return subprocess.run(
            [sys.executable, "-c", CODE.format(scripts=str(ROOT / "scripts")) + code],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return run


MAKE = "run('evaluate', [], 'results/a/e.json', write('results/a/e.json', '{\"a\": 1}'))\n"
READ = "run('draw', ['results/a/e.json'], 'results/a/b.png', lambda: {}['what e.json lacks'])\n"


@pytest.mark.slow
def test_a_job_is_recorded_with_its_settings(run, tmp_path):
    done = run(MAKE)
    assert done.returncode == 0, done.stdout
    record = json.loads((tmp_path / "results/a/provenance/evaluate.json").read_text())
    assert record["settings"] == {"epochs": 3} and record["made"] == 1
    assert record["code"] == ["code of auralise/a.py 12"] and set(record["outputs"]) == {"e.json"}


@pytest.mark.slow
def test_files_whose_names_the_job_alone_knows_are_recorded(run, tmp_path):
    write = "lambda: [open(f'results/a/{n}', 'w').close() for n in ('e.json', 'x.wav', 'y.wav')]"
    done = run(f"run('auralise', [], 'results/a/e.json', {write}, others=['results/a/x.wav'])\n")
    assert done.returncode == 0, done.stdout
    record = json.loads((tmp_path / "results/a/provenance/auralise.json").read_text())
    assert set(record["outputs"]) == {"e.json", "x.wav"}


@pytest.mark.slow
def test_a_failure_on_a_damaged_input_names_the_input(run, tmp_path):
    assert run(MAKE).returncode == 0
    path = tmp_path / "results/a/e.json"
    times = path.stat()
    path.write_text('{"a"')
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    done = run(READ)
    assert done.returncode == 1 and "Traceback" not in done.stdout
    assert "results/a/e.json is damaged" in done.stdout and "delete it and run" in done.stdout


@pytest.mark.slow
def test_a_failure_on_whole_inputs_is_ours(run):
    done = run(MAKE + READ)
    assert done.returncode == 1 and "Traceback" in done.stdout


@pytest.mark.slow
def test_mistakes_and_full_disks_are_sentences(run):
    for error, told in (
        ("SettingsError('epochs: too many')", "ERROR epochs: too many"),
        ("OSError(28, 'No space left on device')", "the disk of results/a is full"),
        ("RuntimeError('write failed: No space left on device')", "the disk of results/a is full"),
        ("SettingsError('x' * 10**6)", " … "),
        ("MemoryError()", "ERROR not enough memory; the rule asks for 6000 MB"),
    ):
        code = "def fail():\n    raise " + error + "\nrun('r', [], 'results/a/b.png', fail)\n"
        done = run(code)
        assert done.returncode == 1 and told in done.stdout, done.stdout
        assert "Traceback" not in done.stdout and len(done.stdout) < 1000


@pytest.mark.slow
def test_after_a_job_that_was_killed_the_next_attempt_says_so(run, tmp_path):
    killed = run("run('r', [], 'results/a/b.png', lambda: os.kill(os.getpid(), 9))\n")
    assert killed.returncode == -9
    (tmp_path / "job.log").unlink()  # as Snakemake does
    told = "the attempt before this one was killed; a cluster does so when a job takes more memory"
    done = run(MAKE)
    assert told in done.stdout and "(this attempt has 6000 MB)" in done.stdout
    assert "killed" not in run(MAKE).stdout
