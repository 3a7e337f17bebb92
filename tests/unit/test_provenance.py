"""A change of the library's code is seen by the rules behind which it lies."""

import ast
import hashlib
import shutil
import subprocess
import sys

import pytest

from auralise import provenance
from auralise.files import fingerprint_of, sha256_of_file, whole_file, whole_folder

pytestmark = pytest.mark.slow


@pytest.fixture
def package(tmp_path, repository, monkeypatch):
    shutil.copytree(repository / "auralise", tmp_path / "auralise")
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "auralise")
    return tmp_path / "auralise"


def versions(repository):
    """Of every rule, in an experiment that trains its networks."""
    return {
        script.stem: provenance.code_version(script, ["weights/whole.py"])
        for script in (repository / "scripts").glob("[a-z]*.py")
    }


def changed_by(package, repository, module, old="", new="X_CHANGE = 1\n"):
    """Rules whose code changes with a line at the end of a module, or another text in it."""
    before = versions(repository)
    path = package / module
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1) if old else f"{text}\n{new}")
    after = versions(repository)
    path.write_text(text)
    return {name for name in before if before[name] != after[name]}


def test_a_module_changes_the_rules_that_use_it(package, repository):
    assert changed_by(package, repository, "attributes/correlation.py") == {
        "correlate_attributes",
        "correlate_inputs",
        # These know its columns.
        "compare_networks",
        "deconvolve_signals",
        "draw_attributes_as_in_2016",
        "rank_features",
        "summarise_correlation",
    }


def test_a_module_far_below_changes_what_lies_above(package, repository):
    changed = changed_by(package, repository, "deconvnet/steps.py")
    assert {"deconvolve_song", "correlate_attributes"} <= changed
    assert not {"train_network", "list_clips", "render_bands"} & changed


@pytest.mark.slow
def test_what_is_imported_for_its_type_alone_does_not_count(package, repository):
    """Sounds are made from the file of maps, whatever wrote it."""
    assert "auralise_song" not in changed_by(package, repository, "deconvnet/steps.py")
    assert "auralise_song" in changed_by(package, repository, "maps.py")


@pytest.mark.slow
def test_a_comment_or_a_docstring_changes_nothing(package, repository):
    before = versions(repository)
    for path in package.rglob("*.py"):
        source = path.read_text()
        tree = ast.parse(source)
        if ast.get_docstring(tree):
            lines = source.splitlines(keepends=True)
            lines[: tree.body[0].end_lineno] = ['"""Another docstring."""\n']
            source = "".join(lines)
        path.write_text(source + "\n# a comment\n")
    assert versions(repository) == before


@pytest.mark.parametrize(
    "module", ["weights/keras_layers.py", "weights/torch_files.py", "cli/explain.py"]
)
def test_what_the_workflow_does_not_use_changes_nothing(package, repository, module):
    assert changed_by(package, repository, module) == set()


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("errors.py", "A sound file that cannot be used", "A sound that is of no use"),
        ("training/fitting.py", "training failed: the loss is", "in training, the loss is"),
        ("training/fitting.py", "training goes on from here", "training is resumed"),
        ("networks/genre.py", "are too small for", "are smaller than what is needed by"),
    ],
)
def test_the_wording_of_a_message_changes_nothing(package, repository, module, old, new):
    assert changed_by(package, repository, module, old, new) == set()


def test_a_number_of_the_network_trains_it_again(package, repository):
    changed = changed_by(package, repository, "networks/genre.py", "MaxPool2d(2)", "MaxPool2d(3)")
    assert "train_network" in changed


@pytest.mark.parametrize(
    ("file", "rules"),
    [
        ("datasets/gtzan/facts.yaml", {"list_clips", "unpack_dataset"}),
        ("listening/page/page.js", {"build_listening_page"}),
    ],
)
def test_a_data_file_counts_as_code_of_what_reads_it(package, repository, file, rules):
    assert changed_by(package, repository, file) == rules


@pytest.mark.parametrize(
    "module",
    ["training/genre.py", "training/singing.py", "inversion/training.py", "datasets/segments.py"],
)
def test_a_module_counts_in_its_own_version(package, module):
    """Else a training would go on from a checkpoint that another loss had made."""
    path = package / module
    before = provenance.code_version(path)
    path.write_text(path.read_text() + "\nX_CHANGE = 1\n")
    assert provenance.code_version(path) != before


