"""Deconvolved maps → sound, by the original's spectrum (Choi 2015, code)."""

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from auralise.audio import Stft, create_audio, write_audio
from auralise.choices import LOUDNESS, MODES
from auralise.errors import AudioError, SettingsError
from auralise.files import whole_file
from auralise.maps import Maps

log = logging.getLogger(__name__)

RECORD = "auralisation.json"  # beside the sounds
FORMAT = "auralise-sound/1"

FEATURES_AT_ONCE = 256  # files open at a time; many systems allow 1024

PEAK = 10 ** (-1 / 20)  # 1 dB of headroom


@dataclass(frozen=True)
class Auralisation:
    """How a folder of sounds was made.

    Attributes
    ----------
    mode : {'mask', 'rectified', 'phase'}
        As in `masked_spectrum`.
    loudness : {'peak', 'relative'}
        As in `set_loudness`.
    """

    mode: str
    loudness: str


AS_IN_2015 = Auralisation("mask", "peak")


def masked_spectrum(spectrum: np.ndarray, maps: np.ndarray, mode: str = "mask") -> np.ndarray:
    """Spectra of what features listen to.

    Parameters
    ----------
    spectrum : ndarray, complex, shape (n_bins, n_frames)
        The song's.
    maps : ndarray, shape (n_features, n_bins, n_frames)
        Deconvolved maps D, signed, times `auralise.maps.Maps.mask_scale`.
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
    peaks = np.abs(sounds).max(axis=-1)
    gains = loudness_gains(peaks, _levels(sounds), float(_levels(original)), loudness)
    return (sounds * gains[:, None]).astype(np.float32)


def loudness_gains(
    peaks: np.ndarray, levels: np.ndarray, original_level: float, loudness: str = "peak"
) -> np.ndarray:
    """Gains by which `set_loudness` multiplies the sounds of one layer.

    Parameters
    ----------
    peaks, levels : ndarray, shape (n_features,)
        Largest absolute value and RMS of each sound.
    original_level : float
        RMS of what was explained.
    loudness : {'peak', 'relative'}

    Returns
    -------
    ndarray, shape (n_features,)
    """
    if loudness not in LOUDNESS:
        raise ValueError(f"loudness must be one of {LOUDNESS}, got {loudness!r}")
    if not levels.any():
        return np.zeros_like(peaks)
    if loudness == "peak":
        return np.divide(PEAK, peaks, out=np.zeros_like(peaks), where=peaks > 0)
    return np.full(len(levels), min(original_level / levels.max(), PEAK / peaks.max()))


def _levels(sounds: np.ndarray) -> np.ndarray:
    # The levels of deep maps reach 1e-9, whose squares float32 would round away.
    return np.sqrt(np.mean(np.square(sounds, dtype=np.float64), axis=-1))


def write_auralisations(
    folder: str | Path, maps: Maps, auralisation: Auralisation = AS_IN_2015
) -> None:
    """Write the song's excerpt and the sound of every feature as 16-bit WAV.

    Parameters
    ----------
    folder : str or Path
        Gets ``original.wav`` and ``layer1/feature00.wav`` …; a feature that never fired has
        a silent file. ``auralisation.json`` records `auralisation` for `read_auralisation`.
    maps : Maps
    auralisation : Auralisation

    Raises
    ------
    SettingsError
        With the mode ``phase``, the network does not hear the STFT's bins as they are.
    """
    folder, mode, loudness = Path(folder), auralisation.mode, auralisation.loudness
    if mode == "phase" and (maps.mask_scale != 1).any():
        raise SettingsError(
            f"mode: phase takes a map for a magnitude, but the maps of {maps.file.filename} went "
            "back through a filterbank or normalisation, which keeps none; choose mask or rectified"
        )
    _tell_what_is_silent(maps)
    with whole_file(folder / RECORD) as path:
        path.write_text(json.dumps(asdict(auralisation), indent=2) + "\n", encoding="utf-8")
    if maps.frames_at_once < maps.n_frames:
        return _write_block_by_block(folder, maps, auralisation)
    rate, facts = maps.stft.sample_rate, _facts(maps, auralisation)
    spectrum = maps.spectrum
    original = maps.stft.synthesise(spectrum, maps.n_samples)
    write_audio(folder / "original.wav", original, rate, facts)
    for layer in tqdm(maps.layers, "auralise", unit="layer"):
        sounds = auralise(spectrum, maps.masks(layer), maps.stft, maps.n_samples, mode)
        sounds = set_loudness(sounds, original, loudness)
        for feature, samples in zip(maps.features(layer), sounds, strict=True):
            own = facts | {"layer": layer, "feature": int(feature)}
            write_audio(folder / sound_name(layer, feature), samples, rate, own)


def read_auralisation(folder: str | Path) -> Auralisation:
    """How the sounds in a folder were made.

    Raises
    ------
    AudioError
        `write_auralisations` did not write the folder.
    """
    path = Path(folder) / RECORD
    try:
        return Auralisation(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise AudioError(
            f"{path}: does not say how the sounds beside it were made ({error}); auralise the song "
            "again"
        ) from None


def _tell_what_is_silent(maps: Maps) -> None:
    silent = maps.mask_scale == 0
    if not silent.any():
        return
    energies = sum(
        np.square(np.abs(maps.spectrum_of(frames)), dtype=np.float64).sum(axis=1)
        for frames in _blocks(maps)
    )
    log.warning(
        "%s: %d of %d bins are in no band of the network's front end, so they are silent; they "
        "hold %.2g %% of the song's energy",
        maps.origin.song,
        silent.sum(),
        len(silent),
        100 * energies[silent].sum() / energies.sum(),
    )


def _facts(maps: Maps, auralisation: Auralisation) -> dict:
    """How the sounds of a song came to be, for a sound that is found alone."""
    origin = maps.origin
    return {
        "format": FORMAT,
        "song": origin.song,
        "song_sha256": origin.song_sha256,
        "network": origin.network,
        "weights_sha256": origin.weights_sha256,
        "sample_rate": maps.stft.sample_rate,
        "n_fft": maps.stft.n_fft,
        "hop_length": maps.stft.hop_length,
        "auralisation": asdict(auralisation),
        "config": dict(origin.config),
        "versions": maps.versions,
    }


def _write_block_by_block(folder: Path, maps: Maps, auralisation: Auralisation) -> None:
    """As `write_auralisations`, with no more in memory than a block of one layer's features.

    Everything is read twice, because a gain is known only at the end of the song.
    """
    mode, loudness = auralisation.mode, auralisation.loudness
    rate, facts = maps.stft.sample_rate, _facts(maps, auralisation)
    with create_audio(folder / "original.wav", rate, facts) as file:
        energy = 0.0
        for block in _original_blocks(maps):
            file.write(block)
            energy += np.square(block, dtype=np.float64).sum()
    level = float(np.sqrt(energy / maps.n_samples))
    for layer in tqdm(maps.layers, "auralise", unit="layer"):
        features = maps.features(layer)
        batches = [
            slice(first, first + FEATURES_AT_ONCE)
            for first in range(0, len(features), FEATURES_AT_ONCE)
        ]
        measured = [_peaks_and_levels(maps, layer, rows, mode) for rows in batches]
        peaks, levels = (np.concatenate(values) for values in zip(*measured, strict=True))
        gains = loudness_gains(peaks, levels, level, loudness)
        for rows in batches:
            with ExitStack() as stack:
                files = [
                    stack.enter_context(
                        create_audio(
                            folder / sound_name(layer, feature),
                            rate,
                            facts | {"layer": layer, "feature": int(feature)},
                        )
                    )
                    for feature in features[rows]
                ]
                for sounds in _sound_blocks(maps, layer, rows, mode):
                    scaled = (sounds * gains[rows, None]).astype(np.float32)
                    for file, samples in zip(files, scaled, strict=True):
                        file.write(samples)


def _blocks(maps: Maps) -> Iterator[slice]:
    """Frames that are stored together."""
    for first in range(0, maps.n_frames, maps.frames_at_once):
        yield slice(first, min(first + maps.frames_at_once, maps.n_frames))


def _original_blocks(maps: Maps) -> Iterator[np.ndarray]:
    spectra = (maps.spectrum_of(frames) for frames in _blocks(maps))
    return maps.stft.synthesise_blocks(spectra, maps.n_samples)


def _sound_blocks(maps: Maps, layer: int, rows: slice, mode: str) -> Iterator[np.ndarray]:
    spectra = (
        masked_spectrum(maps.spectrum_of(frames), maps.masks(layer, rows, frames), mode)
        for frames in _blocks(maps)
    )
    return maps.stft.synthesise_blocks(spectra, maps.n_samples)


def _peaks_and_levels(
    maps: Maps, layer: int, rows: slice, mode: str
) -> tuple[np.ndarray, np.ndarray]:
    peaks, energies = np.float32(0), np.float64(0)
    for sounds in _sound_blocks(maps, layer, rows, mode):
        peaks = np.maximum(peaks, np.abs(sounds).max(axis=-1))
        energies = energies + np.square(sounds, dtype=np.float64).sum(axis=-1)
    return np.asarray(peaks), np.sqrt(energies / maps.n_samples)


def sound_name(layer: int, feature: int) -> str:
    """Name of a feature's sound in its song's folder; layers from 1, features from 0."""
    return f"layer{layer}/feature{feature:02d}.wav"
