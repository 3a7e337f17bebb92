"""Draw loss and accuracy by epoch."""

from _job import job

from auralise.figures.networks import draw_learning_curve
from auralise.figures.style import save_figure
from auralise.files import read_json, read_table

with job(snakemake):
    evaluation = read_json(snakemake.input.evaluation)
    history = read_table(snakemake.input.history)
    figure = draw_learning_curve(history, evaluation, snakemake.wildcards.network)
    save_figure(figure, *snakemake.output)
