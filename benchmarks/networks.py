"""Networks that people publish: is each explained, how exactly, how fast, what is assumed?

Run from the root of the repository: ``python -m benchmarks.networks``. Writes ``networks.csv`` and
``networks.md`` beside this file. `benchmarks.published` holds the networks.
"""

import csv
import math
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from auralise.deconvnet.deconvnet import Deconvnet
from auralise.deconvnet.graph import Graph
from auralise.errors import NetworkError
from benchmarks.deconvolution import machine, seconds_of
from benchmarks.published import NETWORKS, Published
from benchmarks.references import reference

FOLDER = Path(__file__).parent
N_COMPARED, N_TIMED = 2, 16  # features
MATRIX = 2048
COLUMNS = (
    "network", "load", "way", "layers", "features", "relative_error", "layer", "timed_features",
    "seconds", "times_floor", "machine", "assumptions", "refused",
)  # fmt: skip


def randomised(network: nn.Module) -> nn.Module:
    """The network with statistics and gains of batch norms as if it had been trained."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_var.uniform_(0.5, 2)
            module.running_mean.uniform_(-0.1, 0.1)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.1, 0.2)
    return network.eval().requires_grad_(False)


def relative_error(network: nn.Module, heard: np.ndarray, path: str) -> float:
    """Largest error of the maps at a module, by the largest value of each."""
    net = Deconvnet(network, layers=[path], shape=heard.shape)
    n_features = net.n_features[0]
    (maps,) = net.feature_maps(heard)
    fired = np.flatnonzero(maps.reshape(n_features, -1).any(axis=1))
    features = fired[:: max(1, len(fired) // N_COMPARED)][:N_COMPARED]
    _, expected = reference(network, heard, path, features)
    found = net.deconvolve(heard, path, features)
    largest = np.abs(expected).reshape(len(features), -1).max(axis=1)
    errors = np.abs(found - expected).reshape(len(features), -1).max(axis=1)
    return float((errors / largest).max())  # not a number where nothing can be compared


def flops(network: nn.Module, heard: np.ndarray) -> dict[int, float]:
    """Dense arithmetic of one feature's way back from each layer, through convolutions."""
    passed = Graph(network, None, heard.shape).forward(torch.from_numpy(heard))
    return {number: _flops(of.origin) for number, of in passed.layers.items()}


def _flops(last) -> float:
    """Of a convolution for one feature, and of all that it is made of."""
    total, seen, pending = 0.0, set(), [last]
    while pending:
        node = pending.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        pending += [below for below, _ in node.next_functions]
        if type(node).__name__.startswith("ConvolutionBackward"):
            (output,) = node._input_metadata
            share = 1 / output.shape[1] if node is last else 1
            total += 2 * node._saved_weight.numel() * math.prod(output.shape[2:]) * share
    return total


def row_of(name: str, of: Published) -> dict:
    row = dict.fromkeys(COLUMNS, "") | {"network": name, "load": of.load}
    torch.manual_seed(0)
    try:
        network = randomised(of.make())
        heard = np.random.default_rng(0).standard_normal(of.shape).astype(np.float32)
        heard = heard if len(of.shape) == 1 else np.abs(heard)
        net = Deconvnet(network, shape=of.shape)
    except (NetworkError, ModuleNotFoundError) as error:
        return row | {"refused": str(error)}
    errors = [
        relative_error(network, heard, path)
        for path in {net.layers[net.n_layers // 2].path, net.layers[-1].path}
    ]
    arithmetic = flops(network, heard)
    layer = max(arithmetic, key=lambda number: arithmetic[number])  # the dearest
    features = range(min(N_TIMED, net.n_features[layer - 1]))
    is_chain = not isinstance(net._way_back, Graph)
    if is_chain:
        general = Deconvnet(network, layers=range(1, net.n_layers + 1), shape=of.shape)
        one, other = (way.deconvolve(heard, layer, features[:4]) for way in (net, general))
        errors.append(float(np.abs(one - other).max() / np.abs(other).max()))
    matrix, product = torch.randn(MATRIX, MATRIX), torch.empty(MATRIX, MATRIX)
    floors = [seconds_of(lambda: torch.mm(matrix, matrix, out=product)) for _ in range(2)]
    seconds = seconds_of(lambda: net.deconvolve(heard, layer, features))
    floors += [seconds_of(lambda: torch.mm(matrix, matrix, out=product)) for _ in range(2)]
    floor = min(floors) / (2 * MATRIX**3) * arithmetic[layer] * len(features)
    return row | {
        "way": "chain" if is_chain else "any",
        "layers": net.n_layers,
        "features": sum(net.n_features),
        "relative_error": float(np.max(errors)),
        "layer": layer,
        "timed_features": len(features),
        "seconds": seconds,
        "times_floor": seconds / floor,
        "machine": machine(),
        "assumptions": "; ".join(net.assumptions),
    }


def as_markdown(rows: list[dict]) -> str:
    lines = [
        "| network | weights | layers | features | relative error | seconds | × floor | assumed |",
        "|---|---|--:|--:|--:|--:|--:|---|",
    ]
    for row in rows:
        if row["refused"]:
            lines.append(
                f"| {row['network']} | {row['load']} | | | | | | refused: {row['refused']} |"
            )
            continue
        assumed = row["assumptions"].split("; ") if row["assumptions"] else []
        said = "; ".join(assumed[:3]) + (f"; {len(assumed) - 3} more" if len(assumed) > 3 else "")
        lines.append(
            f"| {row['network']} | {row['load']} | {row['layers']} | {int(row['features']):,} | "
            f"{float(row['relative_error']):.0e} | {float(row['seconds']):.2f} | "
            f"{float(row['times_floor']):.1f} | "
            f"{said or 'nothing'} |"
        )
    machines: dict[str, list[str]] = {}
    for row in rows:
        machines.setdefault(row["machine"], []).append(row["network"])
    (of_most, _), *others = sorted(machines.items(), key=lambda of: -len(of[1]))
    exceptions = "".join(f" {', '.join(names)}: {other}." for other, names in others)
    return (
        "Networks as published, each with its own forward and random weights, behind its front "
        f"end. {of_most}.{exceptions}\n\n" + "\n".join(lines) + "\n\n"
        f"Relative error: the largest of {N_COMPARED} features of the middle and the last layer, "
        "against autograd whose activations are ReLUs on the way back "
        "(`benchmarks.references.reference`). "
        f"Seconds: {N_TIMED} features, or all, of the layer whose way back is longest, the forward "
        "pass included; the floor is the dense arithmetic of their ways back through convolutions "
        f"at the rate of a {MATRIX}³ matrix product, in the same process. "
        "Of ConvNeXt the stages are shorter than published, and its first convolution, as that of "
        "ResNet, DenseNet and MobileNet, has one input channel. Class and state dict of a "
        "published file may differ in names; what is assumed is listed in full in `networks.csv`.\n"
    )


def main() -> None:
    """Run the networks named on the command line, or all; the others' rows stay."""
    table = FOLDER / "networks.csv"
    for name in tqdm(sys.argv[1:] or list(NETWORKS)):
        row = row_of(name, NETWORKS[name])
        rows = {}
        if table.is_file():
            with table.open(newline="") as file:
                rows = {of["network"]: of for of in csv.DictReader(file)}
        rows[name] = row
        kept = [rows[of] for of in NETWORKS if of in rows]
        with table.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(kept)
        (FOLDER / "networks.md").write_text(as_markdown(kept))


if __name__ == "__main__":
    main()
