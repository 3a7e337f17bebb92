"""Gather the measures of all layers, and say in words what they show."""

import json
from pathlib import Path

import pandas as pd
from _job import job

from auralise.files import read_table, whole_file, write_table
from auralise.inversion.findings import compare_inversions, describe_inversion, summarise_errors

NUMBERED = ("classifier",)  # excerpts have the numbers of their clips, not the names

with job(snakemake):
    inputs, outputs, controls = snakemake.input, snakemake.output, snakemake.params.controls
    errors, excerpts, dependence, kept = (
        pd.concat([read_table(path, NUMBERED) for path in inputs[name]], ignore_index=True)
        for name in ("errors", "excerpts", "dependence", "kept")
    )
    summary = summarise_errors(errors, excerpts, controls)
    tables = {
        "errors": summary,
        "kept": kept,
        "comparison": compare_inversions(summary, controls),
        "dependence": dependence,
    }
    evaluations = {
        Path(path).parent.name: json.loads(Path(path).read_text()) for path in inputs.evaluations
    }
    for name, table in tables.items():
        write_table(outputs[name], table)
    with whole_file(outputs.findings) as path:
        path.write_text(describe_inversion(**tables, evaluations=evaluations), encoding="utf-8")
