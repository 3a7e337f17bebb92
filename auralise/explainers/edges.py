"""Analyse an excerpt together with the sound around it, and cut that off again.

Without it, every excerpt would begin and end with an onset: the STFT's windows reach into silence,
and the convolutions, which pad with zeros, see a spectrogram that begins. Where the recording goes
on, what it holds there is analysed, too, as far as the network sees.
"""

from dataclasses import dataclass

import numpy as np

from auralise.excerpts import Excerpt
from auralise.explainers.protocol import Explainer
from auralise.stft import Stft

UNKNOWN_FIELD = 64  # frames, where a method does not say how far its network sees


def margin_of(explainer: Explainer, edges: str) -> int:
    """Frames around an excerpt that are analysed with it.

    As many as the receptive field, so that neither a feature map nor its way back depends on
    what is further away; rounded up to the pooling grid, so that both have their cells at the
    same places with and without.

    Parameters
    ----------
    explainer : Explainer
    edges : {'surroundings', 'reflect', 'zero'}
        Only the first has a margin: the others are about the STFT's windows.
    """
    if edges != "surroundings":
        return 0
    field = explainer.receptive_field or UNKNOWN_FIELD
    stride = max(stride or 1 for stride in explainer.strides)
    return -(-field // stride) * stride


def samples_around(explainer: Explainer, edges: str, stft: Stft) -> int:
    """Samples of a recording on either side of an excerpt that take part in its analysis."""
    return margin_of(explainer, edges) * stft.hop_length + stft.n_fft


@dataclass(frozen=True)
class Section:
    """Some frames of an excerpt, with frames around them that are cut off after the analysis.

    Attributes
    ----------
    spectrum : ndarray, complex64, shape (n_bins, before + n_frames + after)
    before, after : int
        Frames to cut off.
    """

    spectrum: np.ndarray
    before: int
    after: int

    @classmethod
    def of(
        cls, excerpt: Excerpt, stft: Stft, first: int, stop: int, before: int, after: int
    ) -> "Section":
        """Frames `first` to `stop` of an excerpt, with so many around them."""
        return cls(excerpt.spectrum(stft, first - before, stop + after), before, after)

    @property
    def inside(self) -> slice:
        """The frames that stay."""
        return slice(self.before, self.spectrum.shape[1] - self.after)

    @property
    def magnitude(self) -> np.ndarray:
        return np.abs(self.spectrum)

    def shares(self, n_columns: int, stride: int | None, weights: np.ndarray) -> np.ndarray:
        """How much each column of feature maps counts, from the weight of each frame that stays.

        Parameters
        ----------
        n_columns : int
        stride : int or None
            Frames from one column to the next, if known.
        weights : ndarray, shape (n_frames,)

        Returns
        -------
        ndarray, shape (n_columns,)
            0 for a column whose centre is cut off.
        """
        padded = np.pad(weights, (self.before, self.after))
        n_frames = len(padded)
        centres = (np.arange(n_columns) + 0.5) * (stride or n_frames / n_columns) - 0.5
        return np.interp(centres, np.arange(n_frames), padded)


def activations(
    explainer: Explainer, excerpt: Excerpt, stft: Stft, margin: int
) -> dict[int, np.ndarray]:
    """Activations of every feature on an excerpt, without those around it.

    Returns
    -------
    dict of int to ndarray, shape (n_features, height, width)
        By layer.
    """
    n_frames = stft.n_frames(excerpt.n_samples)
    part = Section.of(excerpt, stft, 0, n_frames, margin, margin)
    found = {}
    for layer, maps in enumerate(map(in_rows, explainer.feature_maps(part.magnitude)), start=1):
        shares = part.shares(maps.shape[-1], explainer.strides[layer - 1], np.ones(n_frames))
        found[layer] = explainer.above_rest(layer, maps)[..., mostly_inside(shares)]
    return found


def in_rows(maps: np.ndarray) -> np.ndarray:
    """Feature maps as ``(n_features, height, width)``, however many dimensions they have.

    Behind convolutions of one dimension there is no height, behind a mean no width.
    """
    width = maps.shape[-1] if maps.ndim > 1 else 1
    return maps.reshape(len(maps), -1, width)


def mostly_inside(shares: np.ndarray) -> np.ndarray:
    """Which columns of a feature map lie at least half inside the analysed sound.

    Parameters
    ----------
    shares : ndarray, shape (width,)
        Share (0 to 1) of each column that lies inside.

    Returns
    -------
    ndarray of bool, shape (width,)
        Never all False: if no share reaches a half, the columns with the largest are taken.
    """
    return shares >= min(0.5, shares.max()) - 1e-6
