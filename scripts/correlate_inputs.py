"""Correlate the signals themselves: the baseline of every layer."""

from _job import job

from auralise.attributes.comparison import rank_features
from auralise.attributes.correlation import correlate_attributes
from auralise.attributes.designs import (
    Magnitudes,
    pairs_by_attribute,
    pairs_in_everything,
    read_design,
)
from auralise.attributes.representations import Inputs
from auralise.audio import Stft
from auralise.files import write_table
from auralise.networks.names import INPUT

with job(snakemake):
    params, signals = snakemake.params, read_design(snakemake.input.signals)
    magnitudes = Magnitudes(snakemake.input.sounds, signals, Stft(**params.stft), params.duration)
    inputs = Inputs(magnitudes, params.compare)
    everything = pairs_in_everything(signals)
    table = correlate_attributes(inputs, pairs_by_attribute(signals), INPUT, everything)
    write_table(snakemake.output[0], rank_features(table, table.iloc[:0]))
