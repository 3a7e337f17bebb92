"""Train one network, or one on permuted labels, or leave a control untrained."""

import shutil

from _job import job, prepare_torch

from auralise.datasets.segments import Segments
from auralise.files import write_json, write_table
from auralise.networks.genre import Architecture
from auralise.training.augmentation import Augmentation
from auralise.training.genre import measure_speed, train_network
from auralise.training.schedules import Schedule
from auralise.weights.own import write_weights

with job(snakemake):
    prepare_torch(snakemake)
    architecture = Architecture.from_settings(snakemake.params.architecture)
    settings = dict(snakemake.params.schedule)
    augmentation = Augmentation(**settings.pop("augmentation"))
    schedule = Schedule(**settings)
    network, history = train_network(
        snakemake.input.segments,
        architecture,
        schedule,
        snakemake.params.seed,
        snakemake.params.checkpoints,
        augmentation,
        *snakemake.input.partner,
    )
    segments = Segments.open(snakemake.input.segments, "train")
    write_table(snakemake.output.history, history)
    speed = measure_speed(network, segments, schedule, history)
    write_json(snakemake.output.speed, speed)
    write_weights(
        snakemake.output.weights,
        network,
        architecture,
        n_bins=segments.shape[0],
        n_frames=segments.shape[1],
        classes=list(segments.classes),
        seed=snakemake.params.seed,
        threads=snakemake.threads,
        stft=snakemake.params.stft,
    )
    shutil.rmtree(snakemake.params.checkpoints, ignore_errors=True)
