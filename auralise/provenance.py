"""Which code, and which versions of libraries, made a result."""

import ast
import hashlib
import platform
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

PACKAGE = Path(__file__).parent

FILE_NAME = re.compile(r"\w[\w.-]{1,40}")

RECORDED = ("auralise", "torch", "numpy", "scipy", "h5py", "soundfile", "librosa", "snakemake")


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that shape a result."""
    found = {"python": platform.python_version()}
    for name in RECORDED:
        with suppress(metadata.PackageNotFoundError):  # snakemake is an extra
            found[name] = metadata.version(name)
    return found


def code_version(script: str | Path, unused: Collection[str] = ()) -> str:
    """Hash of all library code behind a script (see `code_by_file`), 12 hexadecimal digits."""
    return hashlib.sha256("\n".join(code_by_file(script, unused)).encode()).hexdigest()[:12]


def code_by_file(script: str | Path, unused: Collection[str] = ()) -> list[str]:
    """The library's files that a script runs, each with a hash of its code.

    A thin script over a library hides the library's changes from the workflow; these values, as
    parameters of its rule, show them, and Snakemake names the file when it says why a job runs
    again. They cover the script's modules, file by file along their imports, as far as results
    depend on them: docstrings, comments, layout, imports for types alone and the wording of
    messages do not count. Files are read, not run.

    Parameters
    ----------
    script : str or Path
        Of a rule, or a module of the library, which then counts itself.
    unused : collection of str
        Modules that do not run, such as ``weights/whole.py``; what they alone import does not
        count either.

    Returns
    -------
    list of str
        Such as ``"code of auralise/audio.py 1f9a03c2"``, in order of the files.
    """
    return [
        f"code of auralise/{file.relative_to(PACKAGE).as_posix()} {_version_of(file)}"
        for file in sorted(_files_behind(Path(script), {PACKAGE / name for name in unused}))
    ]


def _version_of(file: Path) -> str:
    return _read(file).version if file.suffix == ".py" else _short(file.read_bytes())


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]


def _files_behind(script: Path, unused: set[Path]) -> set[Path]:
    """The modules that a script imports, directly or through others, and their data files."""
    found = {script} if script.is_relative_to(PACKAGE) else set()
    waiting = [script]
    while waiting:
        file = waiting.pop()
        if file.suffix != ".py":
            continue
        code = _read(file)
        modules = {path for name in code.names if (path := _path_of(name)) is not None} - unused
        waiting += modules - found
        found |= modules
        if file.is_relative_to(PACKAGE):
            found |= {data for text in code.texts for data in _data_files(file.parent / text)}
    return found


@dataclass(frozen=True)
class _Code:
    """A module's hash, its imports, and its texts that may name a data file."""

    version: str
    names: frozenset[str]
    texts: frozenset[str]

    @classmethod
    @cache
    def of(cls, source: str) -> "_Code":
        tree = _Running().visit(ast.parse(source))
        names: set[str] = set()
        texts: set[str] = set()
        for node in ast.walk(tree):
            match node:
                case ast.Import():
                    names |= {alias.name for alias in node.names}
                case ast.ImportFrom(level=0, module=str(module)):
                    names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
                case ast.Constant(value=str(text)) if FILE_NAME.fullmatch(text):
                    texts.add(text)
        return cls(_short(ast.dump(tree).encode()), frozenset(names), frozenset(texts))


def _read(file: Path) -> _Code:
    return _Code.of(file.read_text(encoding="utf-8"))


class _Running(ast.NodeTransformer):
    """Removes from a syntax tree what results do not depend on."""

    def _without_docstring(self, node):
        match node.body[0] if node.body else None:
            case ast.Expr(value=ast.Constant(value=str())):
                node.body = node.body[1:] or [ast.Pass()]
        return self.generic_visit(node)

    visit_Module = visit_ClassDef = visit_FunctionDef = visit_AsyncFunctionDef = _without_docstring  # noqa: N815

    def visit_If(self, node):  # noqa: N802
        if ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
        return self.generic_visit(node)

    def visit_Raise(self, node):  # noqa: N802
        # Which error is raised counts, not its words.
        match node.exc:
            case ast.Call(func=error):
                node.exc = error
        return self.generic_visit(node)

    def visit_Expr(self, node):  # noqa: N802
        match node.value:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "warnings"))):
                return ast.Pass()
        return self.generic_visit(node)


def _data_files(path: Path) -> set[Path]:
    """A file that a module names beside itself, or all in such a folder."""
    if path.is_dir():
        inside = (file for file in path.rglob("*") if file.is_file())
        return {file for file in inside if not set(file.parts) & {"__pycache__"}} - set(
            path.rglob("*.py")
        )
    return {path} if path.is_file() and path.suffix != ".py" else set()


def _path_of(name: str) -> Path | None:
    """The file of a module of ours, if a name is one."""
    first, *rest = name.split(".")
    if first != PACKAGE.name or not rest:
        return None
    module = PACKAGE.joinpath(*rest).with_suffix(".py")
    return module if module.is_file() else None
