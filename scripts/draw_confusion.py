"""Draw the confusion matrix of the test clips."""

from _job import job

from auralise.figures.networks import draw_confusion
from auralise.figures.style import save_figure
from auralise.files import read_json

with job(snakemake):
    evaluation = read_json(snakemake.input[0])
    save_figure(draw_confusion(evaluation, snakemake.wildcards.network), *snakemake.output)
