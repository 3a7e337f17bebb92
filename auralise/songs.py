"""The songs to explain: sound files in a folder, each named by its stem."""

from pathlib import Path

from auralise.errors import SettingsError

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".au")


def find_songs(folder: str | Path) -> dict[str, Path]:
    """Sound files of a folder by stem, sorted; hidden files are passed over.

    Raises
    ------
    SettingsError
        The folder is missing or holds no sound file, two files share a stem, or a name holds
        a bracket that the workflow could not tell from a wildcard.
    """
    folder = Path(folder)
    if not folder.is_dir():
        remedy = "give its folder" if folder.exists() else "create it and put songs there"
        remedy = "write '~' out" if str(folder).startswith("~") else remedy
        raise SettingsError(f"songs: {folder} is not a folder; {remedy}")
    songs: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in AUDIO_SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in songs:
            raise SettingsError(
                f"songs: {songs[path.stem]} and {path} have the same stem and would share their "
                "results; rename or remove one of them"
            )
        if set(path.stem) & set("{}<>\n"):
            raise SettingsError(
                f"songs: rename {path}: braces, '<', '>' and line ends cannot be in a name"
            )
        songs[path.stem] = path
    if not songs:
        raise SettingsError(
            f"songs: no sound file in {folder}; put at least one there, ending in "
            f"{', '.join(AUDIO_SUFFIXES)}"
        )
    return songs
