"""The table of a data set's clips: found, examined, split."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from auralise.datasets.clips import (
    examine_clips,
    find_classes,
    find_clips,
    find_passed_over,
    mark_copies,
    mark_replicas,
    refuse_problems,
    split_clips,
    tell_passed_over_clips,
)
from auralise.datasets.gtzan.clips import (
    find_genres,
    find_gtzan_clips,
    mark_gtzan_problems,
    split_as_published,
)
from auralise.datasets.gtzan.published import GENRES, published


def list_clips(folder: str | Path, dataset: Mapping, n_threads: int = 1) -> pd.DataFrame:
    """Every clip of a data set, what it is, what is wrong with it, and its split.

    Parameters
    ----------
    folder : str or Path
        Holds the clips.
    dataset : mapping
        The settings ``name``, ``clips_per_class``, ``clip_duration``, ``split``, ``seed`` and
        ``on_problem``.
    n_threads : int
        Does not change the result.

    Returns
    -------
    DataFrame
        Columns ``clip``, ``path``, ``genre``, ``seconds``, ``sample_rate``, ``peak``,
        ``clipping``, ``sha256``, ``problem`` and ``split``.

    Raises
    ------
    SettingsError
        A clip has a problem that is not known and problems are to stop; or the clips cannot
        be split.
    """
    of_gtzan = dataset["name"] == "gtzan"
    as_published = of_gtzan and dataset["split"] is None
    place = find_genres(folder) if of_gtzan else find_classes(folder)
    tell_passed_over_clips(place)
    duration = dataset["clip_duration"]
    clips = find_gtzan_clips(folder) if of_gtzan else find_clips(place)
    clips = mark_copies(examine_clips(clips, n_threads, duration))
    passed_over = find_passed_over(place)
    if of_gtzan:
        passed_over = passed_over[passed_over["genre"].isin(GENRES)]
    if len(passed_over):
        clips = pd.concat([clips, passed_over]).sort_values("path").reset_index(drop=True)
    if of_gtzan:
        clips = mark_gtzan_problems(clips, dataset["clips_per_class"], duration)
    clips = mark_replicas(clips, published().split if as_published else {})
    if dataset["on_problem"] == "stop":
        refuse_problems(clips)
    if as_published:
        return split_as_published(clips)
    return split_clips(clips, tuple(dataset["split"]), dataset["seed"])
