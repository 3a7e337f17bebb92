"""Settings: checked against the schema and completed with its defaults."""

import copy
import difflib
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from auralise.errors import SettingsError

MERGE = "tag:yaml.org,2002:merge"  # `<<`, which may stand twice

TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "settings of its own, one a line",
    "string": "text",
}


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
    _describe_items(rules)
    complete = _filled(copy.deepcopy(dict(settings)), rules)
    refuse(line for error in VALIDATOR(rules).iter_errors(complete) for line in _explain(error))
    return complete


def refuse_repeated_keys(path: str | Path) -> None:
    """Refuse a YAML file with a key that stands twice in one place: readers drop one silently.

    Raises
    ------
    SettingsError
        Names the key and both lines.
    """
    try:
        node = yaml.compose(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError:  # JSON with tabs is none, and yet a configuration
        return
    refuse(_repeated(node, Path(path)))


def refuse(lines: Iterable[str]) -> None:
    """Raise a `SettingsError` of these lines, if there is one."""
    lines = sorted(lines)
    if lines:
        raise SettingsError("these settings cannot be used:\n" + "\n".join(lines))


def _repeated(node: yaml.Node | None, path: Path) -> Iterator[str]:
    pending, known = [node], set()
    while pending:
        node = pending.pop()
        if isinstance(node, yaml.CollectionNode) and id(node) not in known:
            known.add(id(node))  # an alias is the node itself
            is_mapping = isinstance(node, yaml.MappingNode)
            pending += [value for _, value in node.value] if is_mapping else node.value
            yield from _repeated_here(node, path) if is_mapping else ()


def _repeated_here(mapping: yaml.MappingNode, path: Path) -> Iterator[str]:
    lines: dict[tuple[str, str], int] = {}
    for key, _ in mapping.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != MERGE:
            line, first = key.start_mark.line + 1, lines.get((key.tag, key.value))
            if first is not None:
                yield f"  {key.value}: in line {first} and again in line {line} of {path}; keep one"
            lines[key.tag, key.value] = line


def _describe_items(rules: dict) -> None:
    """What is expected of a list is what to say of an item of it."""
    if "items" in rules and "description" in rules:
        rules["items"].setdefault("description", rules["description"])
    others = rules.get("additionalProperties")
    for rule in [*rules.get("properties", {}).values(), others]:
        if isinstance(rule, dict):
            _describe_items(rule)


def _filled(value: Any, rules: Mapping) -> Any:
    if not isinstance(value, dict):
        return value
    for name, rule in rules.get("properties", {}).items():
        # A section with nothing behind its name, or only comments, is one of defaults.
        empty = rule.get("type") == "object" and value.get(name) is None
        if "default" in rule and (empty or name not in value):
            value[name] = copy.deepcopy(rule["default"])
        if name in value:
            value[name] = _filled(value[name], rule)
    others = rules.get("additionalProperties")
    if isinstance(others, dict):
        for name in value.keys() - rules.get("properties", {}).keys():
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
        expected = _expected(error)
        if _is_text_of_number(error.instance):
            expected += (
                "; for YAML this is text: write it without quotes, and with a point (1.0e-3)"
            )
        found = "null" if error.instance is None else repr(error.instance)
        yield f"  {place or 'settings'} = {found}: expected {expected}"


def _is_text_of_number(value: Any) -> bool:
    try:
        return isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        return False


def _expected(error: jsonschema.ValidationError) -> str:
    if "description" in error.schema:
        return error.schema["description"].strip().rstrip(".")
    match error.validator:
        case "enum":
            return "one of " + ", ".join(str(value) for value in error.validator_value)
        case "type":
            types = error.validator_value
            return " or ".join(
                TYPES[name] for name in ([types] if isinstance(types, str) else types)
            )
        case _:
            return f"{error.validator} {error.validator_value}"
