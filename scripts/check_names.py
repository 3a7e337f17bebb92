"""Hold the names of features against descriptors of the songs."""

import logging
from collections import defaultdict
from itertools import product

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
    places = list(zip(params.songs, inputs.songs, params.starts, strict=True))
    stfts = {name: Stft(**settings) for name, settings in params.stfts.items()}
    magnitudes, descriptors = defaultdict(dict), defaultdict(dict)
    for stft, (song, path, start) in product(set(stfts.values()), places):
        place = stft.sample_rate, start, params.duration
        try:
            samples = read_surrounded(path, *place, around=stft.n_samples(AROUND)).recording
        except AudioError as error:
            logging.warning("%s", error)
            continue
        magnitudes[stft][song] = abs(stft.analyse(samples))
        descriptors[stft][song] = describe_song(samples, stft)
    for name, weights, path in zip(params.networks, inputs.weights, snakemake.output, strict=True):
        explainer = read_explainer(weights, params.architectures[name], params.deconvolution)
        stft = stfts[name]
        levels = {song: feature_levels(explainer, of) for song, of in magnitudes[stft].items()}
        write_table(path, check_names(names[name], levels, descriptors[stft]))
