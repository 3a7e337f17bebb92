"""Train the inverter of one layer of one classifier."""

import shutil

from _job import job, prepare_torch

from auralise.files import sha256_of_file, write_table
from auralise.inversion.subjects import read_subject
from auralise.inversion.training import Objective, train_inverter
from auralise.stft import Stft
from auralise.training.schedules import Schedule
from auralise.weights.svdnet import Inverter, write_inverter

with job(snakemake):
    prepare_torch(snakemake)
    inputs, params, layer = snakemake.input, snakemake.params, snakemake.wildcards.layer
    stft = params.stft and Stft(**params.stft)
    subject = read_subject(inputs.weights, inputs.get("mean_std"), stft)
    settings = dict(params.settings)
    objective = Objective(**{name: settings.pop(name) for name in ("l2", "features", "spectral")})
    plan, network, history = train_inverter(
        subject,
        layer,
        inputs.excerpts,
        objective,
        Schedule(optimiser="adam", **settings),
        params.seed,
        params.checkpoints,
        published=params.inverters == "published",
    )
    write_table(snakemake.output.history, history)
    inverter = Inverter(layer, plan, network, sha256_of_file(inputs.weights))
    write_inverter(snakemake.output.weights, inverter, seed=params.seed, threads=snakemake.threads)
    shutil.rmtree(params.checkpoints, ignore_errors=True)
