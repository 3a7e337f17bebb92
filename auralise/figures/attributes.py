"""The attribute experiment: means by layer, distributions, features, trained against untrained."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle

from auralise.figures.style import PAGE, in_house_style, new_figure, variant_colours
from auralise.networks.names import INPUT, UNTRAINED, variant_of

PANELS = 4  # in a row
ALPHA = 0.05
ROW = 0.108  # inches that a row of 7 pt takes
SMALL = 7  # pt, the smallest type
TITLE = 8  # pt: four panels in a row have space for no more


def _panels(n: int, height: float, n_rows: int = 1) -> tuple[Figure, np.ndarray]:
    """Panels for `n` attributes, `n_rows` for each; as ``(n_rows, n)`` axes."""
    n_columns = min(n, PANELS)
    blocks = -(-n // n_columns)
    figure, grid = new_figure(
        n_rows * blocks,
        n_columns,
        figsize=(PAGE, height * blocks),
        sharex=True,
        sharey="row" if n_rows > 1 else True,
        layout="constrained",
        squeeze=False,
    )
    axes = grid.reshape(blocks, n_rows, n_columns).swapaxes(0, 1).reshape(n_rows, -1)
    for axis in axes[:, n:].flat:
        axis.set_axis_off()
    for axis in axes[-1, max(0, n - n_columns) : n]:
        axis.xaxis.set_tick_params(labelbottom=True)
        axis.set_xlabel("layer")
    return figure, axes[:, :n]


def _draw_input(axis: Axes, table: pd.DataFrame, attribute: str, column: str) -> None:
    of_input = table[(table[column] == INPUT) & (table["attribute"] == attribute)]
    value = "mean" if "mean" in table else "correlation"
    if len(of_input):
        axis.axhline(
            of_input[value].iloc[0],
            color="0.2",
            linestyle=":",
            linewidth=1.2,
            label="the input itself",
        )


def _legend(figure: Figure, axis: Axes) -> None:
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)


@in_house_style
def draw_attributes(variants: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """Mean correlation by layer for each attribute, trained beside untrained.

    Parameters
    ----------
    variants, summary : DataFrame
        As `attributes.comparison.summarise_variants` and `summarise_correlation` return them,
        with 'input' as layer 0 for the baseline.
    """
    shown = variants[variants["variant"] != INPUT]
    attributes = list(dict.fromkeys(shown["attribute"]))
    figure, ((*axes,),) = _panels(len(attributes), 2.5)
    colours = variant_colours(list(dict.fromkeys(shown["variant"])), [UNTRAINED])
    for axis, attribute in zip(axes, attributes, strict=True):
        for name, colour in colours.items():
            rows = shown[(shown["attribute"] == attribute) & (shown["variant"] == name)]
            axis.fill_between(
                rows["layer"], rows["ci_low"], rows["ci_high"], color=colour, alpha=0.25, lw=0
            )
            axis.plot(
                rows["layer"],
                rows["mean"],
                "s--" if name == UNTRAINED else "o-",
                color=colour,
                markersize=3.5,
                linewidth=1.2,
                label=name,
            )
            if (rows["n_networks"] > 1).any():
                single = summary[summary["network"].map(variant_of) == name]
                single = single[single["attribute"] == attribute]
                axis.plot(single["layer"], single["mean"], ".", color=colour, ms=2.5, alpha=0.7)
        _draw_input(axis, variants, attribute, "variant")
        axis.set_title(f"only the {attribute} differs", size=TITLE)
        axis.set_xticks(sorted(shown["layer"].unique()))
    axes[0].set_ylabel("mean correlation (r)")
    _legend(figure, axes[0])
    sns.despine(figure)
    return figure


@in_house_style
def draw_distribution(table: pd.DataFrame) -> Figure:
    """Distribution of the live features' correlations in each layer.

    Parameters
    ----------
    table : DataFrame
        As `attributes.correlation.correlate_attributes` returns it, of all networks, with 'input'
        for the baseline.
    """
    shown = table[(table["network"] != INPUT) & table["live"]].copy()
    shown["variant"] = shown["network"].map(variant_of)
    attributes = list(dict.fromkeys(table["attribute"]))
    figure, ((*axes,),) = _panels(len(attributes), 2.5)
    colours = variant_colours(list(dict.fromkeys(shown["variant"])), [UNTRAINED])
    layers = sorted(shown["layer"].unique())
    for axis, attribute in zip(axes, attributes, strict=True):
        sns.violinplot(
            shown[shown["attribute"] == attribute],
            x="layer",
            y="correlation",
            hue="variant",
            order=layers,
            hue_order=list(colours),
            palette=colours,
            split=len(colours) == 2,
            inner="quart",
            density_norm="width",
            cut=0,
            linewidth=0.6,
            ax=axis,
        )
        _draw_input(axis, table, attribute, "network")
        axis.set(xlabel="", ylabel="")
        axis.set_title(f"only the {attribute} differs", size=TITLE)
        if axis.get_legend():
            axis.get_legend().remove()
    for axis in axes[-min(len(axes), PANELS) :]:
        axis.set_xlabel("layer")
    axes[0].set_ylabel("correlation of a feature (r)")
    _legend(figure, axes[0])
    sns.despine(figure)
    return figure


@in_house_style
def draw_comparison(comparison: pd.DataFrame) -> Figure:
    """Trained against untrained: difference of the means, and effect size, by layer.

    Parameters
    ----------
    comparison : DataFrame
        As `auralise.attributes.comparison.compare_with_controls` returns it.
    """
    attributes = list(dict.fromkeys(comparison["attribute"]))
    figure, axes = _panels(len(attributes), 3.6, n_rows=2)
    colours = variant_colours(list(dict.fromkeys(comparison["variant"])), [UNTRAINED])
    names = [name for name in colours if name != UNTRAINED]
    for (above, below), attribute in zip(axes.T, attributes, strict=True):
        for number, name in enumerate(names):
            rows = comparison[
                (comparison["attribute"] == attribute) & (comparison["variant"] == name)
            ]
            x = rows["layer"] + 0.15 * (number - (len(names) - 1) / 2)
            clear = (rows["p_features_adjusted"] < ALPHA).to_numpy()
            above.vlines(x, rows["ci_low"], rows["ci_high"], color=colours[name], linewidth=1.2)
            for axis, value in ((above, "difference"), (below, "delta")):
                axis.scatter(
                    x,
                    rows[value],
                    s=18,
                    facecolor=[colours[name] if is_clear else "white" for is_clear in clear],
                    edgecolor=colours[name],
                    linewidth=1,
                    zorder=3,
                    label=name,
                )
        for axis in (above, below):
            axis.axhline(0, color="0.6", linewidth=0.8, zorder=0)
        below.set_ylim(-1.08, 1.08)
        above.set_title(f"only the {attribute} differs", size=TITLE)
        below.set_xticks(sorted(comparison["layer"].unique()))
    axes[0, 0].set_ylabel("trained − untrained (r)")
    axes[1, 0].set_ylabel("Cliff's delta")
    if len(names) > 1:
        _legend(figure, axes[0, 0])
    sns.despine(figure)
    return figure


@in_house_style
def draw_features(features: pd.DataFrame, thresholds: pd.DataFrame) -> Figure:
    """Feature by attribute, layer by layer: who keeps what.

    Parameters
    ----------
    features : DataFrame
        Of one network, as `auralise.attributes.comparison.name_features` returns it.
    thresholds : DataFrame
        As `auralise.attributes.comparison.find_thresholds` returns them.
    """
    attributes = list(dict.fromkeys(thresholds["attribute"]))
    layers = sorted(features["layer"].unique())
    live = features[features["live"]].assign(mean=lambda rows: rows[attributes].mean(axis=1))
    n_rows = live.groupby("layer").size().max() if len(live) else 1
    height = min(9.0, 1.3 + ROW * n_rows)
    every = max(1, int(np.ceil(n_rows * ROW / (height - 1.3) - 1e-9)))
    figure, axes = new_figure(
        1,
        len(layers),
        figsize=(PAGE, max(2.5, height)),
        layout=ConstrainedLayoutEngine(wspace=0.15),
        squeeze=False,
    )
    bounds = thresholds.set_index(["layer", "attribute"])
    low, high = live[attributes].min(axis=None), live[attributes].max(axis=None)
    image = None
    for axis, layer in zip(axes[0], layers, strict=True):
        rows = live[live["layer"] == layer].sort_values("mean", ascending=False)
        axis.set_title(f"layer {layer}", fontsize=9)
        if rows.empty:
            axis.set_axis_off()
            continue
        values = rows[attributes].to_numpy()
        axis.set_facecolor("0.85")
        image = axis.imshow(
            values, cmap="cividis", vmin=low, vmax=high, aspect="auto", interpolation="nearest"
        )
        bounds_of_layer = bounds.loc[layer].loc[attributes]
        for marker, is_unusual in (
            ("+", values > bounds_of_layer["high"].to_numpy()),
            ("_", values < bounds_of_layer["low"].to_numpy()),
        ):
            row, column = np.nonzero(is_unusual)
            colours = np.where(values[row, column] < (low + high) / 2, "white", "black")
            axis.scatter(column, row, s=14, c=colours, marker=marker, linewidth=0.9, label=marker)
        axis.set_xticks(range(len(attributes)), attributes, rotation=90, size=8)
        axis.set_yticks(
            range(0, len(rows), every), rows["feature"].iloc[::every].astype(str), size=SMALL
        )
        axis.tick_params(length=0, pad=2)
        # Hundreds of labels would take the layout seconds; `wspace` leaves them their space.
        axis.yaxis.set_in_layout(axis is axes[0, 0])
        # Layers with fewer live features end sooner, and their rows are as high.
        axis.set_ylim(n_rows - 0.5, -0.5)
        sns.despine(ax=axis, left=True, bottom=True)
        if len(rows) < n_rows:
            axis.add_patch(
                Rectangle(
                    (-0.5, len(rows) - 0.5), len(attributes), n_rows - len(rows), color="white"
                )
            )
    axes[0, 0].set_ylabel("feature")
    if image is not None:
        bar = figure.colorbar(image, ax=axes[0], location="bottom", shrink=0.4, aspect=40)
        bar.set_label("mean correlation (r)")
    figure.suptitle(f"{features['network'].iloc[0]}: what each feature keeps", fontsize=10)
    return figure
