"""Say in words what the attribute experiment found and how sure it is."""

import json
from pathlib import Path

from _job import job

from auralise.attributes.findings import Protocol, write_findings
from auralise.files import read_table, whole_file
from auralise.training.baselines import describe_accuracy

with job(snakemake):
    inputs, params = snakemake.input, snakemake.params
    protocol = Protocol(read_table(inputs.design), **params.protocol)
    tables = {name: read_table(inputs[name]) for name in ("variants", "comparison")}
    texts = [Path(path).read_text() for path in inputs.evaluations]
    accuracy = describe_accuracy(dict(zip(params.networks, map(json.loads, texts), strict=True)))
    with whole_file(snakemake.output[0]) as path:
        text = write_findings(params.experiment, protocol, **tables, accuracy=accuracy)
        path.write_text(text, encoding="utf-8")
