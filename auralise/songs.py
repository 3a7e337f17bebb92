"""Where sound is looked for: the formats that are read, and the songs of a folder."""

import codecs
import itertools
import logging
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import soundfile

from auralise.errors import SettingsError
from auralise.files import printable

log = logging.getLogger(__name__)

# Endings of soundfile's formats. Left out are those that mostly hold something else (Matlab's) or
# have no header to recognise them by.
SUFFIXES_OF_FORMATS = {
    "WAV": (".wav", ".wave"),
    "FLAC": (".flac",),
    "OGG": (".ogg", ".oga", ".opus"),
    "MP3": (".mp3",),
    "AU": (".au", ".snd"),
    "AIFF": (".aiff", ".aif", ".aifc"),
    "CAF": (".caf",),
    "W64": (".w64",),
    "RF64": (".rf64",),
    "VOC": (".voc",),
}
AUDIO_SUFFIXES: tuple[str, ...] = tuple(
    suffix
    for format, suffixes in SUFFIXES_OF_FORMATS.items()
    if format in soundfile.available_formats()
    for suffix in suffixes
)

# Endings of sound that libsndfile does not read.
UNREAD_SUFFIXES = tuple(
    ".aac .ac3 .amr .ape .dff .dsf .m4a .m4b .m4p .mid .midi .mka .mp2 .mp4 .mpc .ra .ram .tta "
    ".webm .wma .wv".split()
)
# Reasons that are only noted: no sound is lost.
UNTOLD = ("hidden", "not sound, by its name", "a folder")
SYSTEM_FOLDERS = ("lost+found", "__MACOSX", "$RECYCLE.BIN", "System Volume Information", "@eaDir")
ENDLESS = re.compile(r"(.{1,12})\1{19,}$")  # no longer part fits so often into the longest name
LONGEST_NAME = 240  # bytes; the workflow's files of a song have more around its name, up to 255
LOOKED_AT = 10_000  # files and folders in a folder that is passed over


def is_hidden(path: PurePath) -> bool:
    """Whether a name is hidden (AppleDouble ``._*`` among them) or belongs to a system."""
    return path.name.startswith(".") or path.name in SYSTEM_FOLDERS


def why_unread(path: Path) -> str | None:
    """Why a file or folder is not read as sound; None if it is read."""
    suffix = path.suffix.lower()
    if is_hidden(path):
        return "hidden"
    if suffix in UNREAD_SUFFIXES and not path.is_dir():
        return f"{suffix} is not read; convert it, to .flac for instance"
    if path.is_dir():
        return "a folder" if sound_below(path) is None else "a folder, with sound in it"
    if suffix not in AUDIO_SUFFIXES:
        return "not sound, by its name"
    if path.is_symlink() and not path.exists():
        return "a link to a file that does not exist"
    if not path.is_file():
        return "not a plain file"
    return None


def sound_below(folder: Path) -> Path | None:
    """A sound file in a folder or in the folders in it, among the first that are found there."""
    paths = itertools.islice(folder.rglob("*"), LOOKED_AT)
    return next((path for path in paths if path.is_file() and why_unread(path) is None), None)


def list_folder(folder: Path, setting: str) -> list[Path]:
    """What is in a folder, sorted by name, without Snakemake's own mark.

    Parameters
    ----------
    folder : Path
    setting : str
        What names the folder, for the message.

    Raises
    ------
    SettingsError
        The folder may not be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if path.name != ".snakemake_timestamp")
    except OSError as error:
        raise SettingsError(
            f"{setting}: {printable(folder)} cannot be read ({error.strerror}); change its "
            "permissions, or give another one"
        ) from None


def tell_passed_over(folder: Path, reasons: Sequence[tuple[Path, str]]) -> None:
    """Log each file that is not read, one line for each reason.

    Lost sound is a warning; what is hidden, or not sound by its name, is only noted.
    """
    by_reason: dict[str, list[str]] = {}
    for path, reason in reasons:
        by_reason.setdefault(reason, []).append(printable(path.name))
    for reason, names in by_reason.items():
        level = logging.INFO if reason in UNTOLD else logging.WARNING
        log.log(level, "%s: passed over (%s): %s", printable(folder), reason, ", ".join(names))


def find_sounds(folder: str | Path) -> list[Path]:
    """Sound files of a folder, sorted by name; what is passed over is told in the log.

    Raises
    ------
    SettingsError
        The folder is missing, may not be read, or holds no sound file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        remedy = "give its folder" if folder.exists() else "create it and put songs there"
        remedy = "write '~' out" if str(folder).startswith("~") else remedy
        raise SettingsError(f"songs: {folder} is not a folder; {remedy}")
    paths = list_folder(folder, "songs")
    reasons = [(path, why_unread(path)) for path in paths]
    tell_passed_over(folder, [(path, reason) for path, reason in reasons if reason])
    sounds = [path for path, reason in reasons if reason is None]
    if not sounds:
        raise SettingsError(
            f"songs: no sound file in {folder}; put at least one there, ending in "
            f"{', '.join(AUDIO_SUFFIXES)}"
        )
    return sounds


