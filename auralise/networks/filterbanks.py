"""Filterbanks of front ends: mel bands, a pseudo-CQT, a range of bins.

Arguments are a step's keys in a file; `stft`, `n_bins` (at this place) and `axis` (where the bins
lie) come from what stands before. Each raises a `NetworkError` for values that make no such step.
"""

import logging
import math
import warnings
from typing import Literal

import numpy as np

from auralise.errors import NetworkError
from auralise.mel import MelBands
from auralise.networks.front_end_steps import Filterbank, expect_positive
from auralise.stft import Stft

log = logging.getLogger(__name__)


def mel(
    stft: Stft,
    n_bands: int,
    scale: Literal["slaney", "htk"] = "slaney",
    norm: Literal["slaney", "none", None] = "slaney",
    fmin: float = 0.0,
    fmax: float | None = None,
    *,
    axis: int = -2,
) -> Filterbank:
    """Mel bands as ``librosa.filters.mel`` makes them.

    Parameters
    ----------
    stft : Stft
    n_bands : int
    scale : {'slaney', 'htk'}
        Formula of the mel scale.
    norm : {'slaney', 'none', None}
        ``slaney``: bands of equal area; else of equal height.
    fmin, fmax : float
        Where the lowest band begins and the highest ends (Hz); half the sample rate if None.
    """
    import librosa  # here, because it takes a second to load

    _expect_band(stft, n_bands, fmin, fmax)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Empty filters", UserWarning)
        matrix = librosa.filters.mel(
            sr=stft.sample_rate,
            n_fft=stft.n_fft,
            n_mels=n_bands,
            fmin=fmin,
            fmax=fmax,
            htk=scale == "htk",
            norm="slaney" if norm == "slaney" else None,
        )
    if n_empty := int((~matrix.any(axis=1)).sum()):
        log.warning("mel: %d of %d bands lie between two bins and stay silent", n_empty, n_bands)
    options = {"n_bands": n_bands, "scale": scale, "norm": norm, "fmin": fmin, "fmax": fmax}
    return Filterbank(matrix, {"mel": options}, axis)


def svdnet_mel(
    stft: Stft, n_bands: int = 80, fmin: float = 27.5, fmax: float = 8000.0, *, axis: int = -2
) -> Filterbank:
    """Mel bands, each of weight 1 in all, as SVDNet hears them (Schlüter & Grill 2015).

    Parameters
    ----------
    stft : Stft
    n_bands : int
    fmin, fmax : float
        Where the lowest band begins and the highest ends (Hz).
    """
    _expect_band(stft, n_bands, fmin, fmax)
    with np.errstate(invalid="ignore"):
        matrix = MelBands(n_bands, fmin, fmax).filterbank(stft.frequencies)
    if not np.isfinite(matrix).all():
        raise NetworkError(
            f"n_bands = {n_bands}: some bands lie between two bins; expected fewer bands, or a "
            f"larger n_fft than {stft.n_fft}"
        )
    options = {"n_bands": n_bands, "fmin": fmin, "fmax": fmax}
    return Filterbank(matrix, {"svdnet_mel": options}, axis)


def pseudo_cqt(
    stft: Stft,
    n_bands: int = 84,
    fmin: float = 32.70319566257483,
    bins_per_octave: int = 12,
    filter_scale: float = 1.0,
    norm: float | None = 1.0,
    sparsity: float = 0.01,
    *,
    axis: int = -2,
) -> Filterbank:
    """The filterbank of ``librosa.pseudo_cqt``, scaled as there; its options are librosa's.

    `fmin` is the centre of the lowest band (Hz), C1 by default.
    """
    import librosa

    if n_bands < 2 or bins_per_octave < 1:
        raise NetworkError(
            f"n_bands = {n_bands}, bins_per_octave = {bins_per_octave}: expected at least 2 and 1"
        )
    expect_positive(fmin=fmin, filter_scale=filter_scale)
    frequencies = librosa.cqt_frequencies(n_bands, fmin=fmin, bins_per_octave=bins_per_octave)
    try:
        filters, lengths = librosa.filters.wavelet(
            freqs=frequencies,
            sr=stft.sample_rate,
            filter_scale=filter_scale,
            norm=norm,
            pad_fft=True,
        )
    except librosa.ParameterError as error:
        raise NetworkError(f"librosa makes no such filters ({error})") from None
    n_fft = max(filters.shape[1], 2 ** (1 + math.ceil(math.log2(stft.hop_length))))
    if n_fft != stft.n_fft:
        raise NetworkError(f"librosa's filters need n_fft = {n_fft}, not {stft.n_fft}: set it so")
    filters *= lengths[:, None] / n_fft
    responses = np.fft.fft(filters, n=n_fft, axis=1)[:, : stft.n_bins]
    sparse = librosa.util.sparsify_rows(responses.astype(np.complex64), quantile=sparsity)
    matrix = np.abs(sparse.toarray()) / math.sqrt(n_fft)
    options = {
        "n_bands": n_bands,
        "fmin": fmin,
        "bins_per_octave": bins_per_octave,
        "filter_scale": filter_scale,
        "norm": norm,
        "sparsity": sparsity,
    }
    return Filterbank(matrix, {"pseudo_cqt": options}, axis)


def bins(n_bins: int, first: int = 0, stop: int | None = None, *, axis: int = -2) -> Filterbank:
    """Some of the bins, from `first` up to but not including `stop`."""
    end = n_bins if stop is None else stop
    if not 0 <= first < end <= n_bins:
        raise NetworkError(f"first = {first}, stop = {stop}: expected bins of 0 to {n_bins}")
    return Filterbank(np.eye(n_bins)[first:end], {"bins": {"first": first, "stop": stop}}, axis)


def _expect_band(stft: Stft, n_bands: int, fmin: float, fmax: float | None) -> None:
    half = stft.sample_rate / 2
    if n_bands < 1 or not 0 <= fmin < (half if fmax is None else fmax) <= half:
        raise NetworkError(
            f"n_bands = {n_bands}, fmin = {fmin:g}, fmax = {fmax}: expected at least one band and "
            f"0 ≤ fmin < fmax ≤ {half:g} Hz, half the sample rate"
        )
