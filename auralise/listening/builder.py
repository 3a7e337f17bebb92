"""The listening page: hear, see and compare every auralised feature in a browser, offline.

A page opened over file:// may neither fetch nor use modules, so everything that it plays and
shows lies in classic scripts, one per (network, song, layer), which it loads when they are
needed. Sounds are FLAC (lossless, so they stay aligned to the sample), pictures are PNG.
"""

import base64
import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import scipy.sparse
import soundfile
from PIL import Image

from auralise.auralisation import masked_spectrum, read_auralisation, sound_name
from auralise.errors import AudioError, AuraliseError
from auralise.files import whole_file
from auralise.maps import Maps, open_maps

LOWEST_FREQUENCY = 40.0  # Hz, the bottom of every picture
N_ROWS = 112  # about 16 rows per octave up to 5.5 kHz
MAX_COLUMNS = 512  # frames of a longer song are averaged
RANGE_DB = 60.0
N_COLOURS = 61  # steps of one decibel, and an odd number: maps have a colour for zero

# Both are ordered in lightness and told apart with any colour vision.
COLOURS_OF_SOUND = "magma"
COLOURS_OF_MAP = "berlin"

LOUDNESS = 0.1  # RMS that "matched" aims at, -20 dB below full scale: room for sharp attacks

MEASURES_OF_A_NETWORK = (
    "clip_accuracy",
    "segment_accuracy",
    "baseline_clip_accuracy",
    "deviation_baseline_clip_accuracy",
    "flux_baseline_clip_accuracy",
)


@dataclass(frozen=True)
class Sound:
    """A sound file as it stands on disk.

    Attributes
    ----------
    samples : ndarray, int16, shape (n_samples,)
    sample_rate : int
        In Hz.
    """

    samples: np.ndarray
    sample_rate: int

    @property
    def rms(self) -> float:
        """Root mean square, full scale is 1."""
        return float(np.sqrt(np.mean(np.square(self.samples / 32768))))

    @property
    def peak(self) -> float:
        """Greatest magnitude, full scale is 1."""
        return float(np.abs(self.samples / 32768).max(initial=0.0))

    def flac(self) -> str:
        """The same samples as a FLAC file in base64."""
        file = io.BytesIO()
        soundfile.write(file, self.samples, self.sample_rate, format="FLAC", subtype="PCM_16")
        return base64.b64encode(file.getvalue()).decode("ascii")


class Painter:
    """Pictures of spectrograms and maps: time to the right, logarithmic frequency upwards.

    Parameters
    ----------
    frequency : ndarray, shape (n_bins,)
        Centre frequency of every bin (Hz), ascending.
    time : ndarray, shape (n_frames,)
        Centre time of every frame (s).
    """

    def __init__(self, frequency: np.ndarray, time: np.ndarray) -> None:
        self._rows = scipy.sparse.csr_array(_log_rows(frequency))  # a row averages a few bins
        self._columns = _column_starts(len(time))
        hop = (time[-1] - time[0]) / max(1, len(time) - 1)
        self.extent = {
            "start": _number(time[0] - hop / 2),
            "end": _number(time[-1] + hop / 2),
            "low": _number(_lowest(frequency)),
            "high": _number(frequency[-1]),
        }

    def sound(self, spectrogram: np.ndarray) -> str:
        """Picture of a spectrogram's power, in dB under its maximum.

        Parameters
        ----------
        spectrogram : ndarray, shape (n_bins, n_frames)
            Amplitude; its sign plays no part.

        Returns
        -------
        str
            A PNG file in base64.
        """
        # The values of deep maps reach 1e-9, whose squares are better taken near 1.
        power = self._arrange(np.square(spectrogram / (np.abs(spectrogram).max() or 1.0)))
        floor = 10 ** (-RANGE_DB / 10)
        decibels = 10 * np.log10(np.maximum(power / (power.max() or 1.0), floor))
        return _png(1 + decibels / RANGE_DB, COLOURS_OF_SOUND)

    def map(self, deconvolved: np.ndarray) -> str:
        """Picture of a signed map, by the signed square root of its value over its greatest.

        Parameters
        ----------
        deconvolved : ndarray, shape (n_bins, n_frames)

        Returns
        -------
        str
            A PNG file in base64.
        """
        picture = self._arrange(deconvolved)
        relative = picture / (np.abs(picture).max() or 1.0)
        return _png((1 + np.sign(relative) * np.sqrt(np.abs(relative))) / 2, COLOURS_OF_MAP)

    def _arrange(self, values: np.ndarray) -> np.ndarray:
        """Average bins into rows, the lowest last, and frames into columns."""
        widths = np.diff(self._columns, append=values.shape[1])
        return np.add.reduceat(self._rows @ values, self._columns, axis=1) / widths


