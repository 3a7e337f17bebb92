"""Feature inversion as a workflow: SVDNet on rendered voices, and the genre network."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from auralise.weights.svdnet import read_inverter, write_mean_std
from tests.unit.test_weights_svdnet import inverter_arrays, save, svdnet_arrays
from tests.workflow.conftest import INVERSION

SUNG = {
    "methods": ["inversion"],
    "inversion": INVERSION | {"svdnet_layers": ["fc8"], "genre_layers": []},
}
SVDNETS = {"svdnet-0": "fc8", "svdnet_untrained-0": "fc8"}
GENRE_NETWORKS = {"square-0": "layer5", "untrained-0": "layer5"}


@pytest.fixture(scope="module")
def sung(project):
    done = project.run(config=project.configure("sung", experiment="sung", **SUNG))
    assert done.returncode == 0, done.stdout
    assert "inversion/README.md" in done.stdout
    return project.folder / "results/sung"


def are_complete(results, layers):
    """Inverters, errors beside the mean picture, sounds and pictures of each classifier."""
    errors = pd.read_csv(results / "inversion/errors.csv")
    comparison = pd.read_csv(results / "inversion/comparison.csv")
    assert comparison["layer"].tolist() == [next(iter(layers.values()))]
    assert comparison["verdict"].tolist() == ["unknown"], "one network against one"
    kept = pd.read_csv(results / "inversion/kept.csv")
    assert kept.groupby(["classifier", "layer"]).size().tolist() == [4] * len(layers)
    assert dict(zip(errors["classifier"], errors["layer"], strict=False)) == layers
    assert np.isfinite(errors[["nre", "nre_std", "mean_picture"]]).all(axis=None)
    for row in errors.itertuples():
        assert row.control == ("untrained" in row.classifier)
    for classifier, layer in layers.items():
        folder = results / "inversion" / classifier
        assert read_inverter(folder / layer / "inverter.safetensors").layer == layer
        (song,) = (folder / "songs").glob("[!.]*")
        for name in ("original", "input", layer):
            samples, _ = soundfile.read(song / f"{name}.wav")
            assert len(samples) > 1000
        assert (results / "figures/inversion" / classifier / f"{song.name}.png").is_file()


def test_svdnet_and_its_control_are_inverted_and_measured(sung):
    are_complete(sung, SVDNETS)
    assert (sung / "figures/inversion/svdnet_errors.pdf").is_file()


def test_genre_networks_are_too(finished):
    results = finished.folder / "results/small"
    are_complete(results, GENRE_NETWORKS)
    assert (results / "figures/inversion/genre_errors.png").is_file()
    dependence = pd.read_csv(results / "inversion/dependence.csv")
    genres = dependence[dependence["classifier"] == "square-0"]
    assert genres["measure"].str.startswith("nre_").sum() == 10


def test_findings_are_written_for_what_was_trained(sung):
    text = (sung / "inversion/README.md").read_text()
    assert "## svdnet-0" in text and "## svdnet_untrained-0" not in text
    assert "Whether what fc8 keeps depends on the class is unknown" in text


def test_a_second_run_has_nothing_to_do(project, sung):
    done = project.run(config="config/sung.yaml")
    assert "Nothing to be done" in done.stdout


def test_a_setting_of_the_inverters_leaves_the_classifiers_alone(project, sung):
    longer = SUNG["inversion"] | {"training": {"epochs": 2}}
    config = project.configure("longer", experiment="sung", **SUNG | {"inversion": longer})
    planned = project.planned(config)
    assert planned["train_inverter"] == 2
    assert not {"train_svdnet", "render_voices", "write_spectra"} & planned.keys()


def test_what_genre_networks_see_does_not_concern_svdnet(project, sung):
    config = project.configure("seen", experiment="sung", **SUNG | {"stft": {"duration": 2.0}})
    assert project.planned(config) == {}


@pytest.fixture(scope="module")
def published(project):
    """Files with the shapes of the published ones, and the settings that name them."""
    (project.folder / "models").mkdir()
    save(project.folder / "models/classifier.npz", svdnet_arrays())
    for layer in ("fc8", "mp6"):
        save(project.folder / f"models/{layer}.npz", inverter_arrays(layer))
    write_mean_std(project.folder / "models/meanstd.npz", np.full(80, -3.0), np.full(80, 2.0))
    return {
        "classifier": "models/classifier.npz",
        "meanstd": "models/meanstd.npz",
        "inverters": ["models/fc8.npz", "models/mp6.npz"],
    }


def test_published_files_are_measured_drawn_and_heard_without_training(project, published):
    settings = SUNG | {"inversion": SUNG["inversion"] | {"published": published}}
    config = project.configure("published", experiment="published", **settings)
    assert not {"train_svdnet", "train_inverter"} & project.planned(config).keys()
    done = project.run(config=config)
    assert done.returncode == 0, done.stdout
    results = project.folder / "results/published"
    errors = pd.read_csv(results / "inversion/errors.csv")
    assert set(errors["classifier"]) == {"svdnet_published"}
    assert errors["layer"].unique().tolist() == ["mp6", "fc8"]
    assert np.isfinite(errors[["nre", "mean_picture"]]).all(axis=None)
    (song,) = (results / "inversion/svdnet_published/songs").glob("[!.]*")
    for name in ("original", "input", "mp6", "fc8"):
        assert len(soundfile.read(song / f"{name}.wav")[0]) == 114 * 315
    drawn = {path.name for path in (results / "figures/inversion").rglob("*.png")}
    assert drawn == {f"{song.name}.png", "svdnet_errors.png"}
    text = (results / "inversion/README.md").read_text()
    assert "## svdnet_published" in text and "The untrained" not in text
    assert "Nothing to be done" in project.run(config=config).stdout
