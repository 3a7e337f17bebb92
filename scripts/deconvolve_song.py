"""Deconvolve every feature of a network on one song."""

from _job import job, prepare_torch

from auralise.audio import Stft, read_excerpt
from auralise.deconvnet.deconvnet import Deconvnet
from auralise.files import sha256_of_file
from auralise.maps import write_maps
from auralise.networks.genre import Architecture
from auralise.weights.expected import read_expected_network

with job(snakemake):
    prepare_torch(snakemake)
    params, weights = snakemake.params, snakemake.input.weights
    samples = read_excerpt(
        snakemake.input.song, params.stft["sample_rate"], params.excerpt_start, params.duration
    )
    architecture, how = Architecture.from_settings(params.architecture), params.deconvolution
    network = read_expected_network(weights, architecture, how["biases"])
    write_maps(
        snakemake.output[0],
        Deconvnet(network, how["device"], how["precision"]),
        samples,
        Stft(**params.stft),
        params.deconvolution["layers"],
        params.deconvolution["features"],
        song=snakemake.wildcards.song,
        network=snakemake.wildcards.network,
        weights_sha256=sha256_of_file(weights),
        config={
            "architecture": params.architecture,
            "stft": params.stft,
            "duration": params.duration,
            "excerpt_start": params.excerpt_start,
            "deconvolution": how,
        },
    )
