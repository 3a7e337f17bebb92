"""Designs: tables of signals by attribute, and the pairs that differ in one attribute alone."""

import logging
import math
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from auralise.audio import read_excerpt
from auralise.errors import LONGEST_CAUSE, SettingsError, cause_of
from auralise.songs import AUDIO_SUFFIXES
from auralise.stft import Stft

log = logging.getLogger(__name__)

TABLE = "signals.csv"
NAMES = ("signal", "file")  # columns of a table of signals that are not attributes
# Columns of later tables, in which each attribute gets a column too.
RESERVED = {
    "network", "variant", "layer", "feature", "attribute", "correlation", "correlation_all",
    "percentile", "n_pairs", "live", "name",
}  # fmt: skip

MOST_TOLD = 5  # names in a message
MOST_READINGS = 1000  # of one name
# In the expression of a field; with more, matching may take ages.
MOST_REPEATS, MOST_OPTIONS, MOST_GROUPS = 2, 8, 2

FIELD = re.compile(r"\{([A-Za-z]\w*)(?::((?:[^{}]|\{[\d,]+\})+))?\}")


def find_signals(folder: str | Path, patterns: Sequence[str]) -> pd.DataFrame:
    """Sound files of a folder and their attributes.

    A table ``signals.csv`` in the folder says which they are: a column ``file``, and one per
    attribute, blank where a signal does not have it. Without one, the file names do.

    Parameters
    ----------
    folder : str or Path
    patterns : sequence of str
        How file names are made up, such as ``{key}_{instrument}_{chord}.wav``; the first that
        fits a name counts, and any ending of a sound file will do. A field may say what it
        looks like, as a regular expression: ``{key:[A-G]b?[0-9]}``. Where a name can be read in
        several ways, because a level holds what separates the fields, the reading counts whose
        rarest level is found in the most files.

    Returns
    -------
    DataFrame
        Columns ``signal``, ``file`` and one per attribute, all text, empty where a signal does
        not have the attribute.

    Raises
    ------
    SettingsError
        No folder, no file that fits, an impossible pattern, a file of the table that is not
        there, or a name whose readings are equally good.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise SettingsError(
            f"attributes.path: {folder} is not a folder; expected one that holds the signals"
        )
    if (folder / TABLE).is_file():
        return _checked(_read_table(folder / TABLE), folder / TABLE)
    names = sorted(
        path.name
        for path in folder.iterdir()
        if path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")
    )
    found = read_names(names, patterns)
    unread = [name for name in names if name not in found]
    if not found:
        raise SettingsError(
            f"attributes.path: none of the {len(names)} sound files in {folder} fits "
            f"{' or '.join(patterns)}; correct attributes.pattern, or put a table {TABLE} with a "
            "column 'file' and one per attribute beside them"
        )
    if unread:
        log.warning(
            "%s: %d of %d sound files do not fit %s and take no part, such as %s",
            folder,
            len(unread),
            len(names),
            " or ".join(patterns),
            ", ".join(unread[:MOST_TOLD]),
        )
    rows = [{"signal": Path(name).stem, "file": name} | levels for name, levels in found.items()]
    return _checked(pd.DataFrame(rows).fillna(""), folder)


def _checked(signals: pd.DataFrame, source: Path) -> pd.DataFrame:
    """The signals; refuses two of one name, and attributes named like another column."""
    reserved = sorted(RESERVED & set(signals))
    if reserved:
        raise SettingsError(
            f"{source}: an attribute cannot be called {' or '.join(reserved)}; rename it"
        )
    twice = signals[signals["signal"].duplicated(keep=False)]
    if len(twice):
        name = twice["signal"].iloc[0]
        files = twice.loc[twice["signal"] == name, "file"].tolist()
        raise SettingsError(
            f"{source}: {' and '.join(files[:2])} would both be the signal '{name}'; rename one"
        )
    return signals


def _read_table(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, OSError) as error:  # no columns, no table, no UTF-8
        raise SettingsError(
            f"{path}: cannot be read ({error}); expected a table in UTF-8 with a column 'file' "
            "and one per attribute"
        ) from None
    attributes = [name for name in table if name not in NAMES]
    if not attributes:
        raise SettingsError(f"{path}: no attribute; expected a column for each beside 'file'")
    if "file" not in table:
        raise SettingsError(f"{path}: no column 'file'; found {', '.join(list(table)[:MOST_TOLD])}")
    missing = [name for name in table["file"] if not os.path.isfile(path.parent / name)]
    if missing:
        raise SettingsError(
            f"{path}: {len(missing)} of {len(table)} files are not there, such as "
            f"{', '.join(name[:80] for name in missing[:MOST_TOLD])}; "
            "copy them into the folder or take them out of the table"
        )
    signal = table["file"].map(lambda name: Path(name).stem)
    return pd.concat([signal.rename("signal"), table[["file", *attributes]]], axis=1)


def read_names(names: Sequence[str], patterns: Sequence[str]) -> dict[str, dict[str, str]]:
    """Read the levels of each attribute from file names that fit one of the patterns.

    Parameters and errors are those of `find_signals`.
    """
    parsed = [_parse_pattern(pattern) for pattern in patterns]
    readings: dict[str, list[dict[str, str]]] = {}
    for name in names:
        stem = Path(name).stem
        of_pattern = (list(islice(_readings(stem, parts), MOST_READINGS + 1)) for parts in parsed)
        if fitting := next((found for found in of_pattern if found), None):
            if len(fitting) > MOST_READINGS:
                raise SettingsError(
                    f"attributes.pattern: {name[:80]} can be read in more than "
                    f"{MOST_READINGS} ways; put something between the fields, or say what each "
                    "looks like"
                )
            readings[name] = fitting
    support = Counter(
        level
        for possible in readings.values()
        for level in {item for reading in possible for item in reading.items()}
    )
    chosen = {}
    for name, possible in readings.items():
        rarest = [min(support[item] for item in reading.items()) for reading in possible]
        best = [
            reading for reading, count in zip(possible, rarest, strict=True) if count == max(rarest)
        ]
        if len(best) > 1:
            one, other = (str(reading)[:LONGEST_CAUSE] for reading in best[:2])
            raise SettingsError(
                f"attributes.pattern: {name[:80]} can be read as {one} and as {other}; say what "
                "a field looks like, such as {instrument:acoustic_guitar|piano}"
            )
        chosen[name] = best[0]
    return chosen


def _parse_pattern(pattern: str) -> list[str | tuple[str, re.Pattern]]:
    stem = pattern
    for suffix in AUDIO_SUFFIXES:
        stem = stem.removesuffix(suffix)
    parts: list[str | tuple[str, re.Pattern]] = []
    end = 0
    for field in FIELD.finditer(stem):
        parts.append(stem[end : field.start()])
        _refuse_intricate(field[0], field[2] or "")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # of brackets in brackets
                parts.append((field[1], re.compile(field[2] or ".+")))
        except (re.error, OverflowError, RecursionError) as error:
            raise SettingsError(
                f"attributes.pattern: {field[0][:80]} in {pattern[:80]!r}: {cause_of(error)}"
            ) from None
        end = field.end()
    parts.append(stem[end:])
    names = [part[0] for part in parts if isinstance(part, tuple)]
    literals = "".join(part for part in parts if isinstance(part, str))
    if not names or len(set(names)) < len(names) or set(names) & set(NAMES) or "{" in literals:
        raise SettingsError(
            f"attributes.pattern: {pattern[:80]!r}; expected a file name with different "
            "attributes in braces, such as {key}_{instrument}_{chord}.wav"
        )
    return parts


def _refuse_intricate(field: str, expression: str) -> None:
    """Refuse an expression that a name may take `re` ages to match with."""
    plain = re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", "x", expression)
    repeats = re.findall(r"[*+]|\{\d*,\d*\}", plain)
    if (
        len(repeats) > MOST_REPEATS
        or plain.count("?") > MOST_OPTIONS
        or plain.count("(") > MOST_GROUPS
        or re.search(r"\)[*+?{]", plain)
    ):
        raise SettingsError(
            f"attributes.pattern: {field[:80]}: too intricate; expected at most {MOST_REPEATS} "
            f"repetitions (*, + or {{m,n}}), none of a group, {MOST_OPTIONS} question marks and "
            f"{MOST_GROUPS} groups"
        )


def _readings(text: str, parts: Sequence[str | tuple[str, re.Pattern]]) -> Iterator[dict[str, str]]:
    """Every way in which a text can be read as these parts."""
    # By part and by where it begins: where it may end so that the others can be read, too.
    ends: list[dict[int, list[int]]] = [{} for _ in parts] + [{len(text): []}]
    for number, part in reversed(list(enumerate(parts))):
        for start in range(len(text) + 1):
            if isinstance(part, str):
                found = [start + len(part)] if text.startswith(part, start) else []
            else:
                found = [end for end in ends[number + 1] if end > start]
                found = [end for end in found if part[1].fullmatch(text[start:end])]
            if kept := [end for end in found if end in ends[number + 1]]:
                ends[number][start] = kept

    def read(number: int, start: int) -> Iterator[dict[str, str]]:
        if number == len(parts):
            yield {}
            return
        part = parts[number]
        for end in sorted(ends[number].get(start, [])):
            level = {} if isinstance(part, str) else {part[0]: text[start:end]}
            for others in read(number + 1, end):
                yield level | others

    return read(0, 0)


def read_design(path: str | Path) -> pd.DataFrame:
    """A table of signals as a rule wrote it; every level is text, empty where there is none."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def pairs_by_attribute(
    signals: pd.DataFrame, attributes: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """Pairs of signals that differ in exactly one attribute.

    Only signals that have the same attributes are paired: a drum pattern has no key.

    Parameters
    ----------
    signals : DataFrame
        One row per signal, one column per attribute, empty where a signal does not have it.
    attributes : sequence of str, optional
        Columns of `signals` that describe them; by default all but the names.

    Returns
    -------
    dict of str to ndarray of int, shape (n_pairs, 2)
        Row numbers of each pair, the lower first, by the attribute in which they differ;
        attributes without a pair are left out.

    Raises
    ------
    SettingsError
        Two signals are alike in every attribute, or no two differ in one alone.
    """
    attributes = list(attributes or attributes_of(signals))
    codes = np.stack([pd.factorize(signals[name])[0] for name in attributes])
    has = np.stack([_has(signals, name) for name in attributes])
    first, second = np.triu_indices(len(signals), k=1)
    differs = codes[:, first] != codes[:, second]
    n_differences = differs.sum(axis=0)
    if (n_differences == 0).any():
        pair = first[n_differences == 0][0], second[n_differences == 0][0]
        row = signals.iloc[pair[0]]
        which = " and ".join(str(signals["file"].iloc[i]) for i in pair) if "file" in row else "two"
        raise SettingsError(
            f"signals {which} have the same attributes, {dict(row[attributes])}; "
            "each needs a combination of its own"
        )
    alone = (n_differences == 1) & (has[:, first] == has[:, second]).all(axis=0)
    pairs = {
        name: np.column_stack([first, second])[alone & differs[number]]
        for number, name in enumerate(attributes)
    }
    found = {name: rows for name, rows in pairs.items() if len(rows)}
    if not found:
        raise SettingsError(
            f"no two of {len(signals)} signals differ in one attribute alone (of "
            f"{', '.join(attributes)}); add signals that differ in one and agree in the others"
        )
    return found


