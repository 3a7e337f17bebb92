"""What is stated where nothing can be true, and whether what was planted is found.

Run from the root of the repository: ``python -m benchmarks.nulls``. Prints one table and writes it
to ``nulls.md`` beside this file. What takes long, the correlations of untrained networks, is kept
network by network, so that an interrupted run goes on. A further null is a function in `CLAIMS`.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from auralise.attributes.comparison import compare_with_controls, summarise_correlation
from auralise.attributes.correlation import correlate_attributes
from auralise.attributes.designs import Magnitudes, pairs_by_attribute, pairs_in_everything
from auralise.attributes.representations import Computed
from auralise.attributes.signals import FACTORS, OWN, signal_table, write_signals
from auralise.datasets.bands.rendering import write_clips
from auralise.datasets.segments import Segments, write_segments
from auralise.deconvnet.deconvnet import Deconvnet
from auralise.files import fingerprint_of, read_table, whole_folder, write_table
from auralise.networks.genre import Architecture
from auralise.networks.names import UNTRAINED, name_network
from auralise.provenance import code_version
from auralise.statistics import HIGHER, LOWER
from auralise.stft import Stft
from auralise.training.genre import initial_network
from benchmarks import planted

FOLDER = Path(__file__).parent
N_LAYERS, N_FEATURES = 4, 16
SECONDS = 2.0  # of a signal and of a segment
CLIPS, CLIP_SECONDS = 14, 8.0  # of each genre
N_TRAINED, N_UNTRAINED = 5, 10  # of a draw
SHIFT = 3.0  # standard deviations between networks
# What the default network is, with fewer layers and features.
ARCHITECTURE = Architecture(
    ((3, 3),) * N_LAYERS,
    (N_FEATURES,) * N_LAYERS,
    (0.0,) * N_LAYERS,
    batch_norm=True,
    over_time="max",
    scaling="normalised",
    initialisation="he",
)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    where : str
        What was analysed.
    found, goal : str
    is_met : bool
    """

    where: str
    found: str
    goal: str
    is_met: bool


