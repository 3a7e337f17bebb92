"""Names of networks in results: put together and taken apart here, and nowhere else."""

from collections.abc import Mapping

UNTRAINED = "untrained"  # the variant of the first network's controls
PLANTED = "planted"  # what the network of features made by hand is called
PERMUTED = "permuted"  # the variant of controls that were trained on permuted labels
INPUT = "input"  # the analysis of the signals themselves, in the place of a network
SVDNET, SVDNET_UNTRAINED = "svdnet", "svdnet_untrained"
SVDNET_PUBLISHED = "svdnet_published"  # the one whose weights the settings name


def name_network(variant: str, seed: int) -> str:
    """``square-0`` for the variant ``square`` and seed 0."""
    return f"{variant}-{seed}"


def variant_of(network: str) -> str:
    """``square`` for ``square-0``, ``tagger`` for ``tagger``, whose weights are given.

    Of controls `UNTRAINED`, ``tagger-untrained`` or `PERMUTED`, of the input `INPUT`.
    """
    variant, _, seed = network.rpartition("-")
    return variant if seed.isdigit() and variant else network


def seed_of(network: str) -> int:
    """0 for ``square-0``."""
    return int(network.rsplit("-", 1)[1])


def controls_variant(variant: str, first: str) -> str:
    """The variant of a variant's untrained controls: `UNTRAINED`, if it is the `first`."""
    return UNTRAINED if variant == first else f"{variant}-{UNTRAINED}"


def is_control(network: str) -> bool:
    """Whether a network, or a variant, is an untrained control."""
    variant = variant_of(network)
    return variant == UNTRAINED or variant.endswith(f"-{UNTRAINED}")


def controlled_by(control: str) -> str | None:
    """``tagger`` for ``tagger-untrained-0``; None for ``untrained-0``, the first network's."""
    owner = variant_of(control).removesuffix(UNTRAINED).rstrip("-")
    return owner or None


def is_given(settings: Mapping) -> bool:
    """Whether a network's settings name its weights, so that it is not trained here."""
    return bool({"weights", "published", "module", "front_end"} & settings.keys())
