"""Draw loss and accuracy by epoch."""

import pandas as pd
from _job import job

from auralise.figures.networks import draw_learning_curve
from auralise.figures.style import save_figure

with job(snakemake):
    figure = draw_learning_curve(pd.read_csv(snakemake.input[0]), snakemake.wildcards.network)
    save_figure(figure, *snakemake.output)
