"""The attribute experiment: means by layer, distributions, features, trained against untrained."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle

from auralise.figures.style import PAGE, in_house_style, new_figure, variant_colours
from auralise.networks.names import INPUT, PERMUTED, is_control, variant_of
from auralise.statistics import HIGHER, LOWER

PANELS = 4  # in a row
LIGHT_GREY = "0.7"  # of networks that were trained on permuted labels
ROW = 0.108  # inches that a row of 7 pt takes
SMALL = 7  # pt, the smallest type
TITLE = 8  # pt: four panels in a row have space for no more


def _panels(attributes: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """A panel for each attribute."""
    n = len(attributes)
    n_columns = min(n, PANELS)
    blocks = -(-n // n_columns)
    figure, grid = new_figure(
        blocks,
        n_columns,
        figsize=(PAGE, 2.5 * blocks),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    axes = grid.ravel().tolist()
    for axis in axes[n:]:
        axis.set_axis_off()
    for axis in axes[max(0, n - n_columns) : n]:
        axis.xaxis.set_tick_params(labelbottom=True)
        axis.set_xlabel("layer")
    for axis, attribute in zip(axes[:n], attributes, strict=True):
        axis.set_title(f"only the {attribute} differs", size=TITLE)
    return figure, axes[:n]


def _colours(variants: Iterable[str]) -> dict:
    """A colour for each variant that is there, greys for the controls, which come last."""
    variants = [name for name in dict.fromkeys(variants) if name != INPUT]
    controls = [name for name in variants if is_control(name)]
    colours = variant_colours([name for name in variants if name != PERMUTED], controls)
    colours[PERMUTED] = LIGHT_GREY
    return {name: colour for name, colour in colours.items() if name in variants}


def _marker(variant: str) -> str:
    """Marker and line of a variant."""
    if variant == PERMUTED:
        return "^:"
    return "s--" if is_control(variant) else "o-"


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


def _finish(figure: Figure, axis: Axes, label: str) -> Figure:
    """Put a figure's legend below it, and the label of y at its first panel."""
    axis.set_ylabel(label)
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    sns.despine(figure)
    return figure


