"""Write the first page of the results: what the networks know, and where to look."""

import json
from pathlib import Path

from _job import job

from auralise.experiment.overview import write_overview
from auralise.files import whole_file

with job(snakemake):
    params = snakemake.params
    texts = [Path(path).read_text() for path in snakemake.input]
    evaluations = dict(zip(params.networks, map(json.loads, texts), strict=True))
    with whole_file(snakemake.output[0]) as path:
        text = write_overview(params.experiment, evaluations, params.places)
        path.write_text(text, encoding="utf-8")
