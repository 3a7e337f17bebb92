"""What every script shares: its log file, and a user's mistake answered without a traceback."""

import ctypes
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from auralise.errors import AuraliseError, is_out_of_memory

# Options of glibc's mallopt(3).
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4

ENDED = "the job ended"  # the last line of a log, unless the job was killed


@contextmanager
def job(snakemake) -> Iterator[None]:
    """Log to the rule's log file and the terminal; end with status 1 on an `AuraliseError`."""
    killed = was_killed(Path(snakemake.log[0]))
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        handlers=[logging.FileHandler(snakemake.log[0], "w", "utf-8"), logging.StreamHandler()],
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
    except AuraliseError as error:
        log.error("%s", error)
        sys.exit(1)
    except Exception as error:
        if is_out_of_memory(error):
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
