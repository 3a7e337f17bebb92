"""The ten genres, as styles.yaml describes them."""

from collections.abc import Mapping
from importlib import resources
from typing import Any

import yaml

from auralise.datasets.bands.notation import Accompaniment, Ensemble, Lead, Style


def _style(table: Mapping[str, Any]) -> Style:
    ensembles = tuple(_ensemble(**ensemble) for ensemble in table["ensembles"])
    lists = {name: _tuples(value) for name, value in table.items() if isinstance(value, list)}
    return Style(**{**table, **lists, "ensembles": ensembles})


def _ensemble(players: list[dict], leads: list[dict], **options: Any) -> Ensemble:
    chords = tuple(Accompaniment(**player) for player in players)
    return Ensemble(players=chords, leads=tuple(Lead(**lead) for lead in leads), **options)


def _tuples(values: list) -> tuple:
    return tuple(_tuples(value) if isinstance(value, list) else value for value in values)


_TABLES = resources.files(__package__).joinpath("styles.yaml").read_text(encoding="utf-8")
STYLES = {genre: _style(table) for genre, table in yaml.safe_load(_TABLES).items()}
GENRES: tuple[str, ...] = tuple(STYLES)
