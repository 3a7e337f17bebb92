"""Evaluate SVDNet on the test songs, frame by frame."""

from _job import job, prepare_torch

from auralise.files import write_json
from auralise.mel import LogMel
from auralise.training.singing import evaluate_svdnet
from auralise.weights.svdnet import read_mean_std, read_svdnet

with job(snakemake):
    prepare_torch(snakemake)
    inputs = snakemake.input
    front_end = LogMel(*read_mean_std(inputs.mean_std))
    evaluation = evaluate_svdnet(read_svdnet(inputs.weights), front_end, inputs.spectra)
    write_json(snakemake.output[0], evaluation)
