"""Figure of probes: what can be read from which layer."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from auralise.dissection.probes import CONCEPTS, GENRE
from auralise.figures.style import GREY, PAGE, in_house_style, new_figure
from auralise.statistics import HIGHER, LOWER

N_COLUMNS = 5


@in_house_style
def draw_probes(summary: pd.DataFrame) -> Figure:
    """Balanced accuracy by layer, trained beside untrained, the input and shuffled labels.

    Parameters
    ----------
    summary : DataFrame
        As `auralise.dissection.probes.compare_probes` returns it. Bars: standard deviation between
        networks; a square: the verdict is higher or lower.
    """
    known = list(dict.fromkeys(summary["label"]))
    labels = [name for name in (GENRE, CONCEPTS) if name in known]
    labels += [name for name in known if name not in labels]
    n_columns = min(N_COLUMNS, len(labels))
    n_rows = -(-len(labels) // n_columns)
    figure, axes = new_figure(
        n_rows,
        n_columns,
        figsize=(PAGE, 1.35 * n_rows + 0.7),
        sharex=True,
        squeeze=False,
    )
    variants = list(dict.fromkeys(summary["variant"]))
    palette = sns.color_palette("colorblind", len(variants))
    for axis, label in zip(axes.flat, labels, strict=False):
        of_label = summary[summary["label"] == label]
        for variant, colour in zip(variants, palette, strict=True):
            rows = of_label[of_label["variant"] == variant]
            for name, spread, how in (
                ("score", "spread", {"color": colour, "fmt": "o-", "label": variant}),
                ("untrained", "untrained_spread", {"color": GREY, "fmt": "s--"}),
            ):
                axis.errorbar(
                    rows["layer"], rows[name], rows[spread].fillna(0), markersize=2.5, linewidth=1,
                    elinewidth=0.6, **{"label": "untrained", **how},
                )  # fmt: skip
            axis.plot(
                rows["layer"],
                rows["permuted"],
                "-.",
                color=colour,
                alpha=0.5,
                lw=0.8,
                label="permuted labels",
            )
            axis.plot(rows["layer"], rows["input"], ":", color="0.1", lw=1, label="the input")
            axis.plot(
                rows["layer"], rows["shuffled"], "-", color="0.8", lw=1, label="shuffled labels"
            )
            found = rows[rows["verdict"].isin([HIGHER, LOWER])]
            axis.scatter(found["layer"], found["score"], s=24, marker="s", color=colour, zorder=3)
        axis.axhline(1 / of_label["n_classes"].iloc[0], color="0.6", linewidth=0.5, zorder=0)
        axis.set_title(label, size=7)
        axis.tick_params(labelsize=6)
        axis.set_xticks(sorted(summary["layer"].unique()))
        axis.set_ylim(0 if of_label["n_classes"].iloc[0] > 2 else 0.4, 1)
    for axis in axes.flat[len(labels) :]:
        axis.set_axis_off()
    for axis in axes.flat[max(0, len(labels) - n_columns) : len(labels)]:
        axis.tick_params(labelbottom=True)
        axis.set_xlabel("layer", size=7)
    figure.supylabel("balanced accuracy", size=8)
    handles, words = axes[0, 0].get_legend_handles_labels()
    unique = dict(zip(words, handles, strict=True))
    if summary["permuted"].isna().all():
        unique.pop("permuted labels")
    figure.legend(
        unique.values(), unique, loc="outside lower center", ncols=5, frameon=False, fontsize=7
    )
    sns.despine(figure)
    return figure
