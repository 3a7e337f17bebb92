"""How a file came to be: by what it says itself, and by the records of its experiment."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from auralise import pictures
from auralise.audio import read_facts
from auralise.errors import ResultsError, printable
from auralise.experiment.records import Results
from auralise.files import parse_json, sha256_of_file
from auralise.hdf5 import open_hdf5


def origin_of(path: Path) -> dict[str, Any]:
    """How a file came to be.

    Returns
    -------
    dict
        ``file``, ``sha256``; ``facts``, which the file holds itself, wherever it is; and
        ``record`` of the job that made it, where the records of an experiment are around it. What
        is not known is left out.

    Raises
    ------
    ResultsError
        There is no such file, or nothing is known of it.
    """
    if not path.is_file():
        told = "not a file; name one in it" if path.is_dir() else "no such file"
        raise ResultsError(f"{printable(path)}: {told}")
    try:
        facts = _facts_in(path)
        found: dict[str, Any] = {"file": printable(path), "sha256": sha256_of_file(path)}
    except OSError as error:
        raise ResultsError(
            f"{printable(path)}: cannot be read ({error.strerror or error})"
        ) from None
    if facts:
        found["facts"] = facts
    results = Results.around(path.parent)
    record = None if results is None else results.record_of(path)
    if results is not None and record is not None:
        name = results.name_of(path)
        found["record"] = {
            "rule": record.rule,
            "wildcards": record.wildcards,
            "unchanged": record.outputs[name].sha256 == found["sha256"],
            "inputs": record.inputs,
            "settings": record.settings,
            "code": record.code,
            "versions": record.versions,
        }
    if not facts and record is None:
        raise ResultsError(
            f"{printable(path)}: does not say how it came to be, and no record of an experiment "
            "around it does"
        )
    return found


def _facts_in(path: Path) -> dict[str, Any] | None:
    """The metadata stored in a file of sound, maps, weights or a picture."""
    with path.open("rb") as file:
        start = file.read(8)
    if start[:4] == b"RIFF":
        return read_facts(path)
    if start == b"\x89HDF\r\n\x1a\n":
        with open_hdf5(path) as file:
            return {name: _plain(value) for name, value in file.attrs.items()}
    if start == pictures.PNG or start.startswith(pictures.PDF):
        return pictures.read_facts(path)
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, "np") as file:
                return {name: _plain(text) for name, text in (file.metadata() or {}).items()}
        except SafetensorError as error:
            raise ResultsError(
                f"{printable(path)}: damaged ({error}); make it again, or copy it again"
            ) from None
    return None


def _plain(value: Any) -> Any:
    """An attribute as JSON can hold it; text that is JSON is read."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return parse_json(value)
        except (ValueError, RecursionError):
            return value
    return value if isinstance(value, str | int | float | bool | list | None) else str(value)
