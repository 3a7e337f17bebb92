"""Measure what each layer of a network lets through of the songs."""

from _job import job, prepare_torch

from auralise.audio import read_surrounded
from auralise.dissection.layers import measure_layers
from auralise.explainers.edges import samples_around
from auralise.explainers.making import read_explainer
from auralise.files import write_table
from auralise.stft import Stft

with job(snakemake):
    prepare_torch(snakemake)
    params, inputs = snakemake.params, snakemake.input
    stft = Stft(**params.stft)
    explainer = read_explainer(inputs.weights, params.architecture, params.deconvolution)
    how = params.edges, samples_around(explainer, params.edges, stft)
    songs = (
        read_surrounded(song, stft.sample_rate, start, params.duration, *how)
        for song, start in zip(inputs.songs, params.starts, strict=True)
    )
    table = measure_layers(snakemake.wildcards.network, explainer, songs, stft)
    write_table(snakemake.output[0], table)
