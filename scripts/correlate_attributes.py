"""Correlate the maps of one network over pairs of model signals."""

import pandas as pd
from _job import job, prepare_torch

from auralise.audio import Stft
from auralise.correlation import correlate_attributes, pairs_by_attribute
from auralise.deconvnet import Deconvnet
from auralise.files import whole_file
from auralise.model_signals import ATTRIBUTES, read_signals
from auralise.networks import Architecture
from auralise.weights.expected import read_expected_network

with job(snakemake):
    prepare_torch(snakemake)
    params = snakemake.params
    signals = pd.read_csv(snakemake.input.signals)
    stft = dict(params.stft)
    duration = stft.pop("duration")
    magnitudes = read_signals(snakemake.input.sounds, signals, Stft(**stft), duration)
    architecture = Architecture.from_settings(params.architecture)
    network = read_expected_network(snakemake.input.weights, architecture, params.biases)
    table = correlate_attributes(
        Deconvnet(network),
        magnitudes,
        pairs_by_attribute(signals, ATTRIBUTES),
        snakemake.wildcards.network,
    )
    with whole_file(snakemake.output[0]) as path:
        table.to_csv(path, index=False)
