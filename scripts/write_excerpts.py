"""Cut the spectra into normalised log-mel excerpts."""

from _job import job, prepare_torch

from auralise.datasets.jamendo import write_excerpts
from auralise.mel import LogMel
from auralise.networks.svdnet import PICTURE
from auralise.weights.svdnet import read_mean_std

with job(snakemake):
    prepare_torch(snakemake)
    front_end = LogMel(*read_mean_std(snakemake.input.mean_std))
    write_excerpts(
        snakemake.output[0],
        snakemake.input.spectra,
        front_end,
        PICTURE[1],
        snakemake.params.hop,
    )
