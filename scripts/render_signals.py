"""Render the model signals, each with a table of its notes beside it."""

from pathlib import Path

from _job import job

from auralise.model_signals import signal_table, write_signals

with job(snakemake):
    attributes, stft = snakemake.params.attributes, snakemake.params.stft
    signals = signal_table(attributes["keys"], attributes["instruments"], attributes["chords"])
    write_signals(Path(snakemake.output.sounds), signals, stft["duration"], stft["sample_rate"])
    signals.to_csv(snakemake.output.table, index=False)
