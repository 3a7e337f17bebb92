"""Deconvolve every feature of a network on every signal, and keep the maps."""

from _job import job, prepare_torch

from auralise.attributes.designs import read_design
from auralise.attributes.representations import deconvolve_signals
from auralise.audio import Stft
from auralise.deconvnet.deconvnet import Deconvnet
from auralise.files import sha256_of_file, whole_folder
from auralise.networks.genre import Architecture
from auralise.weights.expected import read_expected_network

with job(snakemake):
    prepare_torch(snakemake)
    params, weights = snakemake.params, snakemake.input.weights
    architecture, how = Architecture.from_settings(params.architecture), params.deconvolution
    network = read_expected_network(weights, architecture, how["biases"])
    with whole_folder(snakemake.output[0]) as folder:
        deconvolve_signals(
            folder,
            Deconvnet(network, how["device"], how["precision"]),
            snakemake.input.sounds,
            read_design(snakemake.input.signals),
            Stft(**params.stft),
            params.duration,
            network=snakemake.wildcards.network,
            weights_sha256=sha256_of_file(weights),
            config={
                "architecture": params.architecture,
                "stft": params.stft,
                "duration": params.duration,
                "deconvolution": how,
            },
        )