def build_listening_page(
    results: str | Path,
    networks: list[str],
    songs: list[str],
    folder: str | Path,
) -> None:
    """Write the page to listen to one experiment: open ``folder/index.html`` in a browser.

    Parameters
    ----------
    results : str or Path
        The experiment's folder, which holds ``deconvolution/<network>/<song>.h5`` and
        ``auralisation/<network>/<song>/``. What ``networks/<network>/evaluation.json`` and
        ``attributes/<network>/correlation.csv`` say is shown where they exist.
    networks, songs : list of str
        Names, in the order in which the page offers them; every network has every song.
    folder : str or Path
        Where the page goes. It may be moved or sent as a whole, and needs no network.

    Raises
    ------
    AuraliseError
        Nothing to show, or a file that is missing, unreadable or does not fit the others.
    """
    results, folder = Path(results), Path(folder)
    if not networks or not songs:
        raise AuraliseError(
            f"{results}: a listening page needs at least one network and one song; "
            f"got networks {networks} and songs {songs}"
        )
    shows, written = [], set()
    for n, network in enumerate(networks):
        correlations = read_correlations(results / "attributes" / network / "correlation.csv")
        for s, song in enumerate(songs):
            layers = []
            for layer, content in _layers(results, network, song, correlations):
                script = folder / "data" / f"network{n}-song{s}-layer{layer}.js"
                _write_script(script, "receive", {"script": f"data/{script.name}"} | content)
                written.add(script)
                layers.append({"layer": layer, "script": f"data/{script.name}"})
            shows.append({"network": n, "song": s, "layers": layers})
    catalogue = {
        "experiment": results.resolve().name,
        "networks": [
            {"name": name} | read_evaluation(results / "networks" / name / "evaluation.json")
            for name in networks
        ],
        "songs": songs,
        "shows": shows,
        "colours": {"sound": _hex(COLOURS_OF_SOUND), "map": _hex(COLOURS_OF_MAP)},
        "range": RANGE_DB,
    }
    _write_script(folder / "data" / "catalogue.js", "open", catalogue)
    written.add(folder / "data" / "catalogue.js")
    for stale in set((folder / "data").glob("*.js")) - written:
        stale.unlink()
    _copy_page(folder)


def read_correlations(path: Path) -> dict[int, dict[int, dict[str, dict[str, Any]]]]:
    """Correlations by layer, feature and attribute; empty if there is no such file.

    Returns
    -------
    dict
        ``[layer][feature][attribute]`` is ``{"r": float or None, "pairs": int}``, where None
        stands for a correlation that is undefined.
    """
    table: dict[int, dict[int, dict[str, dict[str, Any]]]] = {}
    if not path.is_file():
        return table
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                feature = table.setdefault(int(row["layer"]), {}).setdefault(
                    int(row["feature"]), {}
                )
                feature[row["attribute"]] = {
                    "r": _number(float(row["correlation"] or "nan")),
                    "pairs": int(float(row["n_pairs"] or 0)),
                }
    except (KeyError, TypeError, ValueError) as error:
        raise AuraliseError(
            f"{path}: not a table of correlations ({type(error).__name__}: {error}); expected "
            "the columns layer, feature, attribute, correlation and n_pairs; compute it again"
        ) from None
    return table


