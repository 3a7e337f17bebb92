"""Deconvolved maps → sound, by the original's spectrum (Choi 2015, code)."""

import functools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from auralise.audio import create_audio, warn_of_clipping
from auralise.choices import LOUDNESS, MODES
from auralise.errors import AudioError, SettingsError
from auralise.features import relative_levels
from auralise.files import read_json, write_json
from auralise.maps import Maps
from auralise.progress import tracked
from auralise.statistics import ratio
from auralise.stft import Stft

log = logging.getLogger(__name__)

RECORD = "auralisation.json"  # beside the sounds
FORMAT = "auralise-sound/1"

FEATURES_AT_ONCE = 128  # files open at a time; some systems allow 256

PEAK = 10 ** (-1 / 20)  # 1 dB of headroom
FULL_SCALE = 1 - 2.0**-15  # the largest value of 16-bit sound

QUIET = 1e-3  # -60 dB of the song's largest bin: what lies below is not heard


@dataclass(frozen=True)
class Auralisation:
    """How a folder of sounds was made.

    Attributes
    ----------
    mode : {'mask', 'magnitude', 'rectified', 'phase'}
        As in `masked_spectrum`.
    loudness : {'peak', 'full_scale', 'relative'}
        As in `set_loudness`.
    """

    mode: str
    loudness: str


USUAL = Auralisation(MODES[0], LOUDNESS[0])
AS_IN_2015 = Auralisation("mask", "full_scale")


Expand = Callable[[np.ndarray], np.ndarray]  # of compressed magnitudes, to magnitudes


def masked_spectrum(
    spectrum: np.ndarray, maps: np.ndarray, mode: str = "mask", expand: Expand | None = None
) -> np.ndarray:
    """Multiply the song's spectrum by the features' maps.

    Parameters
    ----------
    spectrum : ndarray, complex, shape (n_bins, n_frames)
        The song's.
    maps : ndarray, shape (n_features, n_bins, n_frames)
        Deconvolved maps D, signed, times `auralise.maps.Maps.mask_scale`.
    mode : {'mask', 'magnitude', 'rectified', 'phase'}
        ``mask``: spectrum × D, as in 2015; a negative D turns the phase.
        ``magnitude``: spectrum × abs(D).
        ``rectified``: spectrum × max(D, 0).
        ``phase``: max(D, 0), expanded, with the phase of the spectrum.
    expand : callable, optional
        Takes back the compression of the magnitude that the network hears, if there is one.

    Returns
    -------
    ndarray, complex64, shape (n_features, n_bins, n_frames)

    Raises
    ------
    ValueError
        There is no such mode.

    References
    ----------
    Choi et al. 2015 (code), for ``mask``.

    Examples
    --------
    >>> spectrum = np.array([[1 + 1j, 2j]], np.complex64)  # one bin, two frames
    >>> maps = np.array([[[0.5, -0.5]]], np.float32)  # of one feature
    >>> masked_spectrum(spectrum, maps).tolist()
    [[[(0.5+0.5j), (-0-1j)]]]
    >>> masked_spectrum(spectrum, maps, "rectified").tolist()
    [[[(0.5+0.5j), 0j]]]
    """
    if mode == "mask":
        return spectrum * maps
    if mode == "magnitude":
        return spectrum * np.abs(maps)
    positive = np.maximum(maps, 0)
    if mode == "rectified":
        return spectrum * positive
    if mode == "phase":
        magnitude = positive if expand is None else expand(positive)
        return np.exp(1j * np.angle(spectrum)).astype(np.complex64) * magnitude
    raise ValueError(f"mode must be one of {MODES}, got {mode!r}")


def expansion(
    maps: Maps,
    mode: str,
    undo: Callable[[Sequence[Mapping], np.ndarray], np.ndarray] | None = None,
) -> Expand | None:
    """The `expand` of `masked_spectrum` for these maps; None where nothing is compressed.

    Parameters
    ----------
    maps : Maps
    mode : str
        As in `masked_spectrum`; all but ``phase`` need nothing.
    undo : callable, optional
        `auralise.networks.front_ends.undo`.

    Returns
    -------
    callable, or None

    Raises
    ------
    SettingsError
        The mode is ``phase``, and the network hears neither the STFT's bins nor compressions of
        them.
    ValueError
        `undo` is missing where it is needed.
    """
    compression = maps.compression if mode == "phase" else []
    if compression is None:
        raise SettingsError(
            f"mode: phase takes a map for a magnitude, but the maps of {maps.file.filename} went "
            "back through a filterbank or normalisation, which keeps none; choose mask or rectified"
        )
    if not compression:
        return None
    if undo is None:
        raise ValueError(f"mode phase takes {compression} back and needs undo")
    return functools.partial(undo, compression)


