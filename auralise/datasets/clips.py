"""The clips of a data set: a folder ``<class>/<clip>`` → one table, split by clip."""

import hashlib
import logging
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from auralise.audio import read_frames
from auralise.datasets.archives import ARCHIVE_SUFFIXES
from auralise.errors import AudioError, SettingsError, counted
from auralise.files import printable
from auralise.progress import tracked
from auralise.songs import (
    AUDIO_SUFFIXES,
    UNTOLD,
    is_hidden,
    list_folder,
    shared_name,
    sound_below,
    tell_passed_over,
    told_apart,
    why_unread,
)

log = logging.getLogger(__name__)

SPLITS = ("train", "validation", "test")

# What `examine_clips` says of a clip, beside its problem.
FACTS = ("seconds", "sample_rate", "peak", "clipping", "sha256")

KNOWN = "known: "  # begins the problems that a published list names
SHOWN = 2  # clips that cannot be used, in the message about them
PASSED_OVER = "passed over: "  # begins those of files that are not clips

DEPTH = 4  # folders between the path given and the classes, at most
FULL_SCALE = 1 - 2**-15  # the largest value of 16-bit sound


def find_classes(folder: str | Path) -> Path:
    """The folder that holds the classes: this one, or the only one in it, as in many archives.

    Raises
    ------
    SettingsError
        It is not a folder.
    """
    place = require_folder(folder)
    for _ in range(DEPTH):
        below = folders_in(place)
        if len(below) != 1 or _hold_sound(list_folder(place, "dataset.path")):
            break
        inside = list_folder(below[0], "dataset.path")
        if _hold_sound(inside) or not any(path.is_dir() for path in inside):
            break
        (place,) = below
    return place


def require_folder(path: str | Path) -> Path:
    """The path of a data set that is no archive; a SettingsError unless it is a folder."""
    place = Path(path)
    if not place.is_dir():
        raise SettingsError(
            f"dataset.path: {place} is not a folder, nor an archive that is read "
            f"({', '.join(ARCHIVE_SUFFIXES)})"
        )
    return place


def folders_in(folder: Path) -> list[Path]:
    """The folders in a folder of a data set that are not hidden."""
    inside = list_folder(folder, "dataset.path")
    return [below for below in inside if below.is_dir() and not is_hidden(below)]


def _hold_sound(paths: Sequence[Path]) -> bool:
    return any(path.is_file() and why_unread(path) is None for path in paths)


def find_clips(folder: str | Path) -> pd.DataFrame:
    """Sound files of a data set, sorted by name; what is passed over is told in the log.

    The folder holds one folder per class, with the clips in it; hidden files (AppleDouble ``._*``
    among them) are passed over. Columns ``clip, path, genre``. A SettingsError says that the
    folder does not exist, holds fewer than two classes, or two clips of one name; or that a class
    may not be read, or holds only sound that is not read.
    """
    folder = Path(folder)
    paths = [path for _, sounds, _ in _classes(folder) for path in sounds]
    paths.sort()
    clips = _table(paths)
    if clips["genre"].nunique() < 2:
        raise SettingsError(
            f"dataset.path: {folder} holds {counted(len(clips), 'sound file')} in "
            f"{counted(clips['genre'].nunique(), 'class folder')}; expected <class>/<clip> with "
            f"two classes or more, and clips ending in {', '.join(AUDIO_SUFFIXES)}"
        )
    _refuse_shared_names(clips)
    return clips


def _refuse_shared_names(clips: pd.DataFrame) -> None:
    """Refuse two clips, or classes, whose names are equal or differ in case alone."""
    names = clips["clip"].map(shared_name)
    twice = clips[names.duplicated(keep=False)]
    if len(twice):
        first = twice.loc[names[twice.index] == names[twice.index[0]], "path"]
        raise SettingsError(
            "dataset.path: clips need names of their own, across classes and whatever their case "
            f"(clashes: {names[twice.index].nunique()}); rename one of {told_apart(*first[:2])}"
        )
    classes = pd.Series(clips["genre"].unique())
    alike = classes[classes.map(shared_name).duplicated(keep=False)]
    if len(alike):
        raise SettingsError(
            f"dataset.path: the classes {told_apart(*alike[:2])} differ by nothing but "
            "upper and lower case, or by how accents are written; put them into one folder, or "
            "rename one"
        )


def find_passed_over(folder: str | Path) -> pd.DataFrame:
    """Sound files of a data set that are not read, each with its reason.

    Returns
    -------
    DataFrame
        As `examine_clips` returns it; ``problem`` begins with `PASSED_OVER`.
    """
    found = [
        (path, reason)
        for _, _, unread in _classes(Path(folder))
        for path, reason in unread
        if reason not in UNTOLD
    ]
    nothing = dict.fromkeys(FACTS, 0) | {"sha256": ""}
    return _table([path for path, _ in found]).assign(
        **nothing, problem=[PASSED_OVER + reason for _, reason in found]
    )


