"""A finished results folder as one file that says how it came to be: a Workflow Run RO-Crate.

The crate follows the profile Workflow Run Crate 0.5 (Leo et al. 2024,
doi:10.1371/journal.pone.0309210): the workflow, the run as one action, and each job as another, by
the records beside the results.
"""

import mimetypes
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile

from auralise.errors import ResultsError, SettingsError, printable
from auralise.experiment.records import FOLDER, Record, Results
from auralise.files import sha256_of_file, whole_file

if TYPE_CHECKING:
    from rocrate.model.entity import Entity
    from rocrate.rocrate import ROCrate

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
SHA256 = "https://w3id.org/ro/terms/workflow-run#sha256"
WORKFLOW = ("workflow", "scripts", "config")  # folders beside the Snakefile
LICENCE = "https://spdx.org/licenses/MIT"  # of the workflow


def write_crate(path: Path, results: Results, workflow: Path, licence: str) -> None:
    """Write a finished results folder, with its workflow and records, as an RO-Crate.

    Parameters
    ----------
    path : Path
        Of the new file, a ZIP archive.
    results : Results
    workflow : Path
        The folder of the ``Snakefile``.
    licence : str
        Of the results: an address, or a sentence.

    Raises
    ------
    ResultsError
        The results are not whole, or are being made.
    SettingsError
        The library for crates is not installed.
    """
    for fault in results.faults():
        raise ResultsError(f"{fault}; only whole results become a crate")
    if not results.states:
        raise ResultsError(f"{printable(results.folder)}: no job has left a record; run first")
    try:
        from rocrate.rocrate import ROCrate
    except ImportError:
        raise SettingsError(
            "a crate takes a library that is not installed; run: pip install 'auralise[crate]'"
        ) from None
    crate = ROCrate(version="1.1")  # which the profile builds on
    _Crate(crate, results, workflow).fill(licence)
    with whole_file(path) as partial, ZipFile(partial, "w", ZIP_DEFLATED) as archive:
        # Not `write_zip`, which ends in a traceback where it is interrupted or the disk is full.
        for entity in crate.data_entities + crate.default_entities:
            for name, chunks in groupby(entity.stream(), key=itemgetter(0)):
                with archive.open(name, "w", force_zip64=True) as file:
                    file.writelines(chunk for _, chunk in chunks)


