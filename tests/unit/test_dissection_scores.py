"""Scores of names, against cases by hand and scikit-learn."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.metrics import average_precision_score
from torch import nn

from auralise.deconvnet.deconvnet import Deconvnet
from auralise.dissection import scores
from auralise.dissection.activations import Cells, measure
from auralise.dissection.exam import Exam
from auralise.dissection.networks import examined_features, hear
from auralise.networks.front_ends import band_weights, build_front_end
from auralise.stft import Stft


def test_a_cell_is_the_mean_of_what_was_pooled_into_it():
    masks = np.zeros((1, 5, 7))
    masks[0, 0:2, 0:2] = 1
    masks[0, 2, 2] = 1
    masks[0, 4] = 1  # left over
    assert np.array_equal(
        scores.cell_means(masks, (2, 3), (2, 2))[0],
        np.array([[1, 0, 0], [0, 0.25, 0]], np.float32),
    )


def test_a_cell_of_a_deep_layer_has_the_frames_that_were_pooled_into_it():
    # 11 frames, pooled by 2 three times: 5, 2 and 1 columns.
    assert scores.pooled_sizes(11, [5, 2, 1]) == [2, 4, 8]
    mask = np.zeros((1, 11))
    mask[0, 8:] = 1  # in none of the cells
    assert scores.cell_means(mask, (1, 1), (1, 8)) == 0


def test_r_is_one_for_the_target_itself_and_nan_for_a_dead_feature():
    target = np.array([[0.0, 1.0, 0.0, 1.0]])
    features = np.array([[0.0, 3.0, 0.0, 3.0], [2.0, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    found = scores.correlations(features, target)[:, 0]
    assert found[:2] == pytest.approx([1, -1])
    assert np.isnan(found[2])


def test_average_precision_by_hand():
    # Positives at ranks 1 and 3 of 4: (1/1 + 2/3)/2 = 5/6; prevalence 1/2: (5/6 − 1/2)/(1/2).
    found = scores.average_precisions(np.array([[4.0, 3.0, 2.0, 1.0]]), np.array([[1, 0, 1, 0.0]]))
    assert found == pytest.approx(np.array([[2 / 3]]))


def test_what_fires_everywhere_alike_ranks_by_chance():
    target = np.array([[1.0, 0, 0, 0, 1]])
    assert scores.average_precisions(np.ones((1, 5)), target) == pytest.approx(np.array([[0.0]]))


def test_positive_is_what_lies_above_half_of_the_largest_target():
    features = np.array([[3.0, 2.0, 1.0]])
    target = np.array([[0.2, 0.1, 0.0]])
    assert scores.average_precisions(features, target) == pytest.approx(np.array([[1.0]]))


@pytest.mark.parametrize("n_values", [5, 100, 3000])
def test_average_precision_is_that_of_scikit_learn(n_values):
    rng = np.random.default_rng(0)
    features = np.maximum(rng.integers(-n_values, n_values, (2, 4000)), 0).astype(float)
    targets = (rng.random((3, 4000)) < 0.1).astype(float)
    targets[2, features[1] > 0.8 * n_values] = 1
    found = scores.average_precisions(features, targets)
    for f, c in np.ndindex(found.shape):
        prevalence = targets[c].mean()
        wanted = average_precision_score(targets[c], features[f])
        wanted = (wanted - prevalence) / (1 - prevalence)
        assert found[f, c] == pytest.approx(wanted, abs=1e-12 if n_values <= 100 else 3e-3)


def test_a_missing_and_an_extra_half_of_a_concept_both_cost():
    target = np.array([[1.0] * 4 + [0.0] * 12])
    whole, half, double = np.zeros((3, 16))
    whole[:4], half[:2], double[:8] = 1, 1, 1
    found = scores.fires(np.stack([whole, half, double]), target)[:, 0]
    assert found[0] == pytest.approx(1)
    assert found[1] < 0.8 and found[2] < 0.8


def test_enrichment_by_hand():
    magnitude = np.array([[2.0, 1.0], [1.0, 1.0]])  # powers 4, 1, 1, 1
    masks = np.array([[[True, False], [False, False]], [[False, True], [True, True]]])
    maps = np.array([[[0.5, 0.0], [0.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]], np.zeros((2, 2))])
    inside, total = scores.energy_inside(maps, magnitude, masks)
    assert inside.tolist() == [[1, 1], [4, 3], [0, 0]]
    assert total.tolist() == [2, 7, 0]
    song, whole = scores.energy_inside(np.ones((1, 2, 2)), magnitude, masks)
    found = scores.enrichment(inside, total, song[0], whole[0])
    # Of the feature's energy a half is in the first mask, of the song's 4/7.
    assert found[0] == pytest.approx([(1 / 2) / (4 / 7), (1 / 2) / (3 / 7)])
    assert found[1] == pytest.approx([1, 1])
    assert np.isnan(found[2]).all()


AVERAGING = {
    "pooled": [("conv", 3, 1, 1), ("pool", 2, 2, 0), ("conv", 3, 1, 1), ("pool", 2, 2, 0)],
    "without padding": [("conv", 5, 1, 0), ("conv", 9, 1, 0), ("pool", 3, 3, 0)],
    "strided": [("conv", 7, 2, 3), ("conv", 3, 2, 1)],
    "overlapping": [("conv", 3, 1, 1), ("pool", 4, 2, 0), ("pool", 4, 4, 0)],
}


@pytest.mark.parametrize("kind", AVERAGING)
def test_cells_lie_where_the_feature_maps_look(kind):
    """A network of local means, fed with masks, gives the means of the masks over its cells."""
    stages = []
    for what, size, stride, padding in AVERAGING[kind]:
        if what == "pool":
            stages.append(nn.AvgPool2d(size, stride))
            continue
        mean = nn.Conv2d(1, 1, size, stride, padding, bias=False)
        nn.init.constant_(mean.weight, 1 / size**2)
        stages += [mean, nn.ReLU()]
    rng = np.random.default_rng(0)
    masks = gaussian_filter(rng.normal(size=(6, 129, 250)), (0, 6, 6)) > 0.02
    exam = Exam(
        tuple("abcdef"),
        np.ones(6, bool),
        masks.astype("f4"),
        masks[:, None],
        masks[:, :0],
        ("x",),
        0.02,
    )
    *_, deepest = measure(Deconvnet(nn.Sequential(*stages)), exam)
    means = np.stack([deepest.cells.of(deepest.cells.means(mask)) for mask in masks])
    r = scores.correlations(deepest.values.reshape(1, -1), means.reshape(1, -1))[0, 0]
    assert r > 0.9


def test_a_band_has_the_mean_of_its_bins():
    front_end = build_front_end([{"power": 2}, {"mel": {"n_bands": 40}}, {"transpose": {}}], Stft())
    cells = Cells.draw(20, 3, (2, 50), band_weights(front_end, 257))
    assert cells.means(np.ones((2, 257, 173))) == pytest.approx(np.ones((2, 20, 3)), abs=1e-5)
    low = np.zeros((257, 173))
    low[:20] = 1
    found = cells.means(low)[:, 0]
    assert found[0] == pytest.approx(1, abs=1e-5)
    assert found[-1] == 0
    assert (np.diff(found) <= 1e-6).all()
    linear = build_front_end([{"log1p": {"gain": 10}}], Stft())
    assert band_weights(linear, 257) is None


def exam_of_noise(n_clips=4, n_bins=64, n_frames=100, hop=0.04):
    rng = np.random.default_rng(0)
    masks = rng.random((n_clips, 1, n_bins, n_frames)) < 0.3
    magnitudes = rng.random((n_clips, n_bins, n_frames)).astype("f4")
    names = tuple(map(str, range(n_clips)))
    present = masks.any(axis=2)
    return Exam(names, np.ones(n_clips, bool), magnitudes, masks, present, ("x",), hop)


def test_nothing_is_said_of_a_layer_that_is_finer_than_its_input():
    cells = Cells.draw(128, 50, (1, 2))
    assert not cells.means(np.ones((1, 64, 100))).any()
    assert Cells.draw(64, 50, (1, 2)).means(np.ones((1, 64, 100))).all()


@pytest.mark.parametrize(("width", "n_heard"), [(9, 50), (80, 100)])
def test_a_network_that_takes_no_two_seconds_hears_whole_clips(width, n_heard):
    explainer = Deconvnet(nn.Sequential(nn.Conv2d(1, 2, (3, width)), nn.ReLU()))
    heard = []

    def deconvolve_all(magnitude, features):
        heard.append(magnitude.shape[1])
        return Deconvnet.deconvolve_all(explainer, magnitude, features=features)

    explainer.deconvolve_all = deconvolve_all
    (enriched,) = hear(explainer, exam_of_noise(), [0, 2], {1: [0, 1]})
    assert heard == [n_heard, n_heard]
    assert enriched.shape == (2, 1)


def test_of_thousands_of_features_some_of_each_layer_are_examined():
    few = Deconvnet(nn.Sequential(nn.Conv2d(1, 70, 3), nn.ReLU()))
    assert examined_features(few) == {1: list(range(70))}
    many = Deconvnet(
        nn.Sequential(nn.Conv2d(1, 1000, 1), nn.ReLU(), nn.Conv2d(1000, 30, 1), nn.ReLU())
    )
    chosen = examined_features(many)
    assert chosen == examined_features(many)
    assert [len(set(chosen[layer])) for layer in (1, 2)] == [64, 30]
    exam = exam_of_noise(n_frames=20)
    found = measure(many, exam, chosen)
    maps = many.feature_maps(exam.magnitudes[1])[0]
    feature = chosen[1][5]
    assert found[0].features[5] == feature
    assert np.array_equal(found[0].values[5, 1], found[0].cells.of(maps[feature]))
