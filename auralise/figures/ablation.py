"""Figure of ablation: which class a name's features matter to."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from auralise.dissection.ablation import ACCURACY, FEATURE, UNNAMED
from auralise.figures.style import PAGE, in_house_style, new_figure

ROW, LEAST_ROWS = 0.16, 5  # inches


@in_house_style
def draw_ablation(table: pd.DataFrame) -> Figure:
    """Change of accuracy and of the classes' probabilities when a layer's features are off.

    Parameters
    ----------
    table : DataFrame
        Of one or more networks, as `auralise.dissection.ablation.ablate_features` returns it, with
        a column ``network``. A row for each name and for the unnamed features of a layer; a dot
        where the change is beyond those of random sets of features.
    """
    together = _together(table)
    networks = list(dict.fromkeys(table["network"]))
    n_rows = [
        max(LEAST_ROWS, together[together["network"] == name]["row"].nunique()) for name in networks
    ]
    figure, axes = new_figure(
        len(networks),
        1,
        figsize=(PAGE, 1.2 + sum(0.5 + ROW * n for n in n_rows)),
        squeeze=False,
        sharex=True,
        height_ratios=n_rows,
    )
    columns = list(dict.fromkeys(together["column"]))
    largest = 100 * float(together["change"].abs().max()) if len(together) else 1.0
    for axis, network in zip(axes[:, 0], networks, strict=True):
        rows = together[together["network"] == network]
        names = list(dict.fromkeys(rows["row"]))
        wide = rows.pivot(index="row", columns="column", values="change").loc[names, columns]
        image = axis.imshow(
            100 * wide.to_numpy(), cmap="RdBu", vmin=-largest, vmax=largest, aspect="auto"
        )
        found = rows[rows["beyond_random"].fillna(False)]
        places = [(columns.index(of.column), names.index(of.row)) for of in found.itertuples()]
        if places:
            axis.plot(*np.transpose(places), "o", color="black", markersize=2.5)
        axis.set_yticks(range(len(names)), names, size=6)
        axis.set_xticks(range(len(columns)), columns, size=7, rotation=45, ha="right")
        axis.tick_params(length=0)
        judged = rows[rows["beyond_random"].notna()]
        shares = judged["beyond_random"].astype(float).mean(), judged["by_chance"].mean()
        axis.set_title(
            f"{network}: beyond random features in {shares[0]:.0%} of the cells; these themselves "
            f"in {shares[1]:.0%}"
            if len(judged)
            else f"{network}: no random features to compare with",
            size=8,
        )
    figure.colorbar(image, ax=axes[:, 0], label="change (points)", shrink=0.6, aspect=30)
    return figure


def _together(table: pd.DataFrame) -> pd.DataFrame:
    """Names and unnamed features by layer; a name of one feature is that feature."""
    is_alone = (table["ablated"] == FEATURE) & (table["name"] != "")
    several = table[table["ablated"] != FEATURE]
    keys = ["network", "layer", "name"]
    known = pd.MultiIndex.from_frame(several[keys])
    alone = table[is_alone & ~pd.MultiIndex.from_frame(table[keys]).isin(known)]
    rows = pd.concat([alone, several]).sort_values(["layer", "name"], kind="stable")
    words = rows["name"].where(rows["ablated"] != UNNAMED, "unnamed")
    return rows.assign(
        row=rows["layer"].astype(str) + ": " + words + " (" + rows["n_features"].astype(str) + ")",
        column=rows["class"].where(rows["measure"] != ACCURACY, "accuracy"),
    )
