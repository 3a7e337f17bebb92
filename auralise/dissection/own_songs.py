"""Do names that were found on rendered music hold on songs whose notes nobody knows?

What belongs to most concepts can be measured in a song's spectrum: onset strength, percussive level
where kicks are, and so on. A name holds on a song where the feature's activation follows the song's
own descriptor in time, more than it follows the same descriptor of other songs.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from auralise.dissection.concepts import QUALITIES, REGISTER_NAMES, registers
from auralise.dissection.scores import cell_means, correlations, pooled_sizes
from auralise.dissection.stems import OTHER_DRUMS
from auralise.explainers.protocol import Explainer
from auralise.statistics import ALPHA, adjust_p, ratio
from auralise.stft import Stft

AROUND = 15.0  # s on either side of a song's excerpt that are looked at, too
RANGE_DB = 60.0  # below the loudest, all is one
HELD, WIDE = 0.7, 330.0  # s and Hz: what lasts as long is harmonic, what is as wide percussive
KICKS, BASS, CYMBALS = (40.0, 110.0), 250.0, 2080.0  # Hz
TONES = (260.0, 2080.0)  # Hz, where bins tell semitones apart well enough
TUNES = (130.0, 2080.0)  # Hz, where a melody's fundamental is looked for
N_OVERTONES = 5
HARMONIC_WEIGHT = 0.8  # of each harmonic, relative to the one before
TRIADS = dict(zip(QUALITIES, ((0, 4, 7), (0, 3, 7), (0, 4, 7, 10)), strict=True))
MELODY = ("melody", "fundamentals of the melody", "overtones of the melody")
HOLDS = 2 / 3  # of the songs, at least

# What an instrument's family sounds like, no descriptor says.
DESCRIPTORS: Mapping[str, str] = {
    "onsets": "onset strength",
    "note ends": "harmonic decay",
    "sustained sound": "harmonic level",
    "kick": "percussive level where kicks are",
    "snare": "percussive level",
    "cymbals": "percussive level above 2080 Hz",
    OTHER_DRUMS: "percussive level",
    "bass": "harmonic level below 250 Hz",
    **{name: f"level of the {name}" for name in MELODY},
    **{name: f"chroma like {name}" for name in QUALITIES},
    **{"loud": "level", "soft": "softness", "silence": "softness"},
    **{name: f"level {name}" for name in REGISTER_NAMES},
}
OWN_SONGS = (
    *("layer", "feature", "name", "song", "descriptor", "r", "p", "q", "agrees"),
    *("best_descriptor", "best_r", "n_nulls", "unnamed_hold"),
)


def separate(magnitude: np.ndarray, stft: Stft) -> tuple[np.ndarray, np.ndarray]:
    """Harmonic and percussive part of a magnitude, by librosa's medians along time and frequency.

    Parameters
    ----------
    magnitude : ndarray, shape (n_bins, n_frames)
    stft : Stft

    Returns
    -------
    harmonic, percussive : ndarray, shape (n_bins, n_frames)
        Their sum is the magnitude.

    References
    ----------
    Fitzgerald 2010, "Harmonic/percussive separation using median filtering".
    """
    import librosa  # takes a second to load

    n_frames = _odd(HELD * stft.sample_rate / stft.hop_length)
    n_bins = _odd(WIDE * stft.n_fft / stft.sample_rate)
    return librosa.decompose.hpss(magnitude, kernel_size=(n_frames, n_bins))


def _odd(size: float) -> int:
    return 2 * int(size / 2) + 1


def level(magnitude: np.ndarray) -> np.ndarray:
    """Level of each frame (dB re the loudest frame, not below `RANGE_DB`).

    Parameters
    ----------
    magnitude : ndarray, shape (n_bins, n_frames)

    Returns
    -------
    ndarray, shape (n_frames,)

    Examples
    --------
    >>> import numpy as np
    >>> level(np.array([[1.0, 10.0, 0.0]]))
    array([-20.,   0., -60.])
    """
    return _decibels(np.square(magnitude).sum(axis=0))


def _decibels(power: np.ndarray) -> np.ndarray:
    """Re the largest, not below `RANGE_DB`."""
    floored = np.maximum(power, max(power.max(initial=0.0), 1e-30) * 10 ** (-RANGE_DB / 10))
    return 10 * np.log10(floored / floored.max())


def change(magnitude: np.ndarray) -> np.ndarray:
    """By how much each bin has become louder since the frame before (dB).

    Parameters
    ----------
    magnitude : ndarray, shape (n_bins, n_frames)

    Returns
    -------
    ndarray, shape (n_bins, n_frames)
        0 in the first frame.
    """
    levels = _decibels(np.square(magnitude))
    return np.diff(levels, axis=1, prepend=levels[:, :1])


def likeness(magnitude: np.ndarray, frequencies: np.ndarray, tones: Sequence[int]) -> np.ndarray:
    """Cosine of each frame's chroma with a chord, for the root that fits best.

    Parameters
    ----------
    magnitude : ndarray, shape (n_bins, n_frames)
    frequencies : ndarray, shape (n_bins,)
        In Hz.
    tones : sequence of int
        Semitones above the root.

    Returns
    -------
    ndarray, shape (n_frames,)
        0 in silence.
    """
    chosen = (frequencies >= TONES[0]) & (frequencies < TONES[1])
    pitches = np.round(12 * np.log2(frequencies[chosen] / 440) + 69).astype(int) % 12
    chroma = np.stack([magnitude[chosen][pitches == tone].sum(axis=0) for tone in range(12)])
    chord = np.isin(np.arange(12), [tone % 12 for tone in tones]) / np.sqrt(len(tones))
    chords = np.stack([np.roll(chord, root) for root in range(12)])
    found = (chords @ chroma).max(axis=0)
    return np.nan_to_num(ratio(found, np.linalg.norm(chroma, axis=0)))


def describe_song(samples: np.ndarray, stft: Stft) -> dict[str, np.ndarray]:
    """Descriptors of a song.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
    stft : Stft

    Returns
    -------
    dict of str to ndarray, each of shape (n_frames,)
        By their names in `DESCRIPTORS`.
    """
    magnitude, frequencies = np.abs(stft.analyse(samples)), stft.frequencies
    harmonic, percussive = separate(magnitude, stft)
    kicks = (frequencies >= KICKS[0]) & (frequencies <= KICKS[1])
    loudness = level(magnitude)
    found = {
        "onset strength": np.maximum(change(magnitude), 0).mean(axis=0),
        "harmonic decay": np.maximum(-change(harmonic), 0).mean(axis=0),
        "harmonic level": level(harmonic),
        "percussive level": level(percussive),
        "percussive level where kicks are": level(percussive[kicks]),
        "percussive level above 2080 Hz": level(percussive[frequencies > CYMBALS]),
        "harmonic level below 250 Hz": level(harmonic[frequencies < BASS]),
        "level": loudness,
        "softness": -loudness,
    }
    for name, bins in zip(REGISTER_NAMES, registers(frequencies), strict=True):
        found[f"level {name}"] = level(magnitude[bins])
    for name, tones in TRIADS.items():
        found[f"chroma like {name}"] = likeness(harmonic, frequencies, tones)
    fundamentals, overtones = find_melody(samples, stft)
    places = fundamentals | overtones, fundamentals, overtones
    for name, mask in zip(MELODY, places, strict=True):
        found[f"level of the {name}"] = level(magnitude * mask)
    return found


def find_melody(samples: np.ndarray, stft: Stft) -> tuple[np.ndarray, np.ndarray]:
    """Bins of the fundamentals, and of the overtones, of the most salient pitch of each frame.

    By harmonic summation in frames of twice the length (the salience function of Salamon & Gómez
    2012, "Melody extraction from polyphonic music signals"); at most two bins from either.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
    stft : Stft

    Returns
    -------
    fundamentals, overtones : ndarray of bool, shape (n_bins, n_frames)
        Without either where nothing sounds between 130 and 2,080 Hz.
    """
    import librosa  # takes a second to load

    long = replace(stft, n_fft=2 * stft.n_fft)
    harmonics = range(1, N_OVERTONES + 2)
    salience = librosa.salience(
        np.abs(long.analyse(samples)),
        freqs=long.frequencies,
        harmonics=harmonics,
        weights=[HARMONIC_WEIGHT ** (number - 1) for number in harmonics],
        fill_value=0,
    )
    salience[(long.frequencies < TUNES[0]) | (long.frequencies > TUNES[1])] = 0
    pitch = np.where(salience.any(axis=0), long.frequencies[salience.argmax(axis=0)], np.nan)
    width = 2 * stft.sample_rate / stft.n_fft
    # Where there is no pitch, no bin is near.
    near = [
        np.abs(stft.frequencies[:, None] - number * pitch) <= width
        for number in range(1, N_OVERTONES + 2)
    ]
    return near[0], np.any(near[1:], axis=0) & ~near[0]


def shifted(values: np.ndarray) -> np.ndarray:
    """All circular shifts of a sequence, the sequence itself first: shape ``(n, n)``.

    >>> import numpy as np
    >>> shifted(np.array([1, 2, 3]))
    array([[1, 2, 3],
           [3, 1, 2],
           [2, 3, 1]])
    """
    places = np.arange(len(values))
    return np.asarray(values[(places[None, :] - places[:, None]) % len(values)])


def agreement(
    activations: np.ndarray, own: np.ndarray, others: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, int]:
    """Whether activations follow a song's own descriptor.

    Parameters
    ----------
    activations : ndarray, shape (n_features, width)
    own : ndarray, shape (width,)
    others : sequence of ndarray, each of shape (any,)
        The descriptor of other songs; cut, or repeated, to the same width. Each of their circular
        shifts is a null. Without other songs, the shifts of the song's own descriptor are: of a
        steady beat they say less, since they lay beats onto beats.

    Returns
    -------
    r, p : ndarray, shape (n_features,)
        (1 + k)/(n + 1), k of n nulls having as large an r. NaN where one of the two does not vary.
    n_nulls : int
    """
    r = correlations(activations, own[None])[:, 0]
    if len(others):
        nulls = np.concatenate([shifted(np.resize(other, len(own))) for other in others])
    else:
        nulls = shifted(own)[1:]
    nulls = nulls[np.ptp(nulls, axis=1) > 0]
    as_large = (correlations(activations, nulls) >= r[:, None]).sum(axis=1)
    return r, np.where(np.isfinite(r), (1 + as_large) / (1 + len(nulls)), np.nan), len(nulls)


def feature_levels(explainer: Explainer, magnitude: np.ndarray) -> list[np.ndarray]:
    """Features over time, layer by layer: ``(n_features, width)``, the mean over bins."""
    maps = explainer.feature_maps(magnitude)
    return [of.reshape(len(of), -1, of.shape[-1]).mean(axis=1) for of in maps]


def check_names(
    names: pd.DataFrame,
    levels: Mapping[str, Sequence[np.ndarray]],
    descriptors: Mapping[str, Mapping[str, np.ndarray]],
) -> pd.DataFrame:
    """Whether the names of a network hold on songs.

    Parameters
    ----------
    names : DataFrame
        ``layer, feature, name``; what has no name is left out.
    levels : mapping of str to sequence of ndarray, each of shape (n_features, width)
        By song, as `feature_levels` returns them.
    descriptors : mapping of str to mapping of str to ndarray, each of shape (n_frames,)
        By song, as `describe_song` returns them.

    Returns
    -------
    DataFrame
        One row a named feature and song, with the columns `OWN_SONGS`: ``agrees`` at q ≤ `ALPHA`,
        over all rows; ``descriptor`` is empty, and so is what follows from it, where none belongs
        to the concept. ``best_descriptor`` is that of all which the activation follows most.
        ``unnamed_hold``: of the features of the layer that have no name, and vary, the share that
        would agree by this descriptor on `HOLDS` of the songs.
    """
    rows = []
    by_chance: dict[tuple[int, str], list[np.ndarray]] = defaultdict(list)
    has_name = names["name"] != ""
    for (layer, name), named in names[has_name].groupby(["layer", "name"]):
        unnamed = names.loc[(names["layer"] == layer) & ~has_name, "feature"]
        features = [*named["feature"], *unnamed]
        descriptor = DESCRIPTORS.get(name, "")
        columns = {song: _in_columns(descriptors[song], of, layer) for song, of in levels.items()}
        for song, own in columns.items():
            activations = levels[song][layer - 1][features]
            r = p = np.full(len(features), np.nan)
            n_nulls = None
            if descriptor:
                others = [of[descriptor] for other, of in columns.items() if other != song]
                r, p, n_nulls = agreement(activations, own[descriptor], others)
                by_chance[layer, name].append(p[len(named) :])
            by_descriptor = correlations(activations[: len(named)], np.stack(list(own.values())))
            for k, feature in enumerate(named["feature"]):
                row = {"layer": layer, "feature": feature, "name": name, "song": song}
                row |= {"descriptor": descriptor, "r": r[k], "p": p[k], "n_nulls": n_nulls}
                if np.isfinite(by_descriptor[k]).any():
                    best = int(np.nanargmax(by_descriptor[k]))
                    row |= {"best_descriptor": list(own)[best], "best_r": by_descriptor[k, best]}
                rows.append(row)
    table = pd.DataFrame(rows).reindex(columns=list(OWN_SONGS))
    table = table.sort_values(["layer", "feature"], kind="stable", ignore_index=True)
    table["q"] = adjust_p(table["p"].to_numpy(float))
    table["agrees"] = table["q"] <= ALPHA
    largest = table.loc[table["agrees"], "p"].max()
    shares = {of: _share_that_holds(np.stack(p), largest) for of, p in by_chance.items()}
    table["unnamed_hold"] = [
        shares.get(of, np.nan) for of in zip(table["layer"], table["name"], strict=True)
    ]
    return table.fillna({"best_descriptor": ""}).astype({"n_nulls": "Int64"})


def _share_that_holds(p: np.ndarray, largest: float) -> float:
    """Of features that vary, those whose p is small enough on `HOLDS` of the songs (by row)."""
    p = p[:, np.isfinite(p).all(axis=0)]
    return float(((p <= largest).mean(axis=0) >= HOLDS).mean()) if p.size else np.nan


def _in_columns(
    descriptors: Mapping[str, np.ndarray], levels: Sequence[np.ndarray], layer: int
) -> dict[str, np.ndarray]:
    """Means of descriptors over the frames of each of a layer's columns."""
    values = np.stack(list(descriptors.values()))[:, None]
    widths = [of.shape[1] for of in levels]
    pooled = 1, pooled_sizes(values.shape[2], widths)[layer - 1]
    means = cell_means(values, (1, widths[layer - 1]), pooled)[:, 0]
    return dict(zip(descriptors, means, strict=True))


def describe_names(tables: Mapping[str, pd.DataFrame]) -> str:
    """Say, network by network, which names hold on the songs.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        By network, as `check_names` returns them.
    """
    sentences = []
    for network, table in tables.items():
        known = table[table["descriptor"] != ""]
        songs = known.groupby(["name", "layer", "feature"])[["agrees", "unnamed_hold"]].mean()
        parts = [
            f"{name} {(of['agrees'] >= HOLDS).sum()} of {len(of)} "
            f"({_percent(of['unnamed_hold'].mean())})"
            for name, of in songs.groupby("name")
        ]
        silent = sorted(set(table["name"]) - set(known["name"]))
        parts += [f"no descriptor belongs to {', '.join(silent)}"] if silent else []
        what = "; ".join(parts) or "there are none"
        sentences.append(f"{network}: {what} (`dissection/{network}/own_songs.csv`).")
    if not sentences:
        return ""
    return (
        "Names were found on rendered music. On the songs a name holds if the feature's activation "
        "follows the descriptor that belongs to it, on two thirds of them at least. So many names "
        "hold, and in brackets so many features of the same layers that have no name would: "
        + " ".join(sentences)
    )


def _percent(share: float) -> str:
    return "unknown" if np.isnan(share) else f"{share:.0%}"
