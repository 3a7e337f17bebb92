"""Train one network, or leave a control untrained."""

from _job import job, prepare_torch

from auralise.datasets.segments import Segments
from auralise.files import whole_file
from auralise.fitting import Schedule
from auralise.networks import Architecture
from auralise.training import train_network
from auralise.weights import write_weights

with job(snakemake):
    prepare_torch(snakemake)
    architecture = Architecture.from_settings(snakemake.params.architecture)
    network, history = train_network(
        snakemake.input.segments,
        architecture,
        Schedule(**snakemake.params.schedule),
        snakemake.params.seed,
        snakemake.params.checkpoints,
    )
    segments = Segments.open(snakemake.input.segments, "train")
    with whole_file(snakemake.output.history) as path:
        history.to_csv(path, index=False)
    write_weights(
        snakemake.output.weights,
        network,
        architecture,
        n_bins=segments.shape[0],
        n_frames=segments.shape[1],
        classes=list(segments.classes),
        seed=snakemake.params.seed,
        threads=snakemake.threads,
    )
