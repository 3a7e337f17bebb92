"""Errors that a user can act on: each names what was given, what was expected and the remedy."""


class AuraliseError(Exception):
    """Base of every error that auralise raises for a user's mistake; shown without a traceback."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether there was not enough memory, which torch calls a `RuntimeError` like any other."""
    return isinstance(error, MemoryError) or "allocate" in str(error)


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
