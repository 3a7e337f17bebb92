"""Build the page to listen on."""

from pathlib import Path

from _job import job

from auralise.listening.builder import build_listening_page

with job(snakemake):
    build_listening_page(
        Path(snakemake.params.results),
        snakemake.params.networks,
        snakemake.params.songs,
        Path(snakemake.output[0]),
        snakemake.params.audible,
    )