@in_house_style
def draw_attributes(variants: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """Mean correlation by layer for each attribute, trained beside untrained, and r_all.

    Parameters
    ----------
    variants, summary : DataFrame
        As `attributes.comparison.summarise_variants` and `summarise_correlation` return them,
        with 'input' as layer 0 for the baseline.
    """
    shown = variants[variants["variant"] != INPUT]
    attributes = list(dict.fromkeys(shown["attribute"]))
    figure, axes = _panels(attributes)
    colours = _colours(shown["variant"])
    for axis, attribute in zip(axes, attributes, strict=True):
        for name, colour in colours.items():
            rows = shown[(shown["attribute"] == attribute) & (shown["variant"] == name)]
            axis.fill_between(
                rows["layer"], rows["ci_low"], rows["ci_high"], color=colour, alpha=0.25, lw=0
            )
            axis.plot(
                rows["layer"],
                rows["mean"],
                _marker(name),
                color=colour,
                markersize=3.5,
                linewidth=1.2,
                label=name,
            )
            axis.plot(rows["layer"], rows["mean_all"], "-", color=colour, linewidth=0.7)
            if (rows["n_networks"] > 1).any():
                single = summary[summary["network"].map(variant_of) == name]
                single = single[single["attribute"] == attribute]
                axis.plot(single["layer"], single["mean"], ".", color=colour, ms=2.5, alpha=0.7)
        _draw_input(axis, variants, attribute, "variant")
        axis.set_xticks(sorted(shown["layer"].unique()))
    return _finish(figure, axes[0], "mean correlation (r)")


@in_house_style
def draw_as_in_2016(summary: pd.DataFrame) -> Figure:
    """Mean correlation and its deviation over features by layer, as in the figure of 2016.

    Parameters
    ----------
    summary : DataFrame
        As `attributes.comparison.summarise_correlation` returns it, of a network of each variant.
    """
    attributes = list(dict.fromkeys(summary["attribute"]))
    variants = summary["network"].map(variant_of)
    figure, axes = _panels(attributes)
    for axis, attribute in zip(axes, attributes, strict=True):
        for name, colour in _colours(variants).items():
            rows = summary[(summary["attribute"] == attribute) & (variants == name)]
            low, high = rows["mean"] - rows["std"], rows["mean"] + rows["std"]
            axis.fill_between(rows["layer"], low, high, color=colour, alpha=0.2, lw=0)
            style = _marker(name)
            axis.plot(rows["layer"], rows["mean"], style, color=colour, markersize=3.5, label=name)
        axis.set_xticks(sorted(summary["layer"].unique()))
    return _finish(figure, axes[0], "mean correlation (r)")


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
    figure, axes = _panels(attributes)
    colours = _colours(shown["variant"])
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
        if legend := axis.get_legend():
            legend.remove()
    for axis in axes[-min(len(axes), PANELS) :]:
        axis.set_xlabel("layer")
    return _finish(figure, axes[0], "correlation of a feature (r)")


@in_house_style
def draw_comparison(comparison: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """s of every network by layer, trained beside untrained, with the verdicts.

    Parameters
    ----------
    comparison, summary : DataFrame
        As `auralise.attributes.comparison.compare_with_controls` and `summarise_correlation`
        return them.
    """
    shown = summary[summary["s"].notna()].assign(variant=summary["network"].map(variant_of))
    shown = shown[shown["variant"] != INPUT]
    attributes = list(dict.fromkeys(comparison["attribute"]))
    figure, axes = _panels(attributes)
    colours = _colours(summary["network"].map(variant_of))
    for axis, attribute in zip(axes, attributes, strict=True):
        for number, (name, colour) in enumerate(colours.items()):
            rows = shown[(shown["attribute"] == attribute) & (shown["variant"] == name)]
            shift = 0.15 * (number - (len(colours) - 1) / 2)
            axis.plot(rows["layer"] + shift, rows["s"], ".", color=colour, ms=3, alpha=0.7)
            means = rows.groupby("layer")["s"].mean()
            style = _marker(name)[1:]
            axis.plot(means.index + shift, means, style, color=colour, linewidth=1.2, label=name)
            found = comparison[
                (comparison["attribute"] == attribute)
                & (comparison["variant"] == name)
                & comparison["verdict"].isin([HIGHER, LOWER])
            ]
            axis.scatter(
                found["layer"] + shift, found["s"], s=26, marker="s", color=colour, zorder=3
            )
        axis.axhline(0, color="0.6", linewidth=0.8, zorder=0)
        axis.set_xticks(sorted(comparison["layer"].unique()))
        if not (shown["attribute"] == attribute).any():
            axis.text(0.5, 0.5, "no s", transform=axis.transAxes, ha="center", color="0.5")
    return _finish(figure, axes[0], "s")


@in_house_style
def draw_features(table: pd.DataFrame) -> Figure:
    """Draw the correlation of each live feature (rows) for each attribute (columns), by layer.

    Parameters
    ----------
    table : DataFrame
        Of one network, as `auralise.attributes.correlation.correlate_attributes` returns it.
    """
    attributes = list(dict.fromkeys(table["attribute"]))
    layers = sorted(table["layer"].unique())
    wide = table.pivot(index=["layer", "feature"], columns="attribute", values="correlation")
    live = wide[attributes].dropna(how="all").reset_index()
    live = live.assign(mean=live[attributes].mean(axis=1))
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
    low, high = live[attributes].min(axis=None), live[attributes].max(axis=None)
    image = None
    for axis, layer in zip(axes[0], layers, strict=True):
        rows = live[live["layer"] == layer].sort_values("mean", ascending=False)
        axis.set_title(f"layer {layer}", fontsize=9)
        if rows.empty:
            axis.set_axis_off()
            continue
        axis.set_facecolor("0.85")
        image = axis.imshow(
            rows[attributes].to_numpy(),
            cmap="cividis",
            vmin=low,
            vmax=high,
            aspect="auto",
            interpolation="nearest",
        )
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
    figure.suptitle(f"{table['network'].iloc[0]}: what each feature keeps", fontsize=10)
    return figure
