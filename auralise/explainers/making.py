"""The explainer of a network: the one place that knows which methods there are."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from auralise.choices import DURATION
from auralise.deconvnet.deconvnet import Deconvnet
from auralise.errors import NetworkError, SettingsError
from auralise.explainers.others import (
    Chance,
    Energy,
    GradientTimesInput,
    IntegratedGradients,
)
from auralise.explainers.protocol import Explainer
from auralise.networks.genre import Architecture
from auralise.networks.names import is_given
from auralise.stft import Stft
from auralise.weights.expected import read_expected_network, read_expected_whole
from auralise.weights.whole import WholeNetwork

log = logging.getLogger(__name__)

# Each is called as `Deconvnet` is.
METHODS: dict[str, Callable[..., Explainer]] = {
    "deconvnet": Deconvnet,
    "gradient_times_input": GradientTimesInput,
    "integrated_gradients": IntegratedGradients,
    "energy": Energy,
    "random": Chance,
}


def explainer_of(
    network: nn.Module,
    device: str = "cpu",
    precision: str = "float32",
    *,
    method: str = "deconvnet",
    layers: Sequence[int | str] | None = None,
    shape: Sequence[int] | None = None,
) -> Explainer:
    """The explainer of a network.

    Parameters
    ----------
    network : torch.nn.Module
    device, precision, layers, shape
        As `auralise.deconvnet.deconvnet.Deconvnet` takes them.
    method : str
        One of `METHODS`.

    Raises
    ------
    SettingsError
        There is no such method or device.
    NetworkError
        The method cannot explain the network.

    Examples
    --------
    >>> explainer = explainer_of(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()))
    >>> [(layer.number, layer.path, layer.n_features) for layer in explainer.layers]
    [(1, '0', 4)]
    """
    if method not in METHODS:
        raise SettingsError(f"no method '{method}'; choose one of {', '.join(METHODS)}")
    return METHODS[method](network, device, precision, layers=layers, shape=shape)


def explainer_of_layers(
    network: nn.Module,
    device: str = "cpu",
    precision: str = "float32",
    *,
    layers: Sequence[int] | Sequence[str] | None = None,
    shape: Sequence[int] | None = None,
) -> tuple[Explainer, Sequence[int] | None]:
    """The explainer of a network, and the numbers that the layers asked for have in it.

    A layer keeps its number where a later one, which is not asked for, cannot be explained.

    Parameters
    ----------
    network, device, precision, shape
        As `explainer_of` takes them.
    layers : sequence of int or of str, optional
        Numbers, or paths of modules, which are numbered from 1. All by default, for which there
        are no numbers.

    Raises
    ------
    SettingsError, NetworkError
        As `explainer_of`.
    """
    numbers = [of for of in layers or () if isinstance(of, int)]
    paths = None if numbers else layers
    try:
        explainer = explainer_of(network, device, precision, layers=paths, shape=shape)
    except NetworkError:
        if not numbers:
            raise
        first = range(1, max(numbers) + 1)
        explainer = explainer_of(network, device, precision, layers=first, shape=shape)
    return explainer, numbers or None


def explain_whole(
    whole: WholeNetwork,
    deconvolution: Mapping[str, Any],
    layers: Sequence[int | str] | None = None,
) -> Explainer:
    """The explainer of a network whose weights were given.

    Parameters
    ----------
    whole : WholeNetwork
    deconvolution : mapping
        As `read_explainer` takes it.
    layers : sequence of int or str, optional
        As `Deconvnet` takes them; all by default.

    Raises
    ------
    SettingsError, NetworkError
        As `explainer_of`.
    """
    shape = whole.stft.n_bins, whole.stft.n_frames(whole.stft.n_samples(DURATION))
    how = deconvolution["device"], deconvolution["precision"]
    return explainer_of(whole.convolutional, *how, layers=layers, shape=shape)


def read_explainer(
    weights: str | Path, architecture: Mapping[str, Any], deconvolution: Mapping[str, Any]
) -> Explainer:
    """The explainer of an experiment's network, as the settings ask for it.

    What it assumes is logged.

    Parameters
    ----------
    weights : str or Path
        As `auralise.weights.own.write_weights` wrote them, or `weights.whole.write_whole`.
    architecture : mapping
        The network's settings: its architecture, or where its weights are given, which of its
        layers are explained, and the transform that it hears.
    deconvolution : mapping
        The settings of that name: ``biases``, ``device`` and ``precision``.

    Raises
    ------
    WeightsError
        The file holds another architecture, or cannot be read.
    SettingsError, NetworkError
        As `explainer_of`.
    """
    if is_given(architecture):
        stft = Stft(**architecture["stft"])
        whole = read_expected_whole(weights, architecture, stft, deconvolution["biases"])
        explainer = explain_whole(whole, deconvolution, architecture.get("explained_layers"))
    else:
        expected = Architecture.from_settings(architecture)
        network = read_expected_network(weights, expected, deconvolution["biases"])
        explainer = explainer_of(network, deconvolution["device"], deconvolution["precision"])
    for assumption in explainer.assumptions:
        log.info("assumed: %s", assumption)
    return explainer
