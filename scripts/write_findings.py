"""Say in words what the attribute experiment found and how sure it is."""

from _job import job

from auralise.attributes.findings import Protocol, write_findings
from auralise.files import read_json, read_table, write_text
from auralise.training.baselines import describe_accuracy

with job(snakemake):
    inputs, params = snakemake.input, snakemake.params
    protocol = Protocol(read_table(inputs.design), **params.protocol)
    tables = {name: read_table(inputs[name]) for name in ("variants", "comparison")}
    evaluations = dict(zip(params.networks, map(read_json, inputs.evaluations), strict=True))
    accuracy = describe_accuracy(evaluations)
    text = write_findings(params.experiment, protocol, **tables, accuracy=accuracy)
    write_text(snakemake.output[0], text)
