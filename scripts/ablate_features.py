"""Switch features of one network off, and hear the test clips again."""

from _job import job, prepare_torch

from auralise.datasets.segments import Segments
from auralise.dissection.ablation import ablate_features
from auralise.files import read_table, write_table
from auralise.networks.genre import Architecture
from auralise.weights.expected import read_expected_network

with job(snakemake):
    prepare_torch(snakemake)
    architecture = Architecture.from_settings(snakemake.params.architecture)
    network = read_expected_network(snakemake.input.weights, architecture)
    segments = Segments.open(snakemake.input.segments, "test")
    rows = segments.one_of_each(snakemake.params.clips)
    names = read_table(snakemake.input.names)
    clips = segments.read(rows), segments.labels[rows]
    write_table(snakemake.output[0], ablate_features(network, *clips, segments.classes, names))
