"""Render the embedded songs with labelled voices, in the layout of the Jamendo set."""

from _job import job

from auralise.datasets.voices import write_songs
from auralise.files import whole_folder

with job(snakemake), whole_folder(snakemake.output[0]) as folder:
    write_songs(
        folder,
        snakemake.params.songs,
        snakemake.params.duration,
        snakemake.params.seed,
        n_processes=snakemake.threads,
    )
