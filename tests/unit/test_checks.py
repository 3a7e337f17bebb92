"""The checks of the results find what is wrong."""

import shutil

import h5py
import numpy as np
import pandas as pd
import pytest

from auralise.attributes.comparison import summarise_correlation
from auralise.attributes.correlation import correlate_attributes
from auralise.attributes.representations import Computed
from auralise.auralisation import write_auralisations
from auralise.deconvnet.deconvnet import Deconvnet
from auralise.experiment.checks import CheckError, check_results, refuse_failures
from auralise.explainers.writing import write_maps
from auralise.features import keep_audible, read_features, write_features
from auralise.maps import Origin, open_maps
from auralise.stft import Stft
from auralise.weights.reader import write_weights

pytestmark = pytest.mark.slow

EVERYTHING = {
    "layers": None,
    "features": None,
    "biases": True,
    "precision": "float32",
    "device": "cpu",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, small_network, small_architecture, song):
    """Results of one trained and one untrained network on one song."""
    results = tmp_path_factory.mktemp("results")
    net = Deconvnet(small_network)
    config = {"architecture": small_architecture.to_settings(), "deconvolution": EVERYTHING}
    tables = []
    clips = {"clip": ["a", "b", "c"], "sha256": ["1", "2", "1"], "split": ["train", "test", ""]}
    pd.DataFrame(clips).to_csv(results / "clips.csv", index=False)
    for network in ("square-0", "untrained-0"):
        write_weights(
            results / f"networks/{network}/weights.safetensors",
            small_network,
            small_architecture,
            n_bins=257,
            n_frames=173,
            classes=["a", "b", "c"],
        )
        path = results / f"deconvolution/{network}/song.h5"
        origin = Origin("song", network, "", config)
        write_maps(path, net, song[:8192], Stft(11025, 256, 128), origin)
        with open_maps(path) as maps:
            sounds = results / f"auralisation/{network}/song"
            write_features(sounds / "features.csv", write_auralisations(sounds, maps))
        magnitudes = np.random.default_rng(0).uniform(size=(2, 32, 24)).astype(np.float32)
        pairs = {"key": np.array([[0, 1]])}
        table = correlate_attributes(Computed(net, magnitudes), pairs, network)
        (results / f"attributes/{network}").mkdir(parents=True)
        table.to_csv(results / f"attributes/{network}/correlation.csv", index=False)
        tables.append(table)
    tables.append(tables[0].assign(network="input"))
    summarise_correlation(pd.concat(tables)).to_csv(results / "attributes/summary.csv")
    return results


@pytest.fixture
def results(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "results")


@pytest.fixture
def check(small_architecture):
    def check(results, **changes):
        return check_all(results, small_architecture.to_settings(), **changes)

    return check


def check_all(results, architecture, **changes):
    given = {
        "networks": {"square-0": architecture, "untrained-0": architecture},
        "heard": ["square-0", "untrained-0"],
        "controls": ["untrained-0"],
        "songs": ["song"],
        "deconvolution": EVERYTHING,
        "seed": 0,
    }
    return check_results(results, **(given | changes))


def failed(checks):
    return set(checks.loc[~checks["passed"], "check"])


def test_sound_results_pass(results, check):
    checks = check(results)
    assert checks["passed"].all()
    refuse_failures(checks, results / "checks.csv")


def test_a_feature_of_which_nothing_is_said_is_found(results, check):
    path = results / "auralisation/square-0/song/features.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    assert failed(check(results)) == {"features.csv has what each sound bears"}


def test_a_missing_sound_is_found_and_named(results, check):
    (results / "auralisation/square-0/song/layer2/feature01.wav").unlink()
    checks = check(results)
    assert failed(checks) == {"one sound per map"}
    with pytest.raises(
        CheckError, match=r"one sound per map, square-0/song: found 14, expected 15"
    ):
        refuse_failures(checks, results / "checks.csv")


def test_of_the_sounds_those_above_the_floor_may_be_all_that_stays(whole, results, check):
    for network in ("square-0", "untrained-0"):
        folder = results / f"auralisation/{network}/song"
        keep_audible(folder, read_features(folder / "features.csv"), -3.0)
    sounds = "auralisation/square-0/song"
    stayed = [path.relative_to(results) for path in (results / sounds).glob("layer*/*.wav")]
    assert 3 <= len(stayed) < 15, "the loudest of each layer, and not all"
    assert all((results / name).read_bytes() == (whole / name).read_bytes() for name in stayed)
    assert not failed(check(results, floor=-3.0))
    assert failed(check(results)) == {"one sound per map"}
    (results / stayed[0]).unlink()
    assert failed(check(results, floor=-3.0)) == {"one sound per map that is heard"}


def change_map(results, change):
    with h5py.File(results / "deconvolution/square-0/song.h5", "r+") as file:
        for layer in (1, 2, 3):
            maps = file[f"layer{layer}/deconvolved"]
            maps[:] = change(maps[:])


def test_a_map_that_is_not_finite_is_found(results, check):
    def spoil(maps):
        maps[0, 0, 0] = np.nan
        return maps

    change_map(results, spoil)
    assert "finite maps" in failed(check(results))


def test_a_map_that_is_not_what_it_says_is_found(results, check):
    change_map(results, lambda maps: maps * 1.01)
    assert failed(check(results)) == {"map is the same when made again"}


def test_maps_in_bfloat16_pass_as_such(results, small_network, song, check):
    path = results / "deconvolution/square-0/song.h5"
    net = Deconvnet(small_network, precision="bfloat16")
    origin = Origin("song", "square-0", "", {})
    write_maps(path, net, song[:8192], Stft(11025, 256, 128), origin)
    assert check(results, deconvolution=EVERYTHING | {"precision": "bfloat16"})["passed"].all()
    assert failed(check(results)) == {"map is the same when made again"}


def test_a_dead_feature_with_a_map_is_found(results, check):
    with h5py.File(results / "deconvolution/square-0/song.h5", "r+") as file:
        live = file["layer2/live"]
        values = live[:]
        values[values.argmax()] = False
        live[:] = values
    assert failed(check(results)) == {"dead features have zero maps"}


def test_a_replica_in_another_split_is_found(results, check):
    clips = pd.read_csv(results / "clips.csv", keep_default_na=False)
    clips.assign(split=["train", "test", "test"]).to_csv(results / "clips.csv", index=False)
    assert failed(check(results)) == {"no content is in two splits"}


def test_a_correlation_out_of_range_is_found(results, check):
    path = results / "attributes/square-0/correlation.csv"
    table = pd.read_csv(path)
    table.loc[table["live"].idxmax(), "correlation"] = 1.5
    table.to_csv(path, index=False)
    assert failed(check(results)) == {"correlations lie in [-1, 1], one per feature and attribute"}


def test_results_without_a_control_are_refused(results, check):
    assert "untrained control is there" in failed(check(results, controls=[]))


def test_a_missing_layer_is_found(results, check):
    wanted = EVERYTHING | {"layers": [1, 2, 3, 4]}
    assert "layers" in failed(check(results, deconvolution=wanted))
