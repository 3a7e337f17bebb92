"""Gather the measures of all layers, and say in words what they show."""

import json
from pathlib import Path

import pandas as pd
from _job import job

from auralise.files import whole_file
from auralise.inversion.findings import summarise_errors, write_findings

with job(snakemake):
    inputs, outputs = snakemake.input, snakemake.output
    errors = summarise_errors(map(pd.read_csv, inputs.errors), snakemake.params.controls)
    dependence = pd.concat(map(pd.read_csv, inputs.dependence), ignore_index=True)
    evaluations = {
        Path(path).parent.name: json.loads(Path(path).read_text()) for path in inputs.evaluations
    }
    for table, output in ((errors, outputs.errors), (dependence, outputs.dependence)):
        with whole_file(output) as path:
            table.to_csv(path, index=False)
    with whole_file(outputs.findings) as path:
        path.write_text(write_findings(errors, dependence, evaluations), encoding="utf-8")
