"""Say which features of a network are excited by their own sounds, over its songs."""

import logging

from _job import job

from auralise.explainers.rehearing import certify, read_rehearing, say_certificates
from auralise.explainers.shifts import add_shifts, say_shifts
from auralise.files import read_table, write_table

with job(snakemake):
    inputs, network = snakemake.input, snakemake.wildcards.network
    songs = zip(snakemake.params.songs, inputs.rehearings, strict=True)
    certificates = certify({song: read_rehearing(path) for song, path in songs})
    logging.info("%s: %s", network, say_certificates(certificates))
    if inputs.shifts:
        shifts = dict(zip(snakemake.params.songs, map(read_table, inputs.shifts), strict=True))
        certificates = add_shifts(certificates, shifts)
        logging.info("%s: %s", network, say_shifts(certificates))
    write_table(snakemake.output[0], certificates)
