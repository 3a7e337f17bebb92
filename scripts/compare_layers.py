"""Compare what the layers of trained and of untrained networks let through."""

from _job import job

from auralise.dissection.layers import compare_layers
from auralise.files import read_table, write_table

with job(snakemake):
    tables = [read_table(path) for path in snakemake.input]
    layers, comparison = compare_layers(tables, snakemake.params.controls)
    write_table(snakemake.output.layers, layers)
    write_table(snakemake.output.comparison, comparison)
