"""A network's name is its variant and its seed."""

import pytest

from auralise.networks.names import INPUT, UNTRAINED, name_network, seed_of, variant_of


@pytest.mark.parametrize("variant", ["square", UNTRAINED, "wide-untrained"])
def test_a_name_is_taken_apart_as_it_was_put_together(variant):
    network = name_network(variant, 12)
    assert (variant_of(network), seed_of(network)) == (variant, 12)


def test_the_input_has_no_seed():
    assert variant_of(INPUT) == INPUT
