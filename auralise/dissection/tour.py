"""The tour of 2015: its features, looked for among those that have passed the exam.

In 2015 eight features were named by ear (Choi et al., ISMIR late-breaking demo, and the author's
posts on it). Here each is the feature that scores best among those of that name, or there is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from auralise.auralisation import sound_name
from auralise.dissection.plants import (
    HEARD,
    KICK,
    ONSET,
    PUBLISHED_ONSET,
    PUBLISHED_SUPPRESSOR,
    Plant,
)
from auralise.features import AUDIBLE, audible

ANY_LAYER = range(1, 100)

TOUR = (
    *("role", "network", "layer", "feature", "name", "score", "q", "learned"),
    *("song", "responds", "level_db", "sound"),
)


@dataclass(frozen=True)
class Role:
    """A feature that 2015 showed.

    Attributes
    ----------
    what : str
    concepts : tuple of str
        The names that make a feature one; empty where it must have none.
    layers : range
        Where to look for it.
    song : str
        Of the demonstration songs the one on which it is heard best.
    plant : Plant, optional
        A feature that is one for sure. There is none of bass and melody: no kernel of 3 × 3 tells
        them from other sounds of the same register. The kick's is told by the score when to listen.
    """

    what: str
    concepts: tuple[str, ...] = ()
    layers: range = ANY_LAYER
    song: str = "uptempo_band"
    plant: Plant | None = None

    @property
    def planted(self) -> tuple[int, int] | None:
        """Layer and feature of its plant among those that are heard."""
        return next(
            (
                (layer, plants.index(self.plant))
                for layer, plants in HEARD.items()
                if self.plant in plants
            ),
            None,
        )


MELODY = ("melody", "fundamentals of the melody", "overtones of the melody")
PIANO, QUARTET, BAND = "bach_prelude_c", "ballad_quartet", "uptempo_band"
# In the order in which they are shown: one begins with what is told at once.
ROLES = (
    # 2015 had it in layer 2.
    Role("better onset detector", ("onsets",), ANY_LAYER[1:], PIANO, ONSET),
    Role("kick-drum selector", ("kick",), ANY_LAYER, BAND, KICK),
    Role("onset detector", ("onsets",), range(1, 2), PIANO, PUBLISHED_ONSET),
    Role("attack suppressor", ("sustained sound",), ANY_LAYER, PIANO, PUBLISHED_SUPPRESSOR),
    Role("bass-note selector", ("bass",), ANY_LAYER, QUARTET),
    Role("melody selector", MELODY, ANY_LAYER, QUARTET),
    Role("unknown of layer 4", (), range(4, 5), BAND),
    Role("unknown of layer 5", (), range(5, 6), BAND),
)


def find_example(role: Role, features: pd.DataFrame) -> pd.Series | None:
    """The feature that plays a role best, a row of `features`; None where there is none.

    It is the one whose name has the highest score among those that are heard on the role's song
    (on any, where that is not among the songs); of those without a name, the loudest that responds
    to every song.
    """
    there = features[features["layer"].isin(role.layers)]
    if role.concepts:
        there = there[there["name"].isin(role.concepts) & there["is_heard"]]
    else:
        there = there[(there["name"] == "") & there["responds"]]
    if there.empty:
        return None
    return there.loc[there["score" if role.concepts else "level_db"].idxmax()]


def list_tour(
    names: Mapping[str, pd.DataFrame],
    measured: Mapping[tuple[str, str], pd.DataFrame],
    floor: float = AUDIBLE,
) -> pd.DataFrame:
    """Who plays each role, network by network, on each song.

    Parameters
    ----------
    names : mapping of str to DataFrame
        By network, as in ``names.csv``.
    measured : mapping of (str, str) to DataFrame
        By network and song, as `auralise.auralisation.write_auralisations` returns it.
    floor : float
        The audibility floor (dB), as `auralise.features.audible` takes it: a feature that lets
        nearly nothing through may have a name, and is nobody's example.

    Returns
    -------
    DataFrame
        With the columns `TOUR`; ``feature`` and what follows from it are empty where a network has
        no such feature. ``sound`` is a path in the results.
    """
    rows = []
    for network, named in names.items():
        heard = {song: of for (whose, song), of in measured.items() if whose == network}
        together = pd.concat(heard.values()).groupby(["layer", "feature"], as_index=False)
        mean = together.agg(responds=("responds", "all"), level_db=("level_db", "mean"))
        features = named.merge(mean, on=["layer", "feature"])
        # Of the concept that came nearest to a name, which a feature without one does not have.
        own = ["score", "q", "learned"]
        features[own] = features[own].where(features["name"] != "")
        places = features.set_index(["layer", "feature"]).index
        is_loud = {
            song: places.isin(of[of["responds"] & audible(of, floor)].set_index(places.names).index)
            for song, of in heard.items()
        }
        on_any = np.any(list(is_loud.values()), axis=0)
        for role in ROLES:
            is_heard = is_loud.get(role.song, on_any)
            found = find_example(role, features.assign(is_heard=is_heard))
            for song, of in heard.items():
                row = {"role": role.what, "network": network, "song": song}
                if found is not None:
                    is_it = (of["layer"] == found["layer"]) & (of["feature"] == found["feature"])
                    sound = f"auralisation/{network}/{song}/"
                    sound += sound_name(int(found["layer"]), int(found["feature"]))
                    row = found.to_dict() | of[is_it].iloc[0].to_dict() | row | {"sound": sound}
                rows.append(row)
    table = pd.DataFrame(rows).reindex(columns=list(TOUR))
    return table.astype({"layer": "Int64", "feature": "Int64"}).fillna({"name": "", "sound": ""})