def auralise(
    spectrum: np.ndarray,
    maps: np.ndarray,
    stft: Stft,
    n_samples: int,
    mode: str = "mask",
    expand: Expand | None = None,
) -> np.ndarray:
    """Turn the features' maps into sounds, at the scale of the maps.

    Parameters
    ----------
    spectrum, maps, mode, expand
        As `masked_spectrum`.
    stft : Stft
        The transform that made `spectrum`.
    n_samples : int
        Length of the sounds (samples).

    Returns
    -------
    ndarray, float32, shape (n_features, n_samples)

    Raises
    ------
    ValueError
        There is no such mode.

    Examples
    --------
    >>> stft = Stft()
    >>> song = np.sin(2 * np.pi * 440 * np.arange(11025) / 11025)
    >>> maps = np.zeros((1, 257, 44), np.float32)
    >>> maps[:, :, 22:] = 1  # a feature that lets the second half through
    >>> sound = auralise(stft.analyse(song), maps, stft, len(song))[0]
    >>> bool(np.abs(sound[:5000]).max() < 1e-6), round(float(np.abs(sound[7000:]).max()), 2)
    (True, 1.0)
    """
    return stft.synthesise(masked_spectrum(spectrum, maps, mode, expand), n_samples)


def set_loudness(sounds: np.ndarray, original: np.ndarray, loudness: str = "peak") -> np.ndarray:
    """Bring the sounds of one layer to a level that can be listened to.

    Parameters
    ----------
    sounds : ndarray, shape (n_features, n_samples)
    original : ndarray, shape (n_samples,)
        What was explained.
    loudness : {'peak', 'full_scale', 'relative'}
        ``peak``: every sound on its own to a peak of -1 dB.
        ``full_scale``: to a peak of 0 dB, as in 2015.
        ``relative``: all sounds by one gain, so that the loudest has the original's RMS level
        and the others stay as much quieter as they are; the gain is lowered where a peak
        would pass -1 dB.

    Returns
    -------
    ndarray, float32, shape (n_features, n_samples)
        Silent sounds stay silent.

    Raises
    ------
    ValueError
        There is no such loudness.

    Examples
    --------
    >>> original = np.array([0.5, -0.5])
    >>> sounds = np.array([[0.01, -0.01], [0.001, -0.001]])
    >>> print(set_loudness(sounds, original).round(2))  # each to -1 dB
    [[ 0.89 -0.89]
     [ 0.89 -0.89]]
    >>> print(set_loudness(sounds, original, "relative").round(2))
    [[ 0.5  -0.5 ]
     [ 0.05 -0.05]]
    """
    peaks = np.abs(sounds).max(axis=-1)
    gains = loudness_gains(peaks, rms(sounds), float(rms(original)), loudness)
    return (sounds * gains[:, None]).astype(np.float32)


def loudness_gains(
    peaks: np.ndarray, levels: np.ndarray, original_level: float, loudness: str = "peak"
) -> np.ndarray:
    """Gains of the sounds of one layer, shape ``(n_features,)``, as `set_loudness` describes them.

    `peaks` and `levels` are the largest absolute value and the RMS of each sound,
    `original_level` is the RMS of what was explained.
    """
    if loudness not in LOUDNESS:
        raise ValueError(f"loudness must be one of {LOUDNESS}, got {loudness!r}")
    if not levels.any():
        return np.zeros_like(peaks)
    if loudness != "relative":
        peak = PEAK if loudness == "peak" else FULL_SCALE
        return np.divide(peak, peaks, out=np.zeros_like(peaks), where=peaks > 0)
    return np.full(len(levels), min(original_level / levels.max(), PEAK / peaks.max()))


def rms(sounds: np.ndarray) -> np.ndarray:
    """Root mean square of sounds, ``(…, n_samples)`` → ``(…)``."""
    # The levels of deep maps reach 1e-9, whose squares float32 would round away.
    return np.sqrt(np.mean(np.square(sounds, dtype=np.float64), axis=-1))


