"""Settings: checked against the schema and completed with its defaults."""

import copy
import difflib
import functools
import math
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from auralise.attributes.signals import FACTORS
from auralise.choices import PUBLISHED_STFT
from auralise.errors import SettingsError
from auralise.files import parse_json

MERGE = "tag:yaml.org,2002:merge"  # `<<`, which may stand twice

# Bounds of all settings together: what lies beyond them is not a configuration.
MOST_VALUES = 2000
DEEPEST = 20  # settings within settings
LONGEST_TEXT = 4096  # characters, as of a path
LARGEST = 2**53  # up to here a double holds every integer
LONGEST_MESSAGE = 500  # characters
LONGEST_PART = 100  # of a key or value in a message
REFUSED = "these settings cannot be used:"

REPLACED = {
    "excerpt_start": "write songs: {folder: src_songs, start: 0}",
    "keep_maps": "leave it out; auralise explain gives the maps of a signal",
}

TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "settings of its own, one a line",
    "string": "text",
}
PLURALS = {"integer": "integers", "number": "numbers", "string": "texts"}


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


def read_schema(path: str | Path) -> dict:
    """The schema of all settings, with the factors of the attribute experiment.

    These stand beside their rendering, in `auralise.attributes.signals.FACTORS`.
    """
    rules = copy.deepcopy(_parse(Path(path).read_text(encoding="utf-8")))
    factors = {factor.setting: factor.schema for factor in FACTORS}
    rules["properties"]["attributes"]["properties"] |= factors
    return rules


_parse = functools.cache(yaml.safe_load)  # a quarter of a second for each reading of the schema


def complete_settings(settings: Mapping, schema: str | Path) -> dict:
    """Check settings and fill in what they leave out.

    Parameters
    ----------
    settings : mapping
        As read from YAML.
    schema : str or Path
        A JSON schema in YAML, with a default for every setting; where that depends on the data
        set, under `default_by_name`.

    Returns
    -------
    dict
        A complete copy.

    Raises
    ------
    SettingsError
        One line per mistake: the key, the value and what was expected.
    """
    rules = read_schema(schema)
    refuse(_excesses(settings))
    complete = _filled(copy.deepcopy(settings), rules)
    refuse(line for error in VALIDATOR(rules).iter_errors(complete) for line in _explain(error))
    dataset = complete["dataset"]
    for name, rule in rules["properties"]["dataset"]["properties"].items():
        if dataset[name] is None:
            dataset[name] = copy.deepcopy(rule.get("default_by_name", {}).get(dataset["name"]))
    return complete


def stft_settings(settings: Mapping, name: str) -> dict[str, int]:
    """The transform of a network: its own, as far as its settings or its publisher name one.

    ``sample_rate``, ``n_fft`` and ``hop_length``, from complete settings.
    """
    network = settings["networks"][name]
    common = {key: settings["stft"][key] for key in ("sample_rate", "n_fft", "hop_length")}
    own = PUBLISHED_STFT if network.get("published") else network.get("stft") or {}
    return common | own


