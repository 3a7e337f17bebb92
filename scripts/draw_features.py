"""Draw what each feature of one network keeps, feature by attribute."""

from _job import job

from auralise.attributes.findings import caption_features
from auralise.figures.attributes import draw_features
from auralise.figures.style import save_captioned
from auralise.files import read_table

with job(snakemake):
    inputs = snakemake.input
    features, thresholds = (read_table(path) for path in (inputs.features, inputs.thresholds))
    features = features[features["network"] == snakemake.wildcards.network]
    thresholds = thresholds[thresholds["control"] == snakemake.params.control]
    caption = caption_features(
        features, thresholds, read_table(inputs.design), snakemake.params.compare
    )
    save_captioned(draw_features(features, thresholds), snakemake.output, caption, features)
