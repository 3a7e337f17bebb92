"""Write what each sound of a network's songs bears: levels and shares, and how it is re-heard."""

from itertools import zip_longest
from pathlib import Path

import pandas as pd
from _job import job

from auralise.explainers.rehearing import read_rehearing
from auralise.features import NAME, write_features
from auralise.files import read_table, write_table

with job(snakemake) as outputs:
    given, rows = snakemake.input, []
    certificates = read_table(given.certificates) if given.certificates else None
    for song, path, rehearing in zip_longest(
        snakemake.params.songs, given.measured, given.get("rehearing", ())
    ):
        measured = read_table(path)
        percentiles = read_rehearing(rehearing).table() if rehearing else None
        outputs.append(Path(path).with_name(NAME))
        write_features(outputs[-1], measured, percentiles, certificates)
        counts = {f"n_{name}": measured[name].sum() for name in ("live", "responds")}
        rows.append({"song": song, "n_features": len(measured), **counts})
    write_table(snakemake.output[0], pd.DataFrame(rows))
