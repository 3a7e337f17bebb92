"""Which code and which versions made a result."""

import ast
import hashlib
import platform
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

PACKAGE = Path(__file__).parent

RECORDED = ("auralise", "torch", "numpy", "scipy", "h5py", "soundfile", "librosa", "snakemake")


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that shape a result."""
    found = {"python": platform.python_version()}
    for name in RECORDED:
        found[name] = metadata.version(name)
    return found


def code_version(script: str | Path) -> str:
    """Hash of the library's modules that a script imports, directly or through others.

    A thin script over a library hides the library's changes from the workflow; this value,
    as a parameter of its rule, shows them. Imports are read, not run, so it takes
    milliseconds.

    Parameters
    ----------
    script : str or Path

    Returns
    -------
    str
        12 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for module in sorted(_modules_behind(Path(script))):
        digest.update(module.relative_to(PACKAGE).as_posix().encode())
        for file in _files_of(module):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _modules_behind(script: Path) -> set[Path]:
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        for file in _files_of(waiting.pop()):
            if file.suffix != ".py":
                continue
            names = _imported_names(file.read_text(encoding="utf-8"))
            modules = {path for name in names if (path := _path_of(name)) is not None}
            waiting += modules - found
            found |= modules
    return found


def _files_of(module: Path) -> list[Path]:
    """A module's own file, or everything in the folder of a package."""
    if module.is_dir():
        return sorted(f for f in module.rglob("*") if f.is_file() and "__pycache__" not in f.parts)
    return [module]


@cache
def _imported_names(source: str) -> frozenset[str]:
    """Names that may be modules, in the imports of Python code."""
    names: set[str] = set()
    for node in _nodes_that_run(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def _nodes_that_run(tree: ast.AST) -> Iterator[ast.AST]:
    """All but those under ``if TYPE_CHECKING:``."""
    yield tree
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield from _nodes_that_run(node)


def _path_of(name: str) -> Path | None:
    first, *rest = name.split(".")
    if first != PACKAGE.name or not rest:
        return None
    module = PACKAGE.joinpath(*rest)
    if module.with_suffix(".py").is_file():
        return module.with_suffix(".py")
    is_leaf_package = (module / "__init__.py").is_file() and module.name != "datasets"
    return module if is_leaf_package else None
