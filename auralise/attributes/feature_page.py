"""A page of all features with their correlations, names and sounds."""

import html
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import pandas as pd

from auralise.auralisation import sound_name


def link_sounds(
    features: pd.DataFrame,
    songs: Sequence[str],
    layers: Sequence[int] | None,
    chosen: Sequence[int] | None,
) -> pd.DataFrame:
    """Add where each feature's sounds are, relative to the experiment's folder.

    Parameters
    ----------
    features : DataFrame
        As `auralise.attributes.comparison.name_features` returns it.
    songs : sequence of str
        A column ``sound of <song>`` each.
    layers, chosen : sequence of int, optional
        Layers and features that are auralised; all by default. The others' columns are empty.
    """
    has_sound = pd.Series(True, index=features.index)
    if layers is not None:
        has_sound &= features["layer"].isin(list(layers))
    if chosen is not None:
        has_sound &= features["feature"].isin(list(chosen))
    columns = {
        f"sound of {song}": [
            f"auralisation/{row.network}/{song}/{sound_name(row.layer, row.feature)}" if has else ""
            for row, has in zip(features.itertuples(), has_sound, strict=True)
        ]
        for song in songs
    }
    return features.assign(**columns)


def write_feature_page(features: pd.DataFrame, songs: Sequence[str]) -> str:
    """A page with a table of all live features, those with a name first, each with its sounds.

    Parameters
    ----------
    features : DataFrame
        As `link_sounds` returns it.
    songs : sequence of str

    Returns
    -------
    str
        HTML, to lie in ``attributes/`` of the experiment's folder.
    """
    shown = features[features["live"]]
    has_name = shown["name"].str.contains("-", na=False)
    shown = pd.concat([shown[has_name], shown[~has_name]])
    table = shown.drop(columns=["live", *(f"sound of {song}" for song in songs)])
    for song in songs:
        table[html.escape(song)] = [
            _links(row, song, path)
            for row, path in zip(
                shown.to_dict("records"), shown[f"sound of {song}"].fillna(""), strict=True
            )
        ]
    table["name"] = table["name"].fillna("").map(html.escape)
    body = table.to_html(index=False, escape=False, border=0, float_format="{:z.2f}".format)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Features by attribute</title>
<style>
body {{ font: 15px/1.4 system-ui, sans-serif; margin: 2em; }}
td, th {{ padding: 0.1em 0.8em 0.1em 0; text-align: left; white-space: nowrap; }}
thead th {{ position: sticky; top: 4em; background: Canvas; }}
iframe {{ position: sticky; top: 0; width: 100%; height: 4em; border: 0; background: Canvas; }}
:root {{ color-scheme: light dark; }}
</style>
<h1>Features by attribute</h1>
<p>Mean correlation when one attribute alone changes. Invariant: above the 95th percentile of
the untrained features of the layer; sensitive: below the 5th. <i>hear</i> plays a sound here,
<i>see</i> leads to the listening page.</p>
<iframe name="player" title="player" allow="autoplay"></iframe>
{body}
</html>
"""


def _links(row: Mapping, song: str, path: str) -> str:
    if not path:
        return ""
    place = "/".join(quote(str(row[name]), safe="") for name in ("layer", "feature"))
    address = f"{quote(row['network'], safe='')}/{quote(song, safe='')}/{place}"
    return (
        f'<a href="../{quote(path)}" target="player">hear</a> '
        f'<a href="../listening/index.html#{address}">see</a>'
    )
