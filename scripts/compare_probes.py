"""Compare what is readable from trained and untrained layers, in a table and a figure."""

import pandas as pd
from _job import job

from auralise.dissection.probes import compare_probes
from auralise.figures.probes import draw_probes
from auralise.figures.style import save_figure
from auralise.files import read_table, write_table

with job(snakemake):
    params, output = snakemake.params, snakemake.output
    probes = pd.concat(map(read_table, snakemake.input), ignore_index=True)
    summary = compare_probes(probes, params.variants, params.untrained, params.permuted)
    write_table(output.table, summary)
    save_figure(draw_probes(summary), output.png, output.pdf)
