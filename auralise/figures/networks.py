"""Figures of a network's training and accuracy."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from auralise.figures.style import COLUMN, PAGE, in_house_style, new_figure, variant_colours
from auralise.networks.names import PERMUTED, UNTRAINED, variant_of
from auralise.training.baselines import BASELINES

WITH_LEGEND = 1.3  # upper end of an axis of accuracies that has a legend above 1


@in_house_style
def draw_learning_curve(history: pd.DataFrame, evaluation: Mapping, network: str) -> Figure:
    """Loss and accuracy by epoch, training beside validation; the kept epoch is marked.

    Beside the accuracy stand chance and the linear baselines' on the test segments, of which
    `evaluation` tells as `auralise.training.evaluation.evaluate_network` returns it.
    """
    figure, axes = new_figure(1, 2, figsize=(PAGE, 2.4))
    kept = history.loc[history["validation_loss"].idxmin(), "epoch"]
    for axis, value, unit in zip(axes, ("loss", "accuracy"), (" (nats)", ""), strict=True):
        for split, style in (("train", "--"), ("validation", "-")):
            axis.plot(history["epoch"], history[f"{split}_{value}"], style, label=split)
        top = 1 if value == "loss" else 1 / WITH_LEGEND
        axis.axvline(kept, ymax=top, color="0.6", linewidth=0.8, linestyle=":", label="kept epoch")
        axis.set(xlabel="epoch", ylabel=value + unit)
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0].legend(frameon=False)
    levels = {
        f"linear: {label}": evaluation[f"{name}segment_accuracy"]
        for name, (_, label) in BASELINES.items()
    }
    levels["chance"] = evaluation["chance_accuracy"]
    styles = ("--", "-.", "-", ":")
    for (label, level), style in zip(levels.items(), styles, strict=True):
        axes[1].axhline(level, color="0.4", linewidth=0.8, linestyle=style, label=label)
    lines = axes[1].get_lines()[-len(levels) :]
    axes[1].legend(handles=lines, fontsize=7, frameon=False, ncols=2, loc="upper left")
    axes[1].set_ylim(0, WITH_LEGEND)
    axes[1].set_yticks(np.linspace(0, 1, 6))
    figure.suptitle(network)
    sns.despine(figure)
    return figure


@in_house_style
def draw_confusion(evaluation: dict, network: str) -> Figure:
    """Confusion matrix of the test clips, beside chance and the linear baselines."""
    counts = np.asarray(evaluation["confusion"])
    classes = evaluation["classes"]
    figure, axis = new_figure(figsize=(COLUMN * 1.25, COLUMN * 1.2))
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
        f"right; chance {evaluation['chance_accuracy']:.0%}\nlinear: {_baseline_words(evaluation)}",
        fontsize=8,
    )
    return figure


def _baseline_words(evaluation: Mapping) -> str:
    shares = {label: evaluation[f"{name}clip_accuracy"] for name, (_, label) in BASELINES.items()}
    return ", ".join(f"{label} {share:.0%}" for label, share in shares.items())


@in_house_style
def draw_evaluations(evaluations: Mapping[str, Mapping], by_class: pd.DataFrame) -> Figure:
    """Accuracy and calibration on the test clips, variant by variant.

    Parameters
    ----------
    evaluations : mapping of str to mapping
        By network, as `auralise.training.evaluation.evaluate_network` returns them.
    by_class : DataFrame
        Second table of `auralise.training.evaluation.summarise_evaluations`.
    """
    variants = list(dict.fromkeys(map(variant_of, evaluations)))
    colours = variant_colours(variants, [UNTRAINED])
    figure, (accuracy, classes, calibration) = new_figure(
        1, 3, figsize=(PAGE, 3.0), width_ratios=(1, 1.25, 1)
    )
    for number, variant in enumerate(variants):
        of_variant = [
            evaluation for name, evaluation in evaluations.items() if variant_of(name) == variant
        ]
        rows = number + 0.6 * ((np.arange(len(of_variant)) + 0.5) / len(of_variant) - 0.5)
        for row, evaluation in zip(rows, of_variant, strict=True):
            accuracy.plot(
                evaluation["intervals"]["clip_accuracy"], [row, row], color=colours[variant], lw=1
            )
            accuracy.plot(evaluation["clip_accuracy"], row, "o", color=colours[variant], ms=4)
    for variant in variants:
        bins = _pooled_bins(
            evaluation["calibration"]
            for name, evaluation in evaluations.items()
            if variant_of(name) == variant
        )
        style = {"color": colours[variant], "lw": 1, "marker": "o", "ms": 3.5}
        calibration.plot(bins["confidence"], bins["accuracy"], **style, clip_on=False)
        for confidence, share, count in bins[["confidence", "accuracy", "n_clips"]].to_numpy():
            if variant not in (UNTRAINED, PERMUTED):
                calibration.annotate(
                    *(f"{count:.0f}", (confidence, share)),
                    xytext=(3, -7),
                    textcoords="offset points",
                    fontsize=7,
                    color=colours[variant],
                )
    for (name, (_, label)), dashes in zip(BASELINES.items(), ("--", "-.", "-"), strict=True):
        level = np.mean([evaluation[f"{name}clip_accuracy"] for evaluation in evaluations.values()])
        accuracy.axvline(level, color="0.4", ls=dashes, lw=1, label=f"linear: {label}")
    chances = [evaluation["chance_accuracy"] for evaluation in evaluations.values()]
    accuracy.axvline(np.mean(chances), color="0.2", ls=":", lw=1, label="chance")
    accuracy.set_yticks(range(len(variants)), variants)
    accuracy.set(
        xlim=(0, 1),
        ylim=(-0.5, len(variants) - 0.5),
        xlabel="clip accuracy",
        title="with 95 % interval over clips",
    )
    for label, variant in zip(accuracy.get_yticklabels(), variants, strict=True):
        label.set_color(colours[variant])  # the legend of the other panels
    accuracy.invert_yaxis()
    accuracy.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), fontsize=7, frameon=False)

    names = list(dict.fromkeys(by_class["class"]))
    trained = [variant for variant in variants if variant not in (UNTRAINED, PERMUTED)]
    for number, variant in enumerate(trained):
        rows = by_class[by_class["variant"] == variant].set_index("class").loc[names]
        y = np.arange(len(names)) + 0.6 * ((number + 0.5) / len(trained) - 0.5)
        classes.hlines(y, rows["precision"], rows["recall"], color=colours[variant], lw=0.8)
        for measure, face in (("precision", "white"), ("recall", colours[variant])):
            classes.plot(rows[measure], y, "o", ms=4, mfc=face, mec=colours[variant], ls="")
    for measure, face in (("precision", "white"), ("recall", "0.3")):
        classes.plot([], [], "o", ms=4, mfc=face, mec="0.3", ls="", label=measure)
    classes.set_yticks(range(len(names)), names)
    classes.invert_yaxis()
    classes.set(xlim=(-0.03, 1.03), xlabel="share of clips", title="by genre, mean over seeds")
    classes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.22), fontsize=7, frameon=False, ncols=2
    )
    calibration.plot([0, 1], [0, 1], color="0.6", lw=0.8, zorder=0)
    calibration.set(
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel="probability given",
        ylabel="share that is right",
        title="calibration, all seeds",
    )
    calibration.set_aspect("equal")
    for axis in (accuracy, calibration):
        axis.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    sns.despine(figure)
    return figure


def _pooled_bins(calibrations: Iterable[Mapping]) -> pd.DataFrame:
    """Pool the calibration bins of several networks; bins of fewer than five clips are left out."""
    bins = pd.concat(
        [
            pd.DataFrame({name: of[name] for name in ("confidence", "accuracy", "count")})
            for of in calibrations
        ],
        ignore_index=True,
    )
    weighted = bins[["confidence", "accuracy"]].mul(bins["count"], axis=0).join(bins["count"])
    sums = weighted.groupby((bins["confidence"] * 10).astype(int)).sum()
    means = sums.div(sums["count"], axis=0).assign(n_clips=sums["count"])
    return means[means["n_clips"] >= 5]


@in_house_style
def draw_kernels(kernels: Mapping[str, np.ndarray]) -> Figure:
    """First-layer kernels of the variants, each scaled to its own largest weight.

    Parameters
    ----------
    kernels : mapping of str to ndarray, shape (n_features, n_bins, n_frames)
        By network; there may be none. Features run from left to right, from feature 0 at the upper
        left.
    """
    if not kernels:
        figure, axes = new_figure(figsize=(PAGE, 1.0))
        axes.text(0.5, 0.5, "no network has convolutions of two dimensions", ha="center")
        axes.set_axis_off()
        return figure
    blocks = {name: _mosaic(weights) for name, weights in kernels.items()}
    shapes = np.array([block.shape for block in blocks.values()])
    heights = shapes[:, 0] / shapes[:, 1] * (PAGE - 0.2)
    figure, axes = new_figure(
        len(blocks),
        1,
        figsize=(PAGE, heights.sum() + 0.35 * len(blocks) + 0.35),
        height_ratios=heights,
        squeeze=False,
    )
    for axis, (name, block) in zip(axes[:, 0], blocks.items(), strict=True):
        image = axis.imshow(
            block, cmap="RdBu_r", vmin=-1, vmax=1, origin="lower", interpolation="nearest"
        )
        axis.set_axis_off()
        n_bins, n_frames = kernels[name].shape[1:]
        axis.set_title(
            f"{name}: {n_bins} bins (upwards) × {n_frames} frames", fontsize=8, loc="left"
        )
    bar = figure.colorbar(
        image, ax=axes[:, 0], location="bottom", shrink=0.3, aspect=40, pad=0.02, ticks=[-1, 0, 1]
    )
    bar.set_label("weight, relative to the kernel's largest", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    return figure


def _mosaic(kernels: np.ndarray) -> np.ndarray:
    """Kernels side by side, with gaps of one pixel, in a block about ten times as wide as high."""
    n_features, height, width = kernels.shape
    n_columns = int(np.sqrt(10 * n_features * (height + 1) / (width + 1)))
    n_rows = max(1, round(n_features / n_columns))
    n_columns = -(-n_features // n_rows)
    peak = np.abs(kernels).max(axis=(1, 2), keepdims=True)
    scaled = np.divide(kernels, peak, out=np.zeros_like(kernels), where=peak > 0)
    mosaic = np.full((n_rows * (height + 1) - 1, n_columns * (width + 1) - 1), np.nan)
    for feature, kernel in enumerate(scaled):
        row, column = divmod(feature, n_columns)
        y, x = (n_rows - 1 - row) * (height + 1), column * (width + 1)
        mosaic[y : y + height, x : x + width] = kernel
    return mosaic
