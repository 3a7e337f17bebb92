"""Deconvolve a few telling features of a network on the signals of the attribute experiment."""

from pathlib import Path

import pandas as pd
from _job import job, prepare_torch

from auralise.attributes.correlation import telling_features
from auralise.attributes.designs import Magnitudes, crossed_signals, read_design
from auralise.explainers.making import read_explainer
from auralise.explainers.writing import write_maps
from auralise.features import audible
from auralise.files import read_table, sha256_of_file
from auralise.maps import Origin
from auralise.stft import Stft

N_FEATURES = 4

with job(snakemake):
    prepare_torch(snakemake)
    params, inputs, network = snakemake.params, snakemake.input, snakemake.wildcards.network
    explainer = read_explainer(inputs.weights, params.architecture, params.deconvolution)
    measured = pd.concat(map(read_table, inputs.measured))
    heard = measured.loc[audible(measured, params.floor), ["layer", "feature"]].drop_duplicates()
    correlations, names = (
        read_table(path).merge(heard) for path in (inputs.correlation, inputs.names)
    )
    features = telling_features(correlations, names, N_FEATURES)
    signals, stft = crossed_signals(read_design(inputs.signals)), Stft(**params.stft)
    magnitudes = Magnitudes(inputs.sounds, signals, stft, params.duration)
    config = {name: getattr(params, name) for name in ("architecture", "stft", "deconvolution")}
    sha256 = sha256_of_file(inputs.weights)
    for row, signal in enumerate(signals["signal"]):
        origin = Origin(signal, network, sha256, config)
        path = Path(snakemake.output[0]) / f"{signal}.h5"
        write_maps(path, explainer, magnitudes.samples(row), stft, origin, features)
