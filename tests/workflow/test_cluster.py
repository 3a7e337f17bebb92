"""The cluster profile plans every job with its resources; no cluster is needed to plan."""

import importlib.util
import os
import re
import subprocess
import sys

import pytest


@pytest.fixture
def plugin(repository):
    """Where the executor plugin lies: beside the environment, since it slows every other call."""
    folder = repository / ".venv/slurm"
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        assert folder.is_dir(), "run `make test`, which installs the plugin into .venv/slurm"
    return folder


def test_a_dry_run_for_slurm_plans_every_job(project, plugin):
    config = project.configure("cluster", experiment="cluster")
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--profile", "profiles/slurm", "--dry-run"]
        + ["--configfile", config],
        cwd=project.folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(project.folder), str(plugin)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    planned = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE))
    assert planned["train_network"] == "2"
    assert planned["deconvolve_song"] == "2"
    assert planned["check_results"] == "1"
