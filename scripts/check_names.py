"""Hold the names of features against descriptors of the songs."""

import logging

from _job import job, prepare_torch

from auralise.audio import read_surrounded
from auralise.dissection.own_songs import AROUND, check_names, describe_song, feature_levels
from auralise.errors import AudioError
from auralise.explainers.making import read_explainer
from auralise.files import read_table, write_table
from auralise.stft import Stft

with job(snakemake):
    prepare_torch(snakemake)
    params, inputs = snakemake.params, snakemake.input
    names = dict(zip(params.networks, map(read_table, inputs.names), strict=True))
    named = {name for table in names.values() for name in table["name"]}
    stft = Stft(**params.stft)
    around = stft.n_samples(AROUND)
    magnitudes, descriptors = {}, {}
    for song, path, start in zip(params.songs, inputs.songs, params.starts, strict=True):
        place = stft.sample_rate, start, params.duration
        try:
            samples = read_surrounded(path, *place, around=around).recording
        except AudioError as error:
            logging.warning("%s", error)
            continue
        magnitudes[song] = abs(stft.analyse(samples))
        descriptors[song] = describe_song(samples, stft, named)
    for name, weights, path in zip(params.networks, inputs.weights, snakemake.output, strict=True):
        explainer = read_explainer(weights, params.architectures[name], params.deconvolution)
        levels = {song: feature_levels(explainer, of) for song, of in magnitudes.items()}
        write_table(path, check_names(names[name], levels, descriptors))
