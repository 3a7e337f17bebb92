"""Draw reconstruction errors by layer."""

import pandas as pd
from _job import job

from auralise.figures.inversion import draw_errors
from auralise.figures.style import save_figure

with job(snakemake):
    errors = pd.read_csv(snakemake.input[0])
    errors = errors[errors["classifier"].isin(snakemake.params.classifiers)]
    save_figure(draw_errors(errors), *snakemake.output)
