"""Statistics that experiments share: bootstrap, effect size, permutation test, adjusted p."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

N_RESAMPLES = 2000
N_PERMUTATIONS = 9999
LEVEL = 0.95  # of every interval


def resample(sizes: Sequence[int], rng: int | np.random.Generator = 0) -> np.ndarray:
    """Draw units with replacement, many times, and count how often each is drawn.

    Any statistic that can be written with such counts as weights then has its bootstrap
    distribution by one product of arrays; `interval` reads the interval off it. Units that are
    not independent belong together in one group: groups are drawn first, then as many units from
    each as it has.

    Parameters
    ----------
    sizes : sequence of int
        Number of units in each group. ``[n]`` draws n units without groups.
    rng : int or numpy.random.Generator
        A seed. Equal seeds and sizes draw equally; pass one generator to two calls for samples
        that are independent of each other.

    Returns
    -------
    ndarray of int, shape (1 + N_RESAMPLES, n_units)
        Row 0 is the sample itself, every unit once. Units stand in the order of their groups.

    References
    ----------
    Efron 1979; for groups Davison & Hinkley 1997, section 3.8 (hierarchical data).
    """
    rng = np.random.default_rng(rng)
    drawn = rng.integers(len(sizes), size=(N_RESAMPLES, len(sizes)))
    counts = []
    for number, size in enumerate(sizes):
        resamples = np.nonzero(drawn == number)[0]
        units = rng.integers(size, size=(len(resamples), size))
        places = resamples[:, None] * size + units
        found = np.bincount(places.ravel(), minlength=N_RESAMPLES * size)
        counts.append(found.reshape(N_RESAMPLES, size))
    drawn_counts = np.hstack(counts)
    return np.vstack([np.ones_like(drawn_counts[:1]), drawn_counts])


def interval(values: np.ndarray) -> tuple[float, float]:
    """Bootstrap interval (percentiles) of a statistic.

    Parameters
    ----------
    values : ndarray, shape (1 + N_RESAMPLES,)
        The statistic for each row of `resample`; row 0, the sample itself, takes no part.
        Resamples for which it is NaN are left out.

    Returns
    -------
    low, high : float
        At `LEVEL`; NaN where the statistic is NaN throughout.
    """
    known = values[1:][~np.isnan(values[1:])]
    if not len(known):
        return np.nan, np.nan
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def cliffs_delta(values: np.ndarray, others: np.ndarray) -> float:
    """P(value > other) - P(value < other), from -1 to 1; NaN if either is empty.

    References
    ----------
    Cliff 1993, "Dominance statistics".
    """
    if not len(values) or not len(others):
        return np.nan
    u = stats.mannwhitneyu(values, others, method="asymptotic").statistic
    return float(2 * u / (len(values) * len(others)) - 1)


def permutation_p(values: np.ndarray, others: np.ndarray) -> float:
    """p of the two-sided permutation test for a difference of two means.

    Exact where there are at most `N_PERMUTATIONS` permutations, else (b + 1)/(n + 1); NaN for
    fewer than two values on either side.

    References
    ----------
    Phipson & Smyth 2010, "Permutation p-values should never be zero".
    """
    if min(len(values), len(others)) < 2:
        return np.nan

    def difference(a, b, axis):
        return a.mean(axis=axis) - b.mean(axis=axis)

    found = stats.permutation_test(
        (values, others),
        difference,
        vectorized=True,
        n_resamples=N_PERMUTATIONS,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


def smallest_p(n: int, n_others: int) -> float:
    """The smallest p that a two-sided permutation test of two samples of these sizes can give.

    NaN for fewer than two values on either side.
    """
    if min(n, n_others) < 2:
        return np.nan
    return 2 / math.comb(n + n_others, n)


def adjust_p(p: np.ndarray) -> np.ndarray:
    """p values with the false-discovery rate controlled (Benjamini & Hochberg 1995).

    A p that is NaN, of a test that could not be made, stays NaN and is not counted.
    """
    adjusted = np.full(len(p), np.nan)
    known = np.isfinite(p)
    if known.any():
        adjusted[known] = stats.false_discovery_control(p[known])
    return adjusted