def write_auralisations(
    folder: str | Path,
    maps: Maps,
    auralisation: Auralisation = USUAL,
    undo: Callable[[Sequence[Mapping], np.ndarray], np.ndarray] | None = None,
) -> pd.DataFrame:
    """Write the song's excerpt and the sound of every feature as 16-bit WAV.

    Parameters
    ----------
    folder : str or Path
        Gets ``original.wav``, ``layer1/feature00.wav`` … (silent if the feature never fired) and
        ``auralisation.json``, for `read_auralisation`. Sounds of an earlier call are removed.
    maps : Maps
    auralisation : Auralisation
    undo : callable, optional
        `auralise.networks.front_ends.undo`, which takes compressions back. Only the mode ``phase``
        needs it.

    Returns
    -------
    DataFrame
        A row for each feature, as `auralise.features.write_features` takes it: ``layer``,
        ``feature``, ``live``, ``responds``, ``level_db`` (RMS before any gain, relative to the
        loudest of the layer), ``gain_db`` (added by `loudness`), ``silence_ratio`` (peak activation
        on silence, divided by that on the song), ``share_below_60db`` (share of the map's energy
        in bins more than 60 dB below the song's largest) and ``share_negative`` (share of the
        masked spectrum's energy where the map is negative). The last five are NaN for a feature
        that never fired.

    Raises
    ------
    SettingsError
        The mode is ``phase``, and the network hears neither the STFT's bins nor compressions of
        them.
    """
    folder, loudness = Path(folder), auralisation.loudness
    expand = expansion(maps, auralisation.mode, undo)
    _tell_what_is_silent(maps)
    for earlier in folder.glob("layer*/feature*.*"):
        earlier.unlink()  # of another choice of features
    write_json(folder / RECORD, asdict(auralisation), indent=2)
    rate, facts = maps.stft.sample_rate, _facts(maps, auralisation)
    level = _write_original(folder / "original.wav", maps, facts)
    quiet = QUIET * max(np.abs(maps.spectrum_of(frames)).max() for frames in _blocks(maps))
    described = []
    for layer in tracked(maps.layers, "auralise", unit="layers"):
        features = maps.features(layer)
        batches, measured = [], []
        for first in range(0, len(features), FEATURES_AT_ONCE):
            rows, tally = slice(first, first + FEATURES_AT_ONCE), _Energies()
            sounds = functools.partial(_sound_blocks, maps, layer, rows, auralisation.mode, expand)
            blocks: Iterable[np.ndarray] = sounds(tally, quiet)
            if maps.frames_at_once == maps.n_frames:
                blocks = [*blocks]
            measured.append((*_peaks_and_levels(blocks, maps.n_samples), tally))
            # A gain is known at the end of the song: the sounds of a long one are made again then.
            batches.append((rows, blocks if isinstance(blocks, list) else sounds()))
        peaks, levels, tallies = zip(*measured, strict=True)
        peaks, levels = np.concatenate(peaks), np.concatenate(levels)
        gains = loudness_gains(peaks, levels, level, loudness)
        described.append(_describe(maps, layer, levels, gains, _Energies.of([*tallies])))
        for rows, blocks in batches:
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
                for block in blocks:
                    scaled = (block * gains[rows, None]).astype(np.float32)
                    for file, samples in zip(files, scaled, strict=True):
                        file.write(samples)
    return pd.concat(described, ignore_index=True)


class _Energies:
    """Energies of maps and of the sounds behind them, summed block by block."""

    def __init__(self, sums: np.ndarray | None = None) -> None:
        self._sums = np.zeros((0, 4)) if sums is None else sums

    @classmethod
    def of(cls, tallies: list["_Energies"]) -> "_Energies":
        """Join the energies of several batches of features."""
        return cls(np.concatenate([tally._sums for tally in tallies]))

    def add(self, masks: np.ndarray, magnitude: np.ndarray, quiet: float) -> None:
        """Take in masks ``(n_features, n_bins, n_frames)`` and the magnitude of the song there."""
        is_quiet = magnitude < quiet
        sums = []
        for mask in masks:  # one by one, since squares of deep maps need double precision
            energy = np.square(mask, dtype=np.float64)
            masked = energy * np.square(magnitude)
            sums.append(
                [energy.sum(), energy[is_quiet].sum(), masked.sum(), masked[mask < 0].sum()]
            )
        self._sums = np.array(sums) + (self._sums if len(self._sums) else 0)

    @property
    def share_quiet(self) -> np.ndarray:
        """Share of a map's energy where the song is quiet; NaN for a map of zeros."""
        return ratio(self._sums[:, 1], self._sums[:, 0])

    @property
    def share_negative(self) -> np.ndarray:
        """Share of the masked energy where the map is negative; NaN if nothing is let through."""
        return ratio(self._sums[:, 3], self._sums[:, 2])


