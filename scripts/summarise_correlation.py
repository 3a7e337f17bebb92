"""Summarise the correlations of each layer: mean, spread, confidence interval."""

import pandas as pd
from _job import job

from auralise.attributes.comparison import summarise_correlation, summarise_variants
from auralise.files import whole_file

with job(snakemake):
    table = pd.concat([pd.read_csv(path) for path in snakemake.input], ignore_index=True)
    for summarise, output in (
        (summarise_correlation, snakemake.output.networks),
        (summarise_variants, snakemake.output.variants),
    ):
        with whole_file(output) as path:
            summarise(table).to_csv(path, index=False)
