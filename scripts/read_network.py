"""Read a network whose weights are given, and write them with all that belongs to it."""

import logging

from _job import job

from auralise.stft import Stft
from auralise.weights.whole import Description, read_whole, source_of, write_whole

with job(snakemake):
    settings = snakemake.params.architecture
    described = Description.from_settings(settings)
    whole = read_whole(described, Stft(**settings["stft"]))
    for assumption in whole.assumptions:
        logging.info("assumed: %s", assumption)
    write_whole(snakemake.output[0], whole, **source_of(described, whole))
