"""Write what each sound of a network's songs bears: levels and shares, and how it is re-heard."""

from itertools import zip_longest

from _job import job

from auralise.explainers.rehearing import read_rehearing
from auralise.features import write_features
from auralise.files import read_table

with job(snakemake):
    given = snakemake.input
    certificates = read_table(given.certificates) if given.certificates else None
    for path, measured, rehearing in zip_longest(
        snakemake.output, given.measured, given.get("rehearing", ())
    ):
        percentiles = read_rehearing(rehearing).table() if rehearing else None
        write_features(path, read_table(measured), percentiles, certificates)