def mark_copies(clips: pd.DataFrame) -> pd.DataFrame:
    """Mark in ``problem`` each copy converted from a file beside it: ``a.au.wav`` of ``a.au``.

    Parameters
    ----------
    clips : DataFrame
        As `examine_clips` returns it.
    """
    paths = set(clips["path"])
    problems = [
        f"{PASSED_OVER}a copy of {Path(source).name}"
        if (source := str(Path(clip.path).with_suffix(""))) in paths
        else clip.problem
        for clip in clips.itertuples()
    ]
    return clips.assign(problem=problems)


def _table(paths: Sequence[Path]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "clip": [path.stem for path in paths],
            "path": [str(path) for path in paths],
            "genre": [path.parent.name for path in paths],
        },
        dtype=str,
    )


def _classes(folder: Path) -> Iterator[tuple[Path, list[Path], list[tuple[Path, str]]]]:
    """Each class's folder, its sounds, and the files that are passed over."""
    if not folder.is_dir():
        raise SettingsError(f"dataset.path: {folder} is not a folder")
    for place in list_folder(folder, "dataset.path"):
        if is_hidden(place):
            continue
        if place.is_symlink() and not place.exists():
            raise SettingsError(
                f"dataset.path: {printable(place)} is a link to nothing; mend or remove it"
            )
        if not place.is_dir():
            continue
        inside = [(path, why_unread(path)) for path in list_folder(place, "dataset.path")]
        sounds = [path for path, reason in inside if reason is None]
        unread = [(path, reason) for path, reason in inside if reason is not None]
        if not sounds:
            _refuse_lost_class(place, unread)
        yield place, sounds, unread


def _refuse_lost_class(place: Path, unread: Sequence[tuple[Path, str]]) -> None:
    """Refuse a data set in which a class would lose all its clips."""
    lost = [(path, reason) for path, reason in unread if reason not in UNTOLD]
    if not lost:
        return
    deeper = sound_below(place)
    what = (
        f"none of its {len(lost)} sound files is read ({lost[0][0].name}: {lost[0][1]})"
        if deeper is None
        else f"its sound lies deeper, such as {deeper}; expected <class>/<clip>"
    )
    raise SettingsError(
        f"dataset.path: the class '{printable(place.name)}' would be left out: {printable(what)}; "
        "mend that, or move the folder away"
    )


def tell_passed_over_clips(folder: str | Path) -> None:
    """Name in the log what is passed over in a data set's folder, once for each reason."""
    folder = Path(folder)
    inside = list_folder(folder, "dataset.path")
    beside = [place for place in inside if is_hidden(place) or not place.is_dir()]
    tell_passed_over(
        folder, [(place, why_unread(place) or "in no class folder") for place in beside]
    )
    for place, sounds, unread in _classes(folder):
        tell_passed_over(place, unread)
        if not sounds:
            log.warning("%s: passed over: the folder holds no sound", printable(place))


def examine_clips(
    clips: pd.DataFrame, n_threads: int = 1, duration: float | None = None
) -> pd.DataFrame:
    """Decode every clip once, at its own rate, and record its facts and its problem, if any.

    Parameters
    ----------
    clips : DataFrame
        As `find_clips` returns it.
    n_threads : int
    duration : float, optional
        What a clip needs (s): one that is shorter than its header says is sound if it has that.
        By default it needs all that its header declares.

    Returns
    -------
    DataFrame
        `clips` with columns ``seconds``, ``sample_rate`` (Hz), ``peak``, ``clipping`` (share of
        the samples at full scale), ``sha256`` (of the decoded samples) and ``problem``: empty,
        or why the clip cannot be read. Of such a clip the numbers tell what could be decoded,
        and it has no ``sha256``.
    """
    with ThreadPoolExecutor(n_threads) as pool:
        found = pool.map(partial(_examine, duration or math.inf), clips["path"])
        rows = list(tracked(found, "examine clips", total=len(clips), unit="clips"))
    return clips.assign(
        **{name: [row[name] for row in rows] for name in (*FACTS, "problem")},
    )


