"""What a layer lets through: noise or tones, lines or textures, short or long.

"Deep layers capture textures, not shapes" (Choi, Fazekas & Sandler 2016), in three numbers for
each feature. They are measured on the power of what is let through, |map|²·|X|², down to `RANGE_DB`
below its peak.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd
from scipy import ndimage

from auralise.excerpts import Excerpt
from auralise.explainers.edges import Section, margin_of
from auralise.explainers.protocol import Explainer
from auralise.networks.comparison import compare_variants
from auralise.networks.names import INPUT
from auralise.statistics import mean_of_known, ratio
from auralise.stft import Stft

RANGE_DB = 60.0
SOUNDING_DB = 20.0  # below the peak of a feature's power, what it lets through counts as sounding
SMOOTHING = 2.0  # standard deviation (bins, frames) of the structure tensor's window
SIZE = 2**22  # values that are measured at a time

MEASURES = ("flatness", "coherence", "duration")
LAYERS = ("network", "layer", *MEASURES, "n_features", "n_live")


def flatness(power: np.ndarray) -> np.ndarray:
    """Spectral flatness: geometric over arithmetic mean of the bins, averaged over frames
    by their energy.

    Parameters
    ----------
    power : ndarray, shape (n_features, n_bins, n_frames)

    Returns
    -------
    ndarray, shape (n_features,)
        1 for a flat spectrum, near 0 for a single tone; NaN for silence.

    Examples
    --------
    >>> import numpy as np
    >>> flatness(np.ones((1, 4, 1)))
    array([1.])
    """
    floored = _floored(power)
    mean = floored.mean(axis=1)
    flat = np.divide(np.exp(np.log(floored).mean(axis=1)), mean, out=np.ones_like(mean))
    return _weighted(flat, power.sum(axis=1))


def coherence(power: np.ndarray) -> np.ndarray:
    """Coherence of the structure tensor of the level (dB), averaged over places by their gradient.

    ((λ₁ − λ₂)/(λ₁ + λ₂))² of its eigenvalues: whether what is let through has, at each place, one
    direction.

    Parameters
    ----------
    power : ndarray, shape (n_features, n_bins, n_frames)

    Returns
    -------
    ndarray, shape (n_features,)
        1 for parallel lines, whichever way they run; near 0 for a texture without direction; NaN
        where nothing changes.

    References
    ----------
    Bigün & Granlund 1987; Weickert 1999, "Coherence-enhancing diffusion filtering", section 2.
    """
    level = np.log(_floored(power))
    by_bin, by_frame = np.gradient(level, axis=(1, 2))
    sigma = (0, SMOOTHING, SMOOTHING)
    bins, frames, both = (
        ndimage.gaussian_filter(product, sigma, truncate=2)
        for product in (by_bin**2, by_frame**2, by_bin * by_frame)
    )
    trace = bins + frames
    difference = np.square(bins - frames) + 4 * np.square(both)
    found = np.divide(difference, trace**2, out=np.zeros_like(trace), where=trace > 0)
    return _weighted(found, trace)


def duration(power: np.ndarray, hop: float) -> np.ndarray:
    """How long a bin sounds at a stretch (s), averaged over bins and frames by their energy.

    Parameters
    ----------
    power : ndarray, shape (n_features, n_bins, n_frames)
    hop : float
        From one frame to the next (s).

    Returns
    -------
    ndarray, shape (n_features,)
        NaN for silence.

    Examples
    --------
    >>> import numpy as np
    >>> duration(np.array([[[0.0, 1.0, 1.0, 1.0, 0.0, 1.0]]]), hop=0.5)  # three frames, and one
    array([1.25])
    """
    peak = power.max(axis=(1, 2), keepdims=True)
    sounding = (power > 0) & (power >= 10 ** (-SOUNDING_DB / 10) * peak)
    lengths = _run_lengths(sounding) + _run_lengths(sounding[..., ::-1])[..., ::-1] - 1
    return hop * _weighted(lengths, np.where(sounding, power, 0))


def _run_lengths(on: np.ndarray) -> np.ndarray:
    """Of frames that are on, for how many it has been so, this one included."""
    found = np.zeros(on.shape, np.float32)
    found[..., 0] = on[..., 0]
    for frame in range(1, on.shape[-1]):
        found[..., frame] = (found[..., frame - 1] + 1) * on[..., frame]
    return found


def _floored(power: np.ndarray) -> np.ndarray:
    peak = power.max(axis=(1, 2), keepdims=True)
    return np.maximum(power, np.where(peak > 0, peak, 1) * 10 ** (-RANGE_DB / 10))


def _weighted(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of each feature; NaN where all weights are zero."""
    flat = weights.reshape(len(weights), -1).astype(np.float64)
    sums = np.einsum("fn,fn->f", values.reshape(len(values), -1), flat)
    return ratio(sums, flat.sum(axis=1))