def read_lines(path: Path) -> list[str]:
    """Lines of a text file in UTF-8, with or without a mark at its beginning.

    Raises
    ------
    SettingsError
        It cannot be read as that.
    """
    try:
        # Not splitlines(), since a name may hold more than it splits at.
        return path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read ({error}); expected text in UTF-8") from None


def is_list(path: Path) -> bool:
    """Whether a file lists songs: text, and by its ending no sound."""
    if path.suffix.lower() in AUDIO_SUFFIXES + UNREAD_SUFFIXES or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            beginning = file.read(4096)
        codecs.getincrementaldecoder("utf-8")().decode(beginning)
    except (OSError, UnicodeDecodeError):
        return False
    return bool(beginning) and b"\0" not in beginning


def read_list(path: Path) -> list[Path]:
    """Songs that a text file lists, one a line, seen from its folder or from ``audio/`` beside it.

    The second is the layout of Jamendo's ``filelists/``. Songs that are not there are kept.

    Raises
    ------
    SettingsError
        None of them is there.
    """
    places = [path.parent, path.parent.parent / "audio"]
    songs = []
    for line in read_lines(path):
        if entry := line.strip():
            found = [place / entry for place in places if os.path.isfile(place / entry)]
            songs.append(found[0] if found else places[0] / entry)
    if not any(map(os.path.isfile, songs)):
        raise SettingsError(
            f"{printable(path)}: lists no sound file that is there; expected one a line, seen from "
            f"{printable(path.parent)}, or a sound file"
        )
    return songs


def shared_name(stem: str) -> str:
    """A key by which names are compared that some file systems take for one file."""
    return unicodedata.normalize("NFC", stem).casefold()


def told_apart(*names: str | Path) -> str:
    """Names as text, joined by "and"; in ASCII where accents written otherwise would look alike.

    Examples
    --------
    >>> told_apart("bach", "Bach")
    'bach and Bach'
    >>> told_apart("caf\\xe9", "cafe\\u0301")
    "'caf\\\\xe9' and 'cafe\\\\u0301'"
    """
    look_alike = len({unicodedata.normalize("NFC", str(name)) for name in names}) < len(set(names))
    return " and ".join(ascii(str(name)) if look_alike else str(name) for name in names)


def find_songs(folder: str | Path) -> tuple[dict[str, Path], dict[Path, str]]:
    """Sound files of a folder, sorted.

    Returns
    -------
    songs : dict of str to Path
        By stem.
    refused : dict of Path to str
        Why the workflow cannot take the names of others.

    Raises
    ------
    SettingsError
        As `find_sounds`; or two files would share their results.
    """
    songs: dict[str, Path] = {}
    found: dict[str, Path] = {}
    refused: dict[Path, str] = {}
    for path in find_sounds(folder):
        if reason := _why_unnamed(path):
            refused[path] = f"{printable(path)}: {reason}"
            continue
        other = found.setdefault(shared_name(path.stem), path)
        if other != path:
            what = (
                "have the same stem and would share their results"
                if other.stem == path.stem
                else "differ by nothing but upper and lower case, or by how accents are written, "
                "and would share their results on some machines"
            )
            raise SettingsError(
                f"songs: {told_apart(other, path)} {what}; rename or remove one of them"
            )
        songs[path.stem] = path
    return songs, refused


def _why_unnamed(path: Path) -> str | None:
    """Why the workflow cannot take the name of a song; None if it can."""
    if set(path.stem) & set("{}<>\n"):
        return "braces, '<', '>' and line ends cannot be in a name; rename it"
    if printable(path) != str(path):
        return "its name is not text in UTF-8; rename it"
    if (n_bytes := len(os.fsencode(path.stem))) > LONGEST_NAME:
        return f"its name has {n_bytes} bytes; {LONGEST_NAME} are the most; rename it"
    if ENDLESS.search(path.stem):
        return "Snakemake takes a name that ends in 20 repetitions for an endless one; rename it"
    return None


@dataclass(frozen=True)
class AskedSongs:
    """The songs to explain, and where in them the excerpts begin: the setting ``songs``.

    Attributes
    ----------
    folder : str
    start : float
        Of every song (s).
    starts : mapping of str to float
        Of some songs, by name (s).
    """

    folder: str
    start: float = 0.0
    starts: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_settings(cls, songs: str | Mapping) -> "AskedSongs":
        """From a folder, or a mapping of the attributes."""
        return cls(songs) if isinstance(songs, str) else cls(**songs)

    def find(self) -> tuple[dict[str, Path], dict[Path, str]]:
        """As `find_songs`.

        Raises
        ------
        SettingsError
            As `find_songs`; or `starts` names a song that is not there.
        """
        songs, refused = find_songs(self.folder)
        stems = [*songs, *(path.stem for path in refused)]
        for name in self.starts:
            if name not in stems:
                raise SettingsError(
                    f"songs.starts.{name}: no such song in {self.folder}; there are "
                    f"{', '.join(songs)}"
                )
        return songs, refused

    def start_of(self, song: str) -> float:
        """Where a song's excerpt begins (s)."""
        return float(self.starts.get(song, self.start))
