"""Deconvolve every feature of a network on every signal, and keep the maps."""

from _job import job, prepare_torch

from auralise.attributes.designs import Magnitudes, read_design
from auralise.attributes.representations import deconvolve_signals
from auralise.explainers.making import read_explainer
from auralise.files import sha256_of_file, whole_folder
from auralise.maps import Origin
from auralise.stft import Stft

with job(snakemake):
    prepare_torch(snakemake)
    params, inputs = snakemake.params, snakemake.input
    signals = read_design(inputs.signals)
    magnitudes = Magnitudes(inputs.sounds, signals, Stft(**params.stft), params.duration)
    config = {
        "architecture": params.architecture,
        "stft": params.stft,
        "duration": params.duration,
        "deconvolution": params.deconvolution,
    }
    origin = Origin("", snakemake.wildcards.network, sha256_of_file(inputs.weights), config)
    explainer = read_explainer(inputs.weights, params.architecture, params.deconvolution)
    with whole_folder(snakemake.output[0]) as folder:
        deconvolve_signals(folder, explainer, magnitudes, signals["signal"], origin)
