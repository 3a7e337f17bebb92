"""Compare trained with untrained networks, layer by layer."""

from _job import job

from auralise.attributes.comparison import compare_with_controls
from auralise.files import read_table, write_table

with job(snakemake):
    summary = read_table(snakemake.input[0])
    comparison = compare_with_controls(summary, snakemake.params.controls)
    write_table(snakemake.output[0], comparison)
