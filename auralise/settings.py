"""Settings: checked against the schema and completed with its defaults."""

import copy
import difflib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from auralise.errors import SettingsError


def _is_number(_, value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_integer(_, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# JSON has no infinity, and takes 1.0 for an integer; YAML has one, and Python does not.
VALIDATOR = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"number": _is_number, "integer": _is_integer}
    ),
)


def complete_settings(settings: Mapping, schema: str | Path) -> dict:
    """Check settings and fill in what they leave out.

    Parameters
    ----------
    settings : mapping
        As read from YAML.
    schema : str or Path
        A JSON schema in YAML, with a default for every setting.

    Returns
    -------
    dict
        A complete copy.

    Raises
    ------
    SettingsError
        One line per mistake: the key, the value and what was expected.
    """
    rules = yaml.safe_load(Path(schema).read_text(encoding="utf-8"))
    complete = _filled(copy.deepcopy(dict(settings)), rules)
    errors = VALIDATOR(rules).iter_errors(complete)
    lines = [line for error in errors for line in _explain(error)]
    if lines:
        raise SettingsError("these settings cannot be used:\n" + "\n".join(sorted(lines)))
    return complete


def _filled(value: Any, rules: Mapping) -> Any:
    if not isinstance(value, dict):
        return value
    for name, rule in rules.get("properties", {}).items():
        if "default" in rule:
            value.setdefault(name, copy.deepcopy(rule["default"]))
        if name in value:
            value[name] = _filled(value[name], rule)
    others = rules.get("additionalProperties")
    if isinstance(others, dict):
        for name in value.keys() - rules.get("properties", {}).keys():
            # An entry written as `square:` with nothing behind it is an entry of defaults.
            value[name] = _filled({} if value[name] is None else value[name], others)
    return value


def _explain(error: jsonschema.ValidationError) -> Iterator[str]:
    place = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        for name in error.instance.keys() - known.keys():
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(known)}"
            key = f"{place}.{name}" if place else name
            yield f"  {key} = {error.instance[name]!r}: no such setting; {hint}"
    else:
        yield f"  {place or 'settings'} = {error.instance!r}: expected {_expected(error)}"


def _expected(error: jsonschema.ValidationError) -> str:
    if "description" in error.schema:
        return error.schema["description"].strip().rstrip(".")
    match error.validator:
        case "enum":
            return "one of " + ", ".join(str(value) for value in error.validator_value)
        case "type":
            return f"a value of type {error.validator_value}"
        case _:
            return f"{error.validator} {error.validator_value}"
