"""Figures of the inversion: errors by layer, and inputs above their inversions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from auralise.choices import SCALES
from auralise.figures.style import (
    FEW_TICKS,
    PAGE,
    frequency_rows,
    in_house_style,
    new_figure,
    variant_colours,
)
from auralise.inversion.excerpts import Inversions
from auralise.inversion.parts import INVERSION, PARTS
from auralise.pictures import log_frequency_rows

N_COLUMNS = 4
LOWEST = -0.5  # R² below it is drawn at the edge
ORACLE_STYLES = {"level": (0, (1, 1)), "level + spectrum": (0, (5, 1))}
SPACES = {"input": "input space", "features": "feature space"}


@in_house_style
def draw_errors(errors: pd.DataFrame, kept: pd.DataFrame) -> Figure:
    """What the layers have kept, trained beside untrained: NRE, retrieval, and R² part by part.

    Parameters
    ----------
    errors : DataFrame
        As `auralise.inversion.findings.summarise_errors` gives it, for classifiers with the same
        layers. Bars are 95 % intervals over clips.
    kept : DataFrame
        As `auralise.inversion.parts.kept_parts` gives it, with ``classifier`` and ``layer``.
    """
    figure, axes = new_figure(2, 3, figsize=(PAGE, 4.6), sharex=True)
    layers = errors["layer"].drop_duplicates().tolist()
    names = errors["classifier"].drop_duplicates().tolist()
    controls = errors[errors["control"]]["classifier"].drop_duplicates().tolist()
    colours = variant_colours(names, controls)
    # Side by side, so that bars do not hide each other.
    shifts = {name: 0.12 * (n - (len(names) - 1) / 2) for n, name in enumerate(names)}

    def placed(table: pd.DataFrame) -> pd.DataFrame:
        places = table["layer"].map(layers.index) + table["classifier"].map(shifts)
        return table.assign(place=places)

    def draw(axis: Axes, table: pd.DataFrame, value: str, low: str, high: str) -> None:
        for name, rows in table.groupby("classifier", sort=False):
            control = name in controls
            axis.errorbar(
                rows["place"], rows[value], (rows[value] - rows[low], rows[high] - rows[value]),
                label=name, color=colours[name], capsize=2, marker="s" if control else "o",
                markersize=4, linewidth=1.2, linestyle="--" if control else "-",
            )  # fmt: skip

    for axis, (space, title) in zip(axes[0, :2], SPACES.items(), strict=True):
        table = placed(errors[errors["space"] == space])
        draw(axis, table, "nre", "ci_low", "ci_high")
        _draw_reference(axis, table, "mean_picture", ":", "mean picture", colours)
        if space == "input":
            _draw_reference(axis, table, "bound", "-.", "bound of a last ELU", colours)
            for oracle, style in ORACLE_STYLES.items():
                known = placed(kept[kept["shown"] == oracle])
                _draw_reference(axis, known, "nre", style, f"oracle: {oracle}", colours)
        axis.set(title=f"NRE, {title}", ylim=(0, None))
    shown = placed(kept[kept["shown"] == INVERSION])
    axis = axes[0, 2]
    draw(axis, shown, "retrieval", "retrieval_low", "retrieval_high")
    _draw_reference(axis, shown, "chance", "-", "chance", colours)
    axis.set(title="own excerpt retrieved", ylim=(0, 1.03))
    for axis, part in zip(axes[1], PARTS, strict=True):
        columns = [part, f"{part}_low", f"{part}_high"]
        clipped = shown.assign(**{name: shown[name].clip(lower=LOWEST) for name in columns})
        draw(axis, clipped, *columns)
        axis.axhline(0, color="0.7", linewidth=0.8, zorder=0)
        axis.set(title=f"R² of {part}", ylim=(LOWEST, 1.03))
        axis.set_xticks(range(len(layers)), layers, rotation=45 if len(layers) > 4 else 0)
    found = [axis.get_legend_handles_labels() for axis in axes[0, ::2]]
    entries = {label: handle for pair in found for handle, label in zip(*pair, strict=True)}
    figure.legend(
        entries.values(), entries, loc="outside lower center", ncols=4, frameon=False, fontsize=7
    )
    sns.despine(figure)
    return figure


def _draw_reference(
    axis: Axes, table: pd.DataFrame, column: str, style: Any, label: str, colours: Mapping
) -> None:
    """One line where all classifiers agree, and one for each where they do not."""
    shared = (table.groupby("layer")[column].agg(np.ptp) < 1e-6).all()
    for name, rows in table.groupby("classifier", sort=False):
        axis.plot(
            rows["place"], rows[column], linestyle=style, color="0.2" if shared else colours[name],
            linewidth=1, label=label,
        )  # fmt: skip
        if shared:
            return
        label = "_"  # one entry in the legend


@in_house_style
def draw_inversions(found: Inversions, scale: str = "common") -> Figure:
    """The input on top, and below it what the inverter of each layer makes of its features.

    Parameters
    ----------
    found : Inversions
    scale : {'common', 'unit'}
        ``common``: one scale of values, the input's, for all pictures. ``unit``: each picture
        from 0, its lowest value, to 1, its highest, as published.
    """
    if scale not in SCALES:
        raise ValueError(f"scale must be one of {SCALES}, got {scale!r}")
    n_columns = min(N_COLUMNS, max(2, len(found.layers)))
    n_rows = 1 + -(-len(found.layers) // n_columns)
    figure, axes = new_figure(
        n_rows,
        n_columns,
        figsize=(PAGE, 1.5 * n_rows + 0.3),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    low, high = found.picture.min(), found.picture.max()
    pictures = [(axes[0, 0], found.picture, f"input: {found.prediction}")]
    for number, (layer, inversion) in enumerate(found.layers.items()):
        axis = axes[1 + number // n_columns, number % n_columns]
        pictures.append((axis, inversion, f"{layer}: {found.predictions[layer]}"))
    for axis, picture, title in pictures:
        if scale == "unit":
            picture = (picture - picture.min()) / max(np.ptp(picture), 1e-12)
        limits = (0, 1) if scale == "unit" else (low, high)
        image = _show(axis, picture, found.frequencies, found.duration, limits)
        axis.set_title(title, fontsize=8)
    used = {axis for axis, *_ in pictures}
    for axis in axes.flat:
        axis.set_axis_off() if axis not in used else None
    for axis in (axis for axis in axes[:, 0] if axis in used):
        axis.set_ylabel("Hz")
    for column in range(n_columns):
        lowest = [axis for axis in axes[1:, column] if axis in used]
        if lowest:
            lowest[-1].set_xlabel("s")
            lowest[-1].tick_params(labelbottom=True)
    label = found.unit if scale == "common" else "from lowest (0) to highest (1)"
    figure.colorbar(image, ax=axes, label=label, shrink=0.7, aspect=30)
    figure.suptitle(f"{found.song} from {found.time:.2f} s, {found.classifier}", fontsize=9)
    return figure


def _show(
    axis: Axes,
    picture: np.ndarray,
    frequencies: np.ndarray,
    duration: float,
    limits: tuple[float, float],
):
    rows, ticks, labels = _rows(picture, frequencies)
    axis.set_yticks(ticks, labels)
    return axis.imshow(
        rows, aspect="auto", origin="lower", cmap="magma", vmin=limits[0], vmax=limits[1],
        extent=(0, duration, -0.5, len(rows) - 0.5), interpolation="nearest",
    )  # fmt: skip


def _rows(
    picture: np.ndarray, frequencies: np.ndarray
) -> tuple[np.ndarray, Sequence[float], Sequence[str]]:
    """A picture's rows with ticks: bands as they are, bins of an STFT on a log axis."""
    steps = np.diff(frequencies)
    if not np.allclose(steps, steps[0]):
        ticks = [tick for tick in FEW_TICKS if frequencies[0] < tick < frequencies[-1]]
        places = np.interp(ticks, frequencies, np.arange(len(frequencies)))
        return picture, places.tolist(), [f"{tick:g}" for tick in ticks]
    rows = log_frequency_rows(picture, frequencies)
    return rows, *frequency_rows(frequencies, len(rows), FEW_TICKS)