def refuse_unreadable(path: str | Path) -> None:
    """Refuse a file of settings that is not text in UTF-8, no YAML, or repeats a key.

    Of a key that stands twice in one mapping, readers silently drop one.

    Raises
    ------
    SettingsError
        Names the byte, the line, or the key and both lines.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        node = yaml.compose(text)
        yaml.safe_load(text)  # refuses more: the date 2024-13-01, for one
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{path}: byte {error.start} is not UTF-8; save it as text in UTF-8"
        ) from None
    except yaml.YAMLError as error:
        if _is_json(text):  # with tabs, say
            return
        raise SettingsError(f"{path}: no YAML: {_place_of(error)}; mend it there") from None
    except ValueError as error:
        raise SettingsError(
            f"{path}: a value cannot be read ({error}); write it in quotes"
        ) from None
    except RecursionError:
        raise SettingsError(
            f"{path}: too many brackets within each other; expected settings at most {DEEPEST} deep"
        ) from None
    if not isinstance(node, yaml.MappingNode):
        raise SettingsError(f"{path}: holds no settings; expected 'name: value', one a line")
    refuse(_repeated(node, Path(path)))


def _is_json(text: str) -> bool:
    try:
        return isinstance(parse_json(text), dict)
    except ValueError:
        return False


def _place_of(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem} in line {error.problem_mark.line + 1}"
    if isinstance(error, yaml.reader.ReaderError):
        return f"character {error.position} is none of text ({error.reason})"
    return str(error)


def refuse(lines: Iterable[str]) -> None:
    """Raise a `SettingsError` of these lines, if there are any; of many, the first."""
    lines = sorted(lines)
    if not lines:
        return
    room = LONGEST_MESSAGE - len(REFUSED) - len("\n  … and 1000 more")
    told: list[str] = []
    for line in lines:
        if told and len("\n".join([*told, line])) > room:
            break
        told.append(line[:room])
    more = [f"  … and {len(lines) - len(told)} more"] if len(told) < len(lines) else []
    raise SettingsError("\n".join([REFUSED, *told, *more]))


def shown(value: Any) -> str:
    """A value in a message, cut where it is long."""
    if value is None:
        return "null"
    if isinstance(value, int) and abs(value) > LARGEST:
        return f"an integer of {value.bit_length()} bits"
    text = SHORT.repr(value)
    return text if len(text) <= LONGEST_PART else text[: LONGEST_PART - 1] + "…"


SHORT = reprlib.Repr()
SHORT.maxlevel, SHORT.maxlist, SHORT.maxdict = 3, 8, 8
SHORT.maxstring = SHORT.maxlong = SHORT.maxother = LONGEST_PART


def _excesses(settings: Any) -> Iterator[str]:
    """Reasons to refuse a configuration that would take hours, or all memory, to examine."""
    pending: list[tuple[tuple, Any]] = [((), settings)]
    n_values = 0
    while pending:
        place, value = pending.pop()
        n_values += 1
        if n_values > MOST_VALUES:
            yield f"  {_key(place[:1])}: expected at most {MOST_VALUES} values in all settings"
            return
        if len(place) > DEEPEST:
            yield (
                f"  {_key(place[:1])}: expected settings at most {DEEPEST} deep, none of which "
                "holds itself"
            )
            return
        if isinstance(value, Mapping):
            pending += [((*place, key), of_key) for key, of_key in value.items()]
        elif isinstance(value, list | tuple):
            pending += [((*place, number), item) for number, item in enumerate(value)]
        elif isinstance(value, str) and len(value) > LONGEST_TEXT:
            yield f"  {_key(place)} = {shown(value)}: expected at most {LONGEST_TEXT} characters"
        elif (
            isinstance(value, int | float)
            and LARGEST < abs(value)
            and value not in (math.inf, -math.inf)
        ):
            yield f"  {_key(place)} = {shown(value)}: expected a number of at most {LARGEST:.0e}"


def _key(place: Iterable) -> str:
    parts = [part if isinstance(part, str) else shown(part) for part in place]
    key = ".".join(parts) or "settings"
    return key if len(key) <= LONGEST_PART else key[: LONGEST_PART - 1] + "…"


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


def _filled(value: Any, rules: Mapping) -> Any:
    if not isinstance(value, dict):
        return _as_text(value) if _takes_text_only(rules) else value
    if "if" in rules:
        rules = rules["then" if VALIDATOR(rules["if"]).is_valid(value) else "else"]
    for name, rule in rules.get("properties", {}).items():
        # A section with nothing behind its name, or only comments, has its defaults.
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


def _types(rule: Mapping) -> list[str]:
    types = rule.get("type", [])
    return [types] if isinstance(types, str) else types


def _takes_text_only(rule: Mapping) -> bool:
    return "string" in _types(rule) and not {"integer", "number"} & {*_types(rule)}


def _as_text(value: Any) -> Any:
    """The name 2024 is text, although YAML and the command line take it for a number."""
    return str(value) if _is_integer(None, value) else value


def _explain(error: jsonschema.ValidationError) -> Iterator[str]:
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        for name in error.instance.keys() - known.keys():
            near = difflib.get_close_matches(str(name)[:LONGEST_PART], known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(known)}"
            hint = REPLACED.get(name, hint)
            key = _key((*error.absolute_path, name))
            yield f"  {key} = {shown(error.instance[name])}: no such setting; {hint}"
    else:
        expected = describe(error.schema)
        if _is_text_of_number(error.instance):
            expected += (
                "; for YAML this is text: write it without quotes, and with a point (1.0e-3)"
            )
        elif isinstance(error.instance, bool | float) and _takes_text_only(error.schema):
            expected += "; for YAML this is not text: write it in quotes"
        yield f"  {_key(error.absolute_path)} = {shown(error.instance)}: expected {expected}"


def _is_text_of_number(value: Any) -> bool:
    try:
        return isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        return False


def describe(rule: Mapping) -> str:
    """A setting's permitted values in words; the schema's `expected` where it has one."""
    if "expected" in rule:
        return rule["expected"]
    if "enum" in rule:
        return "one of " + ", ".join(map(str, rule["enum"]))
    unit = f" ({rule['unit']})" if "unit" in rule else ""
    described = [_describe_type(name, rule) for name in _types(rule) if name != "null"]
    return " or ".join(described) + unit + (", or null" if "null" in _types(rule) else "")


def _describe_type(name: str, rule: Mapping) -> str:
    if name in ("integer", "number"):
        odd = "an odd integer" if "not" in rule else TYPES[name]
        return odd + _describe_range(rule)
    return "a list of " + _describe_items(rule) if name == "array" else TYPES[name]


def _describe_items(rule: Mapping) -> str:
    items = rule["items"]
    if "enum" in items:
        words = "some of " + ", ".join(items["enum"])
    else:
        words = (
            f"different {PLURALS[items['type']]}"
            if "uniqueItems" in rule
            else PLURALS[items["type"]]
        )
        words = ("odd " if "not" in items else "") + words + _describe_range(items)
    if rule.get("minItems") == rule.get("maxItems") is not None:
        return f"{rule['minItems']} {words}"
    return words if rule.get("minItems") else words + ", or an empty one"


def _describe_range(rule: Mapping) -> str:
    words = []
    if "minimum" in rule:
        words.append(f"from {rule['minimum']}")
    if "exclusiveMinimum" in rule:
        words.append(f"above {rule['exclusiveMinimum']}")
    if "maximum" in rule:
        words.append(f"{'to' if 'minimum' in rule else 'and up to'} {rule['maximum']}")
    if "exclusiveMaximum" in rule:
        words.append(f"{'to' if 'minimum' in rule else 'and'} below {rule['exclusiveMaximum']}")
    return "".join(f" {word}" for word in words)