class _Crate:
    def __init__(self, crate: "ROCrate", results: Results, workflow: Path):
        self.crate, self.results, self.workflow = crate, results, workflow
        self.files: dict[str, Entity] = {}
        self.rules: dict[str, Entity] = {}

    def fill(self, licence: str) -> None:
        crate, name = self.crate, self.results.folder.absolute().name
        crate.metadata.extra_terms["sha256"] = SHA256
        crate.name, crate.license = f"auralise: {name}", licence
        crate.description = f"Results of the experiment '{name}', its workflow and its provenance"
        crate.datePublished = self.ended
        crate.root_dataset["conformsTo"] = [
            self.add(address, "CreativeWork", name=title, version=version)
            for address, (title, version) in PROFILES.items()
        ]
        workflow = self.add_workflow()
        for path, record in self.results.records.items():
            for output, state in record.outputs.items():
                if (self.results.folder / output).is_file():
                    self.add_file(output, state.sha256)
            self.add_file(self.results.name_of(path))
        jobs = [self.add_job(path, record) for path, record in self.results.records.items()]
        run = self.add(
            "#run",
            "CreateAction",
            name=f"Run of the workflow for '{name}'",
            instrument=workflow,
            object=[*{entity.id: entity for job in jobs for entity in self.given(job)}.values()],
            result=[entity for entity in self.files.values() if entity.id in self.made],
            endTime=self.ended,
            actionStatus={"@id": "http://schema.org/CompletedActionStatus"},
        )
        crate.root_dataset["mentions"] = [run, *jobs]

    @cached_property
    def made(self) -> set[str]:
        """Paths of all files that jobs have made."""
        return {name for record in self.results.records.values() for name in record.outputs}

    @property
    def ended(self) -> str:
        """When the last file was made."""
        return _date(max(state.time for state in self.results.states.values()))

    def add(self, identifier: str, kind: str, **properties: Any) -> "Entity":
        from rocrate.model.contextentity import ContextEntity

        return self.crate.add(
            ContextEntity(self.crate, identifier, properties={"@type": kind, **properties})
        )

    def add_file(self, name: str, sha256: str | None = None) -> None:
        source = self.results.folder / name
        properties = {
            "name": name,
            "contentSize": str(source.stat().st_size),
            "sha256": sha256 or sha256_of_file(source),
            "encodingFormat": mimetypes.guess_type(name)[0] or "application/octet-stream",
        }
        self.files[name] = self.crate.add_file(source, name, properties=properties)

    def add_workflow(self) -> "Entity":
        versions = next(iter(self.results.records.values())).versions
        main = self.crate.add_workflow(
            self.workflow / "Snakefile",
            "workflow-code/Snakefile",
            main=True,
            lang="snakemake",
            lang_version=versions.get("snakemake", "9"),
            properties={
                "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
                "name": "auralise",
                "description": "Hear what a convolutional network for music has learned",
                "version": versions.get("auralise", ""),
                "license": LICENCE,
            },
        )
        sources = (file for folder in WORKFLOW for file in (self.workflow / folder).rglob("*"))
        main["hasPart"] = [
            self.crate.add_file(
                source, f"workflow-code/{source.relative_to(self.workflow).as_posix()}"
            )
            for source in sorted(sources)
            if source.is_file() and "__pycache__" not in source.parts
        ]
        return main

    def add_job(self, path: Path, record: Record) -> "Entity":
        if record.rule not in self.rules:
            about = {"name": record.rule, "softwareVersion": record.versions.get("auralise", "")}
            self.rules[record.rule] = self.add(
                f"#rule/{record.rule}", "SoftwareApplication", **about
            )
        times = [state.time for state in record.outputs.values()]
        wildcards = " ".join(record.wildcards.values())
        name = path.relative_to(self.results.folder / FOLDER).with_suffix("").as_posix()
        return self.add(
            f"#job/{name}",
            "CreateAction",
            name=f"{record.rule} {wildcards}".strip(),
            instrument=self.rules[record.rule],
            object=list(self.inputs_of(record)),
            result=[self.files[name] for name in record.outputs if name in self.files],
            endTime=_date(max(times, default=0)),
            actionStatus={"@id": "http://schema.org/CompletedActionStatus"},
            subjectOf=self.files[self.results.name_of(path)],
        )

    def inputs_of(self, record: Record) -> Iterator["Entity"]:
        for name, sha256 in record.inputs.items():
            if name in self.files:
                yield self.files[name]
            elif (self.results.folder / name).is_dir() and not Path(name).is_absolute():
                yield self.folder(name)
            else:  # of the user's own, or let go since
                yield self.crate.dereference(f"#input/{sha256}") or self.add(
                    f"#input/{sha256}", "PropertyValue", name=name, value=f"sha256:{sha256}"
                )

    def folder(self, name: str) -> "Entity":
        found = self.crate.dereference(f"{name}/")
        if found is not None:
            return found
        parts = [file for file in self.files if Path(file).is_relative_to(name)]
        return self.crate.add_directory(
            dest_path=name, properties={"name": name, "hasPart": [self.files[p] for p in parts]}
        )

    def given(self, job: "Entity") -> Iterator["Entity"]:
        """What a job was given that no other one has made."""
        given = job.get("object") or []
        for entity in given if isinstance(given, list) else [given]:
            if entity.id.startswith("#input/"):
                yield entity


def _date(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds // 10**9, UTC).isoformat()
