"""``auralise run`` finds the workflow and the settings, and hands them to Snakemake."""

import importlib.util
import os
import signal
import subprocess
import sys
import zipfile

import pytest

from auralise.cli import run
from auralise.cli.main import main


@pytest.fixture
def command(monkeypatch):
    """The command that `auralise run` would start; it ends with status 3."""
    started = []

    class Process:
        def __init__(self, command, env):
            started.extend(command)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def wait(self):
            return 3

    monkeypatch.setattr(run.subprocess, "Popen", Process)
    return started


def test_the_checkouts_workflow_runs_in_the_folder_asked_for(command, repository, tmp_path):
    assert main(["run", str(tmp_path / "new"), "--cores", "2"]) == 3
    assert (tmp_path / "new").is_dir()
    options = dict(zip(command, command[1:], strict=False))
    assert options["--snakefile"] == str(repository / "Snakefile")
    assert options["--directory"] == str(tmp_path / "new")
    assert options["--cores"] == "2"
    assert options["--workflow-profile"] == str(repository / "profiles/default")
    assert "--configfile" not in options
    assert command[-2:] == ["all", "show_results"]


def test_settings_are_the_users_file_or_one_that_comes_along(command, repository, tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("experiment: mine\n")
    main(["run", str(tmp_path), "--config", str(mine)])
    assert str(mine) in command
    main(["run", str(tmp_path), "--config", "paper.yaml"])
    assert str(repository / "config/paper.yaml") in command


def test_settings_that_snakemake_could_not_read_are_refused(command, tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text("experiment: mine\n", encoding="utf-16")
    assert main(["run", str(tmp_path), "--config", str(tmp_path / "mine.yaml")]) == 2
    assert "is not UTF-8; save it as text in UTF-8" in capsys.readouterr().err
    assert not command


def test_settings_that_are_not_there_are_refused(command, tmp_path, capsys):
    assert main(["run", str(tmp_path), "--config", "papers.yaml"]) == 2
    assert "papers.yaml" in (error := capsys.readouterr().err) and "paper.yaml" in error
    assert not command


def test_a_run_that_is_told_to_end_ends_snakemake(command, monkeypatch, tmp_path, capsys):
    told = []

    def wait(process):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(run.subprocess.Popen, "wait", wait)
    popen = run.subprocess.Popen
    monkeypatch.setattr(popen, "terminate", lambda process: told.append(process), raising=False)
    assert main(["run", str(tmp_path)]) == 128 + signal.SIGTERM
    assert len(told) == 1 and "SIGTERM" in capsys.readouterr().err


def test_without_snakemake_the_remedy_is_told(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["run", str(tmp_path)]) == 2
    assert "pip install 'auralise[workflow]'" in capsys.readouterr().err


@pytest.mark.slow
def test_a_wheel_holds_the_whole_workflow(repository, tmp_path):
    build = "import setuptools.build_meta as b, sys; b.build_wheel(sys.argv[1])"
    copied = tmp_path / "source"
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listing, cwd=repository, check=True, capture_output=True).stdout
    for name in files.decode().split("\0"):
        if name and (repository / name).is_file():
            (copied / name).parent.mkdir(parents=True, exist_ok=True)
            (copied / name).write_bytes((repository / name).read_bytes())
    command = [sys.executable, "-c", build, str(tmp_path)]
    subprocess.run(command, cwd=copied, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {n.partition("share/auralise/")[2] for n in archive.namelist() if "/share/" in n}
    for folder in ("scripts", "workflow/rules", "workflow/schemas", "workflow/report", "config"):
        for path in (copied / folder).iterdir():
            assert f"{folder}/{path.name}" in held
    assert {"Snakefile", "profiles/slurm/config.yaml", "src_songs/bach_prelude_c.flac"} <= held