def measure_power(power: np.ndarray, hop: float) -> np.ndarray:
    """`MEASURES` of each feature, shape ``(n_measures, n_features)``."""
    return np.stack([flatness(power), coherence(power), duration(power, hop)])


def measure_layers(
    network: str, explainer: Explainer, songs: Iterable[Excerpt], stft: Stft
) -> pd.DataFrame:
    """What each layer of a network lets through of songs; of the maps nothing is kept.

    Returns
    -------
    DataFrame
        One row a layer with the columns `LAYERS`: means over songs and then over those of the
        ``n_features`` that let anything through, ``n_live`` of them. First, as layer 0 of a
        network called ``input``, the songs themselves.
    """
    hop = stft.hop_length / stft.sample_rate
    found: list[list[np.ndarray]] = [[] for _ in (0, *explainer.n_features)]
    for song in songs:
        n_frames, margin = stft.n_frames(song.n_samples), margin_of(explainer, song.edges)
        part = Section.of(song, stft, 0, n_frames, margin, margin)
        magnitude = part.magnitude
        found[0].append(measure_power(np.square(magnitude[None, :, part.inside]), hop))
        scaled = magnitude * explainer.mask_scale(len(magnitude))[:, None]
        for layer, maps in explainer.deconvolve_all(magnitude):
            heard = (maps * scaled)[..., part.inside]
            pieces = [measure_power(np.square(some), hop) for some in _pieces(heard)]
            found[layer].append(np.hstack(pieces))
    rows = []
    for layer, songs_of_layer in enumerate(found):
        of_features = mean_of_known(np.stack(songs_of_layer), axis=0)
        n_live = int(np.isfinite(of_features[0]).sum())
        means = mean_of_known(of_features, axis=1)
        rows.append((network if layer else INPUT, layer, *means, of_features.shape[1], n_live))
    return pd.DataFrame(rows, columns=list(LAYERS))


def _pieces(maps: np.ndarray) -> Iterator[np.ndarray]:
    at_once = max(1, SIZE // maps[0].size)
    for first in range(0, len(maps), at_once):
        yield maps[first : first + at_once]


def compare_layers(
    tables: Iterable[pd.DataFrame], controls: Mapping[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Layers of all networks, and trained networks against untrained ones.

    Parameters
    ----------
    tables : iterable of DataFrame
        As `measure_layers` returns them.
    controls : mapping of str to str
        As `auralise.networks.comparison.compare_variants` takes it.

    Returns
    -------
    layers : DataFrame
        With the columns `LAYERS`, the songs themselves once for each transform.
    comparison : DataFrame
        Of each variant, layer and measure, as `compare_variants` returns it.
    """
    layers = pd.concat(tables, ignore_index=True).drop_duplicates(ignore_index=True)
    layers = layers.sort_values("layer", kind="stable", key=lambda layer: layer > 0)
    long = layers.melt(["network", "layer"], MEASURES, "measure", "mean")
    comparison = compare_variants(long, controls, "mean", ("layer", "measure"))
    return layers.reset_index(drop=True), comparison.sort_values(
        ["variant", "layer"], kind="stable", ignore_index=True
    )
