"""``auralise layers``: which layers of a network can be explained, and what is assumed."""

import argparse

from auralise.choices import DURATION
from auralise.cli.arguments import DONE, table
from auralise.cli.networks import add_network_options, read_asked_network

DESCRIPTION = """\
List the layers of a network that can be explained, and what is assumed of it.
"""


def add_parser(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of the command line."""
    layers = commands.add_parser(
        "layers",
        help="list what can be explained of a network",
        description=DESCRIPTION,
    )
    add_network_options(layers)
    layers.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the layers, and what is assumed."""
    from auralise.explainers.making import explainer_of

    asked = read_asked_network(options)
    size = asked.stft.n_bins, asked.stft.n_frames(asked.stft.n_samples(DURATION))
    explainer = explainer_of(asked.convolutional, shape=size)
    rows = [("layer", "features", "path")]
    rows += [(str(of.number), str(of.n_features), of.path) for of in explainer.layers]
    print("\n".join(table(rows, numbers=range(2))))
    for assumption in (*asked.assumptions, *explainer.assumptions):
        print(f"assumed: {assumption}")
    return DONE