def _decibels(amplitudes: np.ndarray) -> np.ndarray:
    """20·log10; NaN for silence."""
    return 20 * np.log10(amplitudes, out=np.full(len(amplitudes), np.nan), where=amplitudes > 0)


def _describe(
    maps: Maps, layer: int, levels: np.ndarray, gains: np.ndarray, energies: "_Energies"
) -> pd.DataFrame:
    """The rows of one layer, as `write_auralisations` returns them."""
    silence = ratio(maps.silence_peak(layer), maps.activation_peak(layer))
    table = pd.DataFrame(
        {
            "layer": layer,
            "feature": maps.features(layer),
            "live": maps.live(layer),
            "responds": maps.responds(layer),
            "level_db": relative_levels(levels, maps.live(layer)),
            "gain_db": _decibels(gains),
            "silence_ratio": silence,
            "share_below_60db": energies.share_quiet,
            "share_negative": energies.share_negative,
        }
    )
    table.loc[~table["live"], "level_db":] = np.nan
    return table.replace({"level_db": -np.inf}, np.nan)


def read_auralisation(folder: str | Path) -> Auralisation:
    """How the sounds in a folder were made.

    Raises
    ------
    AudioError
        `write_auralisations` did not write the folder.
    """
    path = Path(folder) / RECORD
    try:
        return Auralisation(**read_json(path))
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
    """How a song's sounds were made, as each sound file states it."""
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


def _write_original(path: Path, maps: Maps, facts: Mapping) -> float:
    """Write what was explained, and return its level (RMS)."""
    peaks, energy = [0.0], 0.0
    spectra = (maps.spectrum_of(frames) for frames in _blocks(maps))
    with create_audio(path, maps.stft.sample_rate, facts) as file:
        for block in maps.stft.synthesise_blocks(spectra, maps.n_samples):
            file.write(block)
            energy += np.square(block, dtype=np.float64).sum()
            peaks.append(np.abs(block).max())
    warn_of_clipping(f"{maps.origin.song}: {path.name}", max(peaks))
    return float(np.sqrt(energy / maps.n_samples))


def _blocks(maps: Maps) -> Iterator[slice]:
    """Frames that are stored together."""
    for first in range(0, maps.n_frames, maps.frames_at_once):
        yield slice(first, min(first + maps.frames_at_once, maps.n_frames))


def _sound_blocks(
    maps: Maps,
    layer: int,
    rows: slice,
    mode: str,
    expand: Expand | None,
    tally: _Energies | None = None,
    quiet: float = 0.0,
) -> Iterator[np.ndarray]:
    """Sounds of some features at the scale of their maps, each block (n_features, any)."""

    def spectra() -> Iterator[np.ndarray]:
        for frames in _blocks(maps):
            spectrum, masks = maps.spectrum_of(frames), maps.masks(layer, rows, frames)
            if tally is not None:
                tally.add(masks, np.abs(spectrum), quiet)
            yield masked_spectrum(spectrum, masks, mode, expand)

    return maps.stft.synthesise_blocks(spectra(), maps.n_samples)


def _peaks_and_levels(
    blocks: Iterable[np.ndarray], n_samples: int
) -> tuple[np.ndarray, np.ndarray]:
    peaks, energies = np.float32(0), np.float64(0)
    for sounds in blocks:
        peaks = np.maximum(peaks, np.abs(sounds).max(axis=-1))
        energies = energies + np.square(sounds, dtype=np.float64).sum(axis=-1)
    return np.asarray(peaks), np.sqrt(energies / n_samples)


def sound_name(layer: int, feature: int) -> str:
    """Name of a feature's sound in its song's folder; layers from 1, features from 0."""
    return f"layer{layer}/feature{feature:02d}.wav"
