"""A results folder becomes a crate that the profile's validator accepts."""

import errno
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from auralise.errors import ResultsError, StorageError
from auralise.experiment.crates import write_crate
from auralise.experiment.records import FOLDER, Record, Results, record_path, write_record
from auralise.files import sha256_of_file

pytestmark = pytest.mark.slow

LICENCE = "https://creativecommons.org/publicdomain/zero/1.0/"

# Puts the terms of the crate where the validator looks for what it has fetched. Those of 1.1
# are not part of any package; those of 1.3, of the library, differ by where bioschemas.org stands.
PUT_TERMS = """\
import io, sys
import requests, urllib3
from rocrate_validator.utils.http import HttpRequester

terms = open(sys.argv[2], "rb").read()
terms = terms.replace(b"https://bioschemas.org/terms/", b"https://bioschemas.org/")

class Local(requests.adapters.BaseAdapter):
    def send(self, request, **_):
        kind = {"Content-Type": "application/ld+json"}
        body = urllib3.HTTPResponse(io.BytesIO(terms), kind, 200, preload_content=False)
        return requests.adapters.HTTPAdapter().build_response(request, body)

    def close(self):
        pass

HttpRequester.initialize_cache(cache_path=sys.argv[1], cache_max_age=-1, offline=False)
requester = HttpRequester()
requester.session.mount("https://", Local())
requester.get("https://w3id.org/ro/crate/1.1/context")
"""


@pytest.fixture
def results(tmp_path):
    """Two jobs, one made from what the other did, and from a song outside."""
    folder = tmp_path / "results/two"
    song, maps, table = tmp_path / "it's Größe.wav", folder / "a/song 1.h5", folder / "b/table.csv"
    for path in song, maps, table:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    for rule, output, given in (
        ("deconvolve_song", maps, song),
        ("auralise_song", table, maps.parent),
    ):
        record = Record(rule, {"song": "song 1"}, settings={"mode": "mask"})
        write_record(folder, record_path(folder, rule, ["song 1"]), record, [output], [given])
    return folder


def test_the_validator_accepts_a_crate(results, repository, tmp_path):
    library = pytest.importorskip("rocrate")
    python = repository / ".venv/validator/bin/python"
    if not python.is_file():
        pytest.skip("no .venv/validator; `make test` builds it")
    crate, cache = tmp_path / "two.zip", tmp_path / "cache"
    write_crate(crate, Results(results), repository, LICENCE)
    terms = Path(library.__file__).parent / "data/ro-crate.jsonld"
    subprocess.run([python, "-c", PUT_TERMS, cache, terms], check=True)
    command = [python.with_name("rocrate-validator"), "validate", "--offline", "--no-paging"]
    command += ["--cache-path", cache, "--profile-identifier", "workflow-run-crate-0.5", crate]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"COLUMNS": "99"}
    )
    assert done.returncode == 0, done.stdout


def test_a_crate_holds_files_hashes_and_who_made_them(results, repository, tmp_path):
    pytest.importorskip("rocrate")
    write_crate(tmp_path / "two.zip", Results(results), repository, LICENCE)
    with zipfile.ZipFile(tmp_path / "two.zip") as crate:
        names = crate.namelist()
        graph = json.loads(crate.read("ro-crate-metadata.json"))["@graph"]
        assert crate.read("a/song 1.h5") == (results / "a/song 1.h5").read_bytes()
    assert {"b/table.csv", "workflow-code/Snakefile", f"{FOLDER}/auralise_song/song 1.json"} <= {
        *names
    }
    found = {entity["@id"]: entity for entity in graph}
    assert found["a/song%201.h5"]["sha256"] == sha256_of_file(results / "a/song 1.h5")
    job = found["#job/deconvolve_song/song 1"]
    assert job["result"] == [{"@id": "a/song%201.h5"}]
    assert job["instrument"] == {"@id": "#rule/deconvolve_song"}
    assert found[job["object"][0]["@id"]]["name"].endswith("it's Größe.wav")
    assert found["./"]["license"] == {"@id": LICENCE} or found["./"]["license"] == LICENCE


def test_only_whole_results_become_a_crate(results, repository, tmp_path):
    (results / "b/table.csv").unlink()
    with pytest.raises(ResultsError, match="only whole results"):
        write_crate(tmp_path / "two.zip", Results(results), repository, LICENCE)
    shutil.rmtree(results / FOLDER)
    with pytest.raises(ResultsError, match="no job has left a record"):
        write_crate(tmp_path / "two.zip", Results(results), repository, LICENCE)
    assert not (tmp_path / "two.zip").exists()


def test_equal_results_give_equal_crates(results, repository, tmp_path):
    for name in ("a.zip", "b.zip"):
        write_crate(tmp_path / name, Results(results), repository, LICENCE)
    assert sha256_of_file(tmp_path / "a.zip") == sha256_of_file(tmp_path / "b.zip")


@pytest.mark.parametrize("end", [KeyboardInterrupt, OSError(errno.ENOSPC, "No space left")])
def test_a_crate_that_is_not_finished_leaves_nothing(
    results, repository, tmp_path, monkeypatch, end
):
    def stream(entity, **_):
        yield entity.id, b"begun"
        raise end

    monkeypatch.setattr("rocrate.model.file.File.stream", stream)
    with pytest.raises((KeyboardInterrupt, StorageError)):
        write_crate(tmp_path / "two.zip", Results(results), repository, LICENCE)
    assert not list(tmp_path.glob("*two*")) and not list(tmp_path.glob(".partial*"))