def test_what_runs_where_types_are_not_checked_counts(package, repository):
    old = "\nif TYPE_CHECKING:"
    new = "\nif TYPE_CHECKING:\n    pass\nelse:\n    X_CHANGE = 1\nif TYPE_CHECKING:"
    changed = changed_by(package, repository, "training/baselines.py", old, new)
    assert "evaluate_network" in changed


def test_a_change_is_told_by_the_file_that_changed(package, repository):
    script = repository / "scripts/train_network.py"
    before = provenance.code_by_file(script)
    path = package / "training/genre.py"
    path.write_text(path.read_text() + "\nX_CHANGE = 1\n")
    (told,) = set(provenance.code_by_file(script)) - set(before)
    assert told.startswith("code of auralise/training/genre.py ")


def test_versions_name_what_shapes_a_result():
    assert {"python", "torch", "numpy", "auralise"} <= provenance.versions().keys()


def test_whole_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "new/a.txt"
    with pytest.raises(RuntimeError), whole_file(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert list(path.parent.iterdir()) == []
    with whole_file(path) as partial:
        assert partial.suffix == ".txt"
        partial.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert sha256_of_file(path) == hashlib.sha256(b"whole").hexdigest()


def test_fingerprints_tell_values_apart():
    assert fingerprint_of("a", {"x": 1}) == fingerprint_of("a", {"x": 1})
    assert fingerprint_of("a", {"x": 1}) != fingerprint_of("a", {"x": 2})


def test_whole_folder_takes_the_place_of_the_former_one(tmp_path):
    folder = tmp_path / "a" / "sounds"
    with whole_folder(folder) as partial:
        (partial / "old.txt").write_text("old")
        assert not folder.exists()
    with pytest.raises(RuntimeError), whole_folder(folder) as partial:
        (partial / "half.txt").write_text("half")
        raise RuntimeError
    assert [p.name for p in folder.parent.rglob("*.txt")] == ["old.txt"]
    with whole_folder(folder) as partial:
        (partial / "new.txt").write_text("new")
    assert [p.name for p in folder.parent.rglob("*.txt")] == ["new.txt"]
    assert [p.name for p in folder.parent.iterdir()] == ["sounds"]


WRITE_AND_WAIT = """
import sys
from auralise.files import whole_file, whole_folder
whole = {"file": whole_file, "folder": whole_folder}[sys.argv[1]]
with whole(sys.argv[2]) as partial:
    (partial if sys.argv[1] == "file" else partial / "b.txt").write_text("of another process")
    print("written", flush=True)
    input()
"""


@pytest.fixture(params=["file", "folder"])
def other(request, tmp_path, repository):
    """Another process that is about to finish the same file or folder."""
    path = tmp_path / "results" / "a.txt"
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE_AND_WAIT, request.param, str(path)],
        cwd=repository,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "written\n"
    yield request.param, path, process
    process.kill()
    process.communicate()


def write(kind, path):
    with {"file": whole_file, "folder": whole_folder}[kind](path) as partial:
        (partial if kind == "file" else partial / "a.txt").write_text("ours")


def names(path):
    return sorted(str(p.relative_to(path.parent)) for p in path.parent.rglob("*"))


def test_two_processes_write_one_name_and_the_last_wins_whole(other):
    kind, path, process = other
    write(kind, path)
    assert (path if kind == "file" else path / "a.txt").read_text() == "ours"
    process.communicate("\n")
    assert process.returncode == 0
    assert names(path) == (["a.txt"] if kind == "file" else ["a.txt", "a.txt/b.txt"])


def test_what_a_killed_process_left_is_taken_away(other):
    kind, path, process = other
    process.kill()
    process.wait()
    assert len(names(path)) == (1 if kind == "file" else 2)
    write(kind, path)
    assert names(path) == (["a.txt"] if kind == "file" else ["a.txt", "a.txt/a.txt"])


def test_so_is_what_it_left_under_another_name_and_what_a_living_one_writes_stays(other):
    kind, path, process = other
    write("file", path.with_name("c.txt"))
    assert len(names(path)) == (2 if kind == "file" else 3)
    process.kill()
    process.wait()
    write("file", path.with_name("c.txt"))
    assert names(path) == ["c.txt"]


def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path):
    path = tmp_path / ("ü" * 125 + ".wav")
    write("file", path)
    assert path.read_text() == "ours"
