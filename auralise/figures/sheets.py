"""All features of a layer, side by side."""

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from auralise.figures.style import (
    DYNAMIC_RANGE,
    frequency_rows,
    in_house_style,
    log_frequency_picture,
    new_figure,
)

TICKS = (100, 500, 2000)  # Hz
DPI = 130  # about one pixel of the sheet for one of the picture


@in_house_style
def draw_sheet(
    spectrum: np.ndarray,
    maps: np.ndarray,
    features: np.ndarray,
    live: np.ndarray,
    frequencies: np.ndarray,
    duration: float,
    title: str,
    n_columns: int = 8,
) -> Figure:
    """All features of a layer on one sheet: what each lets through of the song.

    Parameters
    ----------
    spectrum : ndarray, complex, shape (n_bins, n_frames)
        The song's.
    maps : ndarray, shape (n_features, n_bins, n_frames)
    features : ndarray of int, shape (n_features,)
    live : ndarray of bool, shape (n_features,)
        Features that are not are left grey.
    frequencies : ndarray, shape (n_bins,)
        In Hz.
    duration : float
        Of the song (s).
    title : str
    n_columns : int
    """
    original = np.abs(spectrum)
    pictures = log_frequency_picture(original * np.abs(maps), frequencies)
    pictures[~live] = np.nan
    n_rows_px, n_frames = pictures.shape[1:]
    gap_x, gap_y = 6, 6
    n_columns = min(n_columns, len(pictures))
    n_lines = -(-len(pictures) // n_columns)
    tile_height, tile_width = n_rows_px + gap_y, n_frames + gap_x
    mosaic = np.full((n_lines * tile_height, n_columns * tile_width), np.nan, np.float32)
    corners = [
        (n_lines - 1 - i // n_columns) * tile_height + 1j * (i % n_columns) * tile_width
        for i in range(len(pictures))
    ]
    for picture, corner in zip(pictures, corners, strict=True):
        y, x = int(corner.real), int(corner.imag)
        mosaic[y : y + n_rows_px, x : x + n_frames] = picture

    width = 1.4 * n_columns + 0.8
    sheet_height = 1.4 * n_columns * mosaic.shape[0] / mosaic.shape[1]
    figure, (top, sheet) = new_figure(
        2,
        1,
        figsize=(width, sheet_height + 2.2),
        height_ratios=(1.3, sheet_height),
        layout="constrained",
        dpi=DPI,
    )
    style = {"origin": "lower", "cmap": "magma", "vmin": -DYNAMIC_RANGE, "vmax": 0}
    top.imshow(
        log_frequency_picture(original, frequencies),
        aspect="auto",
        extent=(0, duration, 0, n_rows_px),
        **style,
    )
    rows, labels = frequency_rows(frequencies, n_rows_px)
    top.set_yticks(rows, labels)
    top.set(xlabel="time (s)", ylabel="frequency (Hz)", title=f"{title}: the song")
    image = sheet.imshow(mosaic, aspect="auto", interpolation="nearest", **style)
    sheet.set_facecolor("white")
    for number, is_live, corner in zip(features, live, corners, strict=True):
        y, x = corner.real, corner.imag
        if not is_live:
            box = Rectangle((x, y), n_frames, n_rows_px, facecolor="0.88", edgecolor="none")
            sheet.add_patch(box)
        sheet.text(
            x + 4,
            y + n_rows_px - 4,
            f"{number}" if is_live else f"{number}  never fired",
            color="white" if is_live else "0.35",
            fontsize=8,
            fontweight="bold",
            va="top",
        )
    # Axes of the tile in the lower left corner stand for all.
    sheet.set_yticks(*frequency_rows(frequencies, n_rows_px, TICKS))
    sheet.set_xticks([0, n_frames], ["0", f"{duration:g}"])
    sheet.set_xlabel("time (s)", loc="left")
    sheet.set_ylabel("frequency (Hz)", loc="bottom")
    sheet.set_title(
        f"what each feature lets through, |spectrum × map|; {np.count_nonzero(live)} of "
        f"{len(live)} features fired"
    )
    for axis in (top, sheet):
        sns.despine(ax=axis, left=True, bottom=True)
    bar = figure.colorbar(image, ax=[top, sheet], shrink=0.3, aspect=30, pad=0.01, anchor=(0, 1))
    bar.set_label("dB below each picture's maximum")
    return figure