def pairs_in_everything(signals: pd.DataFrame) -> dict[str, np.ndarray]:
    """Pairs of signals that differ in everything that varies among signals of their kind.

    What two such signals still have in common is nothing of any attribute: it is what the
    correlation of a pair that differs in one attribute alone has to be held against.

    Parameters
    ----------
    signals : DataFrame
        As `pairs_by_attribute` takes it.

    Returns
    -------
    dict of str to ndarray of int, shape (n_pairs, 2)
        By every attribute that varies within a kind. Kinds in which one attribute alone varies
        give no pair, since there everything is that attribute.
    """
    attributes = attributes_of(signals)
    codes = np.stack([pd.factorize(signals[name])[0] for name in attributes], axis=1)
    has = np.stack([_has(signals, name) for name in attributes], axis=1)
    found: dict[str, list[np.ndarray]] = {}
    for kind in np.unique(has, axis=0):
        rows = np.flatnonzero((has == kind).all(axis=1))
        varies = kind & (codes[rows] != codes[rows[0]]).any(axis=0)
        if varies.sum() < 2:
            continue
        first, second = (rows[places] for places in np.triu_indices(len(rows), k=1))
        everything = (codes[first] != codes[second])[:, varies].all(axis=1)
        pairs = np.column_stack([first, second])[everything]
        for number in np.flatnonzero(varies):
            found.setdefault(attributes[number], []).append(pairs)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def attributes_of(signals: pd.DataFrame) -> list[str]:
    """Columns of a table of signals that are attributes."""
    return [name for name in signals if name not in NAMES]


