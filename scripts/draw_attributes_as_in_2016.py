"""Draw the attribute experiment as in 2016, with its caption and the table behind it."""

import pandas as pd
from _job import job

from auralise.attributes.comparison import summarise_correlation
from auralise.attributes.findings import Protocol, caption_as_in_2016
from auralise.figures.attributes import draw_as_in_2016
from auralise.figures.style import save_captioned
from auralise.files import read_table

with job(snakemake):
    protocol = Protocol(read_table(snakemake.input.design), **snakemake.params.protocol)
    tables = [read_table(path) for path in snakemake.input.correlations]
    summary = summarise_correlation(pd.concat(tables, ignore_index=True))
    caption = caption_as_in_2016(summary, protocol)
    save_captioned(draw_as_in_2016(summary), snakemake.output, caption, summary)
