"""The clips of a data set: a folder ``<class>/<clip>`` → one table, split by clip."""

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from auralise.audio import read_frames
from auralise.errors import AudioError, SettingsError
from auralise.songs import AUDIO_SUFFIXES

SPLITS = ("train", "validation", "test")

# What `examine_clips` says of a clip, beside its problem.
FACTS = ("seconds", "sample_rate", "peak", "clipping", "sha256")

KNOWN = "known: "  # begins the problems that a published list names

FULL_SCALE = 1 - 2**-15  # the largest value of 16-bit sound


def find_clips(folder: str | Path) -> pd.DataFrame:
    """Sound files of a data set, sorted by name.

    Parameters
    ----------
    folder : str or Path
        Holds one folder per class, with the clips in it. Hidden files (AppleDouble ``._*``
        among them) are passed over.

    Returns
    -------
    DataFrame
        Columns ``clip``, ``path``, ``genre``.

    Raises
    ------
    SettingsError
        The folder does not exist, holds fewer than two classes, or two clips of one name.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise SettingsError(f"dataset.path: {folder} is not a folder")
    paths = sorted(
        path
        for path in folder.glob("*/*")
        if path.suffix.lower() in AUDIO_SUFFIXES
        and not path.name.startswith(".")
        and not path.parent.name.startswith(".")
    )
    clips = pd.DataFrame(
        {
            "clip": [path.stem for path in paths],
            "path": [str(path) for path in paths],
            "genre": [path.parent.name for path in paths],
        },
        dtype=str,
    )
    if clips["genre"].nunique() < 2:
        raise SettingsError(
            f"dataset.path: {folder} holds {len(clips)} sound files in "
            f"{clips['genre'].nunique()} class folders; expected <class>/<clip> with two classes "
            f"or more, and clips ending in {', '.join(AUDIO_SUFFIXES)}"
        )
    twice = clips[clips["clip"].duplicated(keep=False)]
    if len(twice):
        raise SettingsError(
            "dataset.path: clips need names of their own, across classes too (clashes: "
            f"{twice['clip'].nunique()}); rename one of "
            + " and ".join(twice.loc[twice["clip"] == twice["clip"].iloc[0], "path"])
        )
    return clips


def examine_clips(clips: pd.DataFrame, n_threads: int = 1) -> pd.DataFrame:
    """Decode every clip once, at its own rate, and say what it is and what is wrong with it.

    Parameters
    ----------
    clips : DataFrame
        As `find_clips` returns it.
    n_threads : int

    Returns
    -------
    DataFrame
        `clips` with columns ``seconds``, ``sample_rate`` (Hz), ``peak``, ``clipping`` (share of
        the samples at full scale), ``sha256`` (of the decoded samples) and ``problem``: empty,
        or why the clip cannot be read. Of such a clip the numbers tell what could be decoded,
        and it has no ``sha256``.
    """
    with ThreadPoolExecutor(n_threads) as pool:
        found = pool.map(_examine, clips["path"])
        rows = list(tqdm(found, "examine clips", total=len(clips), unit="clip"))
    return clips.assign(
        **{name: [row[name] for row in rows] for name in (*FACTS, "problem")},
    )


def _examine(path: str) -> dict[str, Any]:
    digest = hashlib.sha256()
    n_frames, n_samples, n_full, peak, rate, problem = 0, 0, 0, 0.0, 0, ""
    try:
        for frames, rate in read_frames(Path(path)):  # noqa: B007 (read after the loop)
            level = np.nan_to_num(np.abs(frames), posinf=0.0)
            n_frames, n_samples = n_frames + len(frames), n_samples + frames.size
            peak = max(peak, float(level.max()))
            n_full += int(np.count_nonzero(level >= FULL_SCALE))
            digest.update(frames.tobytes())
    except AudioError as error:
        problem = str(error).removeprefix(f"{path}: ")
    return {
        "seconds": round(n_frames / rate, 6) if rate else 0.0,
        "sample_rate": rate,
        "peak": round(peak, 6),
        "clipping": round(n_full / n_samples, 6) if n_samples else 0.0,
        "sha256": "" if problem else digest.hexdigest(),
        "problem": problem,
    }


def mark_replicas(
    clips: pd.DataFrame, split: Mapping[str, str] = MappingProxyType({})
) -> pd.DataFrame:
    """Name as a problem what has the same content as an earlier clip.

    Parameters
    ----------
    clips : DataFrame
        As `examine_clips` returns it.
    split : mapping of str to str
        The published split of each clip, where there is one, to say which replicas would
        carry content from one split into another.

    Returns
    -------
    DataFrame
        `clips` with ``problem`` filled in; of clips that share their content, only the first
        that has no other problem stays without one.
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
    """Deal the sound clips out to training, validation and test, class by class.

    Parameters
    ----------
    clips : DataFrame
        As `mark_replicas` returns it; clips with a problem get no split.
    fractions : (float, float, float)
        Of each class, for training, validation and test.
    seed : int

    Returns
    -------
    DataFrame
        `clips` with the column ``split``: 'train', 'validation', 'test' or empty.

    Raises
    ------
    SettingsError
        The fractions do not make one, or a class has too few clips for each split to get one.
    """
    if abs(sum(fractions) - 1) > 1e-6:
        raise SettingsError(
            f"dataset.split = {list(fractions)}: these make {sum(fractions):g}; expected three "
            "fractions that make 1"
        )
    split = pd.Series("", index=clips.index, dtype=str)
    usable = clips[clips["problem"] == ""]
    for number, (genre, members) in enumerate(usable.groupby("genre", sort=True)):
        shuffled = np.random.default_rng([seed, number]).permutation(members.index)
        stops = np.round(np.cumsum(fractions)[:2] * len(shuffled)).astype(int)
        for name, part in zip(SPLITS, np.split(shuffled, stops), strict=True):
            if len(part) == 0:
                raise SettingsError(
                    f"class '{genre}' has {len(shuffled)} usable clips, too few for "
                    f"dataset.split {list(fractions)}: its {name} part is empty; add clips"
                )
            split[part] = name
    return clips.assign(split=split)


def refuse_problems(clips: pd.DataFrame) -> None:
    """Raise where a clip has a problem that is not known already.

    Parameters
    ----------
    clips : DataFrame
        Problems that begin with `KNOWN` are those of published lists.

    Raises
    ------
    SettingsError
        A table of the clips, and what to do.
    """
    bad = clips[(clips["problem"] != "") & ~clips["problem"].str.startswith(KNOWN)]
    if len(bad):
        lines = [f"  {row.path or row.clip}: {row.problem}" for row in bad.itertuples()]
        raise SettingsError(
            f"{len(bad)} of {len(clips)} clips cannot be used; mend or remove them, or set "
            "dataset.on_problem: exclude\n" + "\n".join(lines)
        )
