"""What is compared of a feature between two signals: its maps, or something else of it.

auralised : the magnitude of the auralised spectra, in the mode in which songs are auralised: what
    is heard.
maps : the deconvolved maps, signed, as published.
feature_maps : the feature maps after the layer's pooling, as coarse as the layer sees.
activations : the feature maps' mean over frequency, one value per pooled frame: when a feature
    fires, wherever. In the deepest layers these are few values, and r is rough.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from auralise.attributes.designs import Magnitudes
from auralise.auralisation import masked_spectrum
from auralise.errors import SettingsError
from auralise.explainers.protocol import Explainer
from auralise.explainers.writing import write_maps
from auralise.maps import Origin, open_maps, scale_maps
from auralise.networks.front_ends import undo
from auralise.progress import tracked

DECONVOLVED = ("auralised", "maps")
COMPARED = (*DECONVOLVED, "feature_maps", "activations")


@dataclass(frozen=True)
class Computed:
    """Maps that the explainer makes anew each time they are asked for.

    Attributes
    ----------
    explainer : Explainer
    magnitudes : sequence of ndarray, each of shape (n_bins, n_frames)
    compare : str
        One of `COMPARED`.
    mode : str
        Of the auralisation, as `auralise.auralisation.masked_spectrum` has it.
    """

    explainer: Explainer
    magnitudes: Sequence[np.ndarray]
    compare: str = "maps"
    mode: str = "mask"

    @property
    def n_signals(self) -> int:
        return len(self.magnitudes)

    @property
    def n_features(self) -> dict[int, int]:
        return dict(enumerate(self.explainer.n_features, start=1))

    @property
    def size(self) -> int:
        return self.magnitudes[0].size

    def of(
        self, row: int, features: Mapping[int, Sequence[int]]
    ) -> Iterator[tuple[int, np.ndarray]]:
        """As `auralise.attributes.correlation.Representations.of`."""
        magnitude = self.magnitudes[row]
        if self.compare in DECONVOLVED:
            for layer, maps in self.explainer.deconvolve_all(magnitude, features, features):
                if self.compare == "auralised":
                    maps = scale_maps(maps, self.explainer.mask_scale(len(magnitude)))
                yield (
                    layer,
                    _heard(magnitude, maps, self.compare, self.mode, self.explainer.compression),
                )
        else:
            found = self.explainer.feature_maps(magnitude)
            for layer, chosen in features.items():
                maps = found[layer - 1][list(chosen)]
                yield layer, maps if self.compare == "feature_maps" else maps.mean(axis=1)


@dataclass(frozen=True)
class Stored:
    """Maps that are read from files, one per signal.

    Attributes
    ----------
    paths : sequence of Path
        As `deconvolve_signals` wrote them.
    compare : {'maps', 'auralised'}
    mode : str
        As in `Computed`.
    """

    paths: Sequence[Path]
    compare: str = "maps"
    mode: str = "mask"

    @property
    def n_signals(self) -> int:
        return len(self.paths)

    @property
    def n_features(self) -> dict[int, int]:
        with open_maps(self.paths[0]) as maps:
            return {layer: len(maps.features(layer)) for layer in maps.layers}

    @property
    def size(self) -> int:
        with open_maps(self.paths[0]) as maps:
            return maps.stft.n_bins * maps.n_frames

    def of(
        self, row: int, features: Mapping[int, Sequence[int]]
    ) -> Iterator[tuple[int, np.ndarray]]:
        """As `auralise.attributes.correlation.Representations.of`."""
        with open_maps(self.paths[row]) as file:
            magnitude = np.abs(file.spectrum)
            for layer, chosen in features.items():
                first, last = min(chosen), max(chosen)
                read = file.masks if self.compare == "auralised" else file.deconvolved
                maps = read(layer, slice(first, last + 1))
                maps = maps[[feature - first for feature in chosen]]
                yield layer, _heard(magnitude, maps, self.compare, self.mode, file.compression)


@dataclass(frozen=True)
class Inputs:
    """The signals themselves, as the one feature of a layer 0: the baseline of every layer.

    Attributes
    ----------
    magnitudes : sequence of ndarray, each of shape (n_bins, n_frames)
    compare : str
        For 'activations' the mean over frequency, else all that is seen.
    seen : callable, optional
        What a network sees of a magnitude: `auralise.explainers.protocol.Explainer.seen`. The
        magnitude itself by default.
    """

    magnitudes: Sequence[np.ndarray]
    compare: str = "maps"
    seen: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def n_signals(self) -> int:
        return len(self.magnitudes)

    @property
    def n_features(self) -> dict[int, int]:
        return {0: 1}

    @property
    def size(self) -> int:
        return self.magnitudes[0].size

    def of(
        self, row: int, features: Mapping[int, Sequence[int]]
    ) -> Iterator[tuple[int, np.ndarray]]:
        """As `auralise.attributes.correlation.Representations.of`."""
        magnitude = self.magnitudes[row]
        seen = (self.seen(magnitude) if self.seen else magnitude)[None]
        yield 0, seen.mean(axis=1) if self.compare == "activations" else seen


def _heard(
    magnitude: np.ndarray,
    maps: np.ndarray,
    compare: str,
    mode: str,
    compression: Sequence[Mapping] | None,
) -> np.ndarray:
    """Maps as they are, or the magnitudes that they leave of a sound, by what is compared."""
    if compare == "maps":
        return maps
    if mode == "phase" and compression is None:
        raise SettingsError(
            "auralisation.mode = phase: takes maps for magnitudes, which mel bands or a "
            "normalisation before a network forget; choose mask or rectified"
        )
    expand = partial(undo, compression) if compression else None
    return np.abs(masked_spectrum(magnitude, maps, mode, expand))


def deconvolve_signals(
    folder: str | Path,
    explainer: Explainer,
    magnitudes: Magnitudes,
    names: Sequence[str],
    origin: Origin,
) -> None:
    """Explain every feature on every signal and write the maps, a file for each signal.

    Parameters
    ----------
    folder : str or Path
        Gets ``<name>.h5`` as `auralise.explainers.writing.write_maps` writes it: 57 MB for 320
        features of 257 × 173 pixels.
    explainer : Explainer
    magnitudes : Magnitudes
        Of the signals.
    names : sequence of str
        Of the signals.
    origin : Origin
        Each file has the signal's name as its `song`.
    """
    for row, name in enumerate(tracked(names, "deconvolve", unit="signal")):
        write_maps(
            Path(folder) / f"{name}.h5",
            explainer,
            magnitudes.samples(row),
            magnitudes.stft,
            replace(origin, song=name),
        )
