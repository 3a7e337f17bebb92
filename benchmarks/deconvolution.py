"""Every feature of the paper's network on one song, by every way at hand, side by side.

Run from the root of the repository: ``python -m benchmarks.deconvolution``. Each way runs in a
process of its own, so that its peak memory is its own, and takes turns there with a matrix
product, so that a busy machine slows both alike. Writes ``deconvolution.csv`` and
``deconvolution.md`` beside this file.
"""

import argparse
import csv
import json
import os
import platform
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from auralise.deconvnet.deconvnet import Deconvnet
from auralise.deconvnet.steps import StepByStep
from auralise.networks.genre import Architecture, build_convolutional_part
from auralise.networks.musicnn import build_vgg
from benchmarks.references import Loops, by_captum, by_zennit, with_rectifiers

FOLDER = Path(__file__).parent
SHAPE = (257, 173)
N_LAYERS, N_FEATURES = 5, 64
MATRIX = 4096


def flops(layer: int, n_features: int) -> float:
    """Dense arithmetic of `n_features` maps of a layer, one product and one sum for each tap."""
    total = 0
    for depth in range(1, layer + 1):
        pixels = (SHAPE[0] >> (depth - 1)) * (SHAPE[1] >> (depth - 1))
        n_inputs = 1 if depth == 1 else N_FEATURES
        n_outputs = 1 if depth == layer else N_FEATURES
        total += 2 * 9 * pixels * n_inputs * n_outputs
    return total * n_features


def all_flops(n_features: int = N_FEATURES) -> float:
    return sum(flops(layer, n_features) for layer in range(1, N_LAYERS + 1))


# The network of 2015.
CHOI_2015 = Architecture(
    ((3, 3),) * 5, (64,) * 5, (0.0, 0.25, 0.25, 0.25, 0.5), dense=(512, 256), dense_dropout=0.5
)


def forward_flops() -> float:
    return sum(
        2 * 9 * (SHAPE[0] >> d) * (SHAPE[1] >> d) * N_FEATURES * (N_FEATURES if d else 1)
        for d in range(N_LAYERS)
    )


def network() -> torch.nn.Sequential:
    """Random, with biases that keep every feature alive, so that no way may skip any."""
    torch.manual_seed(0)
    part = build_convolutional_part(CHOI_2015, 257).eval().requires_grad_(False)
    for layer in part:
        layer.convolution.bias.fill_(0.5)
    return part


def magnitude() -> np.ndarray:
    return np.abs(np.random.default_rng(0).standard_normal(SHAPE)).astype(np.float32)


# Each way returns a function to time, and the share of all the arithmetic that it does.


def loops() -> tuple[Callable, float]:
    kernels = [layer.convolution.weight.numpy() for layer in network()]

    def run():
        Loops(kernels, magnitude()).deconvolve(3, 0)

    return run, (forward_flops() + flops(3, 1)) / (forward_flops() + all_flops())


def feature_by_feature(oracle: Callable) -> tuple[Callable, float]:
    n, part, song = 4, network(), magnitude()

    def run():
        for layer in range(1, N_LAYERS + 1):
            for feature in range(n):
                oracle(part[:layer], song, feature)

    return run, n / N_FEATURES


def captum() -> tuple[Callable, float]:
    warnings.filterwarnings("ignore", "Setting backward hooks")
    return feature_by_feature(by_captum)


def zennit() -> tuple[Callable, float]:
    return feature_by_feature(by_zennit)


def autograd() -> tuple[Callable, float]:
    n, part = 16, network()
    song = torch.from_numpy(magnitude())[None, None].requires_grad_()

    def run():
        maps = song
        for layer in with_rectifiers(part):
            maps = layer(maps)
            starts = torch.zeros(n, *maps.shape)
            starts[range(n), 0, range(n)] = maps.detach()[0, :n]
            torch.autograd.grad(maps, song, starts, retain_graph=True, is_grads_batched=True)

    return run, n / N_FEATURES


