"""Draw accuracy, precision and recall, and calibration of the networks."""

from _job import job

from auralise.figures.networks import draw_evaluations
from auralise.figures.style import save_figure
from auralise.files import read_json, read_table

with job(snakemake):
    found = map(read_json, snakemake.input.evaluations)
    evaluations = dict(zip(snakemake.params.networks, found, strict=True))
    figure = draw_evaluations(evaluations, read_table(snakemake.input.classes))
    save_figure(figure, *snakemake.output)
