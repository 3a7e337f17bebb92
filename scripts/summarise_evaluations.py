"""Compare the variants of the network: mean and spread over the seeds."""

from _job import job

from auralise.files import read_json, write_table
from auralise.training.evaluation import summarise_evaluations

with job(snakemake):
    evaluations = dict(zip(snakemake.params.networks, map(read_json, snakemake.input), strict=True))
    for table, output in zip(summarise_evaluations(evaluations), snakemake.output, strict=True):
        write_table(output, table)
