"""Music in GTZAN's shape, with faults planted, for those who have no GTZAN at hand.

    python -m benchmarks.gtzan FOLDER                    make it
    python -m benchmarks.gtzan FOLDER --check clips.csv  say how well it was read

The clips are those of `auralise.datasets.bands`, under GTZAN's names and in its containers. Known
faults stand where they are published to be; new ones are planted, one of each kind, in clips that
the published lists call sound, and ``planted.csv`` says where and what has to be found.
"""

import argparse
import csv
import gzip
import os
import sys
import tarfile
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import soxr

from auralise.audio import write_audio
from auralise.datasets.bands.rendering import render_clip
from auralise.datasets.clips import KNOWN
from auralise.datasets.gtzan.published import GENRES, SAMPLE_RATE, clip_name, published
from auralise.files import read_table, whole_file
from auralise.progress import tracked

LAYOUTS = {"genres": "genres", "original": "Data/genres_original"}
CONTAINERS = ("au", "wav")


@dataclass(frozen=True)
class Imitation:
    """Settings of an imitation.

    Attributes
    ----------
    clips_per_genre : int
        100 in GTZAN; at least 11, so that every fault has its clip.
    duration : float
        Of a clip (s); 30 in GTZAN.
    container : {'au', 'wav'}
    layout : {'genres', 'original'}
        ``genres/<genre>/`` or ``Data/genres_original/<genre>/``, with pictures beside it.
    seed : int
        Of the music.
    """

    clips_per_genre: int = 100
    duration: float = 30.0
    container: str = "au"
    layout: str = "genres"
    seed: int = 0

    def path(self, folder: Path, clip: str) -> Path:
        """Where a clip lies."""
        genre = clip.split(".")[0]
        return folder / LAYOUTS[self.layout] / genre / f"{clip}.{self.container}"

    def samples(self, clip: str) -> np.ndarray:
        """Music of a clip; published replicas share theirs."""
        for group in published().replicas:
            if clip in group:
                clip = group[0]
        genre, number = clip.split(".")
        return render_clip(genre, int(number), self.seed, self.duration, SAMPLE_RATE)


# A fault writes a clip's file, or leaves it unwritten, given the path and the clip's samples.
Fault = Callable[[Path, np.ndarray], None]


