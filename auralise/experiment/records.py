"""Records beside the results: what each job has made, from what and how, and whether it is whole.

A job of the workflow writes a record when it ends: size, time and SHA-256 of each file that it
made, SHA-256 of what it read, its settings, its code and versions. From these a results folder
can tell whether it is whole and unchanged, and how each of its files came to be.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from auralise.errors import ResultsError, printable
from auralise.files import parse_json, sha256_of_file, write_text
from auralise.pictures import write_facts
from auralise.provenance import versions

log = logging.getLogger(__name__)

FOLDER = "provenance"  # of a results folder
FORMAT = "auralise-record/1"
UNRECORDED = (FOLDER, "benchmarks", "logs")  # folders of whose files there is no record
SEAL = ',\n "sealed": '  # before the digest of all that stands above it in a record
MUCH = 500 * 10**6  # bytes of inputs from which on known hashes are looked up first


@dataclass(frozen=True)
class State:
    """What a file was when a job ended: size (bytes), time of change (ns), SHA-256."""

    size: int
    time: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> "State":
        found = path.stat()
        return cls(found.st_size, found.st_mtime_ns, sha256_of_file(path))

    def is_of(self, path: Path, deep: bool) -> bool:
        """Whether a file is unchanged: by size and time, and by content where these do not tell."""
        found = path.stat()
        if found.st_size != self.size:
            return False
        if found.st_mtime_ns == self.time and not deep:
            return True
        return sha256_of_file(path) == self.sha256


@dataclass(frozen=True)
class Record:
    """What one job has made, and how.

    Attributes
    ----------
    rule : str
    wildcards : mapping of str to str
    made : int
        How often its files were found missing, plus one; the workflow makes them again when
        this number changes.
    outputs : mapping of str to State
        By path within the results folder.
    temporary : sequence of str
        Outputs that may be gone: files, or folders with all that was in them.
    inputs : mapping of str to str
        SHA-256 by path; paths within the results folder are relative to it.
    settings : mapping
    code : sequence of str
        As `auralise.provenance.code_by_file` returns it.
    versions : mapping of str to str
    """

    rule: str
    wildcards: Mapping[str, str] = field(default_factory=dict)
    made: int = 1
    outputs: Mapping[str, State] = field(default_factory=dict)
    temporary: Sequence[str] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    code: Sequence[str] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    def may_be_gone(self, name: str) -> bool:
        return any(Path(name).is_relative_to(temporary) for temporary in self.temporary)

    def write(self, path: Path) -> None:
        content = {"format": FORMAT, **asdict(self)}
        body = json.dumps(content, indent=1, default=str).removesuffix("\n}")
        write_text(path, f'{body}{SEAL}"{_digest(body)}"\n}}\n')

    @classmethod
    def read(cls, path: Path) -> "Record":
        """Read a record.

        Raises
        ------
        ResultsError
            It is missing or damaged.
        """
        try:
            text = path.read_text(encoding="utf-8")
            values = parse_json(text)
            # Earlier versions did not seal their records.
            if "sealed" in values and values.pop("sealed") != _digest(text.rpartition(SEAL)[0]):
                raise ValueError("changed since it was written")
            if values.pop("format") != FORMAT:
                raise ValueError("another format")
            outputs = {name: State(**state) for name, state in values.pop("outputs").items()}
            record = cls(**values, outputs=outputs)
            if not isinstance(record.made, int) or not isinstance(record.inputs, dict):
                raise TypeError("made, inputs")
            return record
        except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise ResultsError(
                f"{printable(path)}: not a readable record ({type(error).__name__}); run again, "
                "and what it is about is made again"
            ) from None


def record_path(results: Path, rule: str, wildcards: Iterable[str] = ()) -> Path:
    """Where the record of a job is."""
    *folders, name = [rule, *wildcards]
    return Path(results, FOLDER, *folders, f"{name}.json")


def write_record(
    results: Path,
    path: Path,
    record: Record,
    outputs: Iterable[str | Path],
    inputs: Iterable[str | Path],
) -> None:
    """Write the record of a job that has just ended, with its outputs, inputs and versions.

    Outputs and inputs are files, and folders with all that is in them. A ResultsError says that an
    input is another than its own job has made, although its time is the same: what was made from
    it is worth nothing.
    """
    folder = Results(results)
    sources = [Path(given) for given in inputs]
    large = sum(file.stat().st_size for file in _files_of(sources)) > MUCH
    hashes = {}
    for source in sources:
        name = _within(source, results)
        known = folder.states_within(name)
        hashes[name] = _hash_of(source, results, known if large else {})
        if hashes[name] != _hash_recorded(name, known):
            refuse_damaged(results, [source])
    temporary = [_within(Path(given), results) for given in record.temporary]
    record = replace(record, inputs=hashes, temporary=temporary, versions=versions())
    files = list(_files_of(outputs))
    for picture in files:
        if picture.suffix in (".png", ".pdf"):
            facts = ("rule", "wildcards", "inputs", "settings", "code", "versions")
            write_facts(picture, {name: getattr(record, name) for name in facts})
    made = {_within(file, results): State.of(file) for file in files}
    replace(record, outputs=made).write(path)


def refuse_damaged(results: Path, inputs: Iterable[str | Path]) -> None:
    """Raise a ResultsError if inputs differ from what their jobs wrote.

    Those outside the results folder are passed over. One that was written anew since, by hand for
    instance, is told in the log.
    """
    folder = Results(results)
    for source in map(Path, inputs):
        for name, state in folder.states_within(_within(source, results)).items():
            path = results / name
            if not path.is_file():
                raise ResultsError(f"{_shown(path)} is missing; run again, and it is made again")
            if state.is_of(path, deep=True):
                continue
            if path.stat().st_mtime_ns == state.time:
                raise ResultsError(
                    f"{_shown(path)} is damaged: its content is not what was written; delete it "
                    "and run again, and it is made again"
                )
            log.warning("%s was changed since it was made; used as it is", _shown(path))


def noted_making(path: Path) -> int:
    """How often a job's files have been found missing, plus one, as `count_making` noted it."""
    try:
        return Record.read(path).made
    except ResultsError:
        return 1


