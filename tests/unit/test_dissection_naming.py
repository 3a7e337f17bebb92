"""Names of planted features, and none where nothing is to be found."""

import numpy as np
import pandas as pd
import pytest

from auralise.dissection import naming, tables
from auralise.dissection.activations import Activations, Cells, Targets
from auralise.dissection.concepts import CONCEPTS, REGISTER_NAMES
from auralise.dissection.learned import learned, learned_by_chance, most_unusual
from auralise.dissection.naming import Draws, Naming, Question, still_excerpts

N_CLIPS, HEIGHT, WIDTH, STRIDE = 16, 16, 10, 4


@pytest.fixture(scope="module")
def world():
    """Random masks of every concept, registers that tile the rows, and cells of them all."""
    rng = np.random.default_rng(0)
    masks = rng.random((len(CONCEPTS), N_CLIPS, HEIGHT, WIDTH)) < 0.15
    edges = np.linspace(0, HEIGHT, len(REGISTER_NAMES) + 1).astype(int)
    for number, name in enumerate(REGISTER_NAMES):
        masks[CONCEPTS.index(name)] = False
        masks[CONCEPTS.index(name), :, edges[number] : edges[number + 1]] = True
    # A concept that most clips lack.
    masks[CONCEPTS.index("bass"), 2:14:3] = False
    cells = Cells.draw(HEIGHT, WIDTH, (1, STRIDE))
    first = len(CONCEPTS) - len(REGISTER_NAMES)
    values = cells.of(masks.astype(np.float32))
    targets = Targets(
        CONCEPTS,
        cells,
        values,
        np.ones(len(CONCEPTS), bool),
        np.eye(len(CONCEPTS), dtype=bool),
        masks[first:, 0, :, 0].astype(np.float32),
    )
    present = np.repeat(masks.any(axis=2), STRIDE, axis=2).swapaxes(0, 1)
    for number, name in enumerate(CONCEPTS):
        if name in ("kick", "bass", REGISTER_NAMES[2]):
            present[:, number, : 6 * STRIDE] = False
    return masks.astype(np.float32), targets, present


def ask(world, maps, enrichments=None):
    masks, targets, present = world
    levels = maps.mean(axis=2)
    activations = Activations(
        1, np.arange(len(maps)), targets.cells, targets.cells.of(maps), levels
    )
    held_out = np.arange(N_CLIPS) % 2 == 1
    powers = np.ones((N_CLIPS, WIDTH * STRIDE))
    return Naming(
        Question(activations, targets, held_out, present, powers, 0.1, enrichments), seed=3
    )


def noise(n_features, seed=1):
    rng = np.random.default_rng(seed)
    return np.maximum(rng.normal(size=(n_features, N_CLIPS, HEIGHT, WIDTH)), 0).astype(np.float32)


def plant(world, concept, gain):
    """A feature that fires where a concept is, and nowhere in the first 6 columns."""
    masks, _, _ = world
    maps = gain * (masks[CONCEPTS.index(concept)] + 0.05 * noise(1)[0])
    maps[:, :, :6] = 0
    return maps


@pytest.mark.parametrize("concept", ["kick", "bass", REGISTER_NAMES[2]])
@pytest.mark.parametrize("gain", [0.1, 10])
def test_a_planted_feature_is_named_and_noise_is_not(world, concept, gain):
    maps = noise(8)
    maps[5] = plant(world, concept, gain)
    table = ask(world, maps).names()[0]
    assert table.loc[5, "name"] == concept
    assert table.loc[5, "runner_up"] != concept
    assert (table["name"].drop(5) == "").all()


def test_concepts_are_held_against_each_other_by_r_on_the_clips_of_the_exam(world):
    masks, targets, _ = world
    maps = noise(2)
    maps[0] = plant(world, "kick", 1)
    row = ask(world, maps).names()[0].loc[0]
    fired, there = targets.cells.of(maps[0])[1::2].ravel(), masks[:, 1::2].reshape(len(masks), -1)
    r = np.corrcoef(fired, there)[0, 1:]
    assert row["score"] == pytest.approx(r[CONCEPTS.index("kick")], abs=1e-5)
    others = np.delete(r, CONCEPTS.index("kick"))
    assert row["runner_up_score"] == pytest.approx(others.max(), abs=1e-5)


def test_masks_of_other_clips_name_nothing(world):
    maps = noise(4)
    maps[2] = plant(world, "kick", 1)
    layer = ask(world, maps)
    assert layer.names()[0].loc[2, "name"] == "kick"
    named = [(layer.names_by_chance(seed)["name"] != "").mean() for seed in range(20)]
    assert np.mean(named) <= 0.01