def _truncated(path: Path, samples: np.ndarray) -> None:
    with whole_file(path) as part:
        write_audio(part, samples, SAMPLE_RATE)
        os.truncate(part, part.stat().st_size // 2)


def _short(path: Path, samples: np.ndarray) -> None:
    write_audio(path, samples[: len(samples) // 3], SAMPLE_RATE)


def _text(content: bytes) -> Fault:
    def write(path: Path, _: np.ndarray) -> None:
        with whole_file(path) as part:
            part.write_bytes(content)

    return write


def _silent(path: Path, samples: np.ndarray) -> None:
    write_audio(path, 0 * samples, SAMPLE_RATE)


def _not_finite(path: Path, samples: np.ndarray) -> None:
    samples = samples.copy()
    samples[100:103] = np.nan, np.inf, -np.inf
    with whole_file(path) as part:
        soundfile.write(part, samples, SAMPLE_RATE, subtype="FLOAT")


def _other_rate(path: Path, samples: np.ndarray) -> None:
    write_audio(path, soxr.resample(samples, SAMPLE_RATE, 2 * SAMPLE_RATE), 2 * SAMPLE_RATE)


def _clipped(path: Path, samples: np.ndarray) -> None:
    write_audio(path, np.clip(samples * (4 / np.abs(samples).max()), -1, 1), SAMPLE_RATE)


def _other_container(path: Path, samples: np.ndarray) -> None:
    """The clip's sound in another container than its name says."""
    other = "WAV" if path.suffix == ".au" else "AU"
    with whole_file(path) as part:
        soundfile.write(part, samples, SAMPLE_RATE, format=other, subtype="PCM_16")


def _sound(path: Path, samples: np.ndarray) -> None:
    write_audio(path, samples, SAMPLE_RATE)


def _missing(path: Path, _: np.ndarray) -> None:
    path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Planted:
    """A planted fault: how it is made, whose music it uses, and which problem must be reported."""

    fault: str
    write: Fault
    problem: str
    source: str | None = None


PLANTED: Mapping[str, Planted] = {
    "blues.00001": Planted("truncated", _truncated, "truncated"),
    "classical.00002": Planted("short", _short, "short"),
    "country.00003": Planted("empty file", _text(b""), "the file is empty"),
    "disco.00004": Planted("not audio", _text(b"Dear diary\n" * 99), "cannot be read as audio"),
    "hiphop.00005": Planted("silent", _silent, "silent"),
    "jazz.00006": Planted("not finite", _not_finite, "3 of"),
    "metal.00007": Planted("other sample rate", _other_rate, "sample rate of 44100 Hz"),
    "pop.00008": Planted("missing", _missing, "missing"),
    "reggae.00001": Planted("replica", _sound, "replica of reggae.00000", "reggae.00000"),
    "rock.00010": Planted(
        "replica in another published split", _sound, "replica of rock.00009", "rock.00009"
    ),
    "metal.00001": Planted(
        "replica in another class",
        _sound,
        "replica of country.00001, in another class",
        "country.00001",
    ),
    "blues.00003": Planted(
        "replica in another container", _other_container, "replica of blues.00002", "blues.00002"
    ),
    "pop.00000": Planted("clipped, which is no problem", _clipped, ""),
    "jazz.00054": Planted("damaged", _text(b"RIFF" + bytes(40)), KNOWN + "damaged"),
}


def write_imitation(folder: str | Path, imitation: Imitation, n_processes: int = 1) -> None:
    """Write the clips and ``planted.csv``. Interrupted, it goes on with the next clip.

    Parameters
    ----------
    folder : str or Path
    imitation : Imitation
    n_processes : int
        Does not change the result.
    """
    folder = Path(folder)
    clips = [
        clip_name(genre, number) for genre in GENRES for number in range(imitation.clips_per_genre)
    ]
    extra = clip_name(GENRES[0], imitation.clips_per_genre)
    write = partial(_write_clip, folder, imitation)
    with ProcessPoolExecutor(n_processes) as pool:
        written = pool.map(write, [*clips, extra], chunksize=4)
        for _ in tracked(written, "render", len(clips) + 1, unit="clips"):
            pass
    for genre in GENRES:
        beside = imitation.path(folder, clip_name(genre, 0)).parent
        (beside / f"._{clip_name(genre, 0)}.{imitation.container}").write_bytes(b"\0\5\x16\7" * 30)
        if imitation.layout == "original":
            pictures = folder / "Data/images_original" / genre
            pictures.mkdir(parents=True, exist_ok=True)
            (pictures / f"{genre}00000.png").write_bytes(b"\x89PNG")
    with whole_file(folder / "planted.csv") as path, path.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("clip", "fault", "problem"))
        for clip in clips:
            fault, problem = _expected(clip)
            if fault:
                table.writerow((clip, fault, problem))
        table.writerow((extra, "a name too many", "GTZAN has no clip of this name"))


def _expected(clip: str) -> tuple[str, str]:
    """Fault of a clip, and the beginning of the problem that has to be found."""
    known = published().faults.get(clip)
    if known:
        return "published", KNOWN + known
    if clip in PLANTED:
        return PLANTED[clip].fault, PLANTED[clip].problem
    return "", ""


def _write_clip(folder: Path, imitation: Imitation, clip: str) -> None:
    path = imitation.path(folder, clip)
    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    planted = PLANTED.get(clip, Planted("", _sound, ""))
    planted.write(path, imitation.samples(planted.source or clip))


def pack_imitation(folder: str | Path) -> Path:
    """Pack the clips as ``genres.tar.gz``, as GTZAN was distributed; same clips, same bytes."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mtime = member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    folder = Path(folder)
    path = folder / "genres.tar.gz"
    with (
        whole_file(path) as part,
        part.open("wb") as file,
        gzip.GzipFile("", "wb", 1, file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for top in sorted({layout.split("/")[0] for layout in LAYOUTS.values()}):
            if (folder / top).is_dir():
                archive.add(folder / top, top, filter=plain)
    return path


def compare_with_planted(clips: pd.DataFrame, planted: pd.DataFrame) -> pd.DataFrame:
    """Clips whose reported problem differs from the planted one: missed or invented faults.

    Parameters
    ----------
    clips : DataFrame
        With columns ``clip`` and ``problem``, as in ``clips.csv``.
    planted : DataFrame
        As in ``planted.csv``.

    Returns
    -------
    DataFrame
        Columns ``clip``, ``planted`` and ``problem``; empty where all agree.
    """
    both = clips.merge(planted, how="outer", on="clip", suffixes=("", "_planted")).fillna("")
    agrees = [
        row.problem.startswith(row.problem_planted)
        and bool(row.problem) == bool(row.problem_planted)
        for row in both.itertuples()
    ]
    table = both.loc[~np.array(agrees, bool), ["clip", "problem_planted", "problem"]]
    return table.rename(columns={"problem_planted": "planted"}).reset_index(drop=True)


def main(arguments: list[str] | None = None) -> int:
    """Make the imitation, or compare a ``clips.csv`` with what was planted in it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gtzan",
        description="Write music in GTZAN's shape, with faults planted (planted.csv tells where). "
        "Run again after an interruption, it goes on.",
    )
    add = parser.add_argument
    add("folder", type=Path, help="where the imitation is, or is to be")
    add("--clips", type=int, default=100, help="of each genre, from 11 (default: %(default)s)")
    add("--duration", type=float, default=30.0, help="of a clip, s (default: %(default)s)")
    add("--container", choices=CONTAINERS, default="au", help="(default: %(default)s)")
    add("--layout", choices=list(LAYOUTS), default="genres", help="(default: %(default)s)")
    add("--seed", type=int, default=0, help="of the music (default: %(default)s)")
    add("--processes", type=int, default=os.cpu_count() or 1, help="(default: %(default)s)")
    add("--archive", action="store_true", help="pack it as genres.tar.gz, too")
    add(
        "--check",
        type=Path,
        metavar="CLIPS_CSV",
        help="write nothing; say where this table disagrees with planted.csv",
    )
    options = parser.parse_args(arguments)
    if options.check:
        clips, planted = (
            read_table(path) for path in (options.check, options.folder / "planted.csv")
        )
        wrong = compare_with_planted(clips, planted)
        print(wrong.to_string() if len(wrong) else f"all {len(planted)} as planted, none invented")
        return int(len(wrong) > 0)
    if options.clips < 11:
        parser.error("--clips: at least 11, so that every fault has its clip")
    imitation = Imitation(
        options.clips, options.duration, options.container, options.layout, options.seed
    )
    write_imitation(options.folder, imitation, options.processes)
    if options.archive:
        print(pack_imitation(options.folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
