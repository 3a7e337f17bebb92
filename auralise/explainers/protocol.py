"""The protocol of every method that explains a network's features on a song."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np


class ExplainedLayer(Protocol):
    """A layer that a method can explain.

    Attributes
    ----------
    number : int
        Counted from 1, in order of execution.
    path : str
        Of the layer's module in the network.
    n_features : int
    """

    @property
    def number(self) -> int: ...

    @property
    def path(self) -> str: ...

    @property
    def n_features(self) -> int: ...


class Explainer(Protocol):
    """One network, explained by one method: a map for every feature of a magnitude.

    Songs, sounds, attributes and checks use this and nothing else of a method.
    `auralise.explainers.making` lists the methods; the first one is `Deconvnet`, which says more
    of each function. A magnitude is (n_bins, n_frames), a layer's maps are float32 (n_features,
    n_bins, n_frames).

    Attributes
    ----------
    layers : sequence of ExplainedLayer
    n_features : sequence of int
        Of each layer.
    strides, band_strides : sequence of int or None
        Frames from one column of a layer's feature maps to the next, and bands from one row to the
        next; None where the method does not know.
    receptive_field : int or None
        Frames that a feature of the deepest layer sees; None where the method does not know.
    assumptions : sequence of str
        What the maps rest on beside the method itself, in words.
    compression : sequence of mapping, or None
        Steps of the pointwise compression between the magnitude and the network, which the mode
        ``phase`` takes back; None where the network hears what forgets the magnitude.
    """

    @property
    def layers(self) -> Sequence[ExplainedLayer]: ...

    @property
    def n_features(self) -> Sequence[int]: ...

    @property
    def strides(self) -> Sequence[int | None]: ...

    @property
    def band_strides(self) -> Sequence[int | None]: ...

    @property
    def receptive_field(self) -> int | None: ...

    @property
    def assumptions(self) -> Sequence[str]: ...

    @property
    def compression(self) -> Sequence[Mapping] | None: ...

    def mask_scale(self, n_bins: int) -> np.ndarray:
        """Factor of each bin between a map and what multiplies the STFT, shape ``(n_bins,)``."""
        ...

    def band_weights(self, n_bins: int) -> np.ndarray | None:
        """How much of each band comes from each bin, (n_bands, n_bins); None if bands are bins."""
        ...

    def seen(self, magnitude: np.ndarray) -> np.ndarray:
        """A magnitude as the network sees it behind its front end, shape (n_bands, n_frames)."""
        ...

    def feature_maps(self, magnitude: np.ndarray) -> list[np.ndarray]:
        """Feature maps of every layer, (n_features, height, width) with time along the width."""
        ...

    def deconvolve_all(
        self,
        magnitude: np.ndarray,
        layers: Iterable[int] | None = None,
        features: Mapping[int, Iterable[int]] | None = None,
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Maps of features, layer by layer: signed, and zero for a feature that did not fire.

        Layers are counted from 1, features from 0; by default all are explained.
        """
        ...

    def fired(self, layer: int, maps: np.ndarray) -> np.ndarray:
        """Which features fired, bool (n_features,), by the feature maps of all of a layer's."""
        ...

    def above_rest(self, layer: int, maps: np.ndarray) -> np.ndarray:
        """How far feature maps are above what silence inside the network leaves, of their shape."""
        ...
