"""Draw the attribute experiment: each figure with its caption and the table behind it."""

import pandas as pd
from _job import job

from auralise.attributes.findings import (
    caption_attributes,
    caption_comparison,
    caption_distribution,
)
from auralise.figures.attributes import draw_attributes, draw_comparison, draw_distribution
from auralise.figures.style import save_captioned
from auralise.files import read_table

with job(snakemake):
    inputs, output, compare = snakemake.input, snakemake.output, snakemake.params.compare
    design, summary = read_table(inputs.design), read_table(inputs.summary)
    variants, comparison = read_table(inputs.variants), read_table(inputs.comparison)
    table = pd.concat([read_table(path) for path in inputs.correlations], ignore_index=True)

    caption = caption_attributes(variants, design, compare)
    save_captioned(draw_attributes(variants, summary), output.by_layer, caption, variants)
    caption = caption_distribution(variants, design, compare)
    save_captioned(draw_distribution(table), output.distribution, caption, table)
    caption = caption_comparison(comparison, design, compare)
    save_captioned(draw_comparison(comparison), output.comparison, caption, comparison)
