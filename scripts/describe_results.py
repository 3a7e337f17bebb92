"""Write the first page of the results: what networks know, which names hold, where to look."""

import json
from pathlib import Path

from _job import job

from auralise.dissection.own_songs import describe_names
from auralise.experiment.overview import write_overview
from auralise.files import read_table, whole_file

with job(snakemake):
    params, inputs = snakemake.params, snakemake.input
    texts = [Path(path).read_text() for path in inputs.evaluations]
    evaluations = dict(zip(params.networks, map(json.loads, texts), strict=True))
    checked = {Path(path).parent.name: read_table(path) for path in inputs.checked}
    names = describe_names(checked)
    answers = dict(zip(params.trained, map(read_table, inputs.answers), strict=True))
    with whole_file(snakemake.output[0]) as path:
        text = write_overview(params.experiment, evaluations, params.places, names, answers)
        path.write_text(text, encoding="utf-8")
