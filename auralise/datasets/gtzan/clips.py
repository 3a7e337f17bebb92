"""GTZAN's clips below a path, in any of the layouts that people have, and their problems."""

import logging
from pathlib import Path

import pandas as pd

from auralise.datasets.clips import (
    DEPTH,
    FACTS,
    KNOWN,
    PASSED_OVER,
    SPLITS,
    count_reasons,
    find_clips,
    folders_in,
    require_folder,
)
from auralise.datasets.gtzan.published import GENRES, SAMPLE_RATE, clip_name, published
from auralise.errors import SettingsError
from auralise.songs import AUDIO_SUFFIXES, list_folder, why_unread

log = logging.getLogger(__name__)

# A clip may be this much shorter than the others: the shortest of the sound ones are said to
# have 660,000 samples, 29.93 s.
TOLERANCE = 0.1  # s


def find_genres(path: str | Path) -> Path:
    """The folder below a path in which GTZAN's genres are.

    Parameters
    ----------
    path : str or Path
        The folder itself, or one above it: ``genres/``, ``gtzan_genre/genres/``,
        ``Data/genres_original/``.

    Returns
    -------
    Path
        Holds folders with names of genres, with sound files in them; the highest such folder.

    Raises
    ------
    SettingsError
        There is none, or there are several at the same height.
    """
    path = require_folder(path)
    level = [path]
    for _ in range(DEPTH + 1):
        found = [folder for folder in level if _holds_genres(folder)]
        if len(found) > 1:
            raise SettingsError(
                f"dataset.path: {path} holds several copies of GTZAN; give one of "
                + ", ".join(str(folder) for folder in found)
            )
        if found:
            return found[0]
        level = sorted(below for folder in level for below in folders_in(folder))
    raise SettingsError(
        f"dataset.path: no folder in {path} holds GTZAN's genres; expected folders such as "
        f"blues and classical with clips in them, ending in {', '.join(AUDIO_SUFFIXES)}, at most "
        f"{DEPTH} folders down"
    )


def _holds_genres(folder: Path) -> bool:
    """Whether a folder holds at least two genres with sound (some copies also hold pictures)."""
    genres = [below for below in folders_in(folder) if below.name in GENRES]
    with_sound = sum(
        any(why_unread(path) is None for path in list_folder(genre, "dataset.path"))
        for genre in genres
    )
    return with_sound >= 2


def find_gtzan_clips(path: str | Path) -> pd.DataFrame:
    """GTZAN's clips below a path, sorted by name, as `auralise.datasets.clips.find_clips`."""
    folder = find_genres(path)
    clips = find_clips(folder)
    others = sorted(set(clips["genre"]) - set(GENRES))
    if others:
        log.warning("%s: passed over, not genres of GTZAN: %s", folder, ", ".join(others))
    return clips[clips["genre"].isin(GENRES)].reset_index(drop=True)


def mark_gtzan_problems(clips: pd.DataFrame, clips_per_genre: int, duration: float) -> pd.DataFrame:
    """Compare examined clips with GTZAN's specification and its published faults.

    Parameters
    ----------
    clips : DataFrame
        As `auralise.datasets.clips.examine_clips` returns it.
    clips_per_genre : int
        100 in GTZAN.
    duration : float
        Of each clip (s); 30 in GTZAN.

    Returns
    -------
    DataFrame
        With a row for each clip that is missing, sorted by name. ``problem`` begins with
        `KNOWN` where the published lists exclude the clip, whatever else is wrong with it.
    """
    clips, passed_over = (
        clips[clips["problem"].str.startswith(PASSED_OVER) == is_passed_over]
        for is_passed_over in (False, True)
    )
    names = [clip_name(genre, number) for genre in GENRES for number in range(clips_per_genre)]
    gone = sorted(set(names) - set(clips["clip"]))
    missing = pd.DataFrame({"clip": gone, "genre": [name.split(".")[0] for name in gone]})
    nothing = dict.fromkeys(FACTS, 0) | {"path": "", "sha256": "", "problem": "missing"}
    missing = missing.assign(**nothing)
    clips = pd.concat([clips, missing] if len(missing) else [clips]).sort_values("clip")
    clips = clips.reset_index(drop=True)
    facts = published()
    clips["problem"] = [
        _problem(clip, set(names), duration, facts.faults, facts.unreadable)
        for clip in clips.itertuples()
    ]
    if len(passed_over):
        clips = pd.concat([clips, passed_over]).sort_values("path").reset_index(drop=True)
    return clips


def _problem(clip, names: set[str], duration: float, faults, unreadable) -> str:
    if clip.clip in faults:
        return KNOWN + faults[clip.clip]
    if clip.problem and clip.clip in unreadable:
        return f"{KNOWN}damaged in many copies of GTZAN ({clip.problem})"
    if clip.problem:
        return clip.problem
    if clip.clip not in names or clip.clip.split(".")[0] != clip.genre:
        return f"GTZAN has no clip of this name in {clip.genre}"
    if clip.sample_rate != SAMPLE_RATE:
        return f"sample rate of {clip.sample_rate} Hz, expected {SAMPLE_RATE} Hz"
    if clip.seconds < duration - TOLERANCE:
        return f"short: {clip.seconds:.2f} s, expected {duration:g} s"
    return ""


def split_as_published(clips: pd.DataFrame) -> pd.DataFrame:
    """Give each clip the split of Kereliuk, Sturm and Larsen (2015): 443/197/290 clips.

    Parameters
    ----------
    clips : DataFrame
        As `mark_gtzan_problems` returns it; clips with a problem get no split.

    Returns
    -------
    DataFrame
        `clips` with the column ``split``.

    Raises
    ------
    SettingsError
        A genre would miss from a split.
    """
    split = clips["clip"].map(published().split).where(clips["problem"] == "", "").fillna("")
    clips = clips.assign(split=split)
    for genre, members in clips.groupby("genre"):
        for name in SPLITS:
            if not (members["split"] == name).any():
                raise SettingsError(
                    f"dataset.split: no usable clip of '{genre}' is in the published {name} "
                    "split; find the clips that clips.csv calls missing, or give three fractions"
                    + count_reasons(members)
                )
    return clips