def _examine(duration: float, path: str) -> dict[str, Any]:
    digest = hashlib.sha256()
    seconds, n_samples, n_full, peak, rate, problem = 0.0, 0, 0, 0.0, 0, ""
    try:
        for frames, rate in read_frames(Path(path), duration):  # noqa: B007 (read after the loop)
            level = np.nan_to_num(np.abs(frames), posinf=0.0)
            seconds, n_samples = seconds + len(frames) / rate, n_samples + frames.size
            peak = max(peak, float(level.max()))
            n_full += int(np.count_nonzero(level >= FULL_SCALE))
            digest.update(frames.tobytes())
    except AudioError as error:
        problem = str(error).removeprefix(f"{printable(path)}: ")
    return {
        "seconds": round(seconds, 6),
        "sample_rate": rate,
        "peak": round(peak, 6),
        "clipping": round(n_full / n_samples, 6) if n_samples else 0.0,
        "sha256": "" if problem else digest.hexdigest(),
        "problem": problem,
    }


def mark_replicas(
    clips: pd.DataFrame, split: Mapping[str, str] = MappingProxyType({})
) -> pd.DataFrame:
    """Mark clips whose content equals an earlier clip's, in the column ``problem``.

    Of clips that share their content, only the first that has no other problem stays without one.
    `split`, the published split of each clip, says which replicas would carry content from one
    split into another.
    """
    clips = clips.copy()
    sound = clips[clips["problem"] == ""]
    for _, same in sound.groupby("sha256", sort=False):
        first = same.iloc[0]
        for row, clip in same.iloc[1:].iterrows():
            where = [] if clip["genre"] == first["genre"] else ["in another class"]
            splits = split.get(first["clip"]), split.get(clip["clip"])
            if splits[0] != splits[1]:
                where.append(f"across splits: {splits[0]} and {splits[1]}")
            text = f"replica of {first['clip']}"
            clips.loc[row, "problem"] = ", ".join([text, *where])
    return clips


def split_clips(
    clips: pd.DataFrame, fractions: tuple[float, float, float], seed: int
) -> pd.DataFrame:
    """Assign the usable clips to training, validation and test, class by class.

    Gives `clips` the column ``split``, empty for those with a problem. A SettingsError says that
    the fractions do not make one, or that a class has too few clips for each split to get one: the
    reasons of those that are left out are counted.
    """
    if abs(sum(fractions) - 1) > 1e-6:
        raise SettingsError(
            f"dataset.split = {list(fractions)}: these make {sum(fractions):g}; expected three "
            "fractions that make 1"
        )
    split = pd.Series("", index=clips.index, dtype=str)
    for number, (genre, clips_of_genre) in enumerate(clips.groupby("genre", sort=True)):
        members = clips_of_genre[clips_of_genre["problem"] == ""]
        shuffled = np.random.default_rng([seed, number]).permutation(members.index)
        stops = np.round(np.cumsum(fractions)[:2] * len(shuffled)).astype(int)
        for name, part in zip(SPLITS, np.split(shuffled, stops), strict=True):
            if len(part) == 0:
                raise SettingsError(
                    f"class '{genre}' has {counted(len(shuffled), 'usable clip')}, too few for "
                    f"dataset.split {list(fractions)}: its {name} part is empty; add clips"
                    + count_reasons(clips_of_genre)
                )
            split[part] = name
    return clips.assign(split=split)


def count_reasons(clips: pd.DataFrame) -> str:
    """The reasons for leaving clips out, with counts, as the end of a sentence."""
    problems = clips.loc[clips["problem"] != "", "problem"]
    # What follows names a clip or a number, and differs from clip to clip.
    kinds = problems.str.removeprefix(PASSED_OVER).map(
        lambda text: re.split(r"[,;(]|: | of ", text)[0].strip()
    )
    counts = kinds.value_counts(sort=False).sort_values(ascending=False, kind="stable")
    if counts.empty:
        return ""
    reasons = ", ".join(f"{count} × {printable(kind)}" for kind, count in counts.items())
    # Of a clip that is missing there is no more to tell.
    first = clips.loc[problems.index[np.argmax(problems != "missing")]]
    return (
        f" (left out: {reasons}; such as {printable(first['clip'])}: {printable(first['problem'])})"
    )


def refuse_problems(clips: pd.DataFrame) -> None:
    """Raise a SettingsError if a clip has a problem that has not been published.

    Problems that begin with `KNOWN` are those of published lists, with `PASSED_OVER` those of files
    that are not clips. The error names the first clips; all of them stand in the log.
    """
    bad = clips[(clips["problem"] != "") & ~clips["problem"].str.startswith((KNOWN, PASSED_OVER))]
    if len(bad):
        lines = [f"  {printable(row.path or row.clip)}: {row.problem}" for row in bad.itertuples()]
        log.error("clips that cannot be used:\n%s", "\n".join(lines))
        more = f"\n  and {len(lines) - SHOWN} more, see above" if len(lines) > SHOWN else ""
        raise SettingsError(
            f"{len(bad)} of {len(clips)} clips cannot be used; mend or remove them, or set "
            "dataset.on_problem: exclude\n" + "\n".join(lines[:SHOWN]) + more
        )