@dataclass(frozen=True)
class Bench:
    """What the claims share.

    Attributes
    ----------
    n_networks : int
        Untrained ones; of seeds 0, 1, …
    n_draws : int
    n_plants : int
        Networks with planted features, of each of two depths.
    kept : Path
        Folder of what was computed.
    """

    n_networks: int
    n_draws: int
    n_plants: int
    kept: Path
    stft: Stft = Stft()

    @cached_property
    def segments(self) -> Segments:
        """Training segments of `bands`, from which normalisations take their statistics."""
        path, folder = self.kept / "segments.h5", self.kept / "clips"
        if not path.is_file():
            if not folder.is_dir():
                with whole_folder(folder) as made:
                    write_clips(made, CLIPS, CLIP_SECONDS, seed=0)
            files = sorted(folder.glob("*/*.flac"))
            clips = pd.DataFrame(
                {
                    "path": [str(file) for file in files],
                    "clip": [file.stem for file in files],
                    "genre": [file.parent.name for file in files],
                    "split": ["validation", "test", *["train"] * (CLIPS - 2)]
                    * (len(files) // CLIPS),
                    "seconds": CLIP_SECONDS,
                    "sha256": "",
                }
            )
            write_segments(path, clips, self.stft, SECONDS)
        return Segments.open(path, "train")

    def untrained(self, seed: int) -> Deconvnet:
        """The explainer of an untrained network."""
        network = initial_network(ARCHITECTURE, self.segments, seed)
        return Deconvnet(network.get_submodule("convolutional"))

    @cached_property
    def signals(self) -> tuple[pd.DataFrame, Magnitudes]:
        """The model signals of the default run, with onsets of their own."""
        table = signal_table(
            {factor.setting: factor.default for factor in FACTORS if factor.setting != "drums"}
        )
        folder = self.kept / "signals"
        if not folder.is_dir():
            with whole_folder(folder) as made:
                write_signals(made, table, SECONDS, self.stft.sample_rate, OWN)
        table = table.fillna("").astype(str)
        return table, Magnitudes(folder, table, self.stft, SECONDS)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """s of every untrained network, layer and attribute."""
        signals, magnitudes = self.signals
        # Read once: 24 signals are few.
        magnitudes = [magnitudes[row] for row in range(len(magnitudes))]
        pairs, everything = pairs_by_attribute(signals), pairs_in_everything(signals)
        version = fingerprint_of(code_version(__file__), asdict(ARCHITECTURE))[:12]
        parts = []
        for seed in tqdm(range(self.n_networks), "untrained networks"):
            path = self.kept / version / f"{seed}.csv"
            if not path.is_file():
                compared = Computed(self.untrained(seed), magnitudes, "auralised")
                name = name_network(UNTRAINED, seed)
                table = correlate_attributes(compared, pairs, name, everything)
                write_table(path, summarise_correlation(table))
            parts.append(read_table(path))
        return pd.concat(parts, ignore_index=True)

    def drawn(self, number: int) -> tuple[pd.DataFrame, np.random.Generator]:
        """Networks of a draw, of which five are called trained."""
        rng = np.random.default_rng(number)
        chosen = rng.permutation(self.n_networks)[: N_TRAINED + N_UNTRAINED]
        names = [name_network(UNTRAINED, seed) for seed in chosen]
        called = [name_network("called_trained", seed) for seed in chosen[:N_TRAINED]]
        drawn = self.summary[self.summary["network"].isin(names)]
        renamed = dict(zip(names, [*called, *names[N_TRAINED:]], strict=True))
        return drawn.assign(network=drawn["network"].map(renamed)), rng


def verdicts_of_untrained_networks(bench: Bench) -> Iterator[Row]:
    """Draws of untrained against untrained networks that hold a verdict."""
    n_held, n_verdicts = 0, 0
    for number in tqdm(range(bench.n_draws), "untrained against untrained"):
        drawn, _ = bench.drawn(number)
        verdicts = compare_with_controls(drawn, {"called_trained": UNTRAINED})["verdict"]
        found = int(verdicts.isin([HIGHER, LOWER]).sum())
        n_held, n_verdicts = n_held + (found > 0), n_verdicts + found
    most = round(0.09 * bench.n_draws)
    yield Row(
        f"{N_TRAINED} of {bench.n_networks} untrained networks against {N_UNTRAINED} others, "
        f"{bench.n_draws} draws",
        f"a verdict in {n_held} ({n_verdicts} of {len(verdicts) * bench.n_draws})",
        f"a verdict in at most {most}",
        n_held <= most,
    )


def verdicts_of_a_planted_shift(bench: Bench) -> Iterator[Row]:
    """The same, with s of one layer and attribute shifted in the networks called trained."""
    spread = bench.summary.groupby(["layer", "attribute"])["s"].std().dropna()
    n_found = n_others = 0
    for number in tqdm(range(bench.n_draws), "planted shift"):
        drawn, rng = bench.drawn(number)
        layer, attribute = key = spread.index[rng.integers(len(spread))]
        sign = rng.choice([-1, 1])
        planted = (drawn["layer"] == layer) & (drawn["attribute"] == attribute)
        planted &= ~drawn["network"].str.startswith(UNTRAINED)
        drawn.loc[planted, "s"] += sign * SHIFT * spread[key]
        rows = compare_with_controls(drawn, {"called_trained": UNTRAINED}).set_index(
            ["layer", "attribute"]
        )
        n_found += rows.loc[key, "verdict"] == (HIGHER if sign > 0 else LOWER)
        n_others += int(rows.drop(index=[key])["verdict"].isin([HIGHER, LOWER]).any())
    least = round(0.8 * bench.n_draws)
    yield Row(
        f"the same, one layer and attribute shifted by {SHIFT:g} standard deviations",
        f"found in {n_found}; a verdict elsewhere in {n_others}",
        f"found in at least {least}",
        n_found >= least,
    )


def names_of_planted_features(bench: Bench) -> Iterator[Row]:
    """Features whose names are known, names from masks of other clips, and marks of untrained."""
    table, _ = planted.rows(range(100, 100 + bench.n_plants), bench.n_networks)
    for row in table.itertuples():
        yield Row(row.what, f"{row.found:.1%} of {row.n}", row.wanted, row.holds)


CLAIMS: list[Callable[[Bench], Iterator[Row]]] = [
    verdicts_of_untrained_networks,
    verdicts_of_a_planted_shift,
    names_of_planted_features,
]


def as_markdown(rows: list[Row]) -> str:
    lines = ["| where | found | goal | met |", "|---|---|---|---|"]
    lines += [f"| {r.where} | {r.found} | {r.goal} | {'yes' if r.is_met else 'NO'} |" for r in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=60, help="untrained networks (60)")
    parser.add_argument("--draws", type=int, default=100, help="draws of 5 against 10 (100)")
    parser.add_argument("--plants", type=int, default=10, help="networks with plants (10)")
    parser.add_argument("--kept", type=Path, default=Path("results/nulls"), help="what is computed")
    arguments = parser.parse_args()
    if arguments.networks < N_TRAINED + N_UNTRAINED:
        parser.error(f"--networks: a draw takes {N_TRAINED + N_UNTRAINED}")
    torch.set_num_threads(1)
    bench = Bench(arguments.networks, arguments.draws, arguments.plants, arguments.kept)
    table = as_markdown([row for claim in CLAIMS for row in claim(bench)])
    print(table)
    (FOLDER / "nulls.md").write_text(
        f"`python -m benchmarks.nulls --networks {bench.n_networks} --draws {bench.n_draws} "
        f"--plants {bench.n_plants}`, "
        f"networks of {N_LAYERS} layers × {N_FEATURES} features, signals of "
        f"{SECONDS:g} s:\n\n{table}",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
