"""The project agrees with itself: dependencies, floors, rules."""

import ast
import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

CONDA_NAMES = {
    "torch": "pytorch",
    "soundfile": "pysoundfile",
    "soxr": "soxr-python",
    "matplotlib": "matplotlib-base",
    "lazy-loader": "lazy_loader",
    "snakemake": "snakemake-minimal",
}


@pytest.fixture(scope="module")
def metadata(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text())


def test_environment_yml_equals_pyproject(repository, metadata):
    wanted = {
        CONDA_NAMES.get(requirement.name, requirement.name): requirement.specifier
        for requirement in map(
            Requirement,
            metadata["project"]["dependencies"]
            + metadata["project"]["optional-dependencies"]["workflow"],
        )
    }
    wanted["python"] = SpecifierSet(metadata["project"]["requires-python"])
    entries = yaml.safe_load((repository / "environment.yml").read_text())["dependencies"]
    found = {}
    for entry in entries:
        name, _, specifier = entry.partition(" ")
        found[name] = SpecifierSet(specifier)
    assert found.pop("pip") == SpecifierSet("")
    assert found == wanted


def test_constraints_fit_what_is_required(repository, metadata):
    lines = (repository / "constraints.txt").read_text().splitlines()
    pinned = dict(line.lower().replace("_", "-").split("==") for line in lines if "==" in line)
    extras = metadata["project"]["optional-dependencies"]
    required = metadata["project"]["dependencies"] + extras["workflow"] + extras["dev"]
    for requirement in map(Requirement, required):
        version = pinned[requirement.name.lower().replace("_", "-")]
        assert requirement.specifier.contains(version), requirement


@pytest.mark.slow
def test_the_library_knows_nothing_of_snakemake(repository):
    for path in (repository / "auralise").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in getattr(node, "names", [])]
            assert "snakemake" not in [*names, getattr(node, "module", None)], path


def test_scripts_are_thin(repository):
    for path in (repository / "scripts").glob("[a-z]*.py"):
        body = [line for line in path.read_text().splitlines() if line.startswith("    ")]
        assert len(body) <= 30, path.name


def test_captions_have_at_most_sixty_words(repository):
    captions = sorted((repository / "workflow/report").glob("*.rst"))
    lengths = {
        path.stem: len(re.sub(r"{{.*?}}", "value", path.read_text(encoding="utf-8")).split())
        for path in captions
    }
    assert captions and max(lengths.values()) <= 60, lengths
