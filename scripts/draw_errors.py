"""Draw reconstruction errors by layer."""

from _job import job

from auralise.figures.inversion import draw_errors
from auralise.figures.style import save_figure
from auralise.files import read_table

with job(snakemake):
    errors = read_table(snakemake.input[0])
    errors = errors[errors["classifier"].isin(snakemake.params.classifiers)]
    save_figure(draw_errors(errors), *snakemake.output)
