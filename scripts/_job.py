"""The job of a script, as Snakemake describes it, in the library's terms."""

from contextlib import AbstractContextManager
from pathlib import Path

from auralise.environment import settle_environment
from auralise.experiment import jobs
from auralise.experiment.records import Record

settle_environment()  # before what the scripts import


def job(snakemake) -> AbstractContextManager[list[Path]]:
    """As `auralise.experiment.jobs.run_job`."""
    params = snakemake.params
    # The workflow's `code_of`: the library's files, and where the job is recorded.
    about = next(value for value in params if isinstance(value, dict) and "record" in value)
    record = Record(
        about["rule"],
        {name: str(value) for name, value in snakemake.wildcards.items()},
        about["made"],
        temporary=about["temporary"],
        settings=dict(params.items()),
        code=[value for value in params if str(value).startswith("code of ")],
    )
    return jobs.run_job(
        record,
        Path(about["record"]),
        Path(about["results"]),
        Path(snakemake.log[0]),
        snakemake.input,
        snakemake.output,
        snakemake.resources.get("mem_mb"),
    )


def prepare_torch(snakemake) -> None:
    """As `auralise.experiment.jobs.prepare_torch`, with the rule's threads."""
    jobs.prepare_torch(snakemake.threads)
