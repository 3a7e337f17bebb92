"""``features.csv``: what is known of each sound of a song, in one table beside the sounds."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from auralise.choices import AUDIBLE
from auralise.errors import AuraliseError
from auralise.files import read_table, whole_file
from auralise.maps import Maps, Origin

log = logging.getLogger(__name__)

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

DIGITS = "%.6g"  # of a number in the table

OF_LABELS = ("weights", "song", "layer", "feature", "note")
LEAST_DIGITS = 12  # of a network's hash, by which the page knows it
STAR = "★"


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
        table.to_csv(partial, index=False, float_format=DIGITS)


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


def relative_levels(rms: np.ndarray, live: np.ndarray | bool = True) -> np.ndarray:
    """Level of each feature of a layer, below its loudest (dB); -inf for what is silent.

    Parameters
    ----------
    rms : ndarray, shape (n_features,)
        Of what each feature lets through of a song, before any gain.
    live : ndarray of bool, shape (n_features,), optional
        Which of them fired; the others are silent.

    Examples
    --------
    >>> relative_levels(np.array([0.1, 1.0, 0.0])).tolist()
    [-20.0, 0.0, -inf]
    """
    rms = np.where(live, rms, 0.0)
    with np.errstate(divide="ignore"):
        return 20 * np.log10(rms / (rms.max(initial=0.0) or 1.0))


def levels_of(maps: Maps, layer: int) -> np.ndarray:
    """Level of what each feature lets through of the song's spectrum, as `relative_levels`.

    That of the sound, in ``features.csv``, is lower where neighbouring frames cancel each other.
    """
    magnitude = np.abs(maps.spectrum)
    rms = [
        np.sqrt(np.mean(np.square(magnitude * mask, dtype=np.float64)))
        for mask in maps.masks_one_by_one(layer)
    ]
    return relative_levels(np.array(rms), maps.live(layer))


def read_labels(path: str | Path, origin: Origin) -> dict[tuple[int, int], str]:
    """What a listener has noted of a network's features, from ``labels.csv`` of the page.

    Parameters
    ----------
    path : str or Path
        With the columns `OF_LABELS`: the hash of the weights (its first 12 digits or more), the
        song, layer and feature, and the note.
    origin : Origin
        The network and the song that are shown.

    Returns
    -------
    dict of (int, int) to str
        By layer and feature. A note on this song comes before one on another; a favourite without
        a note is a star.

    Raises
    ------
    AuraliseError
        The file is missing or another table.
    """
    path = Path(path)
    if not path.is_file():
        raise AuraliseError(f"{path}: no such file; export it from the listening page")
    try:
        table = read_table(path, OF_LABELS[:2] + OF_LABELS[-1:])[list(OF_LABELS)]
        table = table.astype({"layer": int, "feature": int})
    except (KeyError, ValueError) as error:  # pandas has no error of its own for another table
        raise AuraliseError(
            f"{path}: not a table of labels ({str(error).strip()}); expected the columns "
            f"{', '.join(OF_LABELS)}, as the listening page exports them"
        ) from None
    of_network = [
        len(digits) >= LEAST_DIGITS and origin.weights_sha256.startswith(digits)
        for digits in table["weights"]
    ]
    own = table[of_network]
    if not len(own):
        log.warning(
            "%s: none of its %d labels is of the weights of %s (%s); a network that was trained "
            "anew has no labels yet",
            path,
            len(table),
            origin.network,
            origin.weights_sha256[:LEAST_DIGITS],
        )
    own = own.sort_values("song", key=lambda songs: songs == origin.song, kind="stable")
    return {(row.layer, row.feature): row.note.strip() or STAR for row in own.itertuples()}


def keep_audible(folder: str | Path, features: pd.DataFrame, threshold: float = AUDIBLE) -> None:
    """Remove the sounds and pictures of features that are not `audible`.

    Parameters
    ----------
    folder : str or Path
        Of a song's sounds.
    features : DataFrame
        Of the song: what `write_auralisations` measured, or what `read_features` returns.
    threshold : float
        As in `audible`.
    """
    # To the digits of the table, so that its readers find what it calls audible.
    levels = [float(f"{level:{DIGITS[1:]}}") for level in features["level_db"]]
    is_heard = audible(features.assign(level_db=levels), threshold)
    for row in features[~is_heard].itertuples():
        for path in Path(folder).glob(f"layer{row.layer}/feature{row.feature:02d}[._]*"):
            path.unlink()


def audible(features: pd.DataFrame, threshold: float = AUDIBLE) -> pd.Series:
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