def crossed_signals(signals: pd.DataFrame, n_attributes: int = 3) -> pd.DataFrame:
    """A table of signals that differ in a few attributes and are alike in all others.

    Parameters
    ----------
    signals : DataFrame
        As `pairs_by_attribute` takes it.
    n_attributes : int
        At most so many attributes vary: the first that do. The others keep their first value.

    Returns
    -------
    DataFrame
        Name, file and varying attributes of each signal. Only signals that have the most common
        set of attributes are in it.

    Examples
    --------
    >>> signals = pd.DataFrame(
    ...     {"signal": ["a", "b", "c"], "file": "", "key": ["C", "D", ""], "drum": ["", "", "x"]}
    ... )
    >>> crossed_signals(signals)["signal"].tolist()
    ['a', 'b']
    """
    present = pd.DataFrame({name: _has(signals, name) for name in attributes_of(signals)})
    kinds = present.astype(int).astype(str).agg("".join, axis=1)
    alike = signals[(kinds == kinds.mode()[0]).to_numpy()]
    varying = [name for name in attributes_of(alike) if alike[name].nunique() > 1]
    others = [name for name in attributes_of(alike) if name not in varying[:n_attributes]]
    alike = alike[(alike[others] == alike[others].iloc[0]).all(axis=1)]
    return alike[[*NAMES, *varying[:n_attributes]]].reset_index(drop=True)


