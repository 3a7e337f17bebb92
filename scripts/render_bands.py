"""Render the embedded data set, one FLAC per clip in a folder per genre."""

from pathlib import Path

from _job import job

from auralise.datasets.bands.rendering import write_clips

with job(snakemake):
    write_clips(
        Path(snakemake.output[0]),
        clips_per_genre=snakemake.params.clips_per_class,
        duration=snakemake.params.clip_duration,
        seed=snakemake.params.seed,
        n_processes=snakemake.threads,
    )
