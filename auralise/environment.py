"""Environment variables that each of our processes sets for itself."""

import getpass
import os
import resource
import sys
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path

from auralise.errors import SettingsError

LEAST_MEMORY = 512 * 2**20  # bytes, under which not even the libraries can be loaded

# With a wrong value of these, and of tqdm's, libraries cannot be imported.
UNUSED = (
    "NUMBA_NUM_THREADS",
    "PYTORCH_JIT",
    "SOURCE_DATE_EPOCH",
    "TORCHINDUCTOR_CACHE_DIR",
    "TORCH_LOGS",
)

# What Python does not show by default.
SILENT = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)


def settle_environment() -> None:
    """Set the environment variables that would change or break our work, before libraries load.

    Figures are drawn without a window: the backend that Jupyter leaves to its children needs
    Jupyter. A user without a home, as in many containers, keeps caches among temporary files:
    numba, matplotlib and others look for them when they are imported. Nor has such a user a name,
    which torch and Snakemake ask for.

    Raises
    ------
    SettingsError
        The system gives the process too little memory to load libraries.
    """
    os.environ["MPLBACKEND"] = "agg"
    for name in [name for name in os.environ if name in UNUSED or name.startswith("TQDM_")]:
        del os.environ[name]
    if os.environ.pop("PYTHONWARNINGS", None):  # which may make errors of warnings
        warnings.resetwarnings()
        for kind in SILENT:
            warnings.simplefilter("ignore", kind)
    try:
        getpass.getuser()
    except (KeyError, OSError):  # of later versions of Python
        os.environ["LOGNAME"] = f"uid-{os.getuid()}"
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path(os.path.expanduser("~"), ".cache"))
    if not _can_be_written(home):
        caches = Path(tempfile.gettempdir(), f"auralise-{os.getuid()}")
        for name in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR"):
            given = os.environ.get(name)
            if not given or not _can_be_written(Path(given)):
                os.environ[name] = str(caches)
    _load_what_waits_for_memory()


def start_in_utf8() -> None:
    """Start this process anew where Python takes names of files for another encoding than UTF-8.

    What Python makes of a name, which is bytes, it settles when it starts, by the locale. Else the
    same song would have another name in another locale, and another place of its results.
    """
    if sys.getfilesystemencoding() != "utf-8":
        os.environ["PYTHONUTF8"] = "1"  # of the processes that this one starts
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def open_streams() -> None:
    """Lead closed standard streams to nowhere; else our files would get what libraries print."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one


def _load_what_waits_for_memory() -> None:
    """Load scipy first where memory is limited: where it is refused some, it asks for ever."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return
    if limit < LEAST_MEMORY:
        raise SettingsError(
            f"memory is limited to {limit // 2**20} MiB, in which no library can be loaded; raise "
            "the limit (ulimit -v), to 2 GiB or more"
        )
    with suppress(ImportError):
        import scipy.linalg  # noqa: F401


def _can_be_written(folder: Path) -> bool:
    """Whether a folder can be filled, or made."""
    # What lies in a folder that may not be searched is not there for us, and that is not an error.
    there = next((place for place in (folder, *folder.parents) if os.path.exists(place)), folder)
    return os.path.isdir(there) and os.access(there, os.W_OK | os.X_OK)
