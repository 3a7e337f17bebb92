"""Correlate what a network makes of the signals over pairs that differ in one attribute."""

from _job import job, prepare_torch

from auralise.attributes.correlation import correlate_attributes
from auralise.attributes.designs import (
    Magnitudes,
    pairs_by_attribute,
    pairs_in_everything,
    read_design,
)
from auralise.attributes.representations import Computed
from auralise.explainers.making import read_explainer
from auralise.explainers.workload import sample_features
from auralise.files import write_table
from auralise.stft import Stft

with job(snakemake):
    prepare_torch(snakemake)
    params, inputs = snakemake.params, snakemake.input
    signals = read_design(inputs.signals)
    explainer = read_explainer(inputs.weights, params.architecture, params.deconvolution)
    magnitudes = Magnitudes(inputs.sounds, signals, Stft(**params.stft), params.duration)
    compared = Computed(explainer, magnitudes, params.compare, params.mode)
    table = correlate_attributes(
        compared,
        pairs_by_attribute(signals),
        snakemake.wildcards.network,
        pairs_in_everything(signals),
        sample_features(compared.n_features, params.features, params.seed),
    )
    write_table(snakemake.output[0], table)
