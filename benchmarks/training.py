"""How fast the paper's network is trained, beside the machine's own convolution rate.

Run from the root of the repository: ``python -m benchmarks.training``. Each way runs in a process
of its own and takes turns there with the convolutions alone, so that a busy machine slows both
alike. Writes ``training.csv`` and ``training.md`` beside this file.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from auralise.networks.genre import build_network
from auralise.training.speed import convolution_rate
from benchmarks.deconvolution import CHOI_2015, machine

FOLDER = Path(__file__).parent
SHAPE = (257, 173)
BATCH_SIZE = 16
N_ROUNDS = 3


@dataclass(frozen=True)
class Way:
    """One way to do a step of training."""

    channels_last: bool = True
    keep_memory: bool = True
    bfloat16: bool = False
    batch_norm: bool = False


WAYS = {
    "as it is": Way(),
    "channels first": Way(channels_last=False),
    "memory given back after use": Way(keep_memory=False),
    "with batch normalisation": Way(batch_norm=True),
    "bfloat16 mixed": Way(bfloat16=True),
}

KINDS = {
    "convolution, forward": ("aten::mkldnn_convolution",),
    "convolution, backward": ("aten::convolution_backward",),
    "pooling": ("aten::max_pool2d_with_indices", "aten::max_pool2d_with_indices_backward"),
    "ReLU": ("aten::clamp_min", "aten::threshold_backward"),
    "normalisation": ("aten::native_batch_norm", "aten::native_batch_norm_backward"),
}


def measure(way: Way) -> dict:
    """Best of a few rounds of a step, in turns with the convolutions alone."""
    if way.keep_memory:
        sys.path.insert(0, str(FOLDER.parent / "scripts"))
        from _job import keep_memory

        keep_memory()
    torch.manual_seed(0)
    architecture = replace(CHOI_2015, batch_norm=way.batch_norm, scaling="log")
    network = build_network(architecture, *SHAPE, 10).train()
    if way.channels_last:
        network.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters())
    magnitudes = torch.rand(BATCH_SIZE, 1, *SHAPE)
    labels = torch.randint(0, 10, (BATCH_SIZE,))

    def step() -> None:
        optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=way.bfloat16):
            loss = F.cross_entropy(network(magnitudes), labels)
        loss.backward()
        optimiser.step()

    step()
    rates, ratios = [], []
    for _ in range(N_ROUNDS):
        start = time.perf_counter()
        for _ in range(3):
            step()
        rates.append(3 * BATCH_SIZE / (time.perf_counter() - start))
        convolutions = convolution_rate(network, SHAPE, BATCH_SIZE, seconds=0.7)
        ratios.append(convolutions / rates[-1])
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        step()
    times = {event.key: event.self_cpu_time_total for event in profiled.key_averages()}
    whole = sum(times.values())
    shares = {kind: sum(times.get(key, 0) for key in keys) / whole for kind, keys in KINDS.items()}
    return {
        "segments_per_second": max(rates),
        "times_slower": sorted(ratios)[len(ratios) // 2],
        **shares,
    }


def as_markdown(rows: list[dict], load: float) -> str:
    lines = [
        "| way | segments a second | × slower than its convolutions alone | "
        + " | ".join(KINDS)
        + " |",
        "|---|--:|--:|" + "--:|" * len(KINDS),
    ]
    for row in rows:
        shares = " | ".join(f"{row[kind]:.0%}" for kind in KINDS)
        lines.append(
            f"| {row['way']} | {row['segments_per_second']:.1f} | {row['times_slower']:.2f} | "
            f"{shares} |"
        )
    return (
        f"Steps of training of the 5 × 64 network, {BATCH_SIZE} segments of {SHAPE[0]} × "
        f"{SHAPE[1]} at a time. {machine()}.\n\n"
        + "\n".join(lines)
        + "\n\nSegments a second: the best of a few rounds. The ratio is the median of rounds that "
        "take turns with the convolutions alone, forward and backward, in float32 and the same "
        "memory format. Shares are those of a step's processor time. Processes that ran on the "
        f"machine meanwhile, on average: {load:.1f} (1 to {torch.get_num_threads()} are this "
        "benchmark's own).\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--way", choices=WAYS, help="measure one way here and print JSON")
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(measure(WAYS[arguments.way])))
        return
    rows, loads = [], []
    for name in WAYS:
        command = [sys.executable, "-m", "benchmarks.training", "--way", name]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, check=True, cwd=FOLDER.parent
        )
        rows.append({"way": name} | json.loads(done.stdout.splitlines()[-1]))
        loads.append(os.getloadavg()[0])
        print(f"{name}: {rows[-1]['segments_per_second']:.1f} segments a second", file=sys.stderr)
    with open(FOLDER / "training.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    table = as_markdown(rows, sum(loads) / len(loads))
    (FOLDER / "training.md").write_text(table)
    print(table)


if __name__ == "__main__":
    main()
