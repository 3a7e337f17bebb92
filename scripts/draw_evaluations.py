"""Draw accuracy, precision and recall, and calibration of the networks."""

import json
from pathlib import Path

import pandas as pd
from _job import job

from auralise.figures.networks import draw_evaluations
from auralise.figures.style import save_figure

with job(snakemake):
    texts = [Path(path).read_text() for path in snakemake.input.evaluations]
    evaluations = dict(zip(snakemake.params.networks, map(json.loads, texts), strict=True))
    figure = draw_evaluations(evaluations, pd.read_csv(snakemake.input.classes))
    save_figure(figure, *snakemake.output)