def read_evaluation(path: Path) -> dict[str, float]:
    """Accuracies of a network, between 0 and 1, as far as its evaluation holds them."""
    if not path.is_file():
        return {}
    try:
        evaluation = json.loads(path.read_text(encoding="utf-8"))
        found = {name: evaluation.get(name) for name in MEASURES_OF_A_NETWORK}
    except (ValueError, AttributeError):
        raise AuraliseError(
            f"{path}: not a JSON object; remove it and evaluate the network again"
        ) from None
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def _layers(
    results: Path, network: str, song: str, correlations: Mapping
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every layer of one song's maps: its number and what the page shows of it."""
    sounds = results / "auralisation" / network / song
    original, mode = _read_sound(sounds / "original.wav"), read_auralisation(sounds).mode
    with open_maps(results / "deconvolution" / network / f"{song}.h5") as maps:
        spectrum = maps.spectrum
        painter = Painter(maps.stft.frequencies, maps.stft.times(spectrum.shape[1]))
        shared = {
            "sampleRate": original.sample_rate,
            "extent": painter.extent,
            "original": {
                "flac": original.flac(),
                "pictures": {"sound": painter.sound(np.abs(spectrum))},
                "gain": {"matched": _number(_matched_gain(original, original)), "true": 1.0},
            },
        }
        for layer in maps.layers:
            found = correlations.get(layer, {})
            features = _features(maps, layer, sounds, original, spectrum, painter, mode)
            for feature in features:
                feature["attributes"] = found.get(feature["feature"], {})
            attributes = dict.fromkeys(name for values in found.values() for name in values)
            yield layer, shared | {"attributes": list(attributes), "features": features}


def _features(
    maps: Maps,
    layer: int,
    folder: Path,
    original: Sound,
    spectrum: np.ndarray,
    painter: Painter,
    mode: str,
) -> list[dict[str, Any]]:
    """What the page shows of every feature of one layer.

    Parameters
    ----------
    maps : Maps
    layer : int
        Counted from 1.
    folder : Path
        Holds the song's sounds.
    original : Sound
    spectrum : ndarray, complex, shape (n_bins, n_frames)
        Of the original.
    painter : Painter
    mode : str
    """
    magnitude = np.abs(spectrum)
    deconvolved = maps.masks(layer)
    heard = masked_spectrum(spectrum, deconvolved, mode)
    unscaled = maps.stft.synthesise(heard, len(original.samples))
    rms = np.sqrt(np.mean(np.square(unscaled, dtype=np.float64), axis=1))
    entries, audible = [], []
    energy, peak = maps.activation_energy(layer), maps.activation_peak(layer)
    for row, (feature, live) in enumerate(zip(maps.features(layer), maps.live(layer), strict=True)):
        path = folder / sound_name(layer, feature)
        entry: dict[str, Any] = {
            "feature": int(feature),
            "state": "dead" if not live else "live" if path.is_file() else "soundless",
            "energy": _number(energy[row]),
            "peak": _number(peak[row]),
        }
        if entry["state"] == "live":
            sound = _read_sound(path, like=original)
            entry |= {
                "similarity": _number(_pearson(deconvolved[row], magnitude)),
                "flac": sound.flac(),
                "pictures": {
                    "sound": painter.sound(np.abs(heard[row])),
                    "map": painter.map(deconvolved[row]),
                },
            }
            audible.append((entry, sound, float(rms[row])))
        entries.append(entry)
    _set_levels(audible, original)
    return entries


def _set_levels(audible: list[tuple[dict[str, Any], Sound, float]], original: Sound) -> None:
    """Give each feature its level (dB) and the gains with which the page plays it.

    A map has no unit, so "true" is relative: the features of a layer keep the differences that
    their maps give them, however the files were normalised, and the loudest is as loud as the
    original, or as loud as none of them clips.

    Parameters
    ----------
    audible : list of (dict, Sound, float)
        What the page shows of a feature, its sound, and the RMS of that sound at the
        scale of its map.
    original : Sound
    """
    loudest = max((rms for *_, rms in audible), default=0.0) or 1.0
    gains = [original.rms * rms / loudest / (sound.rms or 1.0) for _, sound, rms in audible]
    peaks = [gain * sound.peak for gain, (_, sound, _) in zip(gains, audible, strict=True)]
    headroom = max(1.0, *peaks, 0.0)
    for gain, (entry, sound, rms) in zip(gains, audible, strict=True):
        entry["level"] = _number(20 * math.log10(rms / loudest)) if rms > 0 else None
        entry["gain"] = {
            "matched": _number(_matched_gain(sound, original)),
            "true": _number(gain / headroom),
        }


def _matched_gain(sound: Sound, original: Sound) -> float:
    """Gain to the common loudness, never above the original's and never into clipping."""
    if sound.rms == 0:
        return 1.0
    return min(min(LOUDNESS, original.rms) / sound.rms, 1 / sound.peak)


def _read_sound(path: Path, like: Sound | None = None) -> Sound:
    """Read a sound exactly as written, checked to run in step with `like`."""
    if not path.is_file():
        raise AudioError(f"{path}: no such file; auralise the song first")
    try:
        samples, sample_rate = soundfile.read(path, dtype="int16")
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{path}: cannot be read ({error.error_string.rstrip('. ')}); auralise the song again"
        ) from None
    if samples.ndim != 1 or len(samples) == 0:
        raise AudioError(f"{path}: expected one channel with samples, found {samples.shape}")
    sound = Sound(samples, sample_rate)
    if like and (sample_rate, len(samples)) != (like.sample_rate, len(like.samples)):
        raise AudioError(
            f"{path}: {len(samples)} samples at {sample_rate} Hz, but the original beside it has "
            f"{len(like.samples)} at {like.sample_rate} Hz; auralise the song again"
        )
    return sound


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two arrays of one shape; NaN where one of them is constant."""
    a, b = a - a.mean(dtype=np.float64), b - b.mean(dtype=np.float64)
    norm = math.sqrt(np.square(a).sum() * np.square(b).sum())
    return float((a * b).sum() / norm) if norm > 0 else math.nan


def _lowest(frequency: np.ndarray) -> float:
    """Bottom of the logarithmic axis (Hz): the first bin may stand at 0 Hz, which has no place."""
    return max(LOWEST_FREQUENCY, float(frequency[1]))


def _log_rows(frequency: np.ndarray) -> np.ndarray:
    """Weights that average bins into rows of equal width in octaves, the highest first.

    Returns
    -------
    ndarray, float32, shape (N_ROWS, n_bins)
        Each row a triangle, as wide as the row but at least as the bins are apart, of sum 1.
    """
    edges = np.geomspace(_lowest(frequency), frequency[-1], N_ROWS + 1)[::-1]
    centre = np.sqrt(edges[:-1] * edges[1:])
    spacing = np.interp(centre, frequency, np.gradient(frequency))
    reach = np.maximum(-np.diff(edges), spacing)
    weights = np.maximum(0, 1 - np.abs(frequency - centre[:, None]) / reach[:, None])
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _column_starts(n_frames: int) -> np.ndarray:
    """First frame of every column of a picture, shape ``(min(n_frames, MAX_COLUMNS),)``."""
    n_columns = min(n_frames, MAX_COLUMNS)
    return np.arange(n_columns) * n_frames // n_columns


def _palette(name: str) -> np.ndarray:
    """A colour map's red, green and blue, uint8, shape ``(N_COLOURS, 3)``."""
    return matplotlib.colormaps[name](np.linspace(0, 1, N_COLOURS), bytes=True)[:, :3]


