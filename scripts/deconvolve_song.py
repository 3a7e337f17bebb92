"""Deconvolve every feature of a network on one song."""

from _job import job, prepare_torch

from auralise.audio import Stft, read_excerpt
from auralise.explainers.making import read_explainer
from auralise.explainers.writing import choose_features, write_maps
from auralise.files import sha256_of_file
from auralise.maps import Origin

with job(snakemake):
    prepare_torch(snakemake)
    params, weights = snakemake.params, snakemake.input.weights
    samples = read_excerpt(
        snakemake.input.song, params.stft["sample_rate"], params.excerpt_start, params.duration
    )
    how = params.deconvolution
    explainer = read_explainer(weights, params.architecture, how)
    config = {
        "architecture": params.architecture,
        "stft": params.stft,
        "duration": params.duration,
        "excerpt_start": params.excerpt_start,
        "deconvolution": how,
    }
    wildcards = snakemake.wildcards
    write_maps(
        snakemake.output[0],
        explainer,
        samples,
        Stft(**params.stft),
        Origin(
            wildcards.song,
            wildcards.network,
            sha256_of_file(weights),
            config,
            sha256_of_file(snakemake.input.song),
        ),
        choose_features(explainer, how["layers"], how["features"]),
    )
