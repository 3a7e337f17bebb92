"""``features.csv``: what is known of each sound of a song, in one table beside the sounds."""

from pathlib import Path

import pandas as pd

from auralise.errors import AuraliseError
from auralise.files import read_table, whole_file

NAME = "features.csv"  # beside the sounds of a song

MEASURED = (
    "layer",
    "feature",
    "live",
    "responds",
    "level_db",
    "gain_db",
    "silence_ratio",
    "share_below_60db",
    "share_negative",
)
COLUMNS = (*MEASURED, "rehearing_percentile", "certificate")
KEY = ["layer", "feature"]


def write_features(
    path: str | Path,
    measured: pd.DataFrame,
    percentiles: pd.DataFrame | None = None,
    certificates: pd.DataFrame | None = None,
) -> None:
    """Write what is known of the features of a song.

    Parameters
    ----------
    path : str or Path
    measured : DataFrame
        With the columns `MEASURED`, as `auralise.auralisation.write_auralisations` returns it.
    percentiles : DataFrame, optional
        With ``layer``, ``feature`` and ``rehearing_percentile``; what it leaves out is empty.
    certificates : DataFrame, optional
        With ``layer``, ``feature`` and ``certificate``; what it leaves out is empty.
    """
    table = measured[list(MEASURED)]
    for name, others in ("rehearing_percentile", percentiles), ("certificate", certificates):
        if others is None:
            table = table.assign(**{name: pd.NA})
        else:
            table = table.merge(others[[*KEY, name]], "left", KEY, validate="one_to_one")
    with whole_file(path) as partial:
        table.to_csv(partial, index=False, float_format="%.6g")


def read_features(path: str | Path) -> pd.DataFrame:
    """What `write_features` wrote, with the columns `COLUMNS`.

    Returns
    -------
    DataFrame
        ``certificate`` is True, False or missing, numbers that are not known are NaN.

    Raises
    ------
    AuraliseError
        The file is missing or another table.
    """
    path = Path(path)
    if not path.is_file():
        raise AuraliseError(f"{path}: no such file; auralise the song again")
    table = read_table(path)
    if missing := [name for name in COLUMNS if name not in table]:
        raise AuraliseError(
            f"{path}: not a table of features, it has no column {', '.join(missing)}; auralise the "
            "song again"
        )
    return table.astype({"certificate": "boolean"})


def audible(features: pd.DataFrame, threshold: float = -40.0) -> pd.Series:
    """Which features can be heard beside the loudest one of their layer and song.

    Parameters
    ----------
    features : DataFrame
        With ``live`` and ``level_db``, as `read_features` returns it.
    threshold : float
        Of `level_db` (dB, at most 0): the setting ``auralisation.audible``.

    Returns
    -------
    Series of bool
        False for features that never fired.

    Examples
    --------
    >>> import pandas as pd
    >>> levels = {"live": [True, True, False], "level_db": [0.0, -41.0, float("nan")]}
    >>> audible(pd.DataFrame(levels)).tolist()
    [True, False, False]
    >>> audible(pd.DataFrame(levels), -50).tolist()
    [True, True, False]
    """
    return features["live"] & features["level_db"].ge(threshold)
