"""Draw the confusion matrix of the test clips."""

import json
from pathlib import Path

from _job import job

from auralise.figures.networks import draw_confusion
from auralise.figures.style import save_figure

with job(snakemake):
    evaluation = json.loads(Path(snakemake.input[0]).read_text())
    save_figure(draw_confusion(evaluation, snakemake.wildcards.network), *snakemake.output)
