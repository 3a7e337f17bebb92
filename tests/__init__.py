"""Tests run in processes of one thread each: with two, they would wait for one another's."""

import os

# Read when torch and numpy are loaded, so set before that. Snakemake sets them for its jobs.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"
