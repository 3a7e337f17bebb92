"""Draw what switching features off does, and trace concepts over features to classes."""

import pandas as pd
from _job import job

from auralise.dissection.ablation import trace_concepts
from auralise.figures.ablation import draw_ablation
from auralise.figures.style import save_figure
from auralise.files import read_table, write_table

with job(snakemake):
    tables = {
        name: read_table(path)
        for name, path in zip(snakemake.params.networks, snakemake.input, strict=True)
    }
    traced = {name: trace_concepts(table) for name, table in tables.items()}
    whole = pd.concat(tables, names=["network"]).reset_index("network")
    output = snakemake.output
    write_table(output.concepts, pd.concat(traced, names=["network"]).reset_index("network"))
    save_figure(draw_ablation(whole), output.png, output.pdf)
