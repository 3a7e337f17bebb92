"""Examine every clip of the data set and split the sound ones."""

import logging

from _job import job

from auralise.datasets.listing import list_clips
from auralise.files import whole_file

with job(snakemake):
    clips = list_clips(snakemake.input[0], snakemake.params.dataset, snakemake.threads)
    with whole_file(snakemake.output[0]) as path:
        clips.to_csv(path, index=False)
    logging.info("%s", clips.groupby(["genre", "split"]).size().unstack(fill_value=0).to_string())
