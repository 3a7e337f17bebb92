"""The attribute experiment."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from auralise.figures.style import PAGE


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
