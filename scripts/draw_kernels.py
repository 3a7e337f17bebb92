"""Draw the first-layer kernels of one network of each variant."""

from _job import job

from auralise.figures.networks import draw_kernels
from auralise.figures.style import save_figure
from auralise.networks.genre import first_kernels
from auralise.weights.own import read_network

with job(snakemake):
    networks = zip(snakemake.params.networks, snakemake.input, strict=True)
    kernels = {name: first_kernels(read_network(path)[0]) for name, path in networks}
    save_figure(draw_kernels(kernels), *snakemake.output)
