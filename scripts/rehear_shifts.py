"""Give the sounds of shifted maps of one song back to the network."""

from _job import job, prepare_torch

from auralise.auralisation import expansion
from auralise.explainers.making import read_explainer
from auralise.explainers.shifts import rehear_shifted
from auralise.files import write_table
from auralise.maps import open_maps
from auralise.networks.front_ends import undo

with job(snakemake), open_maps(snakemake.input.maps) as maps:
    prepare_torch(snakemake)
    params = snakemake.params
    explainer = read_explainer(snakemake.input.weights, params.architecture, params.deconvolution)
    mode = params.mode
    expand = expansion(maps, mode, undo)
    table = rehear_shifted(maps, explainer, params.edges, params.n_shifts, mode, expand)
    write_table(snakemake.output[0], table)
