"""Names of networks in results: put together and taken apart here, and nowhere else."""

UNTRAINED = "untrained"  # the variant of the controls
PERMUTED = "permuted"  # the variant of controls that were trained on permuted labels
INPUT = "input"  # the analysis of the signals themselves, in the place of a network
SVDNET, SVDNET_UNTRAINED = "svdnet", "svdnet_untrained"


def name_network(variant: str, seed: int) -> str:
    """``square-0`` for the variant ``square`` and seed 0."""
    return f"{variant}-{seed}"


def variant_of(network: str) -> str:
    """``square`` for ``square-0``; of controls `UNTRAINED`, `PERMUTED`, of the input `INPUT`."""
    return network.rsplit("-", 1)[0]


def seed_of(network: str) -> int:
    """0 for ``square-0``."""
    return int(network.rsplit("-", 1)[1])
