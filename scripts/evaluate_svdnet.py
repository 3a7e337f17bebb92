"""Evaluate SVDNet on the test songs, frame by frame."""

import json

from _job import job, prepare_torch

from auralise.files import whole_file
from auralise.mel import LogMel
from auralise.training.singing import evaluate_svdnet
from auralise.weights.svdnet import read_mean_std, read_svdnet

with job(snakemake):
    prepare_torch(snakemake)
    inputs = snakemake.input
    front_end = LogMel(*read_mean_std(inputs.mean_std))
    evaluation = evaluate_svdnet(read_svdnet(inputs.weights), front_end, inputs.spectra)
    with whole_file(snakemake.output[0]) as path:
        path.write_text(json.dumps(evaluation, indent=1) + "\n")
