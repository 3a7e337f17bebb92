"""Feature inversion as a workflow: SVDNet on rendered voices, and the genre network."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from auralise.weights.svdnet import read_inverter

CHANGES = {
    "methods": ["inversion"],
    "inversion": {
        "svdnet_layers": ["fc8"],
        "genre_layers": ["layer5"],
        "data": {"songs": 5, "duration": 5.0, "excerpt_hop": 60},
        "svdnet": {"epochs": 1, "batches": 2, "batch_size": 4, "accelerator": "cpu"},
        "training": {"epochs": 1, "batch_size": 8, "accelerator": "cpu"},
        "measure": {"excerpts": 4, "draws": 3},
        "excerpts": {"songs": 1, "time_index": 0.25},
    },
}
CLASSIFIERS = {
    "svdnet-0": ("fc8",),
    "svdnet_untrained-0": ("fc8",),
    "square-0": ("layer5",),
    "untrained-0": ("layer5",),
}


@pytest.fixture(scope="module")
def results(project):
    done = project.run(config=project.configure("inverted", **CHANGES))
    assert done.returncode == 0, done.stdout
    assert "inversion/README.md" in done.stdout
    return project.folder / "results/small"


def test_every_layer_of_every_classifier_has_its_inverter(results):
    for classifier, layers in CLASSIFIERS.items():
        for layer in layers:
            path = results / "inversion" / classifier / layer / "inverter.safetensors"
            assert read_inverter(path).layer == layer


def test_every_layer_is_measured_beside_the_mean_picture(results):
    errors = pd.read_csv(results / "inversion/errors.csv")
    found = errors.groupby("classifier", sort=False)["layer"].unique().map(tuple).to_dict()
    assert found == CLASSIFIERS
    assert np.isfinite(errors[["nre", "nre_std", "mean_picture"]]).all(axis=None)
    assert errors.set_index("classifier")["control"].groupby(level=0).first().to_dict() == {
        "svdnet-0": False, "svdnet_untrained-0": True, "square-0": False, "untrained-0": True,
    }  # fmt: skip
    dependence = pd.read_csv(results / "inversion/dependence.csv")
    genres = dependence[dependence["classifier"] == "square-0"]
    assert genres["measure"].str.startswith("nre_").sum() == 10


def test_findings_are_written_for_what_was_trained(results):
    text = (results / "inversion/README.md").read_text()
    assert "## svdnet-0" in text and "## square-0" in text and "## untrained-0" not in text
    assert "Whether what fc8 keeps depends on the class is unknown" in text


def test_songs_are_seen_and_heard(results):
    for classifier, layers in CLASSIFIERS.items():
        (folder,) = (path for path in (results / "inversion" / classifier / "songs").glob("[!.]*"))
        for name in ("original", "input", *layers):
            samples, _ = soundfile.read(folder / f"{name}.wav")
            assert len(samples) > 1000
        picture = results / "figures/inversion" / classifier / f"{folder.name}.png"
        assert picture.is_file()
    assert (results / "figures/inversion/svdnet_errors.pdf").is_file()
    assert (results / "figures/inversion/genre_errors.png").is_file()


def test_a_second_run_has_nothing_to_do(project, results):
    done = project.run(config="config/inverted.yaml")
    assert "Nothing to be done" in done.stdout


def test_a_setting_of_the_inverters_leaves_the_classifiers_alone(project, results):
    changes = CHANGES | {"inversion": CHANGES["inversion"] | {"training": {"epochs": 2}}}
    planned = project.planned(project.configure("longer_inversion", **changes))
    assert planned["train_inverter"] == 4
    assert not {"train_svdnet", "train_network", "render_voices", "write_spectra"} & planned.keys()


def test_inversion_without_a_layer_is_refused(project):
    nothing = {"svdnet_layers": [], "genre_layers": []}
    config = project.configure("nothing", methods=["inversion"], inversion=nothing)
    done = project.run("--dry-run", config=config)
    assert done.returncode != 0
    assert "are both empty; name a layer" in done.stdout


def test_a_folder_without_a_path_is_refused(project):
    data = {"data": {"name": "folder"}}
    config = project.configure("nowhere", methods=["inversion"], inversion=data)
    done = project.run("--dry-run", config=config)
    assert done.returncode != 0
    assert "needs the path of a folder with audio/" in done.stdout
