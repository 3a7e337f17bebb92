"""Invert every layer of one classifier on excerpts of songs."""

from functools import partial

from _job import job, prepare_torch

from auralise.datasets.jamendo import find_test_songs
from auralise.files import whole_folder
from auralise.inversion.excerpts import invert_song, invert_songs
from auralise.inversion.subjects import read_inverters, read_subject
from auralise.stft import Stft

with job(snakemake), whole_folder(snakemake.output[0]) as folder:
    prepare_torch(snakemake)
    inputs, params, excerpts = snakemake.input, snakemake.params, snakemake.params.excerpts
    stft = params.stft and Stft(**params.stft)
    subject = read_subject(inputs.weights, inputs.get("mean_std"), stft)
    songs = find_test_songs(inputs.songs) if params.is_svdnet else inputs.songs
    invert = partial(
        invert_song,
        subject=subject,
        inverters=read_inverters(inputs.inverters, subject, inputs.weights),
        classifier=snakemake.wildcards.classifier,
        time=excerpts["time_index"],
        phase=excerpts["phase"],
    )
    invert_songs(list(songs)[: excerpts["songs"]], folder, invert, params.seed)
