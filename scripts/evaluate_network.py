"""Evaluate one network on the test clips, beside linear baselines."""

from _job import job, prepare_torch

from auralise.files import write_json
from auralise.networks.genre import Architecture
from auralise.training.evaluation import evaluate_network
from auralise.weights.expected import read_expected_network

with job(snakemake):
    prepare_torch(snakemake)
    architecture = Architecture.from_settings(snakemake.params.architecture)
    network = read_expected_network(snakemake.input.weights, architecture)
    evaluation = evaluate_network(network, snakemake.input.segments)
    write_json(snakemake.output[0], evaluation)
