"""What every script shares: its log file, and a user's mistake answered without a traceback."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from auralise.errors import AuraliseError


@contextmanager
def job(snakemake) -> Iterator[None]:
    """Log to the rule's log file and the terminal; end with status 1 on an `AuraliseError`."""
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        handlers=[logging.FileHandler(snakemake.log[0], "w", "utf-8"), logging.StreamHandler()],
        force=True,
    )
    logging.captureWarnings(True)
    log = logging.getLogger(snakemake.rule)
    try:
        yield
    except AuraliseError as error:
        log.error("%s", error)
        sys.exit(1)
    except Exception:
        log.exception("unexpected error")
        sys.exit(1)


def use_threads(snakemake) -> None:
    """Let torch use the rule's threads, no more."""
    import torch

    torch.set_num_threads(snakemake.threads)
