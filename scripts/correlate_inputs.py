"""Correlate the signals themselves, as a network sees them: the baseline of every layer."""

from _job import job, prepare_torch

from auralise.attributes.comparison import rank_features
from auralise.attributes.correlation import correlate_attributes
from auralise.attributes.designs import (
    Magnitudes,
    pairs_by_attribute,
    pairs_in_everything,
    read_design,
)
from auralise.attributes.representations import Inputs
from auralise.explainers.making import read_explainer
from auralise.files import write_table
from auralise.networks.names import INPUT
from auralise.stft import Stft

with job(snakemake):
    prepare_torch(snakemake)
    params, files = snakemake.params, snakemake.input
    signals = read_design(files.signals)
    magnitudes = Magnitudes(files.sounds, signals, Stft(**params.stft), params.duration)
    explainer = read_explainer(files.weights, params.architecture, params.deconvolution)
    inputs = Inputs(magnitudes, params.compare, explainer.seen)
    everything = pairs_in_everything(signals)
    table = correlate_attributes(inputs, pairs_by_attribute(signals), INPUT, everything)
    write_table(snakemake.output[0], rank_features(table, table.iloc[:0]))
