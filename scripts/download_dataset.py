"""Download the data set's archive, from where an earlier attempt broke off."""

from _job import job

from auralise.datasets.downloads import download_file

with job(snakemake):
    params = snakemake.params
    download_file(params.url, snakemake.output[0], params.checksum)
