"""Which way of turning a map into sound is heard again best by the network that it explains?

Run from the root of the repository after ``make run``: ``python -m benchmarks.modes``. Every
sound of the default experiment is made in each mode and given back to its network, as in every run;
prints a table and writes it to ``modes.md`` beside this file.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch
import yaml

from auralise.auralisation import Auralisation, write_auralisations
from auralise.experiment.settings import complete_settings
from auralise.explainers.making import read_explainer
from auralise.explainers.protocol import Explainer
from auralise.explainers.rehearing import CERTIFIED, rehear
from auralise.maps import open_maps
from auralise.networks.front_ends import undo

HOME = Path(__file__).parents[1]
RESULTS = HOME / "results/bands"
NETWORKS = ("square-0", "untrained-0")
MODES = ("mask", "magnitude", "rectified")  # `phase` needs a front end of compressions alone
LEAST_SONGS = 2  # on which the percentile is reached


def rehear_in(mode: str, network: str, explainer: Explainer, edges: str) -> pd.DataFrame:
    """Percentiles of every sound, one column a song."""
    tables = {}
    for path in sorted((RESULTS / "deconvolution" / network).glob("*.h5")):
        with open_maps(path) as maps, TemporaryDirectory() as folder:
            write_auralisations(folder, maps, Auralisation(mode, "peak"), undo)
            table = rehear(maps, folder, explainer, edges).table()
        tables[path.stem] = table.set_index(["layer", "feature"])["rehearing_percentile"]
    return pd.DataFrame(tables)


def main() -> None:
    torch.set_num_threads(1)
    settings = yaml.safe_load((HOME / "config/config.yaml").read_text(encoding="utf-8"))
    config = complete_settings(settings, HOME / "workflow/schemas/config.schema.yaml")
    rows = []
    for network in NETWORKS:
        weights = RESULTS / "networks" / network / "weights.safetensors"
        explainer = read_explainer(weights, config["networks"]["square"], config["deconvolution"])
        for mode in MODES:
            found = rehear_in(mode, network, explainer, config["stft"]["edges"])
            passed = (found >= CERTIFIED).sum(axis=1) >= LEAST_SONGS
            by_layer = passed.groupby("layer").sum()
            row = {"network": network, "mode": mode, "features": int(passed.sum())}
            row |= {f"layer {layer}": int(n) for layer, n in by_layer.items()}
            row["mean percentile"] = f"{np.nanmean(found):.0f}"
            rows.append(row)
            print(row, flush=True)
    lines = [" | ".join(map(str, line)) for line in [rows[0], ["---"] * len(rows[0])]]
    lines += [" | ".join(map(str, row.values())) for row in rows]
    table = "\n".join(f"| {line} |" for line in lines)
    text = (
        "`python -m benchmarks.modes`: how many features of the default network have a sound that "
        f"excites them more than {CERTIFIED:.0f} % of the layer's other sounds do, on at least "
        f"{LEAST_SONGS} of three songs. Some 2 of 160 would by chance.\n\n{table}\n"
    )
    (Path(__file__).parent / "modes.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
