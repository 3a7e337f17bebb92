"""What all figures share: sizes, colours, axes and files."""

import logging
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from cycler import cycler
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from auralise.files import whole_file, write_table, write_text
from auralise.pictures import log_frequency_rows, row_centres

COLUMN, PAGE = 3.5, 7.2  # inches, widths of a paper's column and page
DYNAMIC_RANGE = 60.0  # dB shown below each picture's maximum
# Of pictures in dB below a maximum.
IN_DB: dict[str, Any] = {"origin": "lower", "aspect": "auto", "cmap": "magma"}
IN_DB |= {"vmin": -DYNAMIC_RANGE, "vmax": 0}
GREY = "0.45"  # of untrained networks
TICKS = (100, 250, 500, 1000, 2000, 4000)  # Hz
FEW_TICKS = (100, 500, 2000)

logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells of every font in a PDF

# For the drawing functions alone, as a decorator: who imports them keeps a style of their own.
in_house_style = matplotlib.rc_context(
    sns.axes_style("ticks")
    | sns.plotting_context("paper")
    | {
        "axes.prop_cycle": cycler("color", sns.color_palette("colorblind")),
        "patch.facecolor": sns.color_palette("colorblind")[0],
        "figure.dpi": 200,
        "pdf.fonttype": 42,  # publishers refuse Type 3 fonts
        "text.parse_math": False,  # a song or class may be called a$\frac$
    }
)


def new_figure(
    n_rows: int = 1,
    n_columns: int = 1,
    *,
    figsize: tuple[float, float],
    layout: Any = "constrained",
    dpi: float | None = None,
    **subplots: Any,
) -> tuple[Figure, Any]:
    """As ``pyplot.subplots``, without a window, whatever the backend of the process is."""
    figure = Figure(figsize=figsize, layout=layout, dpi=dpi)
    FigureCanvasAgg(figure)
    return figure, figure.subplots(n_rows, n_columns, **subplots)


def variant_colours(
    names: Sequence[str], untrained: Collection[str]
) -> dict[str, tuple[float, float, float] | str]:
    """A colour for each name, grey for those of untrained networks."""
    trained = [name for name in names if name not in untrained]
    palette = sns.color_palette("colorblind", len(trained))
    return dict(zip(trained, palette, strict=True)) | dict.fromkeys(untrained, GREY)


@in_house_style
def save_figure(figure: Figure, *paths: str | Path) -> None:
    """Write a figure under each name, whole; the ending chooses the format."""
    for path in paths:
        with whole_file(path) as partial, warnings.catch_warnings():
            # A name in a script that the font does not have is drawn as boxes.
            warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
            # Dates in the file would make equal figures differ.
            metadata = {"CreationDate": None} if Path(path).suffix == ".pdf" else None
            figure.savefig(partial, dpi=figure.dpi, metadata=metadata)


def save_captioned(
    figure: Figure, paths: Sequence[str | Path], caption: str, table: pd.DataFrame
) -> None:
    """Write a figure with its caption (``.txt``) and the table behind it (``.csv``).

    Parameters
    ----------
    figure : Figure
    paths : sequence of str or Path
        The ending of each says what it gets.
    caption : str
    table : DataFrame
    """
    by_ending = {Path(path).suffix: path for path in paths}
    write_text(by_ending.pop(".txt"), caption)
    write_table(by_ending.pop(".csv"), table)
    save_figure(figure, *by_ending.values())


def log_frequency_picture(
    magnitude: np.ndarray,
    frequencies: np.ndarray,
    n_rows: int = 96,
    full_scale: float | None = None,
) -> np.ndarray:
    """Level over time and log frequency, as a picture.

    Parameters
    ----------
    magnitude : ndarray, shape (..., n_bins, n_frames)
        Not negative.
    frequencies : ndarray, shape (n_bins,)
        In Hz, ascending.
    n_rows : int
    full_scale : float, optional
        Magnitude of 0 dB; the maximum of each picture by default.

    Returns
    -------
    ndarray, shape (..., n_rows, n_frames)
        In dB below `full_scale`, from 0 down to -`DYNAMIC_RANGE`; the lowest frequency is row 0.
        All at the bottom where the picture is silent.
    """
    rows = log_frequency_rows(magnitude, frequencies, n_rows)
    peak = magnitude.max(axis=(-2, -1), keepdims=True) if full_scale is None else full_scale
    floor = 10 ** (-DYNAMIC_RANGE / 20)
    relative = np.divide(rows, peak, out=np.zeros_like(rows), where=np.asarray(peak) > 0)
    return 20 * np.log10(np.maximum(relative, floor))


def frequency_rows(
    frequencies: np.ndarray, n_rows: int, ticks: Sequence[int] = TICKS
) -> tuple[list[float], list[str]]:
    """Positions and labels of frequency ticks on a picture of `log_frequency_picture`."""
    centres = row_centres(frequencies, n_rows)
    ticks = [tick for tick in ticks if centres[0] < tick < centres[-1]]
    rows = np.interp(np.log(ticks), np.log(centres), np.arange(n_rows))
    return rows.tolist(), [f"{tick:g}" if tick < 1000 else f"{tick / 1000:g}k" for tick in ticks]
