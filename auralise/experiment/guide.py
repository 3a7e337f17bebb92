"""The tables of config/README.md, written from the schema: ``python -m auralise.experiment.guide``.

A table follows a line ``<!-- settings: training.augmentation -->`` that names its section; the
text between the tables is written by hand.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from auralise.experiment.settings import describe, read_schema

SCHEMA, GUIDE = Path("workflow/schemas/config.schema.yaml"), Path("config/README.md")
HEAD = ("setting", "default", "takes", "meaning")
TABLE = re.compile(r"^(<!-- settings: ?([\w.]*) -->\n)(?:\n(?:\|.*\n)+)?", re.MULTILINE)


def write_tables(text: str, schema: Mapping) -> str:
    """The Markdown of a guide with each of its tables written from the schema."""
    return TABLE.sub(lambda found: f"{found[1]}\n{settings_table(schema, found[2])}", text)


def settings_table(schema: Mapping, section: str) -> str:
    """Markdown table of the settings of a section, without the sections within it.

    Parameters
    ----------
    schema : mapping
    section : str
        Such as ``training.augmentation``; empty for the settings that stand alone. Of
        ``networks``, the settings of a variant that is trained; of ``networks.given``, those of one
        whose weights are given.
    """
    rules = schema
    for name in filter(None, section.removesuffix(".given").split(".")):
        rules = rules["properties"][name]
    if "properties" not in rules:
        rules = rules["additionalProperties"]["then" if section.endswith(".given") else "else"]
    rules = rules["properties"]
    rows = [
        (
            f"`{name}`",
            f"`{_as_yaml(rule['default'])}`" if "default" in rule else "",
            describe(rule),
            rule["description"],
        )
        for name, rule in rules.items()
        if rule.get("type") != "object" or "default" not in rule
    ]
    lines = [HEAD, ("---",) * len(HEAD), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def _as_yaml(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_as_yaml, value)) + "]"
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    return str(value)


if __name__ == "__main__":
    written = write_tables(GUIDE.read_text(encoding="utf-8"), read_schema(SCHEMA))
    GUIDE.write_text(written, encoding="utf-8")