def step_by_step() -> tuple[Callable, float]:
    n, net = 16, Deconvnet(network())
    net._way_back = StepByStep(net.steps, net.layers, torch.float32)
    features = {layer: range(n) for layer in range(1, N_LAYERS + 1)}
    return lambda: list(net.deconvolve_all(magnitude(), features=features)), n / N_FEATURES


def pooled(precision: str, device: str = "cpu") -> tuple[Callable, float]:
    net = Deconvnet(network(), device, precision)
    return lambda: list(net.deconvolve_all(magnitude())), 1.0


MUSICNN = "auralise, musicnn MTT_vgg"
MUSICNN_FRAMES = 251  # 4 s


def musicnn() -> tuple[Callable, float]:
    """All 640 features of the tagger, behind its front end, with random weights."""
    torch.manual_seed(0)
    part = build_vgg(0.3, -0.5).get_submodule("convolutional").eval().requires_grad_(False)
    for module in part.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.constant_(module.bias, 0.5)
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, -0.5, 1.5)
    song = np.abs(np.random.default_rng(0).standard_normal((257, MUSICNN_FRAMES)))
    net = Deconvnet(part)
    return lambda: list(net.deconvolve_all(song.astype(np.float32))), 1.0


def musicnn_flops() -> float:
    """Dense arithmetic of its maps, as `all_flops`; the first pooling halves both axes, too."""
    pixels = [(96 >> depth) * (MUSICNN_FRAMES >> depth) for depth in range(5)]
    first = 2 * 9 * pixels[0] * 128
    total = first / 128
    for top in range(1, 5):
        between = sum(2 * 9 * pixels[depth] * 128 * 128 for depth in range(1, top))
        total += 2 * 9 * pixels[top] * 128 + between + first
    return 128 * total


WAYS: dict[str, tuple[Callable[[], tuple[Callable, float]], int]] = {
    "reference loops": (loops, 3),
    "Captum": (captum, 3),
    "Zennit": (zennit, 3),
    "autograd, batched VJP": (autograd, 3),
    "auralise, any network": (step_by_step, 3),
    "auralise, float32": (lambda: pooled("float32"), 7),
    "auralise, bfloat16": (lambda: pooled("bfloat16"), 1),
    MUSICNN: (musicnn, 2),
}
if torch.cuda.is_available():
    WAYS["auralise, float32, GPU"] = (lambda: pooled("float32", "cuda"), 7)
    WAYS["auralise, bfloat16, GPU"] = (lambda: pooled("bfloat16", "cuda"), 7)


