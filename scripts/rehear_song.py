"""Give the sounds of one song back to the network."""

from pathlib import Path

from _job import job, prepare_torch

from auralise.explainers.making import read_explainer
from auralise.explainers.rehearing import rehear, write_rehearing
from auralise.maps import open_maps

with job(snakemake), open_maps(snakemake.input.maps) as maps:
    prepare_torch(snakemake)
    params = snakemake.params
    explainer = read_explainer(snakemake.input.weights, params.architecture, params.deconvolution)
    folder = Path(snakemake.input.sounds).parent
    write_rehearing(snakemake.output[0], rehear(maps, folder, explainer, params.edges))
