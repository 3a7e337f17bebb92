"""Trained networks against untrained ones of their architecture: the network is the unit."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from auralise.networks.names import INPUT, PERMUTED, is_control, variant_of
from auralise.statistics import judge


def compare_variants(
    table: pd.DataFrame, controls: Mapping[str, str], value: str, by: Sequence[str]
) -> pd.DataFrame:
    """Hold a number of the trained networks of each variant against that of the untrained ones.

    Parameters
    ----------
    table : DataFrame
        One row a network and key, with the columns ``network``, `value` and those of `by`. What
        is not known is NaN.
    controls : mapping of str to str
        The variant of the untrained networks of a variant's architecture, such as ``untrained``
        for ``square``. Of variants without any no more is known than their own numbers.
    value : str
    by : sequence of str
        What each test is about, such as layer and attribute.

    Returns
    -------
    DataFrame
        One row per variant and key: ``variant``, those of `by`; `value` and ``<value>_untrained``,
        means over networks; ``p`` of the exact two-sided permutation test over networks
        (`auralise.statistics.permutation_p`), ``q`` adjusted over those keys of the variant that
        have a value (Benjamini & Hochberg 1995); ``verdict``: 'higher', 'lower', 'not
        distinguishable' or, with too few networks for any outcome to give a verdict, 'unknown';
        ``n_networks_needed``: how many trained networks it takes beside the untrained ones that
        are there, or beside twice as many as trained ones.
    """
    variants = table["network"].map(variant_of)
    judged = ~variants.isin([PERMUTED, INPUT]) & ~variants.map(is_control)
    rows = []
    for variant in dict.fromkeys(variants[judged]):
        own = table[variants == variant].groupby(list(by), sort=False)[value]
        untrained = table[variants == controls.get(variant)].groupby(list(by), sort=False)[value]
        others = {key: _known(values) for key, values in untrained}
        samples = {key: (_known(values), others.get(key, np.empty(0))) for key, values in own}
        for key, found in zip(samples, judge(list(samples.values())), strict=True):
            means = [values.mean() if len(values) else np.nan for values in samples[key]]
            rows.append((variant, *key, *means, found.p, found.q, found.words, found.n_needed))
    names = ["variant", *by, value, f"{value}_untrained", "p", "q", "verdict", "n_networks_needed"]
    return pd.DataFrame(rows, columns=names).astype({"n_networks_needed": "Int64"})


def _known(values: pd.Series) -> np.ndarray:
    return values.dropna().to_numpy(np.float64)
