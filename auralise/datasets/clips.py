"""The clips of a data set: a folder ``<class>/<clip>`` → one table, split by clip."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from auralise.audio import read_audio
from auralise.errors import AudioError, SettingsError
from auralise.songs import AUDIO_SUFFIXES

SPLITS = ("train", "validation", "test")


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
        if path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")
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
            "clips need names of their own, across classes too; rename one of "
            + " and ".join(twice["path"].iloc[:2])
        )
    return clips


def examine_clips(clips: pd.DataFrame, sample_rate: int, n_threads: int = 1) -> pd.DataFrame:
    """Decode every clip once and say what is wrong with it.

    Parameters
    ----------
    clips : DataFrame
        As `find_clips` returns it.
    sample_rate : int
        Rate at which the clips are compared (Hz).
    n_threads : int

    Returns
    -------
    DataFrame
        `clips` with columns ``seconds``, ``sha256`` (of the decoded samples) and ``problem``:
        empty, or what is wrong: unreadable, or a replica of an earlier clip.
    """

    def examine(path: str) -> tuple[float, str, str]:
        try:
            samples = read_audio(path, sample_rate)
        except AudioError as error:
            return 0.0, "", str(error).removeprefix(f"{path}: ")
        return len(samples) / sample_rate, hashlib.sha256(samples.tobytes()).hexdigest(), ""

    with ThreadPoolExecutor(n_threads) as pool:
        found = pool.map(examine, clips["path"])
        rows = list(tqdm(found, "examine clips", total=len(clips), unit="clip"))
    table = clips.assign(
        **dict(zip(("seconds", "sha256", "problem"), zip(*rows, strict=True), strict=True))
    )
    table["seconds"] = table["seconds"].round(3)
    readable = table["problem"] == ""
    first = table[readable].drop_duplicates("sha256").set_index("sha256")["clip"]
    original = table["sha256"].map(first)
    replica = readable & (original != table["clip"])
    table.loc[replica, "problem"] = "replica of " + original[replica]
    return table


def split_clips(
    clips: pd.DataFrame, fractions: tuple[float, float, float], seed: int
) -> pd.DataFrame:
    """Deal the sound clips out to training, validation and test, class by class.

    Parameters
    ----------
    clips : DataFrame
        As `examine_clips` returns it; clips with a problem get no split.
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
        A class has too few clips for each split to get one.
    """
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
    """Raise where a clip has a problem.

    Raises
    ------
    SettingsError
        Lists the clips and what to do.
    """
    bad = clips[clips["problem"] != ""]
    if len(bad):
        lines = [f"  {row.path}: {row.problem}" for row in bad.itertuples()]
        raise SettingsError(
            f"{len(bad)} of {len(clips)} clips cannot be used; mend or remove them, or set "
            "dataset.on_problem: exclude\n" + "\n".join(lines)
        )
