"""Figure of methods of explanation side by side."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from auralise.figures.style import PAGE, in_house_style, new_figure

ROWS = {
    "keep": ("r2", "R², strongest bins kept", "bins kept (%)"),
    "delete": ("r2", "R², strongest bins deleted", "bins deleted (%)"),
    "randomise": ("rank_correlation", "rank correlation", "layers drawn anew"),
}
LOWEST = -1.0  # what lies below is drawn at the edge
NULLS = {"energy": "0.2", "random": "0.6"}
MARKS = {"size": "o-", "value": "s--"}  # of maps without and with their signs


@in_house_style
def draw_methods(table: pd.DataFrame) -> Figure:
    """Compare methods of explanation: a row of axes for each test, a column for each layer.

    The tests keep what a map marks, delete it, and randomise the network's layers. Bars are 95 %
    intervals over clips.

    Parameters
    ----------
    table : DataFrame
        Of one network, as `auralise.dissection.methods.compare_methods` returns it, with a column
        ``network``.
    """
    layers = sorted(table["layer"].unique())
    names = list(dict.fromkeys(table["method"]))
    methods = [name for name in names if name not in NULLS]
    palette = sns.color_palette("colorblind", len(methods))
    colours = dict(zip(methods, palette, strict=True)) | NULLS
    figure, axes = new_figure(
        len(ROWS),
        len(layers),
        figsize=(PAGE, 5.6),
        sharey="row",
        squeeze=False,
    )
    for row, (operation, (measure, label, amount)) in zip(axes, ROWS.items(), strict=True):
        shown = table[(table["operation"] == operation) & (table["measure"] == measure)]
        for axis, layer in zip(row, layers, strict=True):
            of_layer = shown[shown["layer"] == layer]
            for (name, ranked), rows in of_layer.groupby(["method", "ranked"], sort=False):
                kept = rows[["value", "ci_low", "ci_high"]].clip(lower=LOWEST)
                axis.errorbar(
                    rows["amount"] * (1 if operation == "randomise" else 100),
                    kept["value"],
                    (kept["value"] - kept["ci_low"], kept["ci_high"] - kept["value"]),
                    fmt=MARKS[ranked], color=colours[name], markersize=3, linewidth=1,
                    elinewidth=0.6, label=_words(name, ranked),
                )  # fmt: skip
            axis.set_xlabel(amount, size=7)
            axis.tick_params(labelsize=7)
            if operation == "randomise":
                axis.set_xticks(range(1, int(of_layer["amount"].max()) + 1))
                axis.set_xlim(0.7, of_layer["amount"].max() + 0.3)
                axis.axhline(0, color="0.8", linewidth=0.6, zorder=0)
            else:
                axis.set_xticks([5, 20, 50])
                axis.set_ylim(LOWEST - 0.05, 1.05)
        row[0].set_ylabel(label, size=8)
    for axis, layer in zip(axes[0], layers, strict=True):
        axis.set_title(f"layer {layer}", size=9)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize="x-small"
    )
    figure.suptitle(f"{table['network'].iloc[0]}: methods side by side", fontsize=10)
    sns.despine(figure)
    return figure


def _words(method: str, ranked: str) -> str:
    words = method.replace("_times_", " × ").replace("_", " ")
    if method in NULLS:
        return words
    return f"|{words}|" if ranked == "size" else f"{words}, signed"
