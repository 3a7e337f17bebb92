"""Summarise the correlations of each layer: mean, spread, confidence interval."""

import pandas as pd
from _job import job

from auralise.correlation import summarise_correlation
from auralise.files import whole_file

with job(snakemake):
    table = pd.concat([pd.read_csv(path) for path in snakemake.input], ignore_index=True)
    with whole_file(snakemake.output[0]) as path:
        summarise_correlation(table).to_csv(path, index=False)
