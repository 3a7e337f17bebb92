"""python -m auralise.datasets.gtzan FOLDER: imitate GTZAN, or check how it was read."""

import argparse
import os
import sys
from pathlib import Path

from auralise.datasets.gtzan.imitation import (
    CONTAINERS,
    LAYOUTS,
    Imitation,
    compare_with_planted,
    pack_imitation,
    write_imitation,
)
from auralise.files import read_table


def main(arguments: list[str] | None = None) -> int:
    """Make the imitation, or compare a ``clips.csv`` with what was planted in it."""
    parser = argparse.ArgumentParser(
        prog="python -m auralise.datasets.gtzan",
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
