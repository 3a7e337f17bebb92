"""Score the features of a network against every concept."""

from _job import job, prepare_torch

from auralise.dissection.exam import Exam
from auralise.dissection.networks import score_network, write_scores
from auralise.explainers.making import read_explainer

with job(snakemake):
    prepare_torch(snakemake)
    params, inputs = snakemake.params, snakemake.input
    explainer = read_explainer(inputs.weights, params.architecture, params.deconvolution)
    scores = score_network(explainer, Exam.read(inputs.exam), params.heard)
    write_scores(snakemake.output[0], scores)
