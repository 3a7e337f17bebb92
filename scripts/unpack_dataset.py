"""Unpack the sound files of the data set's archive."""

from _job import job

from auralise.datasets.archives import unpack_sounds, verify_checksum
from auralise.datasets.gtzan.published import published

with job(snakemake):
    params = snakemake.params
    verify_checksum(
        snakemake.input[0],
        params.checksum,
        published().checksums if params.name == "gtzan" else None,
    )
    unpack_sounds(snakemake.input[0], snakemake.output[0])
