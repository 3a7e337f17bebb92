"""Say which features of a network are excited by their own sounds, over its songs."""

import logging

from _job import job

from auralise.explainers.rehearing import certify, read_rehearing, say_certificates
from auralise.files import write_table

with job(snakemake):
    songs = zip(snakemake.params.songs, snakemake.input, strict=True)
    certificates = certify({song: read_rehearing(path) for song, path in songs})
    logging.info("%s: %s", snakemake.wildcards.network, say_certificates(certificates))
    write_table(snakemake.output[0], certificates)
