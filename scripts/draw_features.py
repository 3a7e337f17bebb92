"""Draw what each feature of one network keeps, feature by attribute."""

from _job import job

from auralise.attributes.findings import Protocol, caption_features
from auralise.figures.attributes import draw_features
from auralise.figures.style import save_captioned
from auralise.files import read_table

with job(snakemake):
    table = read_table(snakemake.input.correlation)
    protocol = Protocol(read_table(snakemake.input.design), **snakemake.params.protocol)
    caption = caption_features(table, protocol)
    save_captioned(draw_features(table), snakemake.output, caption, table)