def count_making(results: Path, path: Path, outputs: Sequence[str], note: bool) -> int:
    """How often a job's files have been found missing, plus one; once more if some are missing.

    The workflow makes files again when this number is not the one of their last making. `note`
    keeps the new number, for the job itself to find it with `noted_making`.
    """
    try:
        record = Record.read(path)
    except ResultsError:
        # Results without a record may be anything; a first run has neither.
        made = 0 if any(map(os.path.exists, outputs)) else 1
        if note and (made == 0 or path.exists()):
            Record(path.stem, made=made).write(path)
        return made
    if not _any_missing(results, record, outputs):
        return record.made
    record = replace(record, made=record.made + 1)
    if note:
        # Without files there is nothing missing: the number stays until they are made.
        replace(record, outputs={}).write(path)
    return record.made


def _any_missing(results: Path, record: Record, outputs: Sequence[str]) -> bool:
    wanted = [name for name in record.outputs if not record.may_be_gone(name)]
    there = {
        _within(Path(folder) / name, results)
        for output in outputs
        for folder, _, names in os.walk(output)
        for name in names
    }
    return any(name not in there and not (results / name).is_file() for name in wanted)


class Results:
    """A results folder and its records.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path):
        self.folder = folder
        found = (folder / FOLDER).rglob("*.json")
        # One that is hidden is just being written.
        self._paths = sorted(path for path in found if not path.name.startswith("."))
        self._known: dict[Path, Record] = {}

    @classmethod
    def around(cls, path: Path) -> "Results | None":
        """The results folder that contains a file or folder; None if there is none."""
        path = path.absolute()
        for folder in (path, *path.parents):
            if (folder / FOLDER).is_dir() and folder.name != FOLDER:
                return cls(folder)
        return None

    @cached_property
    def records(self) -> dict[Path, Record]:
        """All records by their path, without the damaged ones."""
        found = {}
        for path in self._paths:
            with suppress(ResultsError):
                found[path] = self._read(path)
        return found

    @cached_property
    def states(self) -> dict[str, State]:
        """What each file was when it was made, by path within the folder."""
        return {
            name: state
            for record in self.records.values()
            for name, state in record.outputs.items()
        }

    def states_within(self, name: str) -> dict[str, State]:
        """Like `states`, for one file or folder; reads only the records that may name it."""
        found: dict[str, State] = {}
        for path in self._paths:
            _, *wildcards = path.relative_to(self.folder / FOLDER).with_suffix("").parts
            # A job's wildcards are all in the names of its outputs.
            if all(wildcard in name for wildcard in wildcards):
                with suppress(ResultsError):
                    record = self._read(path)
                    found |= {
                        output: state
                        for output, state in record.outputs.items()
                        if Path(output).is_relative_to(name)
                    }
        return found

    def _read(self, path: Path) -> Record:
        if path not in self._known:
            self._known[path] = Record.read(path)
        return self._known[path]

    def name_of(self, path: Path) -> str:
        """A file's path within the folder."""
        return _within(path.absolute(), self.folder)

    def knows(self, path: Path | None) -> bool:
        """Whether a record names a file, or something in a folder; for None, whether any exists."""
        if path is None:
            return bool(self._paths)
        within = self.name_of(path)
        return any(Path(name).is_relative_to(within) for name in self.states)

    def record_of(self, path: Path) -> Record | None:
        """The record of a file."""
        name = self.name_of(path)
        of_file = (record for record in self.records.values() if name in record.outputs)
        return next(of_file, None)

    def faults(self, deep: bool = False, only: Path | None = None) -> Iterator[str]:
        """A line for each file that is missing, damaged or changed.

        Parameters
        ----------
        deep : bool
            Whether contents are read; else sizes and times tell, and contents only of files
            whose time has changed.
        only : Path, optional
            A file, or a folder in the folder.
        """
        within = None if only is None else self.name_of(only)
        for path in self._paths:
            if path not in self.records and within is None:
                yield f"{_shown(path)}: the record is damaged; run again"
        for record in self.records.values():
            if not record.outputs and within is None:
                job = " ".join((record.rule, *record.wildcards.values()))
                yield f"files of {job}: missing, or made before there were records; run again"
            for name, state in record.outputs.items():
                if within is None or Path(name).is_relative_to(within):
                    yield from self._fault(record, name, state, deep)
            if within is None or any(Path(name).is_relative_to(within) for name in record.outputs):
                yield from self._older_inputs(record)
        if within is None and len(self.records) == len(self._paths):
            for path in self._without_record(deep):
                remedy = "run again, or move it if it is yours"
                yield f"{_shown(self.folder / path)}: no record says how it was made; {remedy}"

    def _without_record(self, deep: bool) -> list[Path]:
        """Files, and folders, of which there is no record: what jobs have read; if deep, of all."""
        known = {part for name in self.states for part in (Path(name), *Path(name).parents)}
        if deep:
            files = (Path(self.name_of(file)) for file in _files_of([self.folder]))
            found = {
                file
                for file in files
                if file.parts[0] not in UNRECORDED and not file.name.startswith(".")
            }
        else:
            read = (Path(name) for record in self.records.values() for name in record.inputs)
            found = {path for path in read if not path.is_absolute()}
        highest = {
            next(of for of in (*reversed(path.parents), path) if of not in known)
            for path in found - known
        }
        return sorted(path for path in highest if (self.folder / path).exists())

    def _fault(self, record: Record, name: str, state: State, deep: bool) -> Iterator[str]:
        path = self.folder / name
        shown = _shown(path)
        try:
            if not state.is_of(path, deep):
                yield f"{shown}: changed since it was made; delete it and run again"
        except FileNotFoundError:
            if not record.may_be_gone(name):
                yield f"{shown}: missing; run again"
        except OSError as error:
            yield f"{shown}: cannot be read ({error.strerror})"

    def _older_inputs(self, record: Record) -> Iterator[str]:
        """A line for each input that was made anew since the job read it."""
        for name, sha256 in record.inputs.items():
            now = self.states.get(name)
            if now is not None and now.sha256 != sha256 and record.outputs:
                first = _shown(self.folder / next(iter(record.outputs)))
                yield f"{first}: made from another {name} than is there; run again"


