"""Features are switched off: what changes, and would it with others, too?"""

from collections import OrderedDict

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from auralise.dissection.ablation import (
    TABLE,
    TRACED,
    Switched,
    ablate_features,
    measure_energies,
    plan_ablations,
    predict_ablated,
    similar_sets,
    trace_concepts,
)
from auralise.figures.ablation import draw_ablation

pytestmark = pytest.mark.slow

N_CLIPS, N_FEATURES = 40, 24


@pytest.fixture(scope="module")
def network() -> nn.Sequential:
    """Feature 0 alone tells loud clips from soft ones; all have the same kernel, a 1 or so."""
    layer = OrderedDict(
        convolution=nn.Conv2d(1, N_FEATURES, 1, bias=False), relu=nn.ReLU(), pooling=nn.MaxPool2d(2)
    )
    dense = nn.Linear(N_FEATURES, 2)
    with torch.no_grad():
        gains = 1 + 0.01 * torch.arange(N_FEATURES)
        gains[-1] = -1  # never fires
        layer["convolution"].weight[:] = gains[:, None, None, None]
        dense.weight.zero_()
        dense.weight[1, 0] = 10
        dense.bias[:] = torch.tensor([0.0, -5.0])
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), dense)
    convolutional = nn.Sequential(OrderedDict(layer1=nn.Sequential(layer)))
    return nn.Sequential(OrderedDict(convolutional=convolutional, classifier=pooled)).eval()


@pytest.fixture(scope="module")
def clips():
    labels = np.arange(N_CLIPS) % 2
    rng = np.random.default_rng(0)
    magnitudes = labels[:, None, None] * 0.8 + rng.uniform(0.05, 0.15, (N_CLIPS, 4, 6))
    return magnitudes.astype(np.float32), labels


@pytest.fixture(scope="module")
def names() -> pd.DataFrame:
    called = ["onsets", "onsets", "bass"] + [""] * (N_FEATURES - 3)
    return pd.DataFrame({"layer": 1, "feature": range(N_FEATURES), "name": called})


@pytest.fixture(scope="module")
def table(network, clips, names) -> pd.DataFrame:
    return ablate_features(network, *clips, ("soft", "loud"), names)


def test_what_is_switched_off(network, clips, names):
    plan = plan_ablations(names, measure_energies(Switched(network), clips[0]))
    assert len([of for of in plan if of.ablated == "feature"]) == N_FEATURES - 1, "a dead one too"
    together = {of.name: of.features for of in plan if of.ablated != "feature"}
    assert together == {"onsets": (0, 1), "": tuple(range(3, N_FEATURES - 1))}
    for of in plan:
        assert all(len(others) == len(of.features) for others in of.similar)
        assert of.features not in of.similar
        assert not any(N_FEATURES - 1 in others for others in of.similar)


def test_similar_sets_have_similar_energy():
    energy = np.array([1.0, 9.0, 1.2, 0.0, 0.8, 100.0])
    assert similar_sets((0,), energy, n_sets=2) == ((2,), (4,))
    found = similar_sets((0, 2), energy, n_sets=1)
    assert found == ((1, 4),) or energy[list(found[0])].sum() < 100
    everything = (0, 1, 2, 4, 5)
    assert similar_sets(everything, energy) == (), "there are no others"


def test_a_feature_that_is_off_is_zero(network, clips):
    magnitudes, _ = clips
    whole, off = predict_ablated(Switched(network), magnitudes, [(1, (0,)), (1, (5, 6))])
    with torch.no_grad():
        expected = torch.softmax(network(torch.from_numpy(magnitudes)[:, None]), 1).numpy()
    np.testing.assert_allclose(whole, expected, atol=1e-6)
    np.testing.assert_allclose(off[1, (0,)], np.tile(off[1, (0,)][:1], (N_CLIPS, 1)), atol=1e-6)
    np.testing.assert_allclose(off[1, (5, 6)], whole, atol=1e-6)


def test_the_feature_that_matters_is_found_and_no_other(table):
    assert list(table) == list(TABLE)
    found = table[table["beyond_random"].fillna(False)]
    alone = found[found["ablated"] == "feature"]
    assert set(alone["feature"]) == {0}
    assert set(found["name"]) == {"onsets"}
    accuracy = alone[alone["measure"] == "accuracy"].iloc[0]
    assert accuracy["change"] == pytest.approx(-0.5), "all loud clips are taken for soft ones"
    assert accuracy["random"] == 0
    assert accuracy["ci_low"] < -0.5 < accuracy["ci_high"] < 0
    assert (table["by_chance"].fillna(0) <= 0.1).all()


def test_probabilities_are_taken_on_the_clips_of_their_class(table):
    of_one = table[(table["ablated"] == "feature") & (table["feature"] == 0)].set_index("class")
    assert of_one.loc["loud", "change"] < -0.9
    assert 0 < of_one.loc["soft", "change"] < 0.1
    assert of_one.loc["loud", "n_clips"] == N_CLIPS / 2


def test_concepts_lead_to_classes(table):
    traced = trace_concepts(table)
    assert list(traced) == list(TRACED)
    onsets = traced[(traced["name"] == "onsets") & (traced["ablated"] == "name")]
    assert onsets["class"].tolist() == ["loud"]
    assert set(traced["name"]) == {"", "bass", "onsets"}
    assert traced[traced["name"] == ""]["ablated"].tolist() == ["unnamed"]


def test_the_figure_shows_names_and_what_has_none(table):
    figure = draw_ablation(table.assign(network="square-0"))
    (axis, _bar) = figure.axes
    rows = [label.get_text() for label in axis.get_yticklabels()]
    assert rows == ["1: unnamed (20)", "1: bass (1)", "1: onsets (2)"]
    assert "beyond random features" in axis.get_title()
