"""A copy of the project, in a path with a space, on which small experiments are run."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import yaml

SONG = "it's Größe"
SMALL = {
    "experiment": "small",
    "songs": "songs",
    "dataset": {"clips_per_class": 5, "clip_duration": 1.0},
    "stft": {"duration": 1.0},
    "networks": {"square": {"features": 4, "dense": [8]}},
    "training": {"epochs": 4, "batch_size": 4, "accelerator": "cpu"},
    "dissection": {"untrained": 3, "clips": 8, "heard": 2},
    "attributes": {
        "keys": ["Bb2", "A3"],
        "instruments": ["sine", "piano"],
        "chords": ["major", "minor"],
    },
}
INVERSION = {
    "svdnet_layers": [],
    "genre_layers": ["layer5"],
    "data": {"songs": 5, "duration": 5.0, "excerpt_hop": 60},
    "svdnet": {"epochs": 1, "batches": 2, "batch_size": 4, "accelerator": "cpu"},
    "training": {"epochs": 1, "batch_size": 8, "accelerator": "cpu"},
    "measure": {"excerpts": 4, "draws": 3},
    "excerpts": {"songs": 1, "time_index": 0.25},
}
SMALL |= {"methods": ["deconvolution", "inversion"], "inversion": INVERSION}


@pytest.hookimpl(tryfirst=True)  # the groups have to be known when the tests are dealt out
def pytest_collection_modifyitems(items):
    """Tests that share a run of the workflow share a process; they begin, as the longest."""

    def of_workflow(item) -> bool:
        return Path(__file__).parent in item.path.parents

    for item in filter(of_workflow, items):
        shared = "finished" if "finished" in item.fixturenames else "project"
        item.add_marker(pytest.mark.xdist_group(shared))
    items.sort(key=lambda item: (not of_workflow(item), "finished" not in item.fixturenames))


class Project:
    """A copy of the project and how to run it."""

    def __init__(self, folder: Path):
        self.folder = folder

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": str(self.folder)}

    def configure(self, name: str, **changes) -> str:
        """Write the small configuration with changes and return its name."""
        path = self.folder / "config" / f"{name}.yaml"
        path.write_text(yaml.safe_dump(SMALL | changes))
        return f"config/{name}.yaml"

    def run(
        self, *arguments: str, config: str = "config/small.yaml"
    ) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(*arguments, "--configfile", config),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )

    def planned(self, config: str = "config/small.yaml") -> dict[str, int]:
        """Rules that would run, and how often."""
        done = self.run("--dry-run", "--quiet", "rules", config=config)
        done = self.run("--dry-run", config=config) if "job" not in done.stdout else done
        assert done.returncode == 0, done.stdout
        table = re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE)
        return {rule: int(count) for rule, count in table if rule != "total"}


def copy_project(repository: Path, folder: Path) -> Project:
    for name in ("auralise", "config", "profiles", "scripts", "workflow"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(repository / name, folder / name, ignore=ignored)
    shutil.copy(repository / "Snakefile", folder)
    project = Project(folder)
    project.configure("small")
    return project


@pytest.fixture(scope="session")
def project(repository, tmp_path_factory, song) -> Project:
    """The project with a song, before the first run of the small configuration."""
    project = copy_project(repository, tmp_path_factory.mktemp("workflow") / "a project")
    (project.folder / "songs").mkdir()
    soundfile.write(project.folder / "songs" / f"{SONG}.flac", song, 11025)
    return project


@pytest.fixture(scope="session")
def finished(project) -> Project:
    """The project after one run of the small configuration."""
    done = project.run()
    assert done.returncode == 0, done.stdout
    project.output = done.stdout
    return project


@pytest.fixture
def plugin(repository):
    """Where the executor plugin lies: beside the environment, since it slows every other call."""
    folder = repository / ".venv/slurm"
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        assert folder.is_dir(), "run `make test`, which installs the plugin into .venv/slurm"
    return folder
