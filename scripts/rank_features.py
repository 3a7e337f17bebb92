"""Say where each feature of one network lies among the untrained features of its layer."""

import pandas as pd
from _job import job

from auralise.attributes.comparison import rank_features
from auralise.files import read_table, write_table

with job(snakemake):
    table = read_table(snakemake.input.network)
    untrained = [read_table(path) for path in snakemake.input.untrained]
    pooled = pd.concat(untrained, ignore_index=True) if untrained else table.iloc[:0]
    write_table(snakemake.output[0], rank_features(table, pooled))
