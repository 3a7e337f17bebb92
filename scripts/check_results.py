"""Check the invariants of the results; a failed check fails the run."""

from pathlib import Path

from _job import job, prepare_torch

from auralise.experiment.checks import check_results, refuse_failures
from auralise.files import write_table

with job(snakemake):
    prepare_torch(snakemake)
    params = snakemake.params
    checks = check_results(
        Path(params.results),
        params.architectures,
        params.heard,
        params.controls,
        params.songs,
        params.deconvolution,
        params.seed,
        params.n_correlated,
        params.floor,
    )
    # A failing table stays beside the log, since a failed rule keeps no output.
    failed = Path(snakemake.log[0]).with_suffix(".csv")
    write_table(failed, checks)
    refuse_failures(checks, failed)
    write_table(snakemake.output[0], checks)
