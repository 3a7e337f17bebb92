"""Make the untrained control of a network whose weights are given."""

from _job import job, prepare_torch

from auralise.files import read_table
from auralise.stft import Stft
from auralise.training.controls import read_training_segments, untrain_network
from auralise.weights.whole import Description, read_whole, source_of, write_whole

with job(snakemake):
    prepare_torch(snakemake)
    params = snakemake.params
    described = Description.from_settings(params.architecture)
    whole = read_whole(described, Stft(**params.architecture["stft"]))
    clips = read_table(snakemake.input.clips)
    segments = read_training_segments(clips, whole.stft, params.duration, params.edges)
    untrain_network(whole.convolutional, segments, params.seed)
    facts = source_of(described, whole) | {"untrained": "true", "seed": str(params.seed)}
    write_whole(snakemake.output[0], whole, **facts)
