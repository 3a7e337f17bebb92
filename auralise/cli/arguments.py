"""What the commands share: their arguments and their exit status."""

import argparse
import math
import os
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from auralise.choices import CHANNELS
from auralise.errors import SettingsError

HIGHEST_RATE = 768_000  # Hz
DONE, SOME_FAILED, FAILED, INTERRUPTED = 0, 1, 2, 130


class Parser(argparse.ArgumentParser):
    """An argument parser that reports a mistake in one line, like every other error."""

    def __init__(self, *arguments: Any, **options: Any):
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*arguments, **options)

    def error(self, message: str):
        self.exit(FAILED, f"auralise: error: {message}; see {self.prog} --help\n")


def exit_status(n_failed: int, n_songs: int) -> int:
    """0 if all songs are done, 1 if some failed, 2 if all did."""
    return DONE if n_failed == 0 else SOME_FAILED if n_failed < n_songs else FAILED


def parse_ranges(text: str) -> list[int]:
    """Numbers from ``1,3-5``: sorted, each once.

    Raises
    ------
    SettingsError
        Anything but numbers and ascending ranges, separated by commas.
    """
    numbers: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,6})\s*(?:-\s*(\d{1,6})\s*)?", part, re.ASCII)
        if found is None:
            raise SettingsError(
                f"{part.strip()!r} in {text!r} is neither a number nor a range; "
                "expected something like 1,3-5"
            )
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first:
            raise SettingsError(
                f"the range {part.strip()} in {text!r} runs backwards; write {last}-{first}"
            )
        numbers.update(range(first, last + 1))
    return sorted(numbers)


def ranges(text: str) -> list[int]:
    try:
        return parse_ranges(text)
    except SettingsError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError
    return int(text)


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError
    return value


def _taking(read: Callable[[str], Any], fits: Callable[[Any], bool], what: str) -> Callable:
    """A type of an option: what `read` makes of its text, if that `fits`."""

    def converted(text: str) -> Any:
        with suppress(ValueError):
            if fits(value := read(text)):
                return value
        raise argparse.ArgumentTypeError(f"expected {what}, got {text!r}")

    return converted


count = _taking(_whole, lambda n: n > 0, "a whole number above 0")
rate = _taking(count, lambda n: n <= HIGHEST_RATE, f"Hz, at most {HIGHEST_RATE}")
duration = _taking(_finite, lambda s: s > 0, "seconds, more than 0")
time = _taking(_finite, lambda s: s >= 0, "seconds, 0 or more")
seed = _taking(_whole, lambda n: True, "a whole number, 0 or more")


def name_songs(paths: Iterable[Path]) -> dict[str, Path]:
    """Songs by the name of their results, from sound files, folders of them and lists of them.

    Raises
    ------
    SettingsError
        A folder or list holds no song, or two songs would share their results.
    """
    # --help must not wait for libsndfile
    from auralise.songs import find_sounds, is_list, read_list, shared_name, told_apart

    def those_of(given: Path) -> list[Path]:
        if given.is_dir():
            return find_sounds(given)
        return read_list(given) if is_list(given) else [given]

    songs: dict[str, Path] = {}
    found: dict[str, Path] = {}
    for given in paths:
        for path in those_of(given):
            other = found.setdefault(shared_name(path.stem), path)
            if other is path:
                songs[path.stem] = path
            elif other.absolute() != path.absolute():
                raise SettingsError(
                    f"{told_apart(other, path)} would both be written to '{path.stem}'; rename "
                    "one, or write them into two folders"
                )
    return songs


def add_songs(parser: argparse.ArgumentParser) -> None:
    """Add the songs, as `name_songs` takes them."""
    parser.add_argument(
        "songs",
        nargs="+",
        type=Path,
        metavar="SONG",
        help="a sound file, a folder of them, or a text file that lists one a line",
    )


def add_channel(parser: "argparse.ArgumentParser | argparse._ArgumentGroup") -> None:
    """Add the option that says what of a stereo song is used."""
    parser.add_argument(
        "--channel",
        choices=CHANNELS,
        help="of a stereo song: one channel, half the sum or half the difference of both "
        "(default: the mean of all channels)",
    )


def spare_inputs(inputs: Iterable[Path], results: Iterable[Path]) -> None:
    """Refuse to write results over their own inputs.

    Raises
    ------
    SettingsError
    """
    # Not Path.resolve, for which a link that leads to itself is an error.
    replaced = [Path(os.path.realpath(result)) for result in results]
    for given in inputs:
        if any(Path(os.path.realpath(given)).is_relative_to(result) for result in replaced):
            raise SettingsError(
                f"--out: {given} would be replaced by the results; choose another folder"
            )


def prepare_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"--out: {out} cannot be a folder for the results ({error.strerror})"
        ) from None


def layers(text: str) -> list[int] | list[str]:
    """Layers by number, such as ``1,3-5``, or by the paths of modules, with commas between them."""
    names = [name.strip() for name in text.split(",")]
    are_paths = all(name and not name.replace("-", "").isdigit() for name in names)
    return names if are_paths else ranges(text)


def table(rows: Sequence[Sequence[str]], numbers: Iterable[int] = ()) -> list[str]:
    """Rows, the heads first, as lines in aligned columns; `numbers` (from 0) to the right."""
    numbers = set(numbers)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