def test_what_lets_less_of_a_concept_through_is_not_named(world):
    maps = noise(2)
    maps[0] = plant(world, "kick", 1)
    enrichments = np.full((2, len(CONCEPTS)), 0.5)
    assert ask(world, maps, enrichments).names()[0].loc[0, "name"] == ""
    assert ask(world, maps, 2 * enrichments).names()[0].loc[0, "name"] == "kick"


def test_a_dead_feature_is_unknown(world):
    maps = noise(2)
    maps[0] = 0
    table = ask(world, maps).names()[0]
    assert table.loc[0, ["name", "p"]].tolist() == ["", 1.0]


def test_a_feature_that_also_fires_elsewhere_is_not_still(world):
    masks, _, _ = world
    maps = noise(2)
    maps[0] = masks[CONCEPTS.index("kick")]  # in the columns, too, in which `present` denies it
    table = ask(world, maps).names()[0]
    assert table.loc[0, "wins"] and not table.loc[0, "still"]
    assert table.loc[0, "name"] == ""


def test_null_masks_are_never_the_clips_own():
    draws = Draws.of(200, 7, seed=0)
    assert (draws.clips != np.arange(7)).all()
    assert (np.sort(draws.clips, axis=1) == np.arange(7)).all()
    assert (draws.rows(8) > 0).all() and (draws.rows(8) < 8).all()


def test_correlations_with_drawn_masks_are_those_of_masks_put_there(world):
    masks, targets, _ = world
    values = targets.cells.of(noise(3))
    clips = np.arange(N_CLIPS)
    products = naming.Products(values, targets, clips)
    flat = values.reshape(3, -1)
    own = targets.values.reshape(len(CONCEPTS), -1)
    assert products.observed() == pytest.approx(np.corrcoef(flat, own)[:3, 3:], abs=1e-5)
    draws = Draws.of(1, N_CLIPS, seed=5)
    layer = ask(world, noise(3))
    given = layer._redrawn(clips, draws).reshape(len(CONCEPTS), -1)
    wanted = np.corrcoef(flat, given)[:3, 3:]
    assert products.drawn(draws)[0] == pytest.approx(wanted, abs=1e-4)


def test_excerpts_are_the_loudest_without_the_concept():
    present = np.zeros((3, 8), bool)
    present[0] = True
    present[1, :3] = True
    powers = np.array([[9.0] * 8, [1, 1, 1, 1, 1, 1, 5, 5], [2.0] * 8])
    levels = np.array([[1.0] * 4, [0, 0, 0, 0.05], [0.5, 0.5, 0.5, 0.5]])
    found = still_excerpts(levels, present, powers, 2, stride=2)
    assert found == [(1, 6, True), (2, 0, False)]


def test_z_by_hand_and_dead_features_count_lowest():
    untrained = np.arange(101.0)[:, None]
    scores = np.array([[50.0], [148.0], [np.nan]])
    assert most_unusual(scores, untrained).tolist() == [0, 2, -np.inf]
    p, q = learned(scores, untrained[None])
    assert p == pytest.approx([52 / 102, 1 / 102, 1])
    assert q == pytest.approx([78 / 102, 3 / 102, 1])


def test_untrained_networks_have_learned_nothing():
    untrained = np.random.default_rng(0).normal(size=(21, 32, 5))
    assert learned_by_chance(untrained).mean() <= 0.01


def test_what_no_untrained_network_has_is_learned():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(32, 5))
    scores[7, 2] = 9
    _, q = learned(scores, rng.normal(size=(20, 32, 5)))
    assert (q <= 0.05).nonzero()[0].tolist() == [7]


@pytest.mark.parametrize(
    ("shares", "tolerable"),
    [([0.0, 0.02], True), ([0.05, 0.05], False), ([0.0] * 9 + [0.2], True), ([0.5], False)],
)
def test_a_null_is_tolerable_up_to_one_percent_and_a_standard_error(shares, tolerable):
    assert tables.is_tolerable(np.array(shares)) == tolerable


def test_names_and_marks_are_printed_only_where_their_null_allows_it():
    names = pd.DataFrame({"name": ["kick", ""], "learned": [True, False]})

    def printed(names_hold, marks_hold):
        nulls = pd.DataFrame({"printed": [names_hold, marks_hold]})
        return tables.printable_names(names, nulls)

    assert printed(True, True).equals(names)
    assert printed(True, False)["name"].tolist() == ["kick", ""]
    assert printed(True, False)["learned"].isna().all()
    assert (printed(False, True)["name"] == "").all()
    assert not printed(False, True)["learned"].any()
