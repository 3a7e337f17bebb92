"""Statistics that experiments share: bootstrap, permutation test, adjusted p, verdicts."""

import itertools
import math
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

N_RESAMPLES = 2000
N_PERMUTATIONS = 9999
LEVEL = 0.95  # of every interval
ALPHA = 0.05  # false-discovery rate of every verdict

HIGHER, LOWER = "higher", "lower"
NOT_DISTINGUISHABLE, UNKNOWN = "not distinguishable", "unknown"


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


def with_interval(values: np.ndarray) -> tuple[float, float, float]:
    """A statistic with its bootstrap interval.

    Parameters
    ----------
    values : ndarray, shape (1 + N_RESAMPLES,)
        As `interval` takes it.

    Returns
    -------
    value, low, high : float
    """
    return float(values[0]), *interval(values)


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, element by element; NaN where the whole is not above zero.

    Examples
    --------
    >>> ratio(np.array([1.0, 0.0]), np.array([4.0, 0.0]))
    array([0.25,  nan])
    """
    part, whole = np.broadcast_arrays(part, whole)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def mean_of_known(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean of what is finite along an axis; NaN where nothing is.

    Examples
    --------
    >>> mean_of_known(np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan]]), axis=1)
    array([ 2., nan])
    """
    known = np.isfinite(values)
    return ratio(np.where(known, values, 0.0).sum(axis), known.sum(axis))


def mean_and_spread(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of a sample; NaN where it is too small for them."""
    mean = float(values.mean()) if len(values) else np.nan
    return mean, float(values.std(ddof=1)) if len(values) > 1 else np.nan


def permutation_p(values: np.ndarray, others: np.ndarray) -> float:
    """p of the two-sided permutation test for a difference of two means.

    Twice the smaller tail, at most 1. Exact where there are at most `N_PERMUTATIONS` splits (5
    against 10 values: 3,003), else (b + 1)/(n + 1); NaN for fewer than two values on either side.

    Parameters
    ----------
    values, others : ndarray, shape (any,)
        Of independent networks, or other units that may change sides.

    Examples
    --------
    >>> permutation_p(np.array([4.0, 5.0, 6.0]), np.array([1.0, 2.0, 3.0]))  # 2 of 20 splits
    0.1

    References
    ----------
    Phipson & Smyth 2010, "Permutation p-values should never be zero".
    """
    n, n_others = len(values), len(others)
    if min(n, n_others) < 2:
        return np.nan
    both = np.concatenate([values, others])
    # The sum of one side orders the splits as the difference of the means does.
    if is_exact := math.comb(n + n_others, n) <= N_PERMUTATIONS:
        sums = both[_splits(n, n_others)].sum(axis=1)
    else:
        order = np.random.default_rng(0).random((N_PERMUTATIONS, n + n_others)).argsort(axis=1)
        sums = both[order[:, :n]].sum(axis=1)
    rounding = 1e-12 * np.abs(both).sum()
    tails = [
        (np.count_nonzero(beyond) + (not is_exact)) / (len(sums) + (not is_exact))
        for beyond in (sums >= np.sum(values) - rounding, sums <= np.sum(values) + rounding)
    ]
    return float(min(1, 2 * min(tails)))


@lru_cache(maxsize=8)
def _splits(n: int, n_others: int) -> np.ndarray:
    """Every choice of n of n + n_others, shape ``(n_splits, n)``."""
    return np.array(list(itertools.combinations(range(n + n_others), n)))


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
    from scipy import stats  # takes half a second, for which sounds need not wait

    adjusted = np.full(len(p), np.nan)
    known = np.isfinite(p)
    if known.any():
        adjusted[known] = stats.false_discovery_control(p[known])
    return adjusted


def sample_needed(n_others: int, n_tests: int) -> int:
    """The smallest sample with which one test of a family can give a verdict.

    Parameters
    ----------
    n_others : int
        Values on the other side; twice as many as it takes, where there are fewer.
    n_tests : int
        Of the family.

    Examples
    --------
    >>> sample_needed(n_others=0, n_tests=20)
    5
    """
    n = 2
    while smallest_p(n, max(n_others, 2 * n)) * n_tests > ALPHA:
        n += 1
    return n


class Verdict(NamedTuple):
    """What a test says of two samples, as a row of a table has it.

    Attributes
    ----------
    p, q : float
        As `permutation_p` gives it, and adjusted over the family; NaN where there is no test.
    words : str
        `HIGHER` or `LOWER` where q is at most `ALPHA`, else `NOT_DISTINGUISHABLE`; `UNKNOWN`
        where the samples are too small for any outcome to give a verdict.
    n_needed : int or None
        As `sample_needed` gives it; None without a value to test.
    """

    p: float
    q: float
    words: str
    n_needed: int | None


def judge(samples: Collection[tuple[np.ndarray, np.ndarray]]) -> list[Verdict]:
    """Test a family of two samples each, with the false-discovery rate controlled over it.

    Parameters
    ----------
    samples : collection of (ndarray, ndarray)
        Independent values and those of the controls. A pair without a value on the first side is
        no test.

    Returns
    -------
    list of Verdict
        One for each pair.
    """
    n_tests = sum(len(values) > 0 for values, _ in samples)
    p = np.array([permutation_p(*pair) for pair in samples])
    verdicts = []
    for (values, others), of_one, q in zip(samples, p, adjust_p(p), strict=True):
        if not len(values):
            verdicts.append(Verdict(np.nan, np.nan, UNKNOWN, None))
            continue
        needed = sample_needed(len(others), n_tests)
        least = smallest_p(len(values), len(others)) * n_tests
        if not least <= ALPHA:
            words = UNKNOWN
        elif q > ALPHA:
            words = NOT_DISTINGUISHABLE
        else:
            words = HIGHER if np.mean(values) > np.mean(others) else LOWER
        verdicts.append(Verdict(float(of_one), float(q), words, needed))
    return verdicts
