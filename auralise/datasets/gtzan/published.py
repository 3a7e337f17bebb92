"""What has been published of GTZAN: its names, faults, fault-filtered split and checksums."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml

from auralise.datasets.clips import SPLITS

GENRES = (
    "blues",
    "classical",
    "country",
    "disco",
    "hiphop",
    "jazz",
    "metal",
    "pop",
    "reggae",
    "rock",
)

CLIPS_PER_GENRE = 100
DURATION = 30.0  # s
SAMPLE_RATE = 22050  # Hz


@dataclass(frozen=True)
class Published:
    """Facts of publications; the sources stand in ``facts.yaml``.

    Attributes
    ----------
    split : mapping of str to str
        The fault-filtered split of Kereliuk, Sturm and Larsen (2015), by clip.
    replicas : tuple of tuple of str
        Clips of the same content (Sturm 2013).
    faults : mapping of str to str
        Why each clip that the split leaves out is left out, as far as it is published.
    unreadable : tuple of str
        Clips whose file is damaged in copies that many people have.
    checksums : mapping of str to str
        Of ``genres.tar.gz``, by algorithm.
    """

    split: Mapping[str, str]
    replicas: tuple[tuple[str, ...], ...]
    faults: Mapping[str, str]
    unreadable: tuple[str, ...]
    checksums: Mapping[str, str]


@cache
def published() -> Published:
    """Read ``facts.yaml``."""
    text = resources.files(__package__).joinpath("facts.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    split = {
        clip: name
        for name in SPLITS
        for genre, numbers in data["split"][name].items()
        for clip in _clips(genre, numbers)
    }
    replicas = tuple(tuple(group.split()) for group in data["replicas"])
    faults = {}
    for genre in GENRES:
        for number in range(CLIPS_PER_GENRE):
            clip = clip_name(genre, number)
            if clip not in split:
                faults[clip] = data["left_out"]
    for group in replicas:
        for clip in group:
            if clip in faults:
                others = ", ".join(other for other in group if other != clip)
                faults[clip] = data["replica"].format(others=others)
    faults |= {clip: text for clip, text in data["faults"].items() if clip in faults}
    return Published(split, replicas, faults, tuple(data["unreadable"]), data["checksums"])


def clip_name(genre: str, number: int) -> str:
    """Name of a clip, such as ``jazz.00054``."""
    return f"{genre}.{number:05d}"


def _clips(genre: str, numbers: str) -> Iterator[str]:
    for part in str(numbers).split():
        first, _, last = part.partition("-")
        for number in range(int(first), int(last or first) + 1):
            yield clip_name(genre, number)
