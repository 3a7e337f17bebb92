"""Render the model signals, each with a table of its notes beside it."""

from pathlib import Path

from _job import job

from auralise.attributes.signals import signal_table, write_signals

with job(snakemake):
    params = snakemake.params
    signals = signal_table(params.levels)
    write_signals(
        Path(snakemake.output[0]),
        signals,
        params.duration,
        params.sample_rate,
        params.onsets,
        params.seed,
    )
