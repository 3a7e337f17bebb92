"""Draw the attribute experiment: each figure with its caption and the table behind it."""

import pandas as pd
from _job import job

from auralise.attributes.findings import (
    Protocol,
    caption_attributes,
    caption_comparison,
    caption_distribution,
)
from auralise.figures.attributes import draw_attributes, draw_comparison, draw_distribution
from auralise.figures.style import save_captioned
from auralise.files import read_table

with job(snakemake):
    inputs, output = snakemake.input, snakemake.output
    protocol = Protocol(read_table(inputs.design), **snakemake.params.protocol)
    summary = read_table(inputs.summary)
    variants, comparison = read_table(inputs.variants), read_table(inputs.comparison)
    table = pd.concat([read_table(path) for path in inputs.correlations], ignore_index=True)

    caption = caption_attributes(variants, protocol)
    save_captioned(draw_attributes(variants, summary), output.by_layer, caption, variants)
    caption = caption_distribution(variants, protocol)
    save_captioned(draw_distribution(table), output.distribution, caption, table)
    caption = caption_comparison(comparison, variants, protocol)
    save_captioned(draw_comparison(comparison, summary), output.comparison, caption, comparison)
