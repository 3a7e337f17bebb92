"""Train SVDNet, or leave a control untrained."""

import shutil

from _job import job, prepare_torch

from auralise.files import write_table
from auralise.mel import LogMel
from auralise.training.schedules import Schedule
from auralise.training.singing import Variation, train_svdnet
from auralise.weights.svdnet import read_mean_std, write_svdnet

with job(snakemake):
    prepare_torch(snakemake)
    inputs, settings = snakemake.input, dict(snakemake.params.settings)
    variation = Variation(
        **{name: settings.pop(name) for name in ("stretch", "shift", "filter_db")}
    )
    network, history = train_svdnet(
        inputs.spectra,
        inputs.excerpts,
        LogMel(*read_mean_std(inputs.mean_std)),
        variation,
        Schedule(optimiser="nesterov", **settings),
        snakemake.params.seed,
        snakemake.params.checkpoints,
    )
    write_table(snakemake.output.history, history)
    write_svdnet(
        snakemake.output.weights, network, seed=snakemake.params.seed, threads=snakemake.threads
    )
    shutil.rmtree(snakemake.params.checkpoints, ignore_errors=True)
