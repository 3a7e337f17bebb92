"""Our own HDF5 files: failed writes are raised, and damage is named on reading."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from auralise.errors import AuraliseError, ResultsError
from auralise.storage import patient_file

# What h5py raises for damaged files.
DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError, OverflowError)


@contextmanager
def create_hdf5(path: str | Path, **options) -> Iterator[h5py.File]:
    """A new HDF5 file; a failed write is raised when the block ends, as an `OSError`.

    Parameters
    ----------
    path : str or Path
    **options
        Of `h5py.File`.
    """
    with patient_file(path) as target, h5py.File(target, "w", **options) as file:
        yield file


@contextmanager
def open_hdf5(path: str | Path) -> Iterator[h5py.File]:
    """An HDF5 file of results, to read from.

    Raises
    ------
    ResultsError
        The file is missing or damaged: whatever h5py raises in the block.
    """
    try:
        # Nobody writes a file that has its final name: locks, which some file systems lack, are
        # not needed.
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except AuraliseError:
        raise
    except FileNotFoundError:
        raise ResultsError(f"{path} is missing; run again, and it is made again") from None
    except PermissionError:
        raise ResultsError(f"{path} may not be read; change its permissions") from None
    except DAMAGE as error:
        raise ResultsError(
            f"{path} is damaged ({str(error)[:120]}); delete it and run again, and it is made again"
        ) from error
