"""Write the first page of the results: what networks know, which names hold, where to look."""

from pathlib import Path

from _job import job

from auralise.dissection.own_songs import describe_names
from auralise.experiment.overview import write_overview
from auralise.files import read_json, read_table, write_text

with job(snakemake):
    params, inputs = snakemake.params, snakemake.input
    evaluations = dict(zip(params.networks, map(read_json, inputs.evaluations), strict=True))
    checked = {Path(path).parent.name: read_table(path) for path in inputs.checked}
    names = describe_names(checked)
    answers = dict(zip(params.trained, map(read_table, inputs.answers), strict=True))
    text = write_overview(params.experiment, evaluations, params.places, names, answers)
    write_text(snakemake.output[0], text)
