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

with job(snakemake):
    inputs, output, compare = snakemake.input, snakemake.output, snakemake.params.compare
    design, summary = pd.read_csv(inputs.design), pd.read_csv(inputs.summary)
    variants, comparison = pd.read_csv(inputs.variants), pd.read_csv(inputs.comparison)
    table = pd.concat([pd.read_csv(path) for path in inputs.correlations], ignore_index=True)

    caption = caption_attributes(variants, design, compare)
    save_captioned(draw_attributes(variants, summary), output.by_layer, caption, variants)
    caption = caption_distribution(variants, design, compare)
    save_captioned(draw_distribution(table), output.distribution, caption, table)
    caption = caption_comparison(comparison, design, compare)
    save_captioned(draw_comparison(comparison), output.comparison, caption, comparison)
