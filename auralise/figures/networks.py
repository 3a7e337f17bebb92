"""How a network was trained and what it knows."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from auralise.figures.style import COLUMN, PAGE


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
