"""Examine every clip of the data set and split the sound ones."""

import logging

from _job import job

from auralise.datasets.clips import examine_clips, find_clips, refuse_problems, split_clips
from auralise.errors import SettingsError
from auralise.files import whole_file

with job(snakemake):
    dataset = snakemake.params.dataset
    if not snakemake.input:
        raise SettingsError("dataset.path: the data set 'folder' needs the path of a folder")
    clips = examine_clips(
        find_clips(snakemake.input[0]), snakemake.params.sample_rate, snakemake.threads
    )
    if dataset["on_problem"] == "stop":
        refuse_problems(clips)
    clips = split_clips(clips, tuple(dataset["split"]), dataset["seed"])
    with whole_file(snakemake.output[0]) as path:
        clips.to_csv(path, index=False)
    logging.info("%s", clips.groupby(["genre", "split"]).size().unstack(fill_value=0).to_string())
