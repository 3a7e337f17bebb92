"""Draw accuracy, precision and recall, and calibration of the networks."""

import json
from pathlib import Path

from _job import job

from auralise.figures.networks import draw_evaluations
from auralise.figures.style import save_figure
from auralise.files import read_table

with job(snakemake):
    texts = [Path(path).read_text() for path in snakemake.input.evaluations]
    evaluations = dict(zip(snakemake.params.networks, map(json.loads, texts), strict=True))
    figure = draw_evaluations(evaluations, read_table(snakemake.input.classes))
    save_figure(figure, *snakemake.output)
