"""Errors that a user can act on: each names what was given, what was expected and the remedy."""

from textwrap import shorten

LONGEST_MESSAGE, LONGEST_CAUSE = 500, 200  # characters


def printable(name: object) -> str:
    """A name that any log takes: what is not UTF-8 in it is spelt out."""
    return str(name).encode("utf-8", "backslashreplace").decode()


def message_of(error: BaseException) -> str:
    """What a user is told of an error: any log takes it, and foreign input cannot make it long.

    Examples
    --------
    >>> len(message_of(ValueError("a" * 10_000)))
    500
    """
    text = printable(error)
    text = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
    if len(text) <= LONGEST_MESSAGE:
        return text
    kept = (LONGEST_MESSAGE - 3) // 2  # the remedy stands at the end
    return f"{text[: LONGEST_MESSAGE - 3 - kept]} … {text[len(text) - kept :]}"


def counted(number: int, noun: str) -> str:
    """A number and what it counts, one of them or several.

    Examples
    --------
    >>> counted(1, "frame"), counted(1200, "class")
    ('1 frame', '1,200 classes')
    """
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{ending}"


def cause_of(error: BaseException) -> str:
    """What another library's error says, in one line: its kind and its text, cut where long.

    Examples
    --------
    >>> cause_of(ValueError("a bad\\nvalue"))
    'ValueError: a bad value'
    """
    return shorten(f"{type(error).__name__}: {error}", LONGEST_CAUSE, placeholder=" …")


class AuraliseError(Exception):
    """Base of every error that auralise raises for a user's mistake; shown without a traceback."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether there was not enough memory, which torch calls a `RuntimeError` like any other.

    To the system's loader it is a library that cannot be imported.
    """
    said = "allocate" in str(error) or "failed to map segment" in str(error)
    return isinstance(error, MemoryError) or said


class AudioError(AuraliseError):
    """A sound file that cannot be used."""


class SettingsError(AuraliseError):
    """Settings that contradict each other or the files at hand."""


class NetworkError(AuraliseError):
    """A network that cannot be built or explained."""


class WeightsError(AuraliseError):
    """A weights file that cannot be read or does not fit."""


class MapsError(AuraliseError):
    """A file of deconvolved maps that cannot be read."""


class InversionError(AuraliseError):
    """Inversions that cannot be made or read."""


class StorageError(AuraliseError):
    """A disk that is full, or a folder that may not be written."""


class ResultsError(AuraliseError):
    """A file of results is damaged or missing; the message says how to make it again."""