def _has(signals: pd.DataFrame, attribute: str) -> np.ndarray:
    values = signals[attribute]
    return (values.notna() & (values != "")).to_numpy()


def describe_design(signals: pd.DataFrame) -> pd.DataFrame:
    """What a design crosses, how many pairs that makes, and what is missing.

    Parameters
    ----------
    signals : DataFrame
        As `pairs_by_attribute` takes it.

    Returns
    -------
    DataFrame
        One row per kind of signals (those that have the same attributes) and attribute that
        varies within it: ``kind``, ``attribute``, ``n_levels``, ``levels``, ``n_pairs``,
        ``n_pairs_complete`` (were no cell missing), ``n_signals``, ``n_cells`` (combinations of
        the kind's levels) and ``n_missing`` of them.
    """
    attributes = attributes_of(signals)
    has = np.stack([_has(signals, name) for name in attributes], axis=1)
    rows = []
    for kind in dict.fromkeys(map(tuple, has.tolist())):
        of_kind = signals[(has == np.array(kind)).all(axis=1)]
        levels = {
            name: list(dict.fromkeys(of_kind[name].astype(str)))
            for name, is_there in zip(attributes, kind, strict=True)
            if is_there
        }
        varying = {name: values for name, values in levels.items() if len(values) > 1}
        try:
            pairs = pairs_by_attribute(of_kind, attributes)
        except SettingsError:  # a single signal, or none that differ in one attribute alone
            pairs = {}
        n_cells = math.prod(len(values) for values in levels.values())
        for name, values in varying.items():
            rows.append(
                {
                    "kind": " x ".join(varying),
                    "attribute": name,
                    "n_levels": len(values),
                    "levels": ", ".join(values),
                    "n_pairs": len(pairs.get(name, ())),
                    "n_pairs_complete": n_cells * (len(values) - 1) // 2,
                    "n_signals": len(of_kind),
                    "n_cells": n_cells,
                    "n_missing": n_cells - len(of_kind),
                }
            )
    return pd.DataFrame(rows)


class Magnitudes(Sequence):
    """Magnitudes of the signals of a design, each read when it is asked for.

    Parameters
    ----------
    folder : str or Path
    signals : DataFrame
        Its column ``file`` names the files.
    stft : Stft
    duration : float
        Of each signal (s): a longer file is cut, a shorter one padded with silence.
    """

    def __init__(self, folder: str | Path, signals: pd.DataFrame, stft: Stft, duration: float):
        self.paths = [Path(folder) / name for name in signals["file"]]
        self.stft, self.duration = stft, duration

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row):
        """Magnitude of a signal, float32, shape ``(n_bins, n_frames)``."""
        return np.abs(self.stft.analyse(self.samples(row)))

    def samples(self, row: int) -> np.ndarray:
        """A signal itself, float32, shape ``(n_samples,)``."""
        return read_excerpt(self.paths[row], self.stft.sample_rate, 0, self.duration)
