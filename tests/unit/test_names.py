"""A network's name is its variant and its seed; one whose weights are given has no seed."""

import pytest

from auralise.networks.names import (
    INPUT,
    UNTRAINED,
    controlled_by,
    controls_variant,
    is_control,
    name_network,
    seed_of,
    variant_of,
)


@pytest.mark.parametrize("variant", ["square", UNTRAINED, "wide-untrained"])
def test_a_name_is_taken_apart_as_it_was_put_together(variant):
    network = name_network(variant, 12)
    assert (variant_of(network), seed_of(network)) == (variant, 12)


def test_the_input_has_no_seed():
    assert variant_of(INPUT) == INPUT


def test_a_network_without_a_seed_is_its_own_variant():
    assert variant_of("tagger_2") == "tagger_2"


def test_controls_are_called_after_their_network_unless_it_is_the_first():
    assert controls_variant("tagger", first="tagger") == UNTRAINED
    control = name_network(controls_variant("tagger", first="square"), 0)
    assert control == "tagger-untrained-0"
    assert controlled_by(control) == "tagger"
    assert controlled_by("untrained-0") is None
    assert is_control(control) and is_control("untrained-0")
    assert not is_control("tagger") and not is_control("square-0")
