"""The tour of 2015 and what features are made of, against cases by hand."""

from contextlib import ExitStack

import numpy as np
import pandas as pd
import pytest

from auralise.dissection.contributions import contributions, list_contributions
from auralise.dissection.plants import (
    ONSET,
    PUBLISHED_ONSET,
    PUBLISHED_SUPPRESSOR,
    plant_map,
    read_kicks,
    write_plants,
)
from auralise.dissection.tour import ROLES, list_tour
from auralise.errors import AuraliseError
from auralise.figures.tour import draw_tour, list_stops
from auralise.files import read_table, write_table
from auralise.maps import Origin, create_maps, open_maps
from auralise.networks.genre import Architecture, build_network, layer_kernels
from auralise.stft import Stft

pytestmark = pytest.mark.slow

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


def test_a_name_that_nobody_would_hear_plays_no_role(names, measured):
    measured["a"].loc[1, "level_db"] = -280.0
    measured["b"].loc[1, "responds"] = False
    assert found(tour_of(names, measured))["onset detector"] == "1-0"


def test_it_is_heard_on_the_song_that_the_role_is_shown_on(names, measured):
    piano = ROLES[0].song
    heard = {piano: measured["a"].copy(), "another": measured["b"]}
    heard[piano].loc[1, "level_db"] = np.nan
    assert found(tour_of(names, heard))["onset detector"] == "1-0"


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
    power = np.square(note * plant_map(plant, layer, note)).sum(axis=0)
    assert power[14:20].sum() > 0.99 * power.sum() > 0


def test_the_planted_attack_suppressor_lets_what_is_held_through_and_no_click(note):
    click = note.copy()
    click[:, 6] = 1  # in all bins; those at the edge have nothing beside them to be held against
    heard = (click * plant_map(PUBLISHED_SUPPRESSOR, 1, click))[2:-2]
    assert (heard[:, :12] == 0).all()
    assert (heard[:, 16:40].max(axis=0) > 0).all()


def test_planted_features_let_through_as_much_as_the_song_has_and_the_kick_when_the_score_says(
    tmp_path,
):
    stft, rng = Stft(), np.random.default_rng(0)
    spectrum = stft.analyse(rng.normal(size=22050).astype(np.float32))
    path, planted = tmp_path / "song.h5", tmp_path / "planted.h5"
    origin = Origin("song", "square-0", "", {})
    with create_maps(path, stft, 22050, {1: [0]}, origin, np.ones(stft.n_bins)) as writer:
        writer.write_spectrum(spectrum)
        writer.write_maps(1, np.zeros((1, *spectrum.shape), np.float32))
    notes = tmp_path / "song.notes.csv"
    notes.write_text("is_drum,start,pitch\n1,4.0,36\n0,4.5,36\n1,4.7,38\n1,5.0,35\n")
    kicks = read_kicks(notes, 3.0)
    assert kicks.tolist() == [1, 2] and not len(read_kicks(tmp_path / "none.csv"))
    with open_maps(path) as song:
        write_plants(planted, song, kicks)
        write_plants(tmp_path / "no-kick.h5", song, np.zeros(0))
    power = np.square(np.abs(spectrum))
    with open_maps(planted) as maps, open_maps(tmp_path / "no-kick.h5") as without:
        assert maps.live(1).all() and maps.live(2).all()
        assert without.live(1).tolist() == [True, True, False]
        assert not without.masks(1)[2].any()
        for layer in maps.layers:
            through = np.square(np.abs(spectrum) * maps.masks(layer)).sum(axis=(1, 2))
            np.testing.assert_allclose(through, power.sum(), rtol=1e-4)
        kick = maps.masks(1)[2].any(axis=0)
    times = stft.times(spectrum.shape[1])
    assert set(times[kick].round(1)) <= {0.9, 1.0, 1.1, 1.2, 1.9, 2.0}
    assert kick[np.abs(times - 1.05).argmin()]
    notes.write_text("start,pitch\n1,36\n")
    with pytest.raises(AuraliseError, match="expected the columns is_drum, start and pitch"):
        read_kicks(notes)


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
    with ExitStack() as stack:
        one, other = (stack.enter_context(open_maps(path)) for path in songs)
        planted = [path.with_suffix(".planted.h5") for path in songs]
        for path, song, kicks in zip(planted, (one, other), ([0.1], []), strict=True):
            write_plants(path, song, np.array(kicks))
        planted = [stack.enter_context(open_maps(path)) for path in planted]
        maps = {"square-0": [one, other]}
        stops = list_stops(tour, maps, {"square-0": kernels}, {"square-0": below}, planted)
        figure = draw_tour(stops, [one, other])
        figure.canvas.draw()
    of_network = {stop.role: stop for stop in stops if stop.who == "square-0"}
    assert of_network["kick-drum selector"].words == "none found"
    assert [stop.role for stop in stops if stop.who == "planted"] == [
        "better onset detector", "kick-drum selector", "onset detector", "attack suppressor",
    ]  # fmt: skip
    onset, better = of_network["onset detector"], of_network["better onset detector"]
    assert onset.words == "1-1, onsets, score 0.40\nalso found in untrained networks"
    assert np.array_equal(onset.kernel, kernels[1]) and better.kernel is None
    assert better.sources == "−60% 1-1 unknown"
    assert onset.heard[0].max() == 2 and better.heard[0].max() == 1
    n_pictures = sum(len(axis.images) for axis in figure.axes[: (1 + len(stops)) * 4])
    # The songs, 4 stops found and 4 plants on both songs; kernels of layer 1 and of the plants.
    # Where a feature does not fire, a sentence is in the picture's place: the second has no kick.
    silent = [stop.role for stop in stops for heard in stop.heard if not heard.any()]
    assert "kick-drum selector" in silent
    assert n_pictures == 2 * (1 + 4 + 4) - len(silent) + 1 + 4
    words = [text.get_text() for axis in figure.axes for text in axis.texts]
    assert words.count("does not fire on it") == len(silent)
