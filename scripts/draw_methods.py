"""Draw methods of explanation side by side."""

from _job import job

from auralise.figures.methods import draw_methods
from auralise.figures.style import save_figure
from auralise.files import read_table

with job(snakemake):
    save_figure(draw_methods(read_table(snakemake.input[0])), *snakemake.output)
