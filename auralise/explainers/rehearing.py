"""Is a feature's sound what excites the feature? Each sound is given back to the network.

Every sound is set to the original's RMS and analysed once. If it shows what its feature listens to,
it excites the feature more than the sounds of the layer's other features do. A feature is certified
if that holds on several songs; how many would be by chance, stands beside.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from auralise.auralisation import rms, sound_name
from auralise.excerpts import Excerpt
from auralise.explainers.edges import activations, margin_of, samples_around
from auralise.explainers.protocol import Explainer
from auralise.files import whole_file
from auralise.hdf5 import create_hdf5, open_hdf5
from auralise.maps import Maps
from auralise.progress import tracked

LEAST_FEATURES = 20  # live ones in a layer: among fewer, 95 % means little
CERTIFIED = 95.0  # %, a percentile on one song
LEAST_SONGS, SHARE_OF_SONGS = 2, 2 / 3


@dataclass(frozen=True)
class Rehearing:
    """How much the sounds of a song excite the features, by layer.

    Attributes
    ----------
    features : mapping of int to ndarray of int, shape (n_features,)
    responds : mapping of int to ndarray of bool, shape (n_features,)
        Which of them the song excites more than silence and quiet noise.
    activation : mapping of int to ndarray, shape (n_features, n_features)
        Mean activation of each feature (column) on the sound of each (row), relative to that on
        the original. NaN in the rows of features that never fired or whose sound is silent, and
        where less than 20 fired.
    """

    features: Mapping[int, np.ndarray]
    responds: Mapping[int, np.ndarray]
    activation: Mapping[int, np.ndarray]

    def percentiles(self, layer: int) -> np.ndarray:
        """The percentile of each sound among the layer's sounds, by how it excites each feature.

        Returns
        -------
        ndarray, shape (n_features, n_features)
            Row i, column j: the share (%) of the other sounds that excite feature j less than the
            sound of feature i does. NaN in the row of a feature without a sound, and everywhere
            if there are fewer than 20 sounds.
        """
        values = self.activation[layer]
        is_sound = ~np.isnan(values).all(axis=1)
        shares = np.full(values.shape, np.nan)
        if is_sound.sum() >= LEAST_FEATURES:
            sounds = values[is_sound]
            n_less = [np.searchsorted(np.sort(column), column) for column in sounds.T]
            shares[is_sound] = 100 * np.array(n_less).T / (len(sounds) - 1)
        return shares

    def table(self) -> pd.DataFrame:
        """A row for each feature: ``layer``, ``feature``, ``rehearing_percentile``."""
        return pd.concat(
            pd.DataFrame(
                {
                    "layer": layer,
                    "feature": features,
                    "rehearing_percentile": np.diag(self.percentiles(layer)),
                }
            )
            for layer, features in self.features.items()
        )


def rehear(
    maps: Maps, folder: str | Path, explainer: Explainer, edges: str, n_frames: int | None = None
) -> Rehearing:
    """Give the sounds of a song back to the network, and measure what fires.

    Parameters
    ----------
    maps : Maps
        Of the song.
    folder : str or Path
        Its sounds, as `auralise.auralisation.write_auralisations` wrote them.
    explainer : Explainer
        That made the maps.
    edges : {'surroundings', 'reflect', 'zero'}
        As `auralise.excerpts.Excerpt` takes it.
    n_frames : int, optional
        At most so many are analysed, those where the original is loudest.
    """
    folder, stft = Path(folder), maps.stft
    first, length = _loudest(maps, n_frames or maps.n_frames)
    margin, around = margin_of(explainer, edges), samples_around(explainer, edges, stft)

    def mean_activations(path: Path, level: float | None) -> dict[int, np.ndarray] | None:
        """Of every feature, by layer; of a sound that is brought to `level`, if there is one."""
        excerpt = _read(path, first, length, around, edges)
        own = float(rms(excerpt.samples))
        if own == 0:
            return None
        scaled = excerpt.recording * np.float32(1 if level is None else level / own)
        excerpt = Excerpt(scaled, excerpt.first, excerpt.n_samples, edges)
        found = activations(explainer, excerpt, stft, margin)
        return {
            layer: values.mean(axis=tuple(range(1, values.ndim))) for layer, values in found.items()
        }

    original_path = folder / "original.wav"
    level = float(rms(_read(original_path, first, length, around, edges).samples))
    original = mean_activations(original_path, None)
    features = {layer: maps.features(layer) for layer in maps.layers}
    activation = {}
    for layer in tracked(maps.layers, "re-hear", unit="layers"):
        own = features[layer]
        values = np.full((len(own), len(own)), np.nan)
        live = np.flatnonzero(maps.live(layer))
        for row in live if len(live) >= LEAST_FEATURES else []:
            found = mean_activations(folder / sound_name(layer, own[row]), level)
            if found is not None and original is not None:
                values[row] = _relative(found[layer][own], original[layer][own])
        activation[layer] = values
    return Rehearing(features, {layer: maps.responds(layer) for layer in maps.layers}, activation)


def _relative(values: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Values as a share; as they are where there is nothing to compare with."""
    return values / np.where(of > 0, of, 1.0)


