"""One small experiment from nothing to the page, and what runs again after a change."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from auralise.experiment.origins import origin_of
from auralise.experiment.records import Results
from auralise.features import read_features
from auralise.files import sha256_of_file
from auralise.maps import open_maps
from tests.workflow.conftest import SMALL, SONG


@pytest.fixture(scope="module")
def results(finished):
    return finished.folder / "results/small"


def test_everything_is_there(results):
    for network in ("square-0", "untrained-0"):
        assert (results / f"networks/{network}/weights.safetensors").is_file()
        assert (results / f"figures/{network}/confusion.png").is_file()
        assert (results / f"deconvolution/{network}/{SONG}.h5").is_file()
        sounds = results / f"auralisation/{network}/{SONG}"
        assert (sounds / "original.wav").is_file()
        how = json.loads((sounds / "auralisation.json").read_text(encoding="utf-8"))
        assert how == {"mode": "mask", "loudness": "peak"}
        assert len(list(sounds.glob("layer*/feature*.wav"))) == 5 * 4
        features = read_features(sounds / "features.csv")
        assert len(features) == 5 * 4
        assert features.loc[features["live"], "level_db"].le(0).all()
        assert features["certificate"].isna().all(), "one song certifies nothing"
        assert (results / f"figures/{network}/sheets/{SONG}/layer5.png").is_file()
    assert (results / "figures/square-0/learning_curve.pdf").is_file()
    for figure in ("evaluations", "kernels"):
        assert (results / f"figures/{figure}.png").is_file()
        assert (results / f"figures/{figure}.pdf").is_file()
    for figure in ("attributes", "attributes_distribution", "square-0/attributes"):
        for ending in ("png", "pdf", "csv", "txt"):
            assert (results / f"figures/{figure}.{ending}").is_file()
    assert (results / "listening/index.html").is_file()
    for page in ("README.md", "attributes/README.md"):
        first = (results / page).read_text(encoding="utf-8").splitlines()[0]
        assert "square-0" in first
        assert "of 10 test clips right" in first
    assert list((results / "logs").iterdir())
    assert list((results / "benchmarks").iterdir())


def test_the_run_begins_by_saying_what_the_songs_take(finished):
    assert re.search(r"songs: 1 take about \d+ s of one core and \d+\.\d MB", finished.output)


def test_the_run_ends_by_saying_where_to_look_and_listen(finished):
    assert "Listen:   results/small/listening/index.html" in finished.output


def test_all_checks_passed_and_every_kind_was_made(results):
    checks = pd.read_csv(results / "checks.csv")
    assert checks["passed"].all()
    assert {
        "untrained control is there",
        "maps",
        "finite maps",
        "dead features have zero maps",
        "one sound per map",
        "map is the same when made again",
        "correlations lie in [-1, 1], one per feature and attribute",
    } <= set(checks["check"])


def test_the_tables_have_their_columns(results):
    correlation = pd.read_csv(results / "attributes/square-0/correlation.csv")
    assert list(correlation) == [
        "network", "layer", "feature", "attribute", "correlation", "correlation_all", "percentile",
        "n_pairs", "live",
    ]  # fmt: skip
    assert len(correlation) == 5 * 4 * 3
    summary = pd.read_csv(results / "attributes/summary.csv")
    assert set(summary["network"]) == {"square-0", "untrained-0", "input"}
    design = pd.read_csv(results / "attributes/design.csv")
    assert design["n_pairs"].tolist() == [4, 4, 4]
    comparison = pd.read_csv(results / "attributes/comparison.csv")
    assert len(comparison) == 5 * 3
    assert (comparison["verdict"] == "unknown").all()  # of one network against one
    clips = pd.read_csv(results / "clips.csv", keep_default_na=False)
    assert list(clips) == [
        "clip", "path", "genre", "seconds", "sample_rate", "peak", "clipping", "sha256", "problem",
        "split",
    ]  # fmt: skip
    assert clips["split"].value_counts().to_dict() == {"train": 30, "validation": 10, "test": 10}


def test_variants_are_compared(results):
    variants = pd.read_csv(results / "networks/summary.csv").set_index("variant")
    assert list(variants.index) == ["square", "untrained"]
    evaluation = json.loads((results / "networks/square-0/evaluation.json").read_text())
    assert variants.loc["square", "clip_accuracy"] == evaluation["clip_accuracy"]
    classes = pd.read_csv(results / "networks/classes.csv")
    assert classes["n_clips"].sum() == 2 * 10
    speed = json.loads((results / "networks/square-0/speed.json").read_text())
    assert speed["segments_per_second"] > 0
    assert speed["convolution_segments_per_second"] > 0


def test_the_findings_say_what_they_rest_on(results):
    text = (results / "attributes/README.md").read_text(encoding="utf-8")
    assert "8 signals, pairs: 4 in key, 4 in instrument, 4 in chord" in text
    assert "1 trained against 1 untrained" in text


def test_signals_from_a_folder_give_the_same(finished, results):
    """The rendered signals, read back by their names."""
    folder = finished.folder / "recordings"
    folder.mkdir()
    for path in (results / "attributes/signals").glob("*.wav"):
        shutil.copy(path, folder)
    other = finished.folder / "results/recorded"
    shutil.copytree(results / "networks", other / "networks")
    attributes = {"source": "directory", "path": "recordings"}
    config = finished.configure("recorded", experiment="recorded", attributes=attributes)
    target = "attributes/square-0/unranked.csv"
    rules = ("list_signals", "correlate_attributes")
    # `--allowed-rules` keeps the workflow from training the network that was copied.
    done = finished.run(f"results/recorded/{target}", "--allowed-rules", *rules, config=config)
    assert done.returncode == 0, done.stdout
    assert not re.search("^Listen: ", done.stdout, re.MULTILINE), "there is no page"
    index = ["layer", "feature", "attribute"]
    tables = [pd.read_csv(folder / target).set_index(index) for folder in (other, results)]
    tables = [table.sort_index()["correlation"] for table in tables]
    pd.testing.assert_series_equal(*tables, atol=1e-4)


def test_what_is_compared_leaves_signals_and_networks_alone(finished):
    attributes = SMALL["attributes"] | {"compare": "activations"}
    planned = finished.planned(finished.configure("activations", attributes=attributes))
    assert planned["correlate_attributes"] == 2
    assert planned["write_findings"] == 1
    assert not {"render_signals", "list_signals", "train_network"} & planned.keys()


def test_the_evaluation_stands_beside_a_baseline(results):
    evaluation = json.loads((results / "networks/square-0/evaluation.json").read_text())
    assert evaluation["n_clips"] == 10
    for name in ("segment_accuracy", "clip_accuracy", "baseline_clip_accuracy", "chance_accuracy"):
        assert 0 <= evaluation[name] <= 1


def test_maps_name_the_weights_that_made_them(results):
    from auralise.files import sha256_of_file

    weights = results / "networks/square-0/weights.safetensors"
    with open_maps(results / "deconvolution/square-0" / f"{SONG}.h5") as maps:
        assert maps.origin.weights_sha256 == sha256_of_file(weights)
        assert maps.origin.config["stft"]["n_fft"] == 512


def test_a_second_run_has_nothing_to_do(finished):
    done = finished.run()
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout


DOWNSTREAM_OF_SOUNDS = {"auralise_song": 2, "rehear_song": 2, "certify_features": 2}
DOWNSTREAM_OF_SOUNDS |= {"describe_features": 2, "build_listening_page": 1, "check_results": 1}
DOWNSTREAM_OF_SOUNDS |= {"plant_features": 1, "draw_tour": 1, "all": 1}
DOWNSTREAM_OF_SOUNDS |= {"deconvolve_signals": 1}  # of the features that are audible


def test_a_setting_runs_again_what_depends_on_it(finished):
    config = finished.configure("relative", auralisation={"loudness": "relative"})
    assert finished.planned(config) == DOWNSTREAM_OF_SOUNDS


def test_what_is_heard_is_what_is_compared(finished):
    planned = finished.planned(finished.configure("other", auralisation={"mode": "rectified"}))
    assert planned["auralise_song"] == planned["correlate_attributes"] == 2
    assert not {"render_signals", "correlate_inputs", "train_network"} & planned.keys()


def test_further_controls_are_measured_and_not_heard(finished):
    controls = finished.configure("controls", controls={"untrained": 2, "permuted": 1})
    planned = finished.planned(controls)
    for rule in ("train_network", "evaluate_network", "correlate_attributes"):
        assert planned[rule] == 2
    assert planned["rank_features"] == 4  # among two untrained networks now
    assert not {"deconvolve_song", "draw_sheets", "draw_confusion"} & planned.keys()


def test_the_comparison_of_2016_is_one_setting_away(finished):
    attributes = SMALL["attributes"] | {"as_in_2016": True}
    planned = finished.planned(finished.configure("as in 2016", attributes=attributes))
    assert planned == {
        "render_signals_as_in_2016": 1,
        "correlate_attributes_as_in_2016": 2,
        "draw_attributes_as_in_2016": 1,
        "all": 1,
    }


def test_the_precision_of_the_setting_is_that_of_the_maps(finished):
    folder = finished.folder / "rounded songs"
    folder.mkdir()
    shutil.copy(finished.folder / f"songs/{SONG}.flac", folder / "rounded.flac")
    config = finished.configure(
        "rounded", songs=folder.name, deconvolution={"precision": "bfloat16"}
    )
    maps = Path("results/small/deconvolution/square-0")
    assert finished.run(str(maps / "rounded.h5"), config=config).returncode == 0
    with (
        open_maps(finished.folder / maps / f"{SONG}.h5") as exact,
        open_maps(finished.folder / maps / "rounded.h5") as rounded,
    ):
        np.testing.assert_array_equal(rounded.deconvolved(1), exact.deconvolved(1))
        expected, found = exact.deconvolved(3), rounded.deconvolved(3)
    assert 1e-4 < np.linalg.norm(found - expected) / np.linalg.norm(expected) < 1e-2


def test_a_setting_of_training_leaves_data_and_controls_alone(finished):
    training = {"epochs": 5, "batch_size": 3, "learning_rate": 0.002, "accelerator": "cpu"}
    planned = finished.planned(finished.configure("longer", training=training))
    assert planned["train_network"] == 1
    assert planned["deconvolve_song"] == 1
    assert not {"render_bands", "list_clips", "write_segments", "render_signals"} & planned.keys()


def test_a_new_song_adds_its_own_jobs(finished, song):
    import soundfile

    path = finished.folder / "songs/new.ogg"
    soundfile.write(path, song, 11025)
    planned = finished.planned()
    path.unlink()
    for rule in ("deconvolve_song", "auralise_song", "rehear_song", "draw_sheets"):
        assert planned[rule] == 2
    assert planned["certify_features"] == 2
    assert planned["describe_features"] == 2, "certificates rest on all songs"
    assert not {"train_network", "correlate_attributes"} & planned.keys()


@pytest.mark.parametrize(
    ("module", "rules"),
    [
        (
            "attributes/correlation.py",
            {"correlate_attributes", "correlate_inputs", "summarise_correlation"},
        ),
        ("datasets/segments.py", {"write_segments"}),
    ],
)
def test_a_module_runs_again_what_depends_on_it(finished, module, rules):
    path = finished.folder / "auralise" / module
    original = path.read_text()
    path.write_text(original + "\nA_CHANGE = 1\n")
    planned = finished.planned()
    path.write_text(original)
    assert rules <= planned.keys()
    untouched = {"render_bands", "list_clips", "render_signals"}
    assert not untouched & planned.keys()


def test_what_runs_again_says_why_in_one_line(finished):
    path = finished.folder / "auralise/attributes/correlation.py"
    original, table = path.read_text(), "results/small/attributes/input/correlation.csv"
    line = "correlate_inputs runs again: code of auralise/attributes/correlation.py changed"
    for text in (original + "\nA_CHANGE = 1\n", original):
        path.write_text(text)
        done = finished.run(table)
        assert done.returncode == 0, done.stdout
        assert done.stdout.splitlines().count(line) == 1
    assert line not in finished.run(table).stdout


def test_every_rule_has_its_script_log_and_resources(repository):
    import re

    scripts = {path.stem for path in (repository / "scripts").glob("[a-z]*.py")}
    for path in sorted((repository / "workflow/rules").glob("*.smk")):
        blocks = re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]
        for block in blocks:
            name = block.split(":", 1)[0]
            if "script:" not in block:
                continue
            assert f'"../../scripts/{name}.py"' in block
            assert f'code_of("{name}")' in block
            for directive in ("log:", "mem_mb=", "runtime=", "message:"):
                assert directive in block, f"{name} lacks {directive}"
            scripts.discard(name)
    assert not scripts


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("clips.csv", "list_clips"),
        ("segments.h5", "write_segments"),
        ("networks/square-0/weights.safetensors", "train_network"),
        ("networks/square-0/evaluation.json", "evaluate_network"),
        (f"deconvolution/square-0/{SONG}.h5", "deconvolve_song"),
        (f"auralisation/square-0/{SONG}/layer2/feature01.wav", "auralise_song"),
        (f"auralisation/square-0/{SONG}/features.csv", "describe_features"),
        (f"auralisation/planted/{SONG}/layer1/feature00.wav", "plant_features"),
        ("listening/page.js", "build_listening_page"),
    ],
)
def test_what_is_missing_is_told_and_made_again(finished, results, tmp_path, name, rule):
    assert list(Results(results).faults(deep=True)) == []
    folder = (results / name).parent.stat()
    shutil.move(results / name, tmp_path / "kept")
    (fault,) = Results(results).faults()
    planned = finished.planned()
    shutil.move(tmp_path / "kept", results / name)
    os.utime((results / name).parent, ns=(folder.st_atime_ns, folder.st_mtime_ns))
    assert f"{name}: missing" in fault
    assert planned[rule] >= 1


def test_each_file_says_how_it_came_to_be(results):
    for path in results.rglob("*"):
        is_result = path.relative_to(results).parts[0] not in ("logs", "benchmarks", "provenance")
        if path.is_file() and is_result and path.name != ".snakemake_timestamp":
            assert origin_of(path)["record"]["unchanged"], path
    alone = origin_of(results / f"auralisation/square-0/{SONG}/layer2/feature01.wav")["facts"]
    assert (alone["network"], alone["layer"], alone["feature"]) == ("square-0", 2, 1)
    weights = results / "networks/square-0/weights.safetensors"
    assert alone["weights_sha256"] == sha256_of_file(weights)


def dry_run(project, folder, *arguments):
    folder.mkdir()
    done = subprocess.run(
        [*project.command("--dry-run"), *arguments],
        cwd=folder,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_it_starts_from_another_folder_and_takes_its_own_settings_and_songs(
    project, repository, tmp_path
):
    songs = repository / "src_songs"
    shutil.copytree(songs, project.folder / "src_songs", dirs_exist_ok=True)
    output = dry_run(project, tmp_path / "elsewhere", "-s", str(project.folder / "Snakefile"))
    assert "deconvolve_song" in output
    assert f"songs: taken from {project.folder / 'src_songs'}" in output


def test_another_workflow_takes_it_as_a_module(project, tmp_path):
    """As snakedeploy writes it."""
    snakefile = tmp_path / "Snakefile"
    snakefile.write_text(f"""
configfile: {str(project.folder / "config/small.yaml")!r}
config["songs"] = {str(project.folder / "songs")!r}
module auralise:
    snakefile: {str(project.folder / "workflow/Snakefile")!r}
    config: config
use rule * from auralise as auralise_*
""")
    output = dry_run(project, tmp_path / "elsewhere", "-s", str(snakefile))
    assert "auralise_deconvolve_song" in output
