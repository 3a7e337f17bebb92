"""What padding does at the ends of an excerpt, and what mends it.

Run from the root of the repository, after ``make run``: ``python -m benchmarks.edges``. Writes
``edges.csv`` and ``edges.md`` beside this file.

A feature is bound to the edges if more than half of its map's energy lies in the first or last 4
of the excerpt's 173 frames, which are 5 % of it.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from auralise.audio import read_surrounded
from auralise.explainers.edges import Section, margin_of, samples_around
from auralise.explainers.making import explainer_of
from auralise.songs import find_songs
from auralise.stft import Stft
from auralise.weights.reader import read_weights

FOLDER = Path(__file__).parent
STFT = Stft()
DURATION, STARTS = 4.0, (0.0, 8.0)  # s
AT_EDGES = 4  # frames

# What sounds around the windows of the STFT, and whether the convolutions see it.
WAYS = {
    "zeros around both": ("zero", False),
    "the STFT's windows reflected (2015)": ("reflect", False),
    "the STFT's windows in the song": ("surroundings", False),
    "both in the song (`surroundings`)": ("surroundings", True),
}


def share_at_edges(maps: np.ndarray) -> np.ndarray:
    """Share of each map's energy in its first and last frames, shape ``(n_features,)``."""
    energy = np.square(maps, dtype=np.float64).sum(axis=1)
    return (energy[:, :AT_EDGES].sum(1) + energy[:, -AT_EDGES:].sum(1)) / energy.sum(axis=1)


def rows_of(network: str, weights: Path) -> list[dict]:
    explainer, rows = explainer_of(read_weights(weights)), []
    n_frames = STFT.n_frames(STFT.n_samples(DURATION))
    for song, path in find_songs(FOLDER.parent / "src_songs")[0].items():
        for start in STARTS:
            for way, (edges, is_seen) in WAYS.items():
                around = samples_around(explainer, edges, STFT)
                excerpt = read_surrounded(path, STFT.sample_rate, start, DURATION, edges, around)
                margin = margin_of(explainer, edges) if is_seen else 0
                part = Section.of(excerpt, STFT, 0, n_frames, margin, margin)
                for layer, maps in explainer.deconvolve_all(part.magnitude):
                    inside = maps[:, :, part.inside]
                    live = inside.any(axis=(1, 2))
                    shares = share_at_edges(inside[live])
                    about = {"network": network, "song": song, "start": start, "way": way}
                    counts = {"n_live": live.sum(), "n_bound": (shares > 0.5).sum()}
                    rows.append(about | {"layer": layer} | counts | {"mean_share": shares.mean()})
    return rows


def as_markdown(table: pd.DataFrame) -> str:
    by = ["network", "way", "layer"]
    sums = table.groupby(by, sort=False)[["n_live", "n_bound"]].sum()
    sums["share"] = table.groupby(by, sort=False)["mean_share"].mean()
    layers = sorted(table["layer"].unique())
    lines = [f"| network | around the excerpt | {' | '.join(f'layer {n}' for n in layers)} |"]
    lines.append("|---|---|" + "--:|" * len(layers))
    for network, way in dict.fromkeys(zip(table["network"], table["way"], strict=True)):
        cells = []
        for layer in layers:
            of = sums.loc[(network, way, layer)]
            cells.append(f"{of['n_bound']:.0f} of {of['n_live']:.0f} ({100 * of['share']:.0f} %)")
        lines.append(f"| {network} | {way} | {' | '.join(cells)} |")
    n_songs, starts = table["song"].nunique(), " and ".join(f"{start:g}" for start in STARTS)
    return (
        f"Live features with more than half of their map's energy in the first or last {AT_EDGES} "
        f"of 173 frames, over {n_songs} songs, each from {starts} s on; in brackets the mean share "
        "of the energy there, 5 % if it were spread evenly.\n\n" + "\n".join(lines) + "\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=Path, default=Path("results/bands/networks"))
    folder = parser.parse_args().networks
    rows = []
    for path in sorted(folder.glob("*/weights.safetensors")):
        rows += rows_of(path.parent.name, path)
    table = pd.DataFrame(rows)
    table.to_csv(FOLDER / "edges.csv", index=False, float_format="%.4f")
    text = as_markdown(table)
    (FOLDER / "edges.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
