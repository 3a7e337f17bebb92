"""Deconvolve every feature of a network on one song."""

from _job import job, prepare_torch

from auralise.audio import read_surrounded
from auralise.explainers.edges import samples_around
from auralise.explainers.making import read_explainer
from auralise.explainers.writing import choose_features, write_maps
from auralise.files import sha256_of_file
from auralise.maps import Origin
from auralise.stft import Stft
from auralise.weights.own import stated_assumptions

with job(snakemake):
    prepare_torch(snakemake)
    params, weights = snakemake.params, snakemake.input.weights
    how, stft = params.deconvolution, Stft(**params.stft)
    explainer = read_explainer(weights, params.architecture, how)
    around = samples_around(explainer, params.edges, stft)
    excerpt = params.start, params.duration, params.edges, around
    names = ("architecture", "stft", "duration", "start", "edges", "deconvolution")
    config = {name: getattr(params, name) for name in names}
    wildcards = snakemake.wildcards
    write_maps(
        snakemake.output[0],
        explainer,
        read_surrounded(snakemake.input.song, stft.sample_rate, *excerpt),
        stft,
        Origin(
            wildcards.song,
            wildcards.network,
            sha256_of_file(weights),
            config,
            stated_assumptions(weights),
            sha256_of_file(snakemake.input.song),
        ),
        choose_features(explainer, how["layers"], how["features"]),
    )
