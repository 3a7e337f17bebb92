"""Score the features of untrained networks, which are made from their seeds and not kept."""

from functools import partial

from _job import job, prepare_torch

from auralise.datasets.segments import Segments
from auralise.dissection.exam import Exam
from auralise.dissection.networks import CALIBRATED, score_untrained, write_untrained
from auralise.networks.genre import Architecture
from auralise.training.genre import initial_network

with job(snakemake):
    prepare_torch(snakemake)
    params = snakemake.params
    architecture = Architecture.from_settings(params.architecture)
    segments = Segments.open(snakemake.input.segments, "train")
    make = partial(initial_network, architecture, segments, n_calibrated=CALIBRATED)
    exam = Exam.read(snakemake.input.exam)
    scores = score_untrained(make, exam, params.untrained, params.biases)
    write_untrained(snakemake.output[0], scores)
