"""Which songs a run can explain: each is read before anything is computed from the others."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from auralise.audio import read_excerpt
from auralise.errors import AudioError, SettingsError
from auralise.experiment.runs import RECORDS
from auralise.files import read_json, write_json
from auralise.progress import tracked
from auralise.songs import AskedSongs

AT_ONCE = 4  # songs that are read at a time


def usable_songs(
    asked: AskedSongs, experiment: str, sample_rate: int, duration: float, read: bool = True
) -> tuple[dict[str, Path], list[str]]:
    """The songs of a run, and what is wrong with those that it leaves out.

    What was found is noted beside Snakemake's own notes, so that a song is read again only when
    its file or the excerpt has changed.

    Parameters
    ----------
    asked : AskedSongs
    experiment : str
    sample_rate : int
        In Hz.
    duration : float
        Of an excerpt (s).
    read : bool
        Whether to read songs of which nothing is noted; else they count as usable, as for the
        jobs of a run, and where a run is only planned.

    Returns
    -------
    songs : dict of str to Path
        By name.
    problems : list of str
        A sentence for each song that cannot be used.

    Raises
    ------
    SettingsError
        As `AskedSongs.find`; or no song can be used.
    """
    songs, refused = asked.find()
    place = RECORDS / "songs" / f"{experiment}.json"
    noted = _read(place)
    states = {}
    for song, path in songs.items():
        state = path.stat()
        excerpt = [sample_rate, asked.start_of(song), duration]
        states[song] = [state.st_size, state.st_mtime_ns, *excerpt]
    new = [song for song in songs if read and noted.get(song, {}).get("state") != states[song]]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = pool.map(
            lambda song: _problem(songs[song], sample_rate, asked.start_of(song), duration), new
        )
        for song, problem in zip(
            new, tracked(answers, "songs read", len(new), unit="songs"), strict=True
        ):
            noted[song] = {"state": states[song], "problem": problem}
    if new:
        write_json(place, noted)
    found = {
        song: noted[song]["problem"]
        for song in songs
        if noted.get(song, {}).get("state") == states[song]
    }
    problems = [*refused.values(), *filter(None, found.values())]
    if len(problems) == len(songs) + len(refused):
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise SettingsError(f"songs: none can be used: {problems[0]}{more}")
    return {song: path for song, path in songs.items() if not found.get(song)}, problems


def _problem(path: Path, sample_rate: int, start: float, duration: float) -> str | None:
    try:
        read_excerpt(path, sample_rate, start, duration)
    except AudioError as error:
        return str(error)
    return None


def _read(place: Path) -> dict[str, Mapping]:
    with suppress(OSError, ValueError):
        noted = read_json(place)
        if isinstance(noted, dict) and all(isinstance(of, dict) for of in noted.values()):
            return noted
    return {}
