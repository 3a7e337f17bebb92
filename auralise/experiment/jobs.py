"""A job of the workflow: its log, its record, and a mistake answered without a traceback."""

import ctypes
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from auralise.errors import AuraliseError, is_out_of_memory, message_of
from auralise.experiment.records import Record, refuse_damaged, write_record
from auralise.storage import storage_error

# Options of glibc's mallopt(3).
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4


@contextmanager
def run_job(
    record: Record,
    path: Path,
    results: Path,
    log_file: Path,
    inputs: Sequence[str],
    outputs: Sequence[str],
    memory: int | None = None,
) -> Iterator[list[Path]]:
    """Log to the job's file and the terminal, record what was made, end with status 1 on an error.

    Parameters
    ----------
    record : Record
        What is known of the job before it runs.
    path : Path
        Of the record.
    results : Path
        The experiment's folder.
    log_file : Path
    inputs, outputs : sequence of str
    memory : int, optional
        What the rule asks for (MB).

    Yields
    ------
    list of Path
        The outputs. The job adds files that it makes besides, whose names it alone knows.
    """
    # Beside the log while the job runs, since Snakemake removes the log of an earlier attempt.
    mark = log_file.with_name(f".begun-{log_file.name}")
    killed = mark.exists()
    with suppress(OSError):
        mark.touch()
    logging.raiseExceptions = False  # a log that finds no room must not hide why
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    with suppress(OSError):
        handlers.append(logging.FileHandler(log_file, "w", "utf-8"))
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        handlers=handlers,
        force=True,
    )
    logging.captureWarnings(True)
    logging.getLogger("matplotlib").setLevel(logging.WARNING)  # it explains itself at length
    log = logging.getLogger(record.rule)
    if killed:
        log.warning(
            "the attempt before this one was killed; a cluster does so when a job takes more "
            "memory than it asked for (this attempt has %s MB)",
            memory,
        )
    made = [Path(output) for output in outputs]
    try:
        yield made
        write_record(results, path, record, made, inputs)
    except AuraliseError as error:
        log.error("%s", message_of(error))
        sys.exit(1)
    except Exception as error:
        told = storage_error(error, made[0]) or _damaged_input(results, inputs)
        if told is not None:
            log.error("%s", message_of(told))
        elif is_out_of_memory(error):
            log.error("not enough memory; the rule asks for %s MB", memory)
        else:
            log.exception("unexpected error")
        sys.exit(1)
    finally:
        with suppress(OSError):
            mark.unlink()


def _damaged_input(results: Path, inputs: Sequence[str]) -> AuraliseError | None:
    """The error of a damaged input, which may be why the job failed; None if all are whole."""
    try:
        refuse_damaged(results, inputs)
    except AuraliseError as error:
        return error
    return None


def prepare_torch(threads: int) -> None:
    """Limit torch to so many threads, and let it keep freed memory for reuse."""
    import torch

    torch.set_num_threads(threads)
    # glibc gives large blocks back at once, and fetching fresh pages then takes half of the
    # time: 22 instead of 12 training segments per second on two cores.
    with suppress(AttributeError, OSError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        for option, value in (M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 2**28):
            mallopt(option, value)
