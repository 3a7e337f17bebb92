"""What it costs to write one song's maps and sounds, beside what it costs to make them.

Run from the root of the repository: ``python -m benchmarks.writing``. All ways take turns in
one process, so that a busy machine slows them alike. Writes ``writing.csv`` and ``writing.md``
beside this file.
"""

import csv
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import torch

from auralise.audio import read_excerpt
from auralise.auralisation import write_auralisations
from auralise.deconvnet.deconvnet import Deconvnet
from auralise.explainers.writing import write_maps
from auralise.maps import Origin, open_maps
from auralise.networks.genre import build_convolutional_part
from auralise.stft import Stft
from benchmarks.deconvolution import CHOI_2015, machine, seconds_of

FOLDER = Path(__file__).parent
SONG = FOLDER.parent / "src_songs/ballad_quartet.flac"
STFT = Stft(11025, 512, 256)
REPEATS = 5

FILTERS = {
    "no filter": {},
    "checksum": {"fletcher32": True},
    "shuffle, LZF, checksum": {"shuffle": True, "compression": "lzf", "fletcher32": True},
    "shuffle, gzip 1, checksum": {
        "shuffle": True,
        "compression": "gzip",
        "compression_opts": 1,
        "fletcher32": True,
    },
    "shuffle, gzip 4, checksum": {
        "shuffle": True,
        "compression": "gzip",
        "compression_opts": 4,
        "fletcher32": True,
    },
}
ORIGIN = Origin("song", "network", "", {})


def write_plain(path: Path, maps: list[np.ndarray], filters: dict) -> None:
    with h5py.File(path, "w") as file:
        for layer, data in enumerate(maps, start=1):
            file.create_dataset(f"layer{layer}", data=data, chunks=(1, *data.shape[1:]), **filters)
        file.flush()
        os.fsync(file.id.get_vfd_handle())


def main() -> None:
    torch.manual_seed(0)
    network = (
        build_convolutional_part(replace(CHOI_2015, scaling="log"), 257)
        .eval()
        .requires_grad_(False)
    )
    for layer in network.children():
        if hasattr(layer, "convolution"):
            torch.nn.init.xavier_uniform_(layer.convolution.weight)
            torch.nn.init.zeros_(layer.convolution.bias)
    net = Deconvnet(network)
    samples = read_excerpt(SONG, STFT.sample_rate, 0, 4.0)
    magnitude = np.abs(STFT.analyse(samples))
    maps = [found for _, found in net.deconvolve_all(magnitude)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = folder / "song.h5"
        ways: dict[str, tuple[Callable[[], object], Path | None]] = {
            "deconvolve, keep nothing": (lambda: list(net.deconvolve_all(magnitude)), None)
        }
        for label, filters in FILTERS.items():
            path = folder / f"{label}.h5"
            ways[f"write the maps: {label}"] = (
                lambda path=path, filters=filters: write_plain(path, maps, filters),
                path,
            )
        ways["deconvolve and write, as `write_maps` does"] = (
            lambda: write_maps(whole, net, samples, STFT, ORIGIN),
            whole,
        )

        def write_sounds() -> None:
            with open_maps(whole) as opened:
                write_auralisations(folder / "sounds", opened)

        ways["read the maps, write the sounds"] = write_sounds, folder / "sounds"
        seconds: dict[str, list[float]] = {label: [] for label in ways}
        for _ in range(REPEATS):
            for label, (function, _) in ways.items():
                seconds[label].append(seconds_of(function))
        rows = [
            {"way": label, "seconds": min(seconds[label]), "megabytes": size_of(path) / 1e6}
            for label, (_, path) in ways.items()
        ]
    reference = rows[0]["seconds"]
    for row in rows:
        row["times_deconvolution"] = row["seconds"] / reference
    with open(FOLDER / "writing.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    table = as_markdown(rows)
    (FOLDER / "writing.md").write_text(table)
    print(table)


def size_of(path: Path | None) -> int:
    if path is None:
        return 0
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def as_markdown(rows: list[dict]) -> str:
    lines = ["| work | seconds | × deconvolution | MB |", "|---|--:|--:|--:|"]
    for row in rows:
        size = f"{row['megabytes']:.0f}" if row["megabytes"] else ""
        lines.append(
            f"| {row['way']} | {row['seconds']:.2f} | {row['times_deconvolution']:.2f} | {size} |"
        )
    return (
        "5 × 64 maps and sounds of one song, untrained weights; best of "
        f"{REPEATS} turns. {machine()}.\n\n" + "\n".join(lines) + "\n"
    )


if __name__ == "__main__":
    main()
