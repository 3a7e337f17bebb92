"""Draw loss and accuracy by epoch."""

import json
from pathlib import Path

from _job import job

from auralise.figures.networks import draw_learning_curve
from auralise.figures.style import save_figure
from auralise.files import read_table

with job(snakemake):
    evaluation = json.loads(Path(snakemake.input.evaluation).read_text(encoding="utf-8"))
    history = read_table(snakemake.input.history)
    figure = draw_learning_curve(history, evaluation, snakemake.wildcards.network)
    save_figure(figure, *snakemake.output)
