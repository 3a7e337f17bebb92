"""Trained networks against untrained ones of their architecture: the network is the unit."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from auralise.networks.names import INPUT, PERMUTED, is_control, variant_of
from auralise.statistics import judge, mean_and_spread

JUDGED = (
    *("mean", "spread", "other", "other_spread", "p", "q", "verdict"),
    *("n_networks_needed", "n_networks", "n_others"),
)


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
    parts = []
    for variant in dict.fromkeys(variants[judged]):
        own, untrained = (
            {
                key: _known(of)
                for key, of in table[variants == name].groupby(list(by), sort=False)[value]
            }
            for name in (variant, controls.get(variant))
        )
        samples = {key: (of, untrained.get(key, np.empty(0))) for key, of in own.items()}
        parts.append(judge_samples(samples, by).assign(variant=variant))
    found = pd.concat(parts or [judge_samples({}, by).assign(variant="")], ignore_index=True)
    names = {"mean": value, "other": f"{value}_untrained"}
    last = ["p", "q", "verdict", "n_networks_needed"]
    return found[["variant", *by, *names, *last]].rename(columns=names)


def judge_samples(
    samples: Mapping[tuple, tuple[np.ndarray, np.ndarray]], by: Sequence[str]
) -> pd.DataFrame:
    """Hold one number a network against that of other networks, for each of several keys.

    Parameters
    ----------
    samples : mapping of tuple to (ndarray, ndarray), each of shape (n_networks,)
        By key: the networks' own values, and the others'.
    by : sequence of str
        What the parts of a key are called.

    Returns
    -------
    DataFrame
        Columns `by` and `JUDGED`: means and standard deviations between networks, and the verdict
        of `auralise.statistics.judge` over all keys.
    """
    rows = [
        (*key, *mean_and_spread(own), *mean_and_spread(others), *found, len(own), len(others))
        for (key, (own, others)), found in zip(
            samples.items(), judge(samples.values()), strict=True
        )
    ]
    return pd.DataFrame(rows, columns=[*by, *JUDGED]).astype({"n_networks_needed": "Int64"})


def _known(values: pd.Series) -> np.ndarray:
    return values.dropna().to_numpy(np.float64)
