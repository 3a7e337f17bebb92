"""The tour of 2015 and what features are made of, against cases by hand."""

import numpy as np
import pandas as pd
import pytest

from auralise.dissection.contributions import contributions, list_contributions
from auralise.dissection.plants import ONSET, PUBLISHED_ONSET, PUBLISHED_SUPPRESSOR, hear_plant
from auralise.dissection.tour import ROLES, list_tour
from auralise.figures.tour import draw_tour, list_stops
from auralise.files import read_table, write_table
from auralise.maps import Origin, create_maps, open_maps
from auralise.networks.genre import Architecture, build_network, layer_kernels
from auralise.stft import Stft

SONGS = ("a", "b")


@pytest.fixture
def names():
    rows = [
        (1, 0, "onsets", 0.3), (1, 1, "onsets", 0.4), (2, 0, "onsets", 0.2),
        (2, 1, "overtones of the melody", 0.5), (4, 0, "", 0.9), (4, 1, "", 0.1), (4, 2, "", 0.2),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["layer", "feature", "name", "score"])
    return table.assign(q=0.01, learned=False)


@pytest.fixture
def measured(names):
    heard = names[["layer", "feature"]].assign(live=True, responds=True, level_db=-20.0)
    heard.loc[6, "level_db"] = -3.0
    of_b = heard.copy()
    of_b.loc[4, "responds"] = False  # the loudest on the one song is not heard on the other
    heard.loc[4, "level_db"] = 0.0
    return dict(zip(SONGS, (heard, of_b), strict=True))


def tour_of(names, measured):
    return list_tour({"square-0": names}, {("square-0", song): of for song, of in measured.items()})


def found(tour):
    return {
        role: None if pd.isna(layer) else f"{layer}-{feature}"
        for role, layer, feature in tour[["role", "layer", "feature"]].itertuples(index=False)
    }


def test_the_best_of_a_name_plays_its_role_and_what_none_plays_stays_empty(names, measured):
    assert found(tour_of(names, measured)) == {
        "onset detector": "1-1",
        "better onset detector": "2-0",
        "attack suppressor": None,
        "bass-note selector": None,
        "melody selector": "2-1",
        "kick-drum selector": None,
        "unknown of layer 4": "4-2",
        "unknown of layer 5": None,
    }


def test_each_song_has_a_row_with_its_sound_and_the_table_is_read_as_it_was(
    names, measured, tmp_path
):
    tour = tour_of(names, measured)
    assert len(tour) == len(ROLES) * len(SONGS)
    row = tour[(tour["role"] == "onset detector") & (tour["song"] == "b")].iloc[0]
    assert row["sound"] == "auralisation/square-0/b/layer1/feature01.wav"
    assert row["score"] == 0.4 and row["level_db"] == -20
    unknown = tour[tour["role"] == "unknown of layer 4"]
    assert unknown[["score", "q", "learned"]].isna().all(axis=None)
    write_table(tmp_path / "tour.csv", tour)
    again = read_table(tmp_path / "tour.csv")
    assert again["name"].tolist() == tour["name"].tolist()
    assert again["layer"].isna().tolist() == tour["layer"].isna().tolist()


def test_without_names_nothing_is_found_but_unknown_features(names, measured):
    tour = tour_of(names.assign(name="", learned=False), measured)
    roles = {role for role, player in found(tour).items() if player}
    assert roles == {"unknown of layer 4"}


def test_a_feature_that_is_not_heard_plays_no_role(names, measured):
    only = {song: of[of["layer"] != 1] for song, of in measured.items()}
    assert found(tour_of(names, only))["onset detector"] is None


def test_a_contribution_is_weight_times_activation_with_its_sign():
    # |1| + |−2| = 3 at a mean of 10, and the kernel's sum is negative; 3 at a mean of 1.
    kernels = np.array([[[[1.0, -2.0]], [[3.0, 0.0]]]])
    assert contributions(kernels, np.array([10.0, 1.0])).tolist() == [[-30.0, 3.0]]


def test_the_largest_contributions_come_first_with_names_and_shares(names):
    of_two = names[names["layer"] <= 2]
    kernels = [np.ones((2, 1, 1, 1)), np.array([[1.0, -3.0], [0.0, 2.0]])[..., None, None]]
    values = [np.array([[[1.0, 3.0]], [[1.0, 1.0]]]), np.zeros((2, 1, 2))]
    table = list_contributions(of_two.replace({"name": {"onsets": ""}}), kernels, values)
    # Only 2-1 has a name: 0 × 2 from 1-0, 2 × 1 from 1-1.
    assert table[["feature", "below", "contribution", "share"]].values.tolist() == [
        [1, 1, 2.0, 1.0],
        [1, 0, 0.0, 0.0],
    ]
    table = list_contributions(of_two, kernels, values).query("feature == 0")
    assert table["below"].tolist() == [1, 0] and table["name_below"].tolist() == ["onsets"] * 2
    assert table["contribution"].tolist() == [-3.0, 2.0]
    assert table["share"].tolist() == pytest.approx([-0.6, 0.4])


