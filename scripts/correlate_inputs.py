"""Correlate the model signals themselves: the baseline of every layer."""

import pandas as pd
from _job import job

from auralise.audio import Stft
from auralise.correlation import correlate_inputs, pairs_by_attribute
from auralise.files import whole_file
from auralise.model_signals import ATTRIBUTES, read_signals

with job(snakemake):
    signals = pd.read_csv(snakemake.input.signals)
    stft = dict(snakemake.params.stft)
    duration = stft.pop("duration")
    magnitudes = read_signals(snakemake.input.sounds, signals, Stft(**stft), duration)
    table = correlate_inputs(magnitudes, pairs_by_attribute(signals, ATTRIBUTES))
    with whole_file(snakemake.output[0]) as path:
        table.to_csv(path, index=False)
