"""List the signals with their attributes, and what the design crosses and lacks."""

import logging

from _job import job

from auralise.attributes.designs import describe_design, find_signals, pairs_by_attribute
from auralise.files import write_table

with job(snakemake):
    pattern = snakemake.params.pattern
    signals = find_signals(snakemake.input[0], [pattern] if isinstance(pattern, str) else pattern)
    pairs_by_attribute(signals)  # refuses what cannot be analysed before anything is computed
    design = describe_design(signals)
    for table, output in (signals, snakemake.output.signals), (design, snakemake.output.design):
        write_table(output, table)
    logging.info("%s", design.to_string(index=False))
