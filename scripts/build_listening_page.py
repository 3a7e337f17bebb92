"""Build the page to listen on."""

from pathlib import Path

from _job import job

from auralise.dissection.plants import plant_kernels
from auralise.listening.builder import build_listening_page
from auralise.networks.genre import Architecture, first_kernels
from auralise.networks.names import PLANTED, is_given
from auralise.weights.expected import read_expected_network

with job(snakemake):
    params = snakemake.params
    kernels = {PLANTED: plant_kernels()}
    for name, path in zip(params.architectures, snakemake.input.weights, strict=True):
        settings = params.architectures[name]
        if is_given(settings):
            continue  # which convolution its layer 1 ends with is not known
        own = first_kernels(read_expected_network(path, Architecture.from_settings(settings)))
        kernels[name] = {(1, feature): kernel for feature, kernel in enumerate(own)}
    build_listening_page(
        Path(params.results),
        params.networks,
        params.songs,
        Path(snakemake.output[0]),
        params.audible,
        kernels=kernels,
    )
