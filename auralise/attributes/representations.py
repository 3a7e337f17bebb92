"""What is compared of a feature between two signals: its maps, or something else of it.

auralised : the magnitude of the auralised spectra, in the mode in which songs are auralised: what
    is heard.
maps : the deconvolved maps, signed, as published.
feature_maps : the feature maps after the layer's pooling, as coarse as the layer sees.
activations : the feature maps' mean over frequency, one value per pooled frame: when a feature
    fires, wherever. In the deepest layers these are few values, and r is rough.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from auralise.auralisation import masked_spectrum
from auralise.errors import SettingsError
from auralise.explainers.protocol import Explainer
from auralise.maps import scale_maps
from auralise.networks.front_ends import undo

DECONVOLVED = ("auralised", "maps")
COMPARED = (*DECONVOLVED, "feature_maps", "activations")


@dataclass(frozen=True)
class Computed:
    """What the explainer makes of each signal, computed each time that it is asked for.

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
    def n_features(self) -> dict[int, int]:
        return dict(enumerate(self.explainer.n_features, start=1))

    def of(
        self, row: int, features: Mapping[int, Sequence[int]]
    ) -> Iterator[tuple[int, np.ndarray]]:
        """As `auralise.attributes.correlation.Representations.of`."""
        magnitude = self.magnitudes[row]
        if self.compare in DECONVOLVED:
            for layer, maps in self.explainer.deconvolve_all(magnitude, features, features):
                yield layer, maps if self.compare == "maps" else self._heard(magnitude, maps)
        else:
            found = self.explainer.feature_maps(magnitude)
            for layer, chosen in features.items():
                maps = found[layer - 1][list(chosen)]
                yield layer, maps if self.compare == "feature_maps" else maps.mean(axis=1)

    def _heard(self, magnitude: np.ndarray, maps: np.ndarray) -> np.ndarray:
        compression = self.explainer.compression
        if self.mode == "phase" and compression is None:
            raise SettingsError(
                "auralisation.mode = phase: takes maps for magnitudes, but mel bands or a "
                "normalisation before a network keep none; choose mask or rectified"
            )
        maps = scale_maps(maps, self.explainer.mask_scale(len(magnitude)))
        expand = partial(undo, compression) if compression else None
        return np.abs(masked_spectrum(magnitude, maps, self.mode, expand))


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
    n_features: Mapping[int, int] = field(default_factory=lambda: {0: 1})

    def of(
        self, row: int, features: Mapping[int, Sequence[int]]
    ) -> Iterator[tuple[int, np.ndarray]]:
        """As `auralise.attributes.correlation.Representations.of`."""
        magnitude = self.magnitudes[row]
        seen = (self.seen(magnitude) if self.seen else magnitude)[None]
        yield 0, seen.mean(axis=1) if self.compare == "activations" else seen
