"""Draw what each feature of one network keeps, feature by attribute."""

import pandas as pd
from _job import job

from auralise.attributes.findings import caption_features
from auralise.figures.attributes import draw_features
from auralise.figures.style import save_captioned

with job(snakemake):
    inputs = snakemake.input
    features, thresholds = (
        pd.read_csv(path, keep_default_na=True) for path in (inputs.features, inputs.thresholds)
    )
    features = features[features["network"] == snakemake.wildcards.network]
    caption = caption_features(
        features, thresholds, pd.read_csv(inputs.design), snakemake.params.compare
    )
    save_captioned(draw_features(features, thresholds), snakemake.output, caption, features)
