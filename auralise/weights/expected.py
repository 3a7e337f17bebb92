"""Weights of an experiment, checked against its settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from auralise.networks.genre import Architecture
from auralise.networks.names import is_given
from auralise.stft import Stft
from auralise.weights.common import ignore_biases, names_file, refusal
from auralise.weights.own import read_network
from auralise.weights.whole import Description, WholeNetwork, read_filled


def read_expected_whole(
    path: str | Path, settings: Mapping[str, Any], stft: Stft, biases: bool = True
) -> WholeNetwork:
    """A network of an experiment, trained in it or given to it.

    Parameters
    ----------
    path : str or Path
        Its ``weights.safetensors``.
    settings : mapping
        Of the network: an architecture, or where its weights are given.
    stft : Stft
        Whose magnitude it takes.
    biases : bool
        As in `auralise.read_weights`.

    Raises
    ------
    WeightsError
        The file holds another network.
    """
    if is_given(settings):
        return read_filled(path, Description.from_settings(settings), stft, biases)
    network = read_expected_network(path, Architecture.from_settings(settings), biases)
    _, _, facts = read_network(path)
    return WholeNetwork(
        Path(path).parent.name,
        Path(path),
        network,
        network.get_submodule("convolutional"),
        network,
        stft,
        tuple(facts["classes"]),
        facts["n_frames"],
    )


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