def _shown(path: Path) -> str:
    """A path relative to the current folder, as a user would type it."""
    here = Path.cwd()
    return printable(path.relative_to(here) if path.is_relative_to(here) else path)


def _within(path: str | Path, results: Path) -> str:
    """A path relative to the results folder, or as it is where it lies outside."""
    path = Path(path)
    if path.is_absolute() != results.is_absolute():
        path, results = path.absolute(), results.absolute()
    return (path.relative_to(results) if path.is_relative_to(results) else path).as_posix()


def _files_of(paths: Iterable[str | Path]) -> Iterator[Path]:
    for path in map(Path, paths):
        if path.is_dir():
            # Snakemake leaves a file of its own in folders.
            yield from (
                file
                for file in sorted(path.rglob("*"))
                if file.is_file() and file.name != ".snakemake_timestamp"
            )
        else:
            yield path


def _hash_recorded(name: str, known: Mapping[str, State]) -> str | None:
    """As `_hash_of`, by what is recorded; None where nothing is."""
    if name in known:
        return known[name].sha256
    if not known:
        return None
    files = sorted(known.items(), key=lambda item: Path(item[0]))
    return _hash_of_folder((Path(file).relative_to(name), state.sha256) for file, state in files)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _hash_of_folder(files: Iterable[tuple[Path, str]]) -> str:
    return _digest("\n".join(f"{file.as_posix()} {sha256}" for file, sha256 in files))


def _hash_of(path: Path, results: Path, known: Mapping[str, State]) -> str:
    """SHA-256 of a file; of a folder, that of the names and hashes of its files."""
    if path.is_dir():
        files = ((file, _hash_of(file, results, known)) for file in _files_of([path]))
        return _hash_of_folder((file.relative_to(path), sha256) for file, sha256 in files)
    state = known.get(_within(path, results))
    if state is not None and state.is_of(path, deep=False):
        return state.sha256
    return sha256_of_file(path)
