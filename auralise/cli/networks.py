"""The options that choose a network, shared by several commands."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from auralise.choices import HOP_LENGTH, N_FFT, SAMPLE_RATE
from auralise.cli.arguments import count, rate
from auralise.errors import SettingsError

if TYPE_CHECKING:
    from torch import nn

    from auralise.audio import Stft


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a network and describe its input."""
    which = parser.add_argument_group("the network").add_argument
    which("--weights", type=Path, metavar="FILE", help="the trained network")
    which(
        "--module",
        metavar="WHERE:CLASS",
        help="the class that the weights belong to, package.file:Class or path/file.py:Class; "
        "its code is run",
    )
    which(
        "--assume",
        action="store_true",
        help="take a file without an architecture, given without --module, for a network of 2015: "
        "convolution 'same', ReLU, max-pooling 2×2 in every layer",
    )
    which("--network", metavar="NAME", help="a published one instead, such as musicnn/MTT_vgg")
    seen = parser.add_argument_group("what the network sees").add_argument
    seen(
        "--front-end",
        type=Path,
        metavar="FILE.yaml",
        help="the steps from the magnitude of the STFT to what the network takes (mel bands, "
        "logarithm, …)",
    )
    seen("--sample-rate", type=rate, metavar="HZ", help=f"(default: {SAMPLE_RATE})")
    seen("--n-fft", type=count, metavar="N", help=f"samples (default: {N_FFT})")
    seen(
        "--hop-length",
        type=count,
        metavar="N",
        help=f"samples between frames (default: {HOP_LENGTH})",
    )
    seen(
        "--no-biases",
        dest="biases",
        action="store_false",
        help="ignore the biases of convolutions, as in 2015 (default: the network as it is)",
    )


@dataclass(frozen=True)
class AskedNetwork:
    """The network that the options name.

    Attributes
    ----------
    name : str
    weights : Path
        The file that holds the tensors.
    network : torch.nn.Module
        From the magnitude of the STFT on.
    convolutional : torch.nn.Module
        What is explained of it.
    stft : Stft
    classes : tuple of str
        Of its answers; empty where they have no names.
    n_frames : int, optional
        Of one answer; None for a network that takes any length.
    assumptions : tuple of str
        What was taken for granted when the file was read, in words.
    """

    name: str
    weights: Path
    network: "nn.Module"
    convolutional: "nn.Module"
    stft: "Stft"
    classes: tuple[str, ...] = ()
    n_frames: int | None = None
    assumptions: tuple[str, ...] = ()


def read_asked_network(options: argparse.Namespace) -> AskedNetwork:
    """Read the network that the options name, with its front end.

    Raises
    ------
    SettingsError
        The options name no network, or two, or say twice what it sees.
    AuraliseError
        The files cannot be read, or do not fit each other.
    """
    if (options.weights is None) == (options.network is None):
        raise SettingsError("give the network: either --weights FILE or --network NAME")
    return _published(options) if options.network else _of_the_user(options)


def _published(options: argparse.Namespace) -> AskedNetwork:
    from auralise.weights.common import ignore_biases
    from auralise.weights.published import read_published

    for name in ("module", "front_end", "sample_rate", "n_fft", "hop_length"):
        if getattr(options, name) is not None:
            raise SettingsError(
                f"--{name.replace('_', '-')}: {options.network} has its own; leave the option out"
            )
    found = read_published(options.network)
    convolutional = found.network.get_submodule("convolutional")
    if not options.biases:
        ignore_biases(convolutional)
    return AskedNetwork(
        found.name.replace("/", "-"),
        found.weights,
        found.network,
        convolutional,
        found.stft,
        found.classes,
        found.n_frames,
    )


def _of_the_user(options: argparse.Namespace) -> AskedNetwork:
    from torch import nn

    from auralise.audio import Stft
    from auralise.networks.front_ends import build_front_end, read_front_end
    from auralise.weights.common import Assumed
    from auralise.weights.modules import build_module
    from auralise.weights.own import is_network, read_network
    from auralise.weights.reader import read_weights

    stft = Stft(
        options.sample_rate or SAMPLE_RATE,
        options.n_fft or N_FFT,
        options.hop_length or HOP_LENGTH,
    )
    module = build_module(options.module) if options.module else None
    convolutional = read_weights(options.weights, options.biases, module)
    assumptions: tuple[str, ...] = ()
    if isinstance(convolutional, Assumed):
        assumptions = (convolutional.assumption,)
        if not options.assume:
            raise SettingsError(
                f"{options.weights} holds no architecture; give the class that its tensors belong "
                "to with --module, or --assume if it is a network as in 2015 (in every layer "
                "convolution 'same', ReLU, max-pooling 2×2)"
            )
    whole, classes, n_frames = convolutional, (), None
    if module is None and is_network(options.weights):
        whole, _, facts = read_network(options.weights)
        classes, n_frames = tuple(facts["classes"]), facts["n_frames"]
        if facts["n_bins"] != stft.n_bins:
            raise SettingsError(
                f"{options.weights}: the network takes {facts['n_bins']} bins, and n_fft = "
                f"{stft.n_fft} gives {stft.n_bins}; set --n-fft {2 * (facts['n_bins'] - 1)}"
            )
    if options.front_end is not None:
        front_end = build_front_end(read_front_end(options.front_end), stft, options.front_end)
        convolutional, whole = (nn.Sequential(front_end, part) for part in (convolutional, whole))
    return AskedNetwork(
        options.weights.stem,
        options.weights,
        whole,
        convolutional,
        stft,
        classes,
        n_frames,
        assumptions,
    )