def test_kernels_have_batch_normalisation_folded_in():
    architecture = Architecture(((3, 3),) * 2, (2, 3), (0.0,) * 2, batch_norm=True)
    network = build_network(architecture, 16, 16, 2)
    norm = network.get_submodule("convolutional.layer2.batch_norm")
    norm.weight.data[:] = -2.0
    norm.running_var[:] = 4.0 - norm.eps
    weight = network.get_submodule("convolutional.layer2.convolution").weight.detach().numpy()
    kernels = layer_kernels(network)
    assert [of_layer.shape for of_layer in kernels] == [(2, 1, 3, 3), (3, 2, 3, 3)]
    np.testing.assert_allclose(kernels[1], -weight, rtol=1e-5)


@pytest.fixture(scope="module")
def note():
    """Silence, then a tone of two bins from frame 16 on."""
    magnitude = np.zeros((64, 48), np.float32)
    magnitude[[20, 21], 16:] = 1
    return magnitude


@pytest.mark.parametrize(("plant", "layer"), [(PUBLISHED_ONSET, 1), (ONSET, 2)])
def test_planted_onset_detectors_let_the_onset_through_alone(note, plant, layer):
    power = np.square(hear_plant(plant, layer, note)).sum(axis=0)
    assert power[14:20].sum() > 0.99 * power.sum() > 0


def test_the_planted_attack_suppressor_lets_what_is_held_through_and_no_click(note):
    click = note.copy()
    click[:, 6] = 1  # in all bins; those at the edge have nothing beside them to be held against
    heard = hear_plant(PUBLISHED_SUPPRESSOR, 1, click)[2:-2]
    assert (heard[:, :12] == 0).all()
    assert (heard[:, 16:40].max(axis=0) > 0).all()


@pytest.fixture
def songs(tmp_path, names, note):
    """Maps of each song: feature k of a layer lets the song through as it is, times k + 1."""
    stft = Stft(n_fft=126, hop_length=63)
    features = {n: of["feature"].tolist() for n, of in names.groupby("layer")}
    opened = []
    for song in SONGS:
        path = tmp_path / f"{song}.h5"
        origin = Origin(song, "square-0", "", {})
        n_samples = 47 * stft.hop_length
        with create_maps(path, stft, n_samples, features, origin, np.ones(64)) as writer:
            writer.write_spectrum(note.astype(np.complex64)[:, : stft.n_frames(n_samples)])
            for layer, of in features.items():
                maps = np.ones((len(of), 64, stft.n_frames(n_samples)), np.float32)
                writer.write_maps(layer, maps * (1 + np.array(of))[:, None, None])
        opened.append(path)
    return opened


def test_the_figure_shows_who_was_found_beside_plants_and_says_where_none_was(
    names, measured, songs
):
    tour = tour_of(names, measured)
    kernels = np.arange(18.0).reshape(2, 3, 3)
    below = pd.DataFrame(
        [(2, 0, "onsets", 1, "", -3.0, -0.6)],
        columns=["layer", "feature", "name", "below", "name_below", "contribution", "share"],
    )
    with open_maps(songs[0]) as one, open_maps(songs[1]) as other:
        maps = {"square-0": [one, other]}
        stops = list_stops(tour, maps, {"square-0": kernels}, {"square-0": below})
        figure = draw_tour(stops, [one, other])
        figure.canvas.draw()
    of_network = {stop.role: stop for stop in stops if stop.who == "square-0"}
    assert of_network["kick-drum selector"].words == "none found"
    assert [stop.role for stop in stops if stop.who == "planted"] == [
        "onset detector", "better onset detector", "attack suppressor",
    ]  # fmt: skip
    onset, better = of_network["onset detector"], of_network["better onset detector"]
    assert onset.words == "1-1, onsets, score 0.40\nalso found in untrained networks"
    assert np.array_equal(onset.kernel, kernels[1]) and better.kernel is None
    assert better.sources == "−60% 1-1 unknown"
    assert onset.heard[0].max() == 2 and better.heard[0].max() == 1
    n_pictures = sum(len(axis.images) for axis in figure.axes[: (1 + len(stops)) * 4])
    # The songs, 4 stops found and 3 plants on both songs; kernels of layer 1 and of the plants.
    assert n_pictures == 2 * (1 + 4 + 3) + 1 + 3
