"""Summarise the correlations of each layer: mean, spread, confidence interval."""

import pandas as pd
from _job import job

from auralise.attributes.comparison import summarise_correlation, summarise_variants
from auralise.files import read_table, write_table

with job(snakemake):
    table = pd.concat([read_table(path) for path in snakemake.input], ignore_index=True)
    for summarise, output in (
        (summarise_correlation, snakemake.output.networks),
        (summarise_variants, snakemake.output.variants),
    ):
        write_table(output, summarise(table))