def _hex(name: str, step: int = 6) -> list[str]:
    """Every `step`-th colour of a palette, as CSS writes it, for the legend."""
    return ["#" + bytes(colour).hex() for colour in _palette(name)[::step]]


def _png(values: np.ndarray, colours: str) -> str:
    """Colour an array of values between 0 and 1; a PNG file in base64."""
    levels = np.rint(np.clip(values, 0, 1) * (N_COLOURS - 1)).astype(np.uint8)
    image = Image.fromarray(levels).convert("P")
    image.putpalette(_palette(colours).tobytes())
    file = io.BytesIO()
    image.save(file, format="PNG", compress_level=6)
    return base64.b64encode(file.getvalue()).decode("ascii")


def _number(value: float) -> float | None:
    """A number that JSON can hold, to six digits; None for NaN and infinity."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _write_script(path: Path, function: str, argument: Mapping[str, Any]) -> None:
    """Write a classic script that hands `argument` to a function of the page."""
    content = json.dumps(argument, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    content = content.replace("<", "\\u003c")  # safe even when pasted into a page
    with whole_file(path) as partial:
        partial.write_text(f"auralise.{function}({content});\n", encoding="ascii", newline="\n")


def _copy_page(folder: Path) -> None:
    """Copy the page itself, ``index.html`` last: where it exists, all that it needs does too."""
    sources = sorted(
        (s for s in resources.files(__package__).joinpath("page").iterdir() if s.is_file()),
        key=lambda source: (source.name == "index.html", source.name),
    )
    for source in sources:
        with whole_file(folder / source.name) as partial:
            partial.write_bytes(source.read_bytes())
