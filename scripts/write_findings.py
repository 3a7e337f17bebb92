"""Say in words what the attribute experiment found and how sure it is."""

from _job import job

from auralise.attributes.findings import Protocol, write_findings
from auralise.files import read_table, whole_file

with job(snakemake):
    inputs, params = snakemake.input, snakemake.params
    protocol = Protocol(read_table(inputs.design), **params.protocol)
    tables = {name: read_table(inputs[name]) for name in ("variants", "comparison")}
    with whole_file(snakemake.output[0]) as path:
        text = write_findings(params.experiment, protocol, **tables)
        path.write_text(text, encoding="utf-8")
