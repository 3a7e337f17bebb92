"""Would an untrained network have it as well? A feature against those of untrained networks.

Untrained 3 × 3 kernels hold onset detectors: that a feature is one is a description, that training
made it one is another claim, with another test.
"""

import numpy as np

from auralise.dissection.naming import LOWEST
from auralise.statistics import ALPHA, adjust_p


def most_unusual(scores: np.ndarray, untrained: np.ndarray) -> np.ndarray:
    """The largest z of each feature over concepts.

    z = (score − median)/(99th percentile − median), both over untrained features.

    Parameters
    ----------
    scores : ndarray, shape (n_features, n_concepts)
        NaN for a feature that is dead, and for a concept that cannot be resolved.
    untrained : ndarray, shape (n_untrained, n_concepts)

    Returns
    -------
    ndarray, shape (n_features,)
        −∞ for dead features: they count lowest.

    Examples
    --------
    >>> import numpy as np
    >>> untrained = np.arange(101.0)[:, None]  # median 50, 99th percentile 99
    >>> most_unusual(np.array([[99.0], [148.0], [np.nan]]), untrained)
    array([  1.,   2., -inf])
    """
    filled = np.nan_to_num(untrained, nan=LOWEST)
    median, high = np.quantile(filled, [0.5, 0.99], axis=0)
    known = (high > median) & np.isfinite(untrained).any(axis=0)
    z = np.full(scores.shape, -np.inf)
    np.divide(scores - median, high - median, out=z, where=np.broadcast_to(known, scores.shape))
    return np.nan_to_num(z, nan=-np.inf, neginf=-np.inf).max(axis=1)


def learned(scores: np.ndarray, untrained: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """p and q of the claim that training made the features of a layer what they are.

    Parameters
    ----------
    scores : ndarray, shape (n_features, n_concepts)
        Of a trained network's layer; see `auralise.dissection.scores.fires`.
    untrained : ndarray, shape (n_networks, n_features, n_concepts)
        Of the same layer of untrained networks.

    Returns
    -------
    p, q : ndarray, shape (n_features,)
        p = (1 + k)/(N + 1), k of the N untrained features having a largest z as large; q, with
        the false-discovery rate controlled over the layer.
    """
    pooled = untrained.reshape(-1, untrained.shape[-1])
    own, others = most_unusual(scores, pooled), most_unusual(pooled, pooled)
    p = (1 + (others[None, :] >= own[:, None]).sum(axis=1)) / (len(others) + 1)
    return p, adjust_p(p)


def learned_by_chance(untrained: np.ndarray) -> np.ndarray:
    """Which features of each untrained network the others would have called learned.

    Parameters
    ----------
    untrained : ndarray, shape (n_networks, n_features, n_concepts)

    Returns
    -------
    ndarray of bool, shape (n_networks, n_features)
    """
    marks = [
        learned(untrained[network], np.delete(untrained, network, axis=0))[1] <= ALPHA
        for network in range(len(untrained))
    ]
    return np.array(marks)
