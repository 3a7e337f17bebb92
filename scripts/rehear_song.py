"""Give the sounds of one song back to the network."""

from pathlib import Path
from tempfile import TemporaryDirectory

from _job import job, prepare_torch

from auralise.auralisation import read_auralisation, write_auralisations
from auralise.explainers.making import read_explainer
from auralise.explainers.rehearing import rehear, write_rehearing
from auralise.maps import open_maps
from auralise.networks.front_ends import undo

with job(snakemake), open_maps(snakemake.input.maps) as maps, TemporaryDirectory() as again:
    prepare_torch(snakemake)
    params = snakemake.params
    explainer = read_explainer(snakemake.input.weights, params.architecture, params.deconvolution)
    folder = Path(snakemake.input.sounds).parent
    if params.floor is not None:  # those that are not heard are not kept
        write_auralisations(again, maps, read_auralisation(folder), undo)
        folder = Path(again)
    write_rehearing(snakemake.output[0], rehear(maps, folder, explainer, params.edges))
