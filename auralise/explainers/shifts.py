"""Is it the map, or would any map of its shape do? Maps are shifted, and the sounds given back.

A map that is shifted circularly in time and frequency keeps its values and their neighbourhood, and
is at the wrong place. Its sound, set to the original's RMS as the sounds of the re-hearing are,
should excite the feature less than that of the map as it is.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from auralise.auralisation import Expand, auralise, rms
from auralise.excerpts import Excerpt
from auralise.explainers.edges import activations, margin_of
from auralise.explainers.protocol import Explainer
from auralise.maps import Maps, scale_maps
from auralise.progress import tracked

N_FEATURES = 16  # of each layer, drawn by lot among the live ones
KEY = ["layer", "feature"]
PERCENTILES = ["shift_percentile", "shift_chance"]
TABLE = (*KEY, "n_shifts", *PERCENTILES)


def shift_circularly(deconvolved: np.ndarray, n_shifts: int, seed: int) -> np.ndarray:
    """A map ``(n_bins, n_frames)``, shifted `n_shifts` times by random bins and frames."""
    rng = np.random.default_rng(seed)
    steps = [rng.integers(1, max(2, size), n_shifts) for size in deconvolved.shape]
    return np.stack([np.roll(deconvolved, step, axis=(0, 1)) for step in zip(*steps, strict=True)])


def rehear_shifted(
    maps: Maps,
    explainer: Explainer,
    edges: str,
    n_shifts: int,
    mode: str = "mask",
    expand: Expand | None = None,
) -> pd.DataFrame:
    """Give the sounds of maps, and of the same maps at wrong places, back to the network.

    Parameters
    ----------
    maps : Maps
        Of a song that is explained in one window.
    explainer : Explainer
        That made the maps.
    edges : {'surroundings', 'reflect', 'zero'}
        As `auralise.excerpts.Excerpt` takes it.
    n_shifts : int
        Of each map.
    mode, expand
        As `auralise.auralisation.masked_spectrum` takes them.

    Returns
    -------
    DataFrame
        Columns `TABLE`, a row for each of `N_FEATURES` live features of every layer:
        ``shift_percentile`` is the share (%) of shifted maps whose sounds excite the feature less
        than the sound of its own map does, ties counted by half. A map that finds loud places makes
        sounds of another kind than one that does not, whatever the feature, so that chance is not
        50: ``shift_chance`` is the same share for the layer's other drawn features, on the same
        sounds. NaN where the own sound is silent, or there are no others.
    """
    spectrum, stft = maps.spectrum, maps.stft
    margin = margin_of(explainer, edges)
    level = float(rms(stft.synthesise(spectrum, maps.n_samples)))

    def excites(mask: np.ndarray, layer: int, features: np.ndarray) -> np.ndarray:
        """Mean activation of some features on the sound of a map; NaN if that is silent."""
        sound = auralise(spectrum, mask[None], stft, maps.n_samples, mode, expand)[0]
        own = float(rms(sound))
        if own == 0:
            return np.full(len(features), np.nan)
        excerpt = Excerpt((sound * (level / own)).astype(np.float32), 0, len(sound), edges)
        found = activations(explainer, excerpt, stft, margin)[layer][features]
        return found.reshape(len(features), -1).mean(axis=1)

    rows = []
    for layer in tracked(maps.layers, "re-hear shifted maps", unit="layers"):
        live = np.flatnonzero(maps.live(layer))
        drawn = np.sort(np.random.default_rng([0, layer]).permutation(live)[:N_FEATURES])
        features = maps.features(layer)[drawn]
        for place, (row, feature) in enumerate(zip(drawn, features, strict=True)):
            (own,) = maps.deconvolved(layer, slice(row, row + 1))
            wrong = shift_circularly(own, n_shifts, seed=1000 * layer + int(feature))
            masks = scale_maps(np.stack([own, *wrong]), maps.mask_scale)
            heard = np.stack([excites(mask, layer, features) for mask in masks])
            shares = _percentiles(heard)
            others = np.delete(shares, place)
            chance = float(others.mean()) if len(others) else np.nan
            rows.append((layer, int(feature), n_shifts, float(shares[place]), chance))
    return pd.DataFrame(rows, columns=list(TABLE))


def _percentiles(heard: np.ndarray) -> np.ndarray:
    """Share (%) of the rows below the first one, of each column; a silent sound excites nothing."""
    own, others = heard[0], np.nan_to_num(heard[1:])
    below = (others < own).mean(axis=0) + (others == own).mean(axis=0) / 2
    return np.where(np.isfinite(own), 100 * below, np.nan)


def add_shifts(certificates: pd.DataFrame, shifts: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Add to certificates how features fare against shifted maps.

    Parameters
    ----------
    certificates : DataFrame
        As `auralise.explainers.rehearing.certify` returns it.
    shifts : mapping of str to DataFrame
        By song, as `rehear_shifted` returns it.

    Returns
    -------
    DataFrame
        With the means of ``shift_percentile`` and ``shift_chance`` over the songs; missing for
        features that were not drawn.
    """
    means = pd.concat(shifts).groupby(KEY, as_index=False)[PERCENTILES].mean()
    return certificates.merge(means, "left", KEY, validate="one_to_one")


def say_shifts(certificates: pd.DataFrame) -> str:
    """How certified features, and the others, fare against shifted maps, in a sentence."""
    known = certificates[certificates["shift_percentile"].notna()]
    certified = known["certificate"].fillna(False).astype(bool)
    parts = [
        f"more than {rows['shift_percentile'].mean():.0f} % of shifted maps' for {len(rows)} "
        f"{words} features ({rows['shift_chance'].mean():.0f} % by chance)"
        for words, rows in (("certified", known[certified]), ("other", known[~certified]))
        if len(rows)
    ]
    return f"the own map's sound excites {', '.join(parts)}"
