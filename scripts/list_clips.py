"""Examine every clip of the data set and split the sound ones."""

import logging

from _job import job

from auralise.datasets.listing import list_clips
from auralise.files import write_table

with job(snakemake):
    clips = list_clips(snakemake.input[0], snakemake.params.dataset, snakemake.threads)
    write_table(snakemake.output[0], clips)
    logging.info("%s", clips.groupby(["genre", "split"]).size().unstack(fill_value=0).to_string())
