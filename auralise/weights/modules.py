"""A network's module by name: ``package.file:Class`` or ``path/file.py:Class``."""

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path

from torch import nn

from auralise.errors import NetworkError, cause_of

FORM = "package.file:Class or path/file.py:Class"


def build_module(name: str) -> nn.Module:
    """Build the network that a class or function of the user's own code makes.

    This is the one place where code from outside runs, since the user names it.

    Parameters
    ----------
    name : str
        ``package.file:Class`` for what can be imported, ``path/file.py:Class`` for a file. The
        class or function is called without arguments.

    Raises
    ------
    NetworkError
        There is no such file, module or class, it needs arguments, or what it makes is no module.

    Examples
    --------
    >>> build_module("torch.nn:ReLU")
    ReLU()
    """
    place, _, attribute = name.rpartition(":")
    if not place or not attribute.isidentifier():
        raise NetworkError(f"module {name!r}: expected {FORM}")
    source = _source(place, name)
    make = getattr(source, attribute, None)
    if not callable(make):
        known = [key for key, value in vars(source).items() if _is_network(value, source)]
        found = f"it has {', '.join(known[:10])}" if known else "it defines no torch module"
        raise NetworkError(f"module {name!r}: '{place}' has no class '{attribute}'; {found}")
    try:
        inspect.signature(make).bind()
    except TypeError as error:
        raise NetworkError(
            f"module {name!r}: '{attribute}' cannot be called without arguments ({error}); write "
            "a function beside it that calls it with yours, and name that"
        ) from None
    except ValueError:  # a class of a compiled extension tells no signature
        pass
    try:
        network = make()
    except Exception as error:  # whatever foreign code raises
        raise NetworkError(
            f"module {name!r}: '{attribute}()' failed with {cause_of(error)}; correct it, or name "
            "a function that builds the network"
        ) from error
    if not isinstance(network, nn.Module):
        raise NetworkError(
            f"module {name!r}: '{attribute}()' gave a {type(network).__name__}; expected a "
            "torch.nn.Module"
        )
    return network.eval()


def _is_network(value: object, source: object) -> bool:
    own = getattr(value, "__module__", None) == getattr(source, "__name__", "")
    return isinstance(value, type) and issubclass(value, nn.Module) and own


def _source(place: str, name: str):
    is_file = place.endswith(".py")
    if is_file and not Path(place).is_file():
        raise NetworkError(f"module {name!r}: no file {place}; expected {FORM}")
    try:
        if not is_file:
            if str(Path.cwd()) not in sys.path:  # as python -m has it, a console script not
                sys.path.append(str(Path.cwd()))
            return importlib.import_module(place)
        path = Path(place).resolve()
        spec = importlib.util.spec_from_file_location(f"_auralise_{path.stem}", path)
        assert spec is not None and spec.loader is not None
        source = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = source  # dataclasses and pickles in it look themselves up
        # Its imports of files beside it work as when it is run from its folder.
        sys.path.insert(0, str(path.parent))
        try:
            spec.loader.exec_module(source)
        finally:
            sys.path.remove(str(path.parent))
        return source
    except Exception as error:  # whatever foreign code raises
        remedy = (
            "; correct the file" if is_file else f"; expected {FORM}, importable from {Path.cwd()}"
        )
        raise NetworkError(
            f"module {name!r}: importing '{place}' failed with {cause_of(error)}{remedy}"
        ) from error
