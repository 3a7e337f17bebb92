"""Invert every layer of one classifier on excerpts of songs."""

from pathlib import Path

from _job import job, prepare_torch

from auralise.audio import Stft
from auralise.datasets.jamendo import find_test_songs
from auralise.files import whole_folder
from auralise.inversion.songs import invert_song
from auralise.inversion.subjects import read_subject
from auralise.weights.svdnet import read_inverter

with job(snakemake), whole_folder(snakemake.output[0]) as folder:
    prepare_torch(snakemake)
    inputs, params, excerpts = snakemake.input, snakemake.params, snakemake.params.excerpts
    subject = read_subject(inputs.weights, inputs.get("mean_std"), Stft(**params.stft))
    inverters = {found.layer: found.network for found in map(read_inverter, inputs.inverters)}
    songs = find_test_songs(inputs.songs) if params.is_svdnet else inputs.songs
    for number, song in enumerate(list(songs)[: excerpts["songs"]]):
        invert_song(
            song,
            subject,
            inverters,
            folder / Path(song).stem,
            classifier=snakemake.wildcards.classifier,
            time=excerpts["time_index"],
            phase=excerpts["phase"],
            seed=params.seed + 1000 * number,
        )
