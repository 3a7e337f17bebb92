"""All audible features of a layer, side by side, the loudest first."""

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from auralise.features import levels_of
from auralise.figures.style import (
    FEW_TICKS,
    IN_DB,
    PAGE,
    frequency_rows,
    in_house_style,
    log_frequency_picture,
    new_figure,
    save_figure,
)
from auralise.maps import Maps
from auralise.progress import tracked

DPI = 220  # about one pixel of the sheet for one of the picture
GAP = 6  # pixels between tiles
TILES_ABREAST = 8
MOST_COLUMNS = 180  # pixels of a tile; frames of longer songs share one
TEXT = 7  # points
CHARACTERS = 13  # of a line of text in a tile


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


def rank_by_level(levels: np.ndarray, live: np.ndarray, floor: float) -> Ranking:
    """Order a layer's features by level and leave out what lies below the audibility floor.

    Parameters
    ----------
    levels : ndarray, shape (n_features,)
        As `auralise.features.levels_of`.
    live : ndarray of bool, shape (n_features,)
    floor : float
        In dB below the loudest feature of the layer; negative.

    Examples
    --------
    >>> levels = np.array([-20.0, 0.0, -np.inf, -60.0])
    >>> ranking = rank_by_level(levels, np.array([True, True, False, True]), -40.0)
    >>> ranking.shown.tolist()
    [1, 0]
    >>> str(ranking)
    '2 of 4 features, the loudest first; 1 lie below -40 dB, 1 never fired'
    """
    order = np.argsort(-levels, kind="stable")
    shown = order[levels[order] >= floor]
    return Ranking(shown, levels, int(live.sum()) - len(shown), int((~live).sum()), floor)


CONTENTS = {
    "heard": "what each feature lets through, |spectrum × map|",
    "map": "deconvolved map of each feature, |map|",
}


def write_sheets(
    folder: Path,
    maps: Maps,
    floor: float,
    labels: Mapping[tuple[int, int], str] | None = None,
    contents: Iterable[str] = tuple(CONTENTS),
    endings: Iterable[str] = (".png", ".pdf"),
) -> None:
    """Draw the sheets of every layer of a song.

    Parameters
    ----------
    folder : Path
        Gets ``layer1.png`` of what is heard, ``layer1_maps.png`` of the maps … and the same as PDF.
    maps, floor, labels
        As `draw_layer`.
    contents : iterable of str
        Of `CONTENTS`.
    endings : iterable of str
        Of the files.
    """
    for layer in tracked(maps.layers, "draw sheets", unit="layers"):
        for content in contents:
            name = f"layer{layer}{'_maps' if content == 'map' else ''}"
            figure = draw_layer(maps, layer, floor, content, labels)
            save_figure(figure, *(folder / f"{name}{ending}" for ending in endings))


def draw_layer(
    maps: Maps,
    layer: int,
    floor: float,
    content: str = "heard",
    labels: Mapping[tuple[int, int], str] | None = None,
) -> Figure:
    """The audible features of a layer on one sheet, the loudest first.

    Parameters
    ----------
    maps : Maps
    layer : int
        Counted from 1.
    floor : float
        In dB below the loudest feature; what lies below is counted, not drawn.
    content : {'heard', 'map'}
        What is drawn of each feature.
    labels : mapping of (int, int) to str, optional
        What a listener has written of features, by layer and feature.
    """
    ranking = rank_by_level(levels_of(maps, layer), maps.live(layer), floor)
    magnitude = np.abs(maps.spectrum)
    masks = (np.abs(maps.masks(layer, slice(row, row + 1))[0]) for row in ranking.shown)
    pictures = [mask if content == "map" else magnitude * mask for mask in masks]
    start = f", from {maps.start:.1f} s on" if maps.start else ""
    return draw_sheet(
        maps.spectrum,
        np.array(pictures).reshape(-1, *magnitude.shape),
        maps.features(layer),
        ranking,
        maps.stft.frequencies,
        maps.n_samples / maps.stft.sample_rate,
        f"{maps.origin.song}, {maps.origin.network}, layer {layer}{start}",
        CONTENTS[content],
        {feature: text for (of, feature), text in (labels or {}).items() if of == layer},
    )


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
    labels: Mapping[int, str] | None = None,
) -> Figure:
    """Features of a layer on one sheet, all on one scale, so that their levels can be compared.

    `pictures` are those of the features that the ranking shows, in its order, not negative, shape
    ``(n_shown, n_bins, n_frames)``; `features` are the numbers of all features that it ranks, and
    `labels` what a listener has written of some of them. The sheet is as wide as a page of print.
    """
    full_scale = float(pictures.max(initial=0.0))
    tiles = log_frequency_picture(pictures, frequencies, full_scale=full_scale)
    tiles = merge_frames(tiles, MOST_COLUMNS)
    height, width = tiles.shape[1:]
    n_columns = max(1, min(TILES_ABREAST, len(tiles)))
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
        dpi=DPI,
    )
    song = log_frequency_picture(np.abs(spectrum), frequencies)
    top.imshow(song, extent=(0, duration, 0, height), **IN_DB)
    top.set_yticks(*frequency_rows(frequencies, height, FEW_TICKS))
    top.set_xlabel("time (s)", fontsize=TEXT)
    top.set_ylabel("Hz", fontsize=TEXT)
    top.set_title(f"{title}: the song, 0 dB is its maximum", fontsize=TEXT + 1)
    image = sheet.imshow(mosaic, interpolation="nearest", **IN_DB)
    for row, (bottom, left) in zip(ranking.shown, corners, strict=True):
        said = f"{features[row]}  {round(ranking.levels[row])} dB".replace("-", "−")
        label = (labels or {}).get(int(features[row]))
        sheet.text(
            left + 4,
            bottom + height - 4,
            said if label is None else f"{said}\n{shortened(label)}",
            parse_math=False,
            color="white",
            fontsize=TEXT,
            va="top",
            path_effects=[withStroke(linewidth=1.5, foreground="black")],
        )
    # Axes of the tile in the lower left corner stand for all.
    sheet.set_yticks(*frequency_rows(frequencies, height, FEW_TICKS))
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


def merge_frames(picture: np.ndarray, most: int) -> np.ndarray:
    """A picture of at most so many columns; frames that share one show their greatest value.

    Parameters
    ----------
    picture : ndarray, shape (..., n_frames)
    most : int

    Examples
    --------
    >>> merge_frames(np.array([1, 5, 2, 3, 4]), 3).tolist()
    [1, 5, 4]
    """
    n_frames = picture.shape[-1]
    if n_frames <= most:
        return picture
    return np.maximum.reduceat(picture, np.arange(most) * n_frames // most, axis=-1)


def shortened(text: str) -> str:
    """The first line of a text, cut to what fits into two lines of a tile.

    Examples
    --------
    >>> shortened("snare drum and hi-hat, not the bass")
    'snare drum\\nand hi-hat,…'
    """
    line = text.strip().partition("\n")[0]
    return "\n".join(textwrap.wrap(line, CHARACTERS, max_lines=2, placeholder="…"))
