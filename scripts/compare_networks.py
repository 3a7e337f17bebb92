"""Compare trained with untrained networks: layer by layer, and feature by feature."""

import pandas as pd
from _job import job

from auralise.attributes.comparison import (
    compare_with_controls,
    count_names,
    find_thresholds,
    name_features,
)
from auralise.attributes.families import split_families
from auralise.attributes.feature_page import link_sounds
from auralise.files import read_table, write_table

with job(snakemake):
    params = snakemake.params
    table = pd.concat([read_table(path) for path in snakemake.input], ignore_index=True)
    tables = {name: [] for name in ("comparison", "thresholds", "names", "features")}
    for family in split_families(table, params.controls):
        thresholds = find_thresholds(family.table)
        features = name_features(family.table, thresholds, list(params.controls))
        comparison = compare_with_controls(family.table, list(params.controls))
        tables["comparison"].append(comparison)
        tables["thresholds"].append(thresholds.assign(control=family.control))
        tables["names"].append(count_names(features))
        features = family.named(features)
        tables["features"].append(
            link_sounds(features, params.songs, params.layers, params.features)
        )
    for name, parts in tables.items():
        write_table(snakemake.output[name], pd.concat(parts, ignore_index=True))
