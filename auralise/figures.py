"""Tables and maps → pictures: each function draws one figure and returns it."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from auralise.files import whole_file

COLUMN, PAGE = 3.5, 7.2  # inches, widths of a paper's column and page
DYNAMIC_RANGE = 60.0  # dB shown below each picture's maximum
LOWEST = 43.0  # Hz, lower end of log-frequency axes: the second bin of 2015's transform
TICKS = (100, 250, 500, 1000, 2000, 4000)  # Hz
SHEET_TICKS = (100, 500, 2000)

sns.set_theme(context="paper", style="ticks", palette="colorblind", rc={"figure.dpi": 200})
SHEET_DPI = 130  # about one pixel of the sheet for one of the picture


def save_figure(figure: Figure, *paths: str | Path) -> None:
    """Write a figure under each name, whole; the ending chooses the format."""
    for path in paths:
        with whole_file(path) as partial:
            # Dates in the file would make equal figures differ.
            metadata = {"CreationDate": None} if Path(path).suffix == ".pdf" else None
            figure.savefig(partial, dpi=figure.dpi, metadata=metadata)
    plt.close(figure)


def draw_learning_curve(history: pd.DataFrame, network: str) -> Figure:
    """Loss and accuracy by epoch, training beside validation; the kept epoch is marked."""
    figure, axes = plt.subplots(1, 2, figsize=(PAGE, 2.4), layout="constrained")
    kept = history.loc[history["validation_loss"].idxmin(), "epoch"]
    for axis, value, unit in zip(axes, ("loss", "accuracy"), (" (nats)", ""), strict=True):
        for split, style in (("train", "--"), ("validation", "-")):
            axis.plot(history["epoch"], history[f"{split}_{value}"], style, label=split)
        axis.axvline(kept, color="0.6", linewidth=0.8, linestyle=":", label="kept epoch")
        axis.set(xlabel="epoch", ylabel=value + unit)
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0].legend(frameon=False)
    axes[1].set_ylim(0, 1)
    figure.suptitle(network)
    sns.despine(figure)
    return figure


def draw_confusion(evaluation: dict, network: str) -> Figure:
    """Confusion matrix of the test clips, beside chance and the trivial baseline."""
    counts = np.asarray(evaluation["confusion"])
    classes = evaluation["classes"]
    figure, axis = plt.subplots(figsize=(COLUMN * 1.25, COLUMN * 1.2), layout="constrained")
    sns.heatmap(
        counts,
        ax=axis,
        annot=True,
        fmt="d",
        cmap="Blues",
        square=True,
        cbar=False,
        linewidths=0.5,
        xticklabels=classes,
        yticklabels=classes,
        annot_kws={"size": 7},
    )
    axis.set(xlabel="predicted", ylabel="true")
    axis.set_title(
        f"{network}: {evaluation['clip_accuracy']:.0%} of {evaluation['n_clips']} test clips "
        f"right\n(mean-spectrum baseline {evaluation['baseline_clip_accuracy']:.0%}, "
        f"chance {evaluation['chance_accuracy']:.0%})",
        fontsize=8,
    )
    return figure


def log_frequency_picture(
    magnitude: np.ndarray, frequencies: np.ndarray, n_rows: int = 96
) -> np.ndarray:
    """Level over time and log frequency, as a picture.

    Parameters
    ----------
    magnitude : ndarray, shape (..., n_bins, n_frames)
        Not negative.
    frequencies : ndarray, shape (n_bins,)
        In Hz, ascending.
    n_rows : int

    Returns
    -------
    ndarray, shape (..., n_rows, n_frames)
        In dB below the maximum of each picture, from 0 down to -`DYNAMIC_RANGE`; the lowest
        frequency, `LOWEST`, is row 0. All at the bottom where the picture is silent.
    """
    positions = np.interp(
        np.geomspace(LOWEST, frequencies[-1], n_rows), frequencies, np.arange(len(frequencies))
    )
    below = np.minimum(positions.astype(int), len(frequencies) - 2)
    weight = (positions - below)[:, None]
    rows = magnitude[..., below, :] * (1 - weight) + magnitude[..., below + 1, :] * weight
    peak = magnitude.max(axis=(-2, -1), keepdims=True)
    floor = 10 ** (-DYNAMIC_RANGE / 20)
    relative = np.divide(rows, peak, out=np.zeros_like(rows), where=peak > 0)
    return 20 * np.log10(np.maximum(relative, floor))


def _frequency_rows(
    frequencies: np.ndarray, n_rows: int, ticks: Sequence[int] = TICKS
) -> tuple[list[float], list[str]]:
    ticks = [tick for tick in ticks if LOWEST < tick < frequencies[-1]]
    rows = np.interp(
        np.log(ticks), np.log(np.geomspace(LOWEST, frequencies[-1], n_rows)), np.arange(n_rows)
    )
    return rows.tolist(), [f"{tick:g}" if tick < 1000 else f"{tick / 1000:g}k" for tick in ticks]


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
    figure, (top, sheet) = plt.subplots(
        2,
        1,
        figsize=(width, sheet_height + 2.2),
        height_ratios=(1.3, sheet_height),
        layout="constrained",
        dpi=SHEET_DPI,
    )
    style = {"origin": "lower", "cmap": "magma", "vmin": -DYNAMIC_RANGE, "vmax": 0}
    top.imshow(
        log_frequency_picture(original, frequencies),
        aspect="auto",
        extent=(0, duration, 0, n_rows_px),
        **style,
    )
    rows, labels = _frequency_rows(frequencies, n_rows_px)
    top.set_yticks(rows, labels)
    top.set(xlabel="time (s)", ylabel="frequency (Hz)", title=f"{title}: the song")
    image = sheet.imshow(mosaic, aspect="auto", interpolation="nearest", **style)
    sheet.set_facecolor("white")
    for number, is_live, corner in zip(features, live, corners, strict=True):
        y, x = corner.real, corner.imag
        if not is_live:
            box = plt.Rectangle((x, y), n_frames, n_rows_px, facecolor="0.88", edgecolor="none")
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
    sheet.set_yticks(*_frequency_rows(frequencies, n_rows_px, SHEET_TICKS))
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


def draw_attributes(summary: pd.DataFrame) -> Figure:
    """Mean correlation by layer for each attribute, trained beside untrained.

    Parameters
    ----------
    summary : DataFrame
        As `auralise.correlation.summarise_correlation` returns it, with the network 'input'
        as layer 0 for the baseline.
    """
    networks = summary[summary["network"] != "input"]
    attributes = list(dict.fromkeys(networks["attribute"]))
    figure, axes = plt.subplots(
        1,
        len(attributes),
        figsize=(PAGE, 2.6),
        sharey=True,
        layout="constrained",
        squeeze=False,
    )
    palette = sns.color_palette("colorblind")
    seen_untrained = seen_trained = 0
    styles = {}
    for name in dict.fromkeys(networks["network"]):
        untrained = name.startswith("untrained")
        index = seen_untrained if untrained else seen_trained
        seen_untrained, seen_trained = seen_untrained + untrained, seen_trained + (not untrained)
        styles[name] = {
            "color": "0.45" if untrained else palette[index % len(palette)],
            "linestyle": "--" if untrained else "-",
            "marker": "s" if untrained else "o",
        }
    for axis, attribute in zip(axes[0], attributes, strict=True):
        rows = networks[networks["attribute"] == attribute]
        names = list(dict.fromkeys(rows["network"]))
        for number, name in enumerate(names):
            part = rows[rows["network"] == name]
            # Side by side, so that intervals do not hide each other.
            x = part["layer"] + 0.14 * (number - (len(names) - 1) / 2)
            style = styles[name]
            axis.vlines(
                x,
                part["mean"] - part["std"],
                part["mean"] + part["std"],
                color=style["color"],
                alpha=0.25,
                linewidth=4,
            )
            axis.vlines(x, part["ci_low"], part["ci_high"], color=style["color"], linewidth=1.5)
            axis.plot(x, part["mean"], markersize=4, linewidth=1.2, label=name, **style)
        baseline = summary[(summary["network"] == "input") & (summary["attribute"] == attribute)]
        if len(baseline):
            axis.axhline(
                baseline["mean"].iloc[0], color="0.2", linestyle=":", label="the input itself"
            )
        axis.set(title=f"only the {attribute} differs", xlabel="layer")
        axis.set_xticks(sorted(rows["layer"].unique()))
    axes[0, 0].set_ylabel("correlation of maps (Pearson's r)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    sns.despine(figure)
    return figure
