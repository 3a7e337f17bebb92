"""Find the seconds of the data set in which each feature of one network is most active."""

from pathlib import Path

from _job import job, prepare_torch

from auralise.explainers.making import read_explainer
from auralise.explainers.strongest_seconds import find_strongest_seconds
from auralise.files import read_table, write_table
from auralise.stft import Stft

with job(snakemake):
    prepare_torch(snakemake)
    params, inputs = snakemake.params, snakemake.input
    explainer = read_explainer(inputs.weights, params.architecture, params.deconvolution)
    table = read_table(inputs.clips)
    used = table[table["split"] != ""]
    clips = dict(zip(used["clip"], map(Path, used["path"]), strict=True))
    found = find_strongest_seconds(explainer, clips, Stft(**params.stft), params.edges)
    write_table(snakemake.output[0], found)
