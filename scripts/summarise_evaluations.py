"""Compare the variants of the network: mean and spread over the seeds."""

import json
from pathlib import Path

from _job import job

from auralise.files import write_table
from auralise.training.evaluation import summarise_evaluations

with job(snakemake):
    texts = [Path(path).read_text() for path in snakemake.input]
    evaluations = dict(zip(snakemake.params.networks, map(json.loads, texts), strict=True))
    for table, output in zip(summarise_evaluations(evaluations), snakemake.output, strict=True):
        write_table(output, table)
