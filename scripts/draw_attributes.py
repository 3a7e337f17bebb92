"""Draw the attribute experiment: mean correlation by layer for each attribute."""

import pandas as pd
from _job import job

from auralise.figures.attributes import draw_attributes
from auralise.figures.style import save_figure

with job(snakemake):
    save_figure(draw_attributes(pd.read_csv(snakemake.input[0])), *snakemake.output)
