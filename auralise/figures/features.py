"""One feature on one song."""

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from auralise.figures.style import (
    IN_DB,
    PAGE,
    frequency_rows,
    in_house_style,
    log_frequency_picture,
    new_figure,
)


@in_house_style
def draw_feature(
    spectrum: np.ndarray,
    mask: np.ndarray,
    frequencies: np.ndarray,
    duration: float,
    title: str,
) -> Figure:
    """The song, and what the feature lets through of it, |spectrum × mask|.

    Parameters
    ----------
    spectrum : ndarray, complex, shape (n_bins, n_frames)
        The song's.
    mask : ndarray, shape (n_bins, n_frames)
        The feature's map times `auralise.maps.Maps.mask_scale`.
    frequencies : ndarray, shape (n_bins,)
        In Hz.
    duration : float
        Of the song (s).
    title : str
    """
    magnitude = np.abs(spectrum)
    panels = {"the song": magnitude, title: magnitude * np.abs(mask)}
    figure, axes = new_figure(1, 2, figsize=(PAGE, 2.4), sharex=True, sharey=True)
    for axis, (name, values) in zip(axes, panels.items(), strict=True):
        picture = log_frequency_picture(values, frequencies)
        image = axis.imshow(picture, extent=(0, duration, 0, len(picture)), **IN_DB)
        axis.set_title(name)
        axis.set_xlabel("time (s)")
        sns.despine(ax=axis, left=True, bottom=True)
    axes[0].set_yticks(*frequency_rows(frequencies, len(picture)))
    axes[0].set_ylabel("frequency (Hz)")
    figure.colorbar(image, ax=axes, pad=0.01).set_label("dB below the maximum")
    return figure
