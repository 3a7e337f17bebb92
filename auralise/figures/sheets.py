"""All audible features of a layer, side by side, the loudest first."""

from dataclasses import dataclass

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from auralise.figures.style import (
    DYNAMIC_RANGE,
    PAGE,
    frequency_rows,
    in_house_style,
    log_frequency_picture,
    new_figure,
)

TICKS = (100, 500, 2000)  # Hz
DPI = 220  # about one pixel of the sheet for one of the picture
GAP = 6  # pixels between tiles
TEXT = 7  # points


@dataclass(frozen=True)
class Ranking:
    """Which features of a layer are shown, and in what order.

    Attributes
    ----------
    shown : ndarray of int, shape (n_shown,)
        Rows of the layer's arrays, the loudest first.
    levels : ndarray, shape (n_features,)
        RMS of what each feature lets through, in dB below the loudest of the layer; -inf where
        it lets nothing through.
    n_below, n_silent : int
        Features that fired and lie below the floor, and features that never fired.
    floor : float
        In dB.
    """

    shown: np.ndarray
    levels: np.ndarray
    n_below: int
    n_silent: int
    floor: float

    def __str__(self) -> str:
        total = len(self.levels)
        return (
            f"{len(self.shown)} of {total} features, the loudest first; {self.n_below} lie below "
            f"{self.floor:g} dB, {self.n_silent} never fired"
        )


def rank_by_level(heard: np.ndarray, live: np.ndarray, floor: float) -> Ranking:
    """Order a layer's features by level and leave out what lies below the audibility floor.

    Parameters
    ----------
    heard : ndarray, shape (n_features, n_bins, n_frames)
        Magnitude that each feature lets through.
    live : ndarray of bool, shape (n_features,)
    floor : float
        In dB below the loudest feature of the layer; negative.

    Examples
    --------
    >>> heard = np.array([0.1, 1.0, 0.0, 0.001])[:, None, None]
    >>> ranking = rank_by_level(heard, np.array([True, True, False, True]), -40.0)
    >>> ranking.shown.tolist(), ranking.levels.round(1).tolist()
    ([1, 0], [-20.0, 0.0, -inf, -60.0])
    >>> str(ranking)
    '2 of 4 features, the loudest first; 1 lie below -40 dB, 1 never fired'
    """
    rms = np.sqrt(np.mean(np.square(heard, dtype=np.float64), axis=(1, 2)))
    rms[~live] = 0
    with np.errstate(divide="ignore"):
        levels = 20 * np.log10(rms / (rms.max() or 1.0))
    order = np.argsort(-levels, kind="stable")
    shown = order[levels[order] >= floor]
    return Ranking(shown, levels, int(live.sum()) - len(shown), int((~live).sum()), floor)


@in_house_style
def draw_sheet(
    spectrum: np.ndarray,
    pictures: np.ndarray,
    features: np.ndarray,
    ranking: Ranking,
    frequencies: np.ndarray,
    duration: float,
    title: str,
    content: str,
    n_columns: int = 8,
) -> Figure:
    """Features of a layer on one sheet, all on one scale, so that their levels can be compared.

    Parameters
    ----------
    spectrum : ndarray, complex, shape (n_bins, n_frames)
        The song's.
    pictures : ndarray, shape (n_features, n_bins, n_frames)
        What is drawn of each feature; its sign plays no part.
    features : ndarray of int, shape (n_features,)
    ranking : Ranking
        Of the same features.
    frequencies : ndarray, shape (n_bins,)
        In Hz.
    duration : float
        Of the song (s).
    title, content : str
        Title of the sheet; what the pictures are.
    n_columns : int

    Returns
    -------
    Figure
        As wide as a page of print, with text of `TEXT` points.
    """
    pictures = np.abs(pictures[ranking.shown])
    full_scale = float(pictures.max(initial=0.0))
    tiles = log_frequency_picture(pictures, frequencies, full_scale=full_scale)
    height, width = tiles.shape[1:]
    n_columns = max(1, min(n_columns, len(tiles)))
    n_lines = max(1, -(-len(tiles) // n_columns))
    mosaic = np.full((n_lines * (height + GAP), n_columns * (width + GAP)), np.nan, np.float32)
    corners = [
        ((n_lines - 1 - i // n_columns) * (height + GAP), i % n_columns * (width + GAP))
        for i in range(len(tiles))
    ]
    for tile, (bottom, left) in zip(tiles, corners, strict=True):
        mosaic[bottom : bottom + height, left : left + width] = tile

    sheet_height = min(PAGE, 1.1 * n_columns) * mosaic.shape[0] / mosaic.shape[1]
    figure, (top, sheet) = new_figure(
        2,
        1,
        figsize=(PAGE, sheet_height + 2.0),
        height_ratios=(1.1, sheet_height),
        layout="constrained",
        dpi=DPI,
    )
    style = {"origin": "lower", "cmap": "magma", "vmin": -DYNAMIC_RANGE, "vmax": 0}
    top.imshow(
        log_frequency_picture(np.abs(spectrum), frequencies),
        aspect="auto",
        extent=(0, duration, 0, height),
        **style,
    )
    top.set_yticks(*frequency_rows(frequencies, height, TICKS))
    top.set_xlabel("time (s)", fontsize=TEXT)
    top.set_ylabel("Hz", fontsize=TEXT)
    top.set_title(f"{title}: the song, 0 dB is its maximum", fontsize=TEXT + 1)
    image = sheet.imshow(mosaic, aspect="auto", interpolation="nearest", **style)
    for row, (bottom, left) in zip(ranking.shown, corners, strict=True):
        sheet.text(
            left + 4,
            bottom + height - 4,
            f"{features[row]}  {round(ranking.levels[row])} dB".replace("-", "−"),
            color="white",
            fontsize=TEXT,
            va="top",
            path_effects=[withStroke(linewidth=1.5, foreground="black")],
        )
    # Axes of the tile in the lower left corner stand for all.
    sheet.set_yticks(*frequency_rows(frequencies, height, TICKS))
    sheet.set_xticks([0, width], ["0", f"{duration:g}"])
    sheet.set_xlabel("time (s)", loc="left", fontsize=TEXT)
    sheet.set_ylabel("Hz", loc="bottom", fontsize=TEXT)
    scale = "0 dB is the maximum of all"
    sheet.set_title(f"{content}, {scale}\n{ranking}".replace("-", "−"), fontsize=TEXT + 1)
    for axis in (top, sheet):
        axis.tick_params(labelsize=TEXT)
        sns.despine(ax=axis, left=True, bottom=True)
    bar = figure.colorbar(image, ax=[top, sheet], shrink=0.3, aspect=30, pad=0.01, anchor=(0, 1))
    bar.set_label("dB", fontsize=TEXT)
    bar.ax.tick_params(labelsize=TEXT)
    return figure
