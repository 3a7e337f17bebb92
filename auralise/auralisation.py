"""Deconvolved maps → sound, by the original's spectrum (Choi 2015, code)."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from auralise.audio import Stft, write_audio
from auralise.maps import Maps

MODES = ("mask", "rectified", "phase")
LOUDNESS = ("peak", "relative")

PEAK = 10 ** (-1 / 20)  # 1 dB of headroom


def masked_spectrum(spectrum: np.ndarray, maps: np.ndarray, mode: str = "mask") -> np.ndarray:
    """Spectra of what features listen to.

    Parameters
    ----------
    spectrum : ndarray, complex, shape (n_bins, n_frames)
        The song's.
    maps : ndarray, shape (n_features, n_bins, n_frames)
        Deconvolved maps D, signed.
    mode : {'mask', 'rectified', 'phase'}
        ``mask``: spectrum × D, as in 2015; a negative D turns the phase.
        ``rectified``: spectrum × max(D, 0).
        ``phase``: max(D, 0) with the phase of the spectrum.

    Returns
    -------
    ndarray, complex64, shape (n_features, n_bins, n_frames)
    """
    if mode == "mask":
        return spectrum * maps
    positive = np.maximum(maps, 0)
    if mode == "rectified":
        return spectrum * positive
    if mode == "phase":
        return np.exp(1j * np.angle(spectrum)).astype(np.complex64) * positive
    raise ValueError(f"mode must be one of {MODES}, got {mode!r}")


def auralise(
    spectrum: np.ndarray, maps: np.ndarray, stft: Stft, n_samples: int, mode: str = "mask"
) -> np.ndarray:
    """Sounds of what features listen to, at the scale of their maps.

    Parameters
    ----------
    spectrum, maps, mode
        As `masked_spectrum`.
    stft : Stft
        The transform that made `spectrum`.
    n_samples : int
        Length of the sounds (samples).

    Returns
    -------
    ndarray, float32, shape (n_features, n_samples)
    """
    return stft.synthesise(masked_spectrum(spectrum, maps, mode), n_samples)


def set_loudness(sounds: np.ndarray, original: np.ndarray, loudness: str = "peak") -> np.ndarray:
    """Bring the sounds of one layer to a level that can be listened to.

    Parameters
    ----------
    sounds : ndarray, shape (n_features, n_samples)
    original : ndarray, shape (n_samples,)
        What was explained.
    loudness : {'peak', 'relative'}
        ``peak``: every sound on its own to a peak of -1 dB, as in 2015.
        ``relative``: all sounds by one gain, so that the loudest has the original's RMS level
        and the others stay as much quieter as they are; the gain is lowered where a peak
        would pass -1 dB.

    Returns
    -------
    ndarray, float32, shape (n_features, n_samples)
        Silent sounds stay silent.
    """
    if loudness not in LOUDNESS:
        raise ValueError(f"loudness must be one of {LOUDNESS}, got {loudness!r}")
    peaks = np.abs(sounds).max(axis=-1, keepdims=True)
    # The levels of deep maps reach 1e-9, whose squares float32 would round away.
    levels = np.sqrt(np.mean(np.square(sounds, dtype=np.float64), axis=-1))
    if not levels.any():
        return np.zeros_like(sounds)
    if loudness == "peak":
        gains = np.divide(PEAK, peaks, out=np.zeros_like(peaks), where=peaks > 0)
    else:
        level = np.sqrt(np.mean(np.square(original, dtype=np.float64)))
        gains = min(level / levels.max(), PEAK / peaks.max())
    return (sounds * gains).astype(np.float32)


def write_auralisations(
    folder: str | Path, maps: Maps, mode: str = "mask", loudness: str = "peak"
) -> None:
    """Write the song's excerpt and the sound of every feature as 16-bit WAV.

    Parameters
    ----------
    folder : str or Path
        Gets ``original.wav`` and ``layer1/feature00.wav`` …; a feature that never fired has
        a silent file.
    maps : Maps
    mode, loudness : str
        As `masked_spectrum` and `set_loudness`.
    """
    folder = Path(folder)
    rate = maps.stft.sample_rate
    spectrum = maps.spectrum
    original = maps.stft.synthesise(spectrum, maps.n_samples)
    write_audio(folder / "original.wav", original, rate)
    for layer in tqdm(maps.layers, "auralise", unit="layer"):
        sounds = auralise(spectrum, maps.deconvolved(layer), maps.stft, maps.n_samples, mode)
        sounds = set_loudness(sounds, original, loudness)
        for feature, samples in zip(maps.features(layer), sounds, strict=True):
            write_audio(folder / sound_name(layer, feature), samples, rate)


def sound_name(layer: int, feature: int) -> str:
    """Name of a feature's sound in its song's folder; layers from 1, features from 0."""
    return f"layer{layer}/feature{feature:02d}.wav"
