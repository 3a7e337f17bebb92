"""Write what each sound of a song bears: levels and shares, and how it is re-heard."""

from _job import job

from auralise.explainers.rehearing import read_rehearing
from auralise.features import write_features
from auralise.files import read_table

with job(snakemake):
    given, measured = snakemake.input, read_table(snakemake.input.measured)
    others = ()
    if given.rehearing:
        others = read_rehearing(given.rehearing).table(), read_table(given.certificates)
    write_features(snakemake.output[0], measured, *others)
