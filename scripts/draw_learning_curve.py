"""Draw loss and accuracy by epoch."""

from _job import job

from auralise.figures.networks import draw_learning_curve
from auralise.figures.style import save_figure
from auralise.files import read_table

with job(snakemake):
    figure = draw_learning_curve(read_table(snakemake.input[0]), snakemake.wildcards.network)
    save_figure(figure, *snakemake.output)
