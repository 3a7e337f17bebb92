"""What every script shares: its log file, and a user's mistake answered without a traceback."""

import ctypes
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from auralise.environment import settle_environment
from auralise.errors import AuraliseError, is_out_of_memory, message_of
from auralise.experiment.records import Record, refuse_damaged, write_record
from auralise.storage import storage_error

settle_environment()  # before what the scripts import

# Options of glibc's mallopt(3).
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4

ENDED = "the job ended"  # the last line of a log, unless the job was killed


@contextmanager
def job(snakemake) -> Iterator[None]:
    """Log to the rule's log file and the terminal; end with status 1 on an `AuraliseError`."""
    killed = was_killed(Path(snakemake.log[0]))
    logging.raiseExceptions = False  # a log that finds no room must not hide why
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    with suppress(OSError):
        handlers.append(logging.FileHandler(snakemake.log[0], "w", "utf-8"))
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        handlers=handlers,
        force=True,
    )
    logging.captureWarnings(True)
    log = logging.getLogger(snakemake.rule)
    memory = snakemake.resources.get("mem_mb")
    if killed:
        log.warning(
            "the attempt before this one was killed; a cluster does so when a job takes more "
            "memory than it asked for (this attempt has %s MB)",
            memory,
        )
    try:
        yield
        record(snakemake)
    except AuraliseError as error:
        log.error("%s", message_of(error))
        sys.exit(1)
    except Exception as error:
        told = storage_error(error, Path(snakemake.output[0])) or damaged_input(snakemake)
        if told is not None:
            log.error("%s", message_of(told))
        elif is_out_of_memory(error):
            log.error("not enough memory; the rule asks for %s MB", memory)
        else:
            log.exception("unexpected error")
        sys.exit(1)
    finally:
        log.info(ENDED)


def was_killed(log: Path) -> bool:
    """Whether the job that wrote a log was killed, so that it could not say that it ended."""
    with suppress(OSError):
        text = log.read_text("utf-8", errors="replace").strip()
        return bool(text) and not text.endswith(ENDED)
    return False


def about(snakemake) -> dict:
    """Where the job is recorded, and how often it was: the workflow's `code_of`."""
    values = (value for value in snakemake.params if isinstance(value, dict))
    return next(value for value in values if "record" in value)


def damaged_input(snakemake) -> AuraliseError | None:
    """Which input may be why the job failed; None where all are what their jobs have made."""
    try:
        refuse_damaged(Path(about(snakemake)["results"]), snakemake.input)
    except AuraliseError as error:
        return error
    return None


def record(snakemake) -> None:
    """Write down what the job has made, and from what, for `auralise verify` and `provenance`."""
    facts = about(snakemake)
    written = Record(
        facts["rule"],
        {name: str(value) for name, value in snakemake.wildcards.items()},
        facts["made"],
        temporary=facts["temporary"],
        settings=dict(snakemake.params.items()),
        code=[value for value in snakemake.params if str(value).startswith("code of ")],
    )
    outputs = [Path(output) for output in snakemake.output]
    # Files that the rule does not declare one by one, as their names are known to the job alone.
    beside = written.settings.get("beside")
    outputs += sorted(outputs[0].parent.glob(beside)) if beside else []
    results, path = Path(facts["results"]), Path(facts["record"])
    write_record(results, path, written, outputs, snakemake.input)


def prepare_torch(snakemake) -> None:
    """Let torch use the rule's threads, no more, and keep the memory that it has had."""
    import torch

    torch.set_num_threads(snakemake.threads)
    keep_memory()


def keep_memory() -> None:
    """Let the C library keep the memory that it has had; without effect on others than glibc."""
    # glibc gives large blocks back at once, and fetching fresh pages then takes half of the
    # time: 22 instead of 12 training segments per second on two cores.
    with suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        for option, value in (M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 2**28):
            mallopt(option, value)
