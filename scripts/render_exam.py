"""Render the clips on which features are named, with the masks of all concepts."""

from _job import job

from auralise.dissection.exam import write_exam
from auralise.stft import Stft

with job(snakemake):
    params = snakemake.params
    write_exam(
        snakemake.output[0],
        params.clips,
        params.duration,
        Stft(**params.stft),
        params.seed,
        snakemake.threads,
    )
