"""One's own network on one's own song, of any length: maps and sounds in constant memory."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from auralise.auralisation import RECORD, USUAL, Auralisation, write_auralisations
from auralise.choices import DURATION
from auralise.errors import MapsError, SettingsError
from auralise.excerpts import Excerpt
from auralise.explainers.protocol import Explainer
from auralise.explainers.rehearing import Rehearing, certify, rehear
from auralise.explainers.windows import Windows
from auralise.explainers.writing import write_maps
from auralise.features import NAME as FEATURES
from auralise.features import read_features, write_features
from auralise.files import not_replaceable, require_replaceable, whole_file, whole_folder
from auralise.maps import Maps, Origin, open_maps
from auralise.networks.front_ends import undo
from auralise.stft import Stft

SOUNDS = (
    "original.wav",
    RECORD,
    FEATURES,
    "layer*/feature*.wav",
    "layer*/feature*.png",
    "sheets/layer*.png",
)  # what a folder of sounds holds


@dataclass(frozen=True)
class Explanation:
    """Where the results of a song are.

    Attributes
    ----------
    maps : Path
        The HDF5 file.
    sounds : Path
        The folder of ``original.wav``, ``layer1/feature00.wav`` … and ``features.csv``.
    duration : float
        Of the song (s).
    elapsed : float
        Time that explaining it took (s).
    rehearing : Rehearing, optional
        How the network hears the sounds.
    """

    maps: Path
    sounds: Path
    duration: float
    elapsed: float
    rehearing: Rehearing | None = None


def explain_song(
    song: np.ndarray | Excerpt,
    explainer: Explainer,
    stft: Stft,
    out: str | Path,
    origin: Origin,
    features: Mapping[int, Sequence[int]] | None = None,
    window: float = DURATION,
    auralisation: Auralisation = USUAL,
    rehearing: bool = True,
    beside: Callable[[Path, Maps], None] | None = None,
) -> Explanation:
    """Write the maps and the sounds of every feature for a whole song.

    Memory depends on the window, the network and the number of features, not on the length of
    the song. A song of less than one and a half windows is explained in one piece.

    Parameters
    ----------
    song : Excerpt, or ndarray of shape (n_samples,)
        At ``stft.sample_rate``; may be mapped from a file. Nothing sounds around an array.
    explainer : Explainer
    stft : Stft
    out : str or Path
        Folder that gets ``<song>.h5`` and ``<song>/``, in place of an earlier explanation of the
        song. They appear when both are whole.
    origin : Origin
        Its config is kept with the windows' frames added.
    features : mapping of int to sequence of int, optional
        As `auralise.explainers.writing.write_maps`.
    window : float
        Length of a window (s).
    auralisation : Auralisation
        How the sounds are made.
    rehearing : bool
        Whether they are given back to the network, one window of each.
    beside : callable, optional
        Is given the new folder of sounds and the maps, to add to the folder or take from it, before
        it appears.

    Raises
    ------
    NetworkError
        A window is too small for the network.
    SettingsError
        The window is shorter than a hop, or a folder ``<out>/<song>`` holds something else.
    """
    started = time.monotonic()
    song = song if isinstance(song, Excerpt) else Excerpt(song)
    maps_path, sounds_path = Path(out) / f"{origin.song}.h5", Path(out) / origin.song
    require_results(Path(out), origin.song)
    windows = windows_of(explainer, song.n_samples, stft, window)
    cut = {"count": len(windows), "length": windows.length, "hop": windows.hop}
    origin = replace(origin, config={**origin.config, "windows": cut})
    with whole_file(maps_path) as new_maps, whole_folder(sounds_path) as new_sounds:
        write_maps(new_maps, explainer, song, stft, origin, features, windows)
        with open_maps(new_maps) as maps:
            measured = write_auralisations(new_sounds, maps, auralisation, undo)
            reheard = None
            if rehearing:
                reheard = rehear(maps, new_sounds, explainer, song.edges, windows.length)
            percentiles = None if reheard is None else reheard.table()
            write_features(new_sounds / FEATURES, measured, percentiles)
            if beside is not None:
                beside(new_sounds, maps)
    return Explanation(
        maps_path,
        sounds_path,
        song.n_samples / stft.sample_rate,
        time.monotonic() - started,
        reheard,
    )


def certify_songs(explanations: Sequence[Explanation]) -> pd.DataFrame:
    """Certify the features over all songs of one network, in each song's ``features.csv``, too.

    Parameters
    ----------
    explanations : sequence of Explanation
        All with a `rehearing`.

    Returns
    -------
    DataFrame
        As `auralise.explainers.rehearing.certify` returns it.
    """
    of_songs = [(of.sounds, of.rehearing) for of in explanations if of.rehearing is not None]
    certificates = certify({sounds.name: rehearing for sounds, rehearing in of_songs})
    for sounds, rehearing in of_songs:
        known = read_features(sounds / FEATURES)
        write_features(sounds / FEATURES, known, rehearing.table(), certificates)
    return certificates


def windows_of(explainer: Explainer, n_samples: int, stft: Stft, window: float) -> Windows:
    """The windows of `window` seconds in which a song is explained.

    Raises
    ------
    SettingsError
        The window is shorter than a hop.
    """
    if stft.n_samples(window) < stft.hop_length:
        raise SettingsError(
            f"a window of {window:g} s is shorter than one hop of the spectrogram, "
            f"{stft.hop_length / stft.sample_rate:g} s; choose a longer one"
        )
    total_stride = max(stride or 1 for stride in explainer.strides)
    return Windows.of(stft.n_frames(n_samples), stft.n_frames(stft.n_samples(window)), total_stride)


def require_results(out: Path, song: str) -> None:
    """Refuse to replace a folder that was not written by an earlier explanation.

    Raises
    ------
    SettingsError
    """
    maps, sounds = out / f"{song}.h5", out / song
    require_replaceable(sounds, SOUNDS, "explanation", None if maps.exists() else "layer*")
    if maps.exists():
        try:
            with open_maps(maps):
                pass
        except (MapsError, OSError):
            raise not_replaceable(maps, "was not written by an earlier explanation") from None