def _loudest(maps: Maps, n_frames: int) -> tuple[int, int]:
    """First sample, and number of samples, of the loudest part that has so many frames."""
    if n_frames >= maps.n_frames:
        return 0, maps.n_samples
    hop = maps.stft.hop_length
    return maps.loudest(n_frames) * hop, (n_frames - 1) * hop


def _read(path: Path, first: int, n_samples: int, around: int, edges: str) -> Excerpt:
    """Part of a sound that `write_auralisations` wrote; it may be silent."""
    earliest = max(0, first - around)
    recording, _ = soundfile.read(
        path, start=earliest, frames=first - earliest + n_samples + around, dtype="float32"
    )
    return Excerpt(recording, first - earliest, n_samples, edges)


def write_rehearing(path: str | Path, rehearing: Rehearing) -> None:
    """Write a `Rehearing` as HDF5: a group for each layer, a dataset for each attribute."""
    with whole_file(path) as partial, create_hdf5(partial) as file:
        for layer in rehearing.features:
            for name in ("features", "responds", "activation"):
                file[f"layer{layer}/{name}"] = getattr(rehearing, name)[layer]


def read_rehearing(path: str | Path) -> Rehearing:
    """What `write_rehearing` wrote."""
    with open_hdf5(path) as file:
        numbers = sorted(int(name.removeprefix("layer")) for name in file)
        return Rehearing(
            *(
                {layer: file[f"layer{layer}/{name}"][:] for layer in numbers}
                for name in ("features", "responds", "activation")
            )
        )


def certify(rehearings: Mapping[str, Rehearing]) -> pd.DataFrame:
    """Which features are excited by their own sounds, over the songs of one network.

    A song speaks for a feature if the feature responds to it and its sound there excites it more
    than 95 % of the layer's other sounds. Certified is a feature for which at least two thirds of
    the songs speak on which it has a percentile, and at least two.

    Parameters
    ----------
    rehearings : mapping of str to Rehearing
        By song, with the same features.

    Returns
    -------
    DataFrame
        A row for each feature: ``layer``, ``feature``, ``n_songs`` (with a percentile),
        ``n_passed``, ``certificate`` (missing where there are less than two songs) and ``chance``:
        with which share of the layer's other features' sounds in place of its own it would have
        been certified. The sum of ``chance`` is the number of certificates that come by chance.

    Examples
    --------
    >>> import numpy as np
    >>> activation = {1: np.eye(20)}  # each sound excites its own feature, and no other
    >>> song = Rehearing({1: np.arange(20)}, {1: np.ones(20, bool)}, activation)
    >>> say_certificates(certify({"a": song, "b": song}))
    're-hearing: 20 of 20 features are certified, 0.0 would be by chance'
    """
    of_songs = list(rehearings.values())
    return pd.concat(
        [_certify_layer(of_songs, layer) for layer in of_songs[0].features], ignore_index=True
    )


def _certify_layer(songs: list[Rehearing], layer: int) -> pd.DataFrame:
    shares = np.stack([song.percentiles(layer) for song in songs])
    responds = np.stack([song.responds[layer] for song in songs])
    passed = (shares >= CERTIFIED) & responds[:, None, :]
    own = np.arange(shares.shape[1])
    has_own = ~np.isnan(shares[:, own, own])
    n_songs, n_passed = has_own.sum(axis=0), passed[:, own, own].sum(axis=0)
    needed = np.maximum(LEAST_SONGS, np.ceil(SHARE_OF_SONGS * n_songs - 1e-9)).astype(int)
    chance = np.full(len(own), np.nan)
    for feature in np.flatnonzero(n_songs >= LEAST_SONGS):
        of = has_own[:, feature]
        # In place of its own sounds those of another feature, the same one in every song.
        others = ~np.isnan(shares[of][:, :, feature]).any(axis=0) & (own != feature)
        n_others = passed[of][:, others, feature].sum(axis=0)
        chance[feature] = np.mean(n_others >= needed[feature]) if others.any() else math.nan
    certificate = pd.array(n_passed >= needed, dtype="boolean")
    certificate[n_songs < LEAST_SONGS] = pd.NA
    return pd.DataFrame(
        {
            "layer": layer,
            "feature": songs[0].features[layer],
            "n_songs": n_songs,
            "n_passed": n_passed,
            "certificate": certificate,
            "chance": chance,
        }
    )


def say_certificates(certificates: pd.DataFrame) -> str:
    """How many features are certified, and how many would be by chance, in a sentence."""
    judged = certificates["certificate"].notna()
    if not judged.any():
        return (
            "re-hearing: no feature can be certified: that takes two songs, and 20 live features "
            "in a layer"
        )
    return (
        f"re-hearing: {int(certificates['certificate'].sum())} of {int(judged.sum())} features are "
        f"certified, {certificates['chance'].sum():.1f} would be by chance"
    )
