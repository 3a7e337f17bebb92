"""Score every feature of a network against every concept."""

from _job import job, prepare_torch

from auralise.dissection.activations import chain_feature_maps
from auralise.dissection.exam import Exam
from auralise.dissection.networks import score_network, write_scores
from auralise.explainers.making import explainer_of
from auralise.networks.genre import Architecture
from auralise.weights.expected import read_expected_network

with job(snakemake):
    prepare_torch(snakemake)
    params, how = snakemake.params, snakemake.params.deconvolution
    architecture = Architecture.from_settings(params.architecture)
    network = read_expected_network(snakemake.input.weights, architecture, how["biases"])
    explainer = explainer_of(network, how["device"], how["precision"])
    exam = Exam.read(snakemake.input.exam)
    scores = score_network(chain_feature_maps(network), explainer, exam, params.heard)
    write_scores(snakemake.output[0], scores)
