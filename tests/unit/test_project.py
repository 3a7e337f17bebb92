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
    "snakemake": "snakemake-minimal",
}


@pytest.fixture(scope="module")
def metadata(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text())


def test_environment_yml_equals_pyproject(repository, metadata):
    wanted = {
        CONDA_NAMES.get(requirement.name, requirement.name): requirement.specifier
        for requirement in map(Requirement, metadata["project"]["dependencies"])
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
    extras = metadata["project"]["optional-dependencies"]["dev"]
    for requirement in map(Requirement, metadata["project"]["dependencies"] + extras):
        version = pinned[requirement.name.lower().replace("_", "-")]
        assert requirement.specifier.contains(version), requirement


def floors(repository):
    """Floor of each top-level module, from the table in CONTRIBUTING.md."""
    text = (repository / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| (\d) \| (.*) \|$", text, re.MULTILINE)
    return {name: int(floor) for floor, names in rows for name in re.findall(r"`(\w+)`", names)}


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("auralise."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.ImportFrom) and node.module == "auralise":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            yield from (name[1] for name in names if name[0] == "auralise" and len(name) > 1)


def test_a_module_imports_only_from_floors_below(repository):
    floor_of = floors(repository)
    package = repository / "auralise"
    for path in sorted(package.rglob("*.py")):
        own = path.relative_to(package).with_suffix("").parts[0]
        if own == "__init__":
            continue
        assert own in floor_of, f"{own} is missing in CONTRIBUTING.md"
        for other in imports_of(path):
            # The lowest floor has no other below it.
            below = floor_of[other] < floor_of[own] or floor_of[other] == floor_of[own] == 0
            assert other == own or below, f"{path.name} imports {other}"


def test_the_library_knows_nothing_of_snakemake(repository):
    for path in (repository / "auralise").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in getattr(node, "names", [])]
            assert "snakemake" not in [*names, getattr(node, "module", None)], path


def test_scripts_are_thin(repository):
    for path in (repository / "scripts").glob("[a-z]*.py"):
        body = [line for line in path.read_text().splitlines() if line.startswith("    ")]
        assert len(body) <= 30, path.name
