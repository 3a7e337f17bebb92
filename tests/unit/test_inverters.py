"""Inverters: the published ones as tabled, others by their rule; SVDNet frame by frame."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from auralise.errors import NetworkError
from auralise.networks.genre import Architecture, build_network, feature_shapes, stages_of
from auralise.networks.inverters import (
    PUBLISHED,
    Fit,
    Plan,
    build_inverter,
    derive_plan,
    initial_inverter,
    plan_for,
)
from auralise.networks.svdnet import LAYERS, PICTURE, SHAPES, initial_svdnet, predict_frames
from tests.conftest import CHOI_2015, n_values

TABLE = {  # Mishra 2018, files
    "conv1": 37_700,
    "conv2": 28_324,
    "mp3": 45_892,
    "conv4": 576_260,
    "conv5": 144_772,
    "mp6": 80_484,
    "fc7": 176_001,
    "fc8": 131_201,
}


@pytest.mark.parametrize("layer", LAYERS)
def test_published_inverters_have_the_tabled_size_and_give_pictures(layer):
    network = initial_inverter(plan_for(layer, SHAPES[layer], PICTURE), 0)
    assert n_values(network) == TABLE[layer]
    with torch.inference_mode():
        assert network(torch.randn(2, *SHAPES[layer])).shape == (2, 1, *PICTURE)


def test_the_rule_gives_most_of_the_published_plans():
    derived = {layer: derive_plan(SHAPES[layer], PICTURE) for layer in LAYERS}
    published = {layer: plan_for(layer, SHAPES[layer], PICTURE) for layer in LAYERS}
    equal = {layer for layer in LAYERS if replace(derived[layer], scaled=False) == published[layer]}
    assert equal == {"conv2", "conv4", "conv5", "mp6"}


def test_every_layer_of_a_genre_network_is_undone_to_its_exact_size():
    network = build_network(replace(CHOI_2015, features=(8,) * 5, dense=(12, 6)), 257, 173, 3)
    stages = stages_of(network)
    shapes = feature_shapes(stages, 257, 173)
    assert list(shapes) == [*(f"layer{n}" for n in range(1, 6)), "dense1", "dense2", "output"]
    assert (shapes["layer5"], shapes["dense1"], shapes["output"]) == ((8, 8, 5), (12,), (3,))
    for layer in list(shapes)[:-1]:
        plan = derive_plan(shapes[layer], (257, 173))
        with torch.inference_mode():
            # Before anything is cropped or padded.
            found = initial_inverter(plan, 0)[:-1](torch.randn(2, *shapes[layer]))
        assert found.shape == (2, 1, 257, 173), layer


def test_stages_are_the_network_itself():
    architecture = Architecture(features=(4,) * 2, kernels=((3, 3),) * 2, dropout=(0, 0.5),
                                dense=(7,), scaling="log")  # fmt: skip
    network = build_network(architecture, 32, 24, 3).eval()
    stages = stages_of(network)
    assert list(dict(stages.named_children()))[0] == "scaling"
    x = torch.rand(2, 1, 32, 24)
    torch.testing.assert_close(stages(x), network(x), rtol=0, atol=0)


def test_no_picture_goes_below_minus_one():
    network = initial_inverter(plan_for("mp6", SHAPES["mp6"], PICTURE), 0)
    with torch.inference_mode():
        found = network(100 * torch.randn(2, *SHAPES["mp6"]))
    assert found.min() == -1


def test_a_network_repeats_itself_by_its_seed():
    plan = derive_plan((4, 8, 5), (33, 20))
    first, again, other = (initial_inverter(plan, seed).block1.layer.weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_published_are_derived_where_that_is_asked_for():
    for layer in LAYERS:
        derived = plan_for(layer, SHAPES[layer], PICTURE, published=False)
        assert derived == derive_plan(SHAPES[layer], PICTURE)


def test_scaled_down_everything_keeps_its_place():
    """An edge in the middle stays there, where cropping moves it."""
    x = torch.zeros(1, 1, 100, 148)
    x[..., 50:, 74:] = 1
    found = Fit(PICTURE, scaled=True)(x)[0, 0]
    assert found.shape == PICTURE
    assert found[:39].max() == found[:, :57].max() == 0 and found[41:, 59:].min() == 1
    assert Fit(PICTURE)(x)[0, 0, 41:50].max() == 0
    torch.testing.assert_close(Fit((120, 148), scaled=True)(x)[..., 10:-10, :], x)


def test_fit_crops_at_the_end_and_pads_on_both_sides():
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    torch.testing.assert_close(Fit((2, 3))(x), x[..., :2, :3])
    padded = Fit((5, 4))(x)
    assert not padded[..., 0, :].any() and not padded[..., 4, :].any()
    torch.testing.assert_close(padded[..., 1:4, :], x)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (Plan(("C4", "U1"), (12,), (8, 8)), "needs features with bins and frames"),
        (Plan(("FC10", "U1"), (12,), (8, 8)), "10 units cannot be folded into 4 bins × 4"),
    ],
)
def test_blocks_that_do_not_follow_each_other_are_refused(plan, message):
    with pytest.raises(NetworkError, match=message):
        build_inverter(plan)


def test_a_layer_larger_than_its_picture_is_refused():
    with pytest.raises(NetworkError, match="cannot be inverted"):
        derive_plan((4, 16, 16), (8, 8))


def test_published_plans_are_of_known_blocks():
    assert set(PUBLISHED) == set(LAYERS)


class TestPredictFrames:
    @pytest.mark.slow
    def test_equals_the_network_on_every_excerpt(self):
        network = initial_svdnet(0)
        picture = torch.randn(80, 140)
        found = predict_frames(network, picture, block=11)
        with torch.inference_mode():
            excerpts = torch.stack([picture[:, t : t + 115] for t in range(26)])[:, None]
            expected = torch.sigmoid(network(excerpts))[:, 0]
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert np.ptp(found) > 1e-4

    def test_a_short_picture_is_refused(self):
        with pytest.raises(NetworkError, match="114 frames in all"):
            predict_frames(initial_svdnet(0), torch.randn(80, 114))
