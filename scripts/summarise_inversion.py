"""Gather the measures of all layers, and say in words what they show."""

from pathlib import Path

import pandas as pd
from _job import job

from auralise.files import read_json, read_table, write_table, write_text
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
    evaluations = {Path(path).parent.name: read_json(path) for path in inputs.evaluations}
    for name, table in tables.items():
        write_table(outputs[name], table)
    write_text(outputs.findings, describe_inversion(**tables, evaluations=evaluations))
