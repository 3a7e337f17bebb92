"""The options that choose a network, shared by several commands."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from auralise.choices import HOP_LENGTH, N_FFT, SAMPLE_RATE
from auralise.cli.arguments import count, rate
from auralise.errors import SettingsError

if TYPE_CHECKING:
    from auralise.weights.whole import WholeNetwork

# Where neither an option nor the weights file says otherwise.
DEFAULTS = {"sample_rate": SAMPLE_RATE, "n_fft": N_FFT, "hop_length": HOP_LENGTH}


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


def read_asked_network(options: argparse.Namespace) -> "WholeNetwork":
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

    from auralise.networks.front_ends import read_front_end
    from auralise.stft import Stft
    from auralise.weights.whole import Description, declared_stft, read_whole

    if options.network:
        for name in ("module", "front_end", *DEFAULTS):
            if getattr(options, name) is not None:
                raise SettingsError(
                    f"--{name.replace('_', '-')}: {options.network} has its own; leave the option "
                    "out"
                )
        return read_whole(Description(published=options.network), Stft(), options.biases)
    asked = {name: getattr(options, name) for name in DEFAULTS if getattr(options, name)}
    described = Description(
        options.weights,
        module=options.module,
        front_end=None if options.front_end is None else read_front_end(options.front_end),
        assume=options.assume,
        source=str(options.front_end or "front end"),
    )
    stft = Stft(**DEFAULTS | declared_stft(options.weights) | asked)
    return read_whole(described, stft, options.biases)