def seconds_of(function: Callable) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def peak_memory() -> float:
    """In MB; what `ru_maxrss` counts is bytes on macOS, KiB elsewhere."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def measure(name: str) -> dict:
    """Time one way, in this process, in turns with the matrix product."""
    prepare, repeats = WAYS[name]
    function, share = prepare()
    seconds = [seconds_of(function)]
    on_gpu = torch.cuda.is_available() and torch.cuda.max_memory_allocated() > 0
    # Before the matrices are made; on a GPU, its own memory.
    memory = torch.cuda.max_memory_allocated() / 1e6 if on_gpu else peak_memory()
    matrix, product = torch.randn(MATRIX, MATRIX), torch.empty(MATRIX, MATRIX)
    floors = [seconds_of(lambda: torch.mm(matrix, matrix, out=product)) for _ in range(2)]
    for _ in range(repeats if repeats > 1 else 0):
        floors.append(seconds_of(lambda: torch.mm(matrix, matrix, out=product)))
        seconds.append(seconds_of(function))
    arithmetic = musicnn_flops() if name == MUSICNN else all_flops()
    floor = min(floors) / (2 * MATRIX**3) * arithmetic
    return {
        "way": name,
        "share_timed": share,
        "seconds": min(seconds) / share,
        "floor_seconds": floor,
        "times_floor": min(seconds) / share / floor,
        "peak_memory_mb": memory,
    }


def bfloat16_error() -> tuple[float, float]:
    """Largest of any map: norm of the error by the map's, and error by the map's maximum."""
    features = {layer: range(0, N_FEATURES, 8) for layer in range(1, N_LAYERS + 1)}
    song, by_norm, by_maximum = magnitude(), 0.0, 0.0
    exact = Deconvnet(network()).deconvolve_all(song, features=features)
    rounded = Deconvnet(network(), precision="bfloat16").deconvolve_all(song, features=features)
    for (_, wanted), (_, found) in zip(exact, rounded, strict=True):
        for one, other in zip(wanted, found, strict=True):
            error = other - one
            by_norm = max(by_norm, float(np.linalg.norm(error) / np.linalg.norm(one)))
            by_maximum = max(by_maximum, float(np.abs(error).max() / np.abs(one).max()))
    return by_norm, by_maximum


def machine() -> str:
    model, flags = platform.processor() or platform.machine(), ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = dict(line.split("\t: ", 1) for line in _fields(cpuinfo))
        model, flags = lines.get("model name", model), lines.get("flags", "")
    fast = [name for name in ("amx_bf16", "avx512_bf16") if name in flags]
    return (
        f"{model}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}, "
        f"bfloat16 instructions: {', '.join(fast) or 'none'}; "
        f"GPU: {torch.cuda.get_device_name() if torch.cuda.is_available() else 'none'}; "
        f"torch {torch.__version__}"
    )


def _fields(cpuinfo: Path) -> list[str]:
    lines = [line.replace("\t\t: ", "\t: ") for line in cpuinfo.read_text().splitlines()]
    return [line for line in lines if "\t: " in line]


def as_markdown(rows: list[dict], errors: tuple[float, float], load: float) -> str:
    loops_floor = rows[0]["times_floor"]
    (tagger,) = [row for row in rows if row["way"] == MUSICNN]
    rows = [row for row in rows if row is not tagger]
    lines = [
        "| way | seconds a song | × floor | × faster than the loops | peak memory | timed |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for row in rows:
        timed = "all" if row["share_timed"] == 1 else f"{row['share_timed']:.1%}, scaled"
        lines.append(
            f"| {row['way']} | {row['seconds']:.2f} | {row['times_floor']:.2f} | "
            f"{loops_floor / row['times_floor']:.0f} | {row['peak_memory_mb']:.0f} MB | {timed} |"
        )
    lines.append(
        f"| the same arithmetic as a {MATRIX}³ matrix product | "
        f"{min(row['floor_seconds'] for row in rows):.2f} | 1 | {loops_floor:.0f} | | |"
    )
    return (
        f"{N_LAYERS} × {N_FEATURES} maps of a {SHAPE[0]} × {SHAPE[1]} song, 3×3 kernels: "
        f"{all_flops() / 1e9:.0f} GFLOP done densely. {machine()}.\n\n"
        + "\n".join(lines)
        + "\n\nSeconds are the best of a few runs. The floor is measured in turns with each way, "
        "in the same process; the ratios are to that one. What was timed in part is scaled by its "
        "share of the arithmetic. Processes that ran on the machine meanwhile, on average: "
        f"{load:.1f} (1 to {torch.get_num_threads()} are this benchmark's own).\n"
        f"{MUSICNN}: 640 maps of {MUSICNN_FRAMES} frames in {tagger['seconds']:.1f} s, "
        f"{tagger['times_floor']:.2f} × the floor of its own {musicnn_flops() / 1e9:.0f} GFLOP, "
        f"{tagger['peak_memory_mb']:.0f} MB at most.\n"
        f"bfloat16: the norm of the error is at most {errors[0]:.1e} of a map's, the error at most "
        f"{errors[1]:.1e} of a map's maximum.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--way", choices=WAYS, help="measure one way here and print JSON")
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(measure(arguments.way)))
        return
    rows, loads = [], []
    for name in WAYS:
        command = [sys.executable, "-m", "benchmarks.deconvolution", "--way", name]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, check=True, cwd=FOLDER.parent
        )
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        loads.append(os.getloadavg()[0])
        print(f"{name}: {rows[-1]['times_floor']:.2f} × floor", file=sys.stderr)
    with open(FOLDER / "deconvolution.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    table = as_markdown(rows, bfloat16_error(), sum(loads) / len(loads))
    (FOLDER / "deconvolution.md").write_text(table)
    print(table)


if __name__ == "__main__":
    main()
