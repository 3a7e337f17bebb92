"""Weights of an experiment, checked against its settings."""

from pathlib import Path

from torch import nn

from auralise.networks.genre import Architecture
from auralise.weights.common import ignore_biases, names_file, refusal
from auralise.weights.own import read_network


@names_file
def read_expected_network(
    path: str | Path, architecture: Architecture, biases: bool = True
) -> nn.Sequential:
    """Read a network and check that it has the given architecture.

    Parameters
    ----------
    path : str or Path
        As `write_weights` wrote it.
    architecture : Architecture
        What the settings say.
    biases : bool
        As in `auralise.read_weights`.

    Returns
    -------
    torch.nn.Sequential
        ``convolutional`` and ``classifier``, in evaluation mode.

    Raises
    ------
    WeightsError
        As `read_network`; or the file holds another architecture.
    """
    network, found, _ = read_network(path)
    if found != architecture:
        has, wanted = found.to_settings(), architecture.to_settings()
        differing = [name for name in wanted if has[name] != wanted[name]]
        raise refusal(
            "a network with " + ", ".join(f"{name} {has[name]}" for name in differing),
            ", ".join(f"{name} {wanted[name]}" for name in differing) + " by the settings",
            "Delete the file to train it again, or correct the settings under 'networks'.",
        )
    if not biases:
        ignore_biases(network.get_submodule("convolutional"))
    return network
