"""Ask a network what the songs are."""

import logging

from _job import job, prepare_torch

from auralise.files import write_table
from auralise.networks.prediction import predict_songs
from auralise.stft import Stft
from auralise.weights.expected import read_expected_whole

with job(snakemake):
    prepare_torch(snakemake)
    params, inputs = snakemake.params, snakemake.input
    whole = read_expected_whole(inputs.weights, params.architecture, Stft(**params.stft))
    songs = dict(zip(params.songs, inputs.songs, strict=True))
    answers, failures = predict_songs(
        whole.network, songs, whole.stft, whole.classes, whole.n_frames
    )
    for error in failures.values():
        logging.warning("%s", error)
    write_table(snakemake.output[0], answers)
