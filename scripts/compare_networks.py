"""Compare trained with untrained networks: layer by layer, and feature by feature."""

import pandas as pd
from _job import job

from auralise.attributes.comparison import (
    compare_with_controls,
    count_names,
    find_thresholds,
    name_features,
)
from auralise.attributes.feature_page import link_sounds
from auralise.files import read_table, write_table

with job(snakemake):
    params = snakemake.params
    table = pd.concat([read_table(path) for path in snakemake.input], ignore_index=True)
    thresholds = find_thresholds(table)
    features = name_features(table, thresholds, params.controlled)
    tables = {
        "comparison": compare_with_controls(table, params.controlled),
        "thresholds": thresholds,
        "names": count_names(features),
        "features": link_sounds(features, params.songs, params.layers, params.features),
    }
    for name, content in tables.items():
        write_table(snakemake.output[name], content)
