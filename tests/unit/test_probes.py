"""Probes: what can be read from a layer, beside what nothing says."""

import numpy as np
import pandas as pd
import pytest

from auralise.datasets.bands.composer import Chord
from auralise.dissection.pieces import Piece, bands_piece
from auralise.dissection.probes import (
    CONCEPTS,
    FEWEST,
    GENRE,
    INPUT,
    SUMMARY,
    Probed,
    balanced_accuracy,
    compare_probes,
    concepts_of_bands,
    concepts_played,
    probe_layers,
    read_layers,
)
from auralise.figures.probes import draw_probes
from auralise.instruments import DRUMS, Note, Part

N_CLIPS = 60


def clips(seed: int) -> Probed:
    """The genre is how loud a clip is; 'kick' is in none of its values, 'brass' in too few."""
    rng = np.random.default_rng(seed)
    genre = np.arange(N_CLIPS) % 3
    magnitudes = (1 + genre[:, None, None]) * rng.uniform(0.9, 1.1, (N_CLIPS, 4, 6))
    few = np.arange(N_CLIPS) < FEWEST - 1
    labels = {GENRE: genre, "kick": rng.permutation(N_CLIPS) % 2, "brass": few.astype(int)}
    return Probed(magnitudes.astype(np.float32), labels)


def knows_loudness(magnitude: np.ndarray) -> list[np.ndarray]:
    deaf = np.zeros_like(magnitude) + np.arange(6)
    return [np.stack([magnitude, deaf]), np.stack([deaf, deaf])]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return probe_layers(knows_loudness, clips(0), clips(1))


def test_the_genre_is_read_where_it_is_and_not_where_it_is_not(table):
    genre = table[table["label"] == GENRE].set_index("layer")
    assert genre.loc[[INPUT, 1], "score"].tolist() == [1, 1]
    assert genre.loc[2, "score"] == pytest.approx(1 / 3), "a deaf layer"
    assert genre.loc[1, "shuffled"] < 0.7
    assert (genre["n_classes"] == 3).all()


def test_what_is_in_no_layer_is_at_chance_and_what_few_have_is_left_out(table):
    assert "brass" not in set(table["label"])
    kick = table[table["label"] == "kick"]
    assert kick["score"].between(0.25, 0.75).all()
    assert (kick["ci_low"] <= kick["score"]).all() and (kick["score"] <= kick["ci_high"]).all()


def test_balanced_accuracy_counts_classes_equally():
    true, read = np.array([0] * 9 + [1]), np.zeros(10, int)
    assert balanced_accuracy(read, true, np.ones((1, 10)))[0] == pytest.approx(0.5)
    once = np.array([[1] * 9 + [0]])
    assert balanced_accuracy(read, true, once)[0] == 1, "a class that is not drawn takes no part"


def test_layers_are_mean_and_deviation_of_each_feature():
    magnitude = np.array([[[1.0, 3.0]]], np.float32)
    found = read_layers(lambda x: [np.stack([x, 2 * x])], magnitude)
    np.testing.assert_allclose(found[1], [[2, 4, 1, 2]])
    assert found[INPUT].shape == (1, 3)


def test_concepts_are_those_of_the_notes_in_the_segment():
    drums = Part(0, [Note(0.1, 0.1, DRUMS["kick"], 90), Note(5, 0.1, DRUMS["snare"], 90)], True)
    brass = Part(56, [Note(3.9, 1, 60, 90)])
    late = Part(0, [Note(4.5, 1, 60, 90)])
    parts = (("drums", drums), ("melody", brass), ("chords", late))
    chords = ((0.0, Chord(0, (0, 3, 7))), (4.2, Chord(0, (0, 4, 7))))
    piece = Piece("x.0", parts, chords, -20.0, 8.0)
    assert concepts_played(piece, 4.0) == {"kick", "brass", "minor chords"}
    assert concepts_played(piece, 8.0) > {"snare", "keyboards", "major chords"}


def test_a_clip_of_bands_is_known_by_its_name():
    piece = bands_piece("jazz", 3, 7, 8.0)
    assert concepts_of_bands("jazz.00003", 7, 8.0, 4.0) == concepts_played(piece, 4.0)


def tables(shift: float, n: int, name: str, seed: int) -> list[pd.DataFrame]:
    rng = np.random.default_rng(seed)
    rows = [(layer, label) for layer in (0, 1, 2) for label in (GENRE, "kick", "bass")]
    return [
        pd.DataFrame(rows, columns=["layer", "label"]).assign(
            network=f"{name}-{k}",
            score=rng.normal(0.6, 0.01, len(rows)) + shift,
            shuffled=0.5,
            n_classes=2,
            n_clips=400,
        )
        for k in range(n)
    ]


@pytest.mark.parametrize(("shift", "expected"), [(0.2, "higher"), (-0.2, "lower")])
def test_five_trained_networks_against_ten_give_a_verdict(shift, expected):
    found = pd.concat([*tables(shift, 5, "square", 0), *tables(0, 10, "untrained", 1)])
    trained = {"square": [f"square-{k}" for k in range(5)]}
    untrained = {"square": [f"untrained-{k}" for k in range(10)]}
    summary = compare_probes(found, trained, untrained, {})
    assert list(summary) == list(SUMMARY)
    tested = summary[summary["label"].isin([GENRE, CONCEPTS])]
    assert len(tested) == 4 and (tested["verdict"] == expected).all()
    assert (summary[~summary["label"].isin([GENRE, CONCEPTS])]["verdict"] == "").all()
    one = compare_probes(found, {"square": ["square-0"]}, untrained, {})
    assert set(one["verdict"]) == {"unknown", ""}, "one network says nothing"


def test_networks_alike_get_no_verdict():
    found = pd.concat([*tables(0, 5, "square", 3), *tables(0, 10, "untrained", 4)])
    trained = {"square": [f"square-{k}" for k in range(5)]}
    untrained = {"square": [f"untrained-{k}" for k in range(10)]}
    summary = compare_probes(found, trained, untrained, {})
    assert set(summary["verdict"]) == {"not distinguishable", ""}
    figure = draw_probes(summary)
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[:4] == [GENRE, CONCEPTS, "kick", "bass"]
