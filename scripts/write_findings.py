"""Say in words what the attribute experiment found and how sure it is."""

from _job import job

from auralise.attributes.feature_page import write_feature_page
from auralise.attributes.findings import write_findings
from auralise.files import read_table, whole_file

with job(snakemake):
    inputs, params = snakemake.input, snakemake.params
    names = ("design", "variants", "comparison", "features", "names")
    tables = {name: read_table(inputs[name]) for name in names}
    with whole_file(snakemake.output.findings) as path:
        text = write_findings(params.experiment, params.compare, **tables)
        path.write_text(text, encoding="utf-8")
    with whole_file(snakemake.output.features) as path:
        path.write_text(write_feature_page(tables["features"], params.songs), encoding="utf-8")
