"""What augmentation does to the accuracy on `bands`: each kind by itself, and all together.

Run from the root of the repository: ``python -m benchmarks.augmentation`` after ``make run``, whose
segments it trains on. Each setting trains several small networks from different seeds; results
are kept one by one, so that an interrupted run goes on. Writes ``augmentation.csv`` and
``augmentation.md`` beside this file.
"""

import argparse
import logging
import tempfile
from pathlib import Path

import pandas as pd
import torch

from auralise.datasets.segments import Segments
from auralise.networks.genre import Architecture
from auralise.training.augmentation import Augmentation
from auralise.training.evaluation import accuracies, predict
from auralise.training.genre import train_network
from auralise.training.schedules import Schedule

FOLDER = Path(__file__).parent
SETTINGS = {
    "none": Augmentation(),
    "gain 6 dB": Augmentation(gain=6),
    "pitch 1 semitone": Augmentation(pitch_shift=1),
    "stretch 20 %": Augmentation(time_stretch=0.2),
    "masks 15 %": Augmentation(frequency_mask=0.15, time_mask=0.15),
    "all": Augmentation(6, 1, 0.2, 0.15, 0.15),
}


def measure(segments: Path, features: int, epochs: int, seeds: int) -> pd.DataFrame:
    """One row per setting and seed."""
    path = FOLDER / "augmentation.csv"
    table = pd.read_csv(path) if path.is_file() else pd.DataFrame(columns=["setting", "seed"])
    done = set(zip(table["setting"], table["seed"], strict=True))
    architecture = Architecture(
        ((3, 3),) * 5, (features,) * 5, (0.0,) * 4 + (0.25,), dense=(512, 256), dense_dropout=0.25,
        scaling="log",
    )  # fmt: skip
    schedule = Schedule(epochs, epochs, 16, "adam", 1e-3, "cpu")
    test = Segments.open(segments, "test")
    for seed in range(seeds):
        for setting, augmentation in SETTINGS.items():
            if (setting, seed) in done:
                continue
            with tempfile.TemporaryDirectory() as folder:
                network, history = train_network(
                    segments, architecture, schedule, seed, folder, augmentation
                )
            best = history.loc[history["validation_loss"].idxmin()]
            row = {
                "setting": setting,
                "seed": seed,
                **accuracies(predict(network, test), test),
                "validation_loss": best["validation_loss"],
                "train_accuracy": best["train_accuracy"],
                "kept_epoch": int(best["epoch"]),
            }
            table = pd.concat([table, pd.DataFrame([row])], ignore_index=True)
            table.to_csv(path, index=False)
    return table


def as_markdown(table: pd.DataFrame, about: str) -> str:
    lines = [
        "| augmentation | clip accuracy | segment accuracy | validation loss | kept epoch |",
        "|---|--:|--:|--:|--:|",
    ]
    for setting, rows in table.groupby("setting", sort=False):
        cells = [
            f"{rows[name].mean():.3f} ± {rows[name].std():.3f}"
            for name in ("clip_accuracy", "segment_accuracy", "validation_loss")
        ]
        lines.append(f"| {setting} | {' | '.join(cells)} | {rows['kept_epoch'].mean():.0f} |")
    return f"{about}\n\n" + "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--segments", type=Path, default=Path("results/bands/segments.h5"))
    parser.add_argument("--features", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    torch.set_num_threads(2)
    table = measure(options.segments, options.features, options.epochs, options.seeds)
    train, test = (Segments.open(options.segments, split) for split in ("train", "test"))
    text = as_markdown(
        table,
        f"Networks of 5 × {options.features} features, trained for {options.epochs} epochs on "
        f"{len(train)} segments of `bands` and tested on {len(set(test.clips))} clips (epoch of "
        f"the lowest validation loss): mean ± standard deviation over {options.seeds} seeds.",
    )
    (FOLDER / "augmentation.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
