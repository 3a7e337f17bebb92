"""Correlate the signals themselves: the baseline of every layer."""

from _job import job

from auralise.audio import Stft
from auralise.comparison import INPUT
from auralise.correlation import correlate_attributes
from auralise.designs import Magnitudes, pairs_by_attribute, read_design
from auralise.files import whole_file
from auralise.representations import Inputs

with job(snakemake):
    signals = read_design(snakemake.input.signals)
    stft = dict(snakemake.params.stft)
    duration = stft.pop("duration")
    magnitudes = Magnitudes(snakemake.input.sounds, signals, Stft(**stft), duration)
    inputs = Inputs(magnitudes, snakemake.params.compare)
    table = correlate_attributes(inputs, pairs_by_attribute(signals), INPUT)
    with whole_file(snakemake.output[0]) as path:
        table.to_csv(path, index=False)
