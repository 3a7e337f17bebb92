"""Draw reconstruction errors by layer."""

from _job import job

from auralise.figures.inversion import draw_errors
from auralise.figures.style import save_figure
from auralise.files import read_table

with job(snakemake):
    errors, kept = (
        table[table["classifier"].isin(snakemake.params.classifiers)]
        for table in map(read_table, snakemake.input)
    )
    save_figure(draw_errors(errors, kept), *snakemake.output)
