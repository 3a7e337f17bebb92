"""The two pictures that 2015 drew of each feature, beside its sound (Choi 2015, code)."""

from pathlib import Path

import numpy as np
from matplotlib import image

from auralise.auralisation import expansion, masked_spectrum, sound_name
from auralise.figures.style import DYNAMIC_RANGE
from auralise.files import whole_file
from auralise.maps import Maps
from auralise.networks.front_ends import undo
from auralise.progress import tracked


def write_pictures(folder: str | Path, maps: Maps, mode: str = "mask") -> None:
    """Draw each feature's map and what is heard of the song, one pixel a bin and frame.

    Parameters
    ----------
    folder : str or Path
        Gets ``layer1/feature00_map.png``: the map, dark where it is zero, blue where negative, red
        where positive, relative to its largest magnitude; and ``layer1/feature00_heard.png``: the
        level of the spectrum times the map, over 60 dB. Low frequencies are at the bottom.
    maps : Maps
    mode : {'mask', 'magnitude', 'rectified', 'phase'}
        As in `auralise.auralisation.masked_spectrum`.
    """
    spectrum, expand = maps.spectrum, expansion(maps, mode, undo)
    for layer in tracked(maps.layers, "draw", unit="layers"):
        for row, feature in enumerate(maps.features(layer)):
            masks = maps.masks(layer, slice(row, row + 1))
            sound = Path(folder) / sound_name(layer, feature)
            _save(sound.with_name(f"{sound.stem}_map.png"), _relative(masks[0]), -1, "berlin")
            heard = np.abs(masked_spectrum(spectrum, masks, mode, expand)[0])
            level = 1 + _decibels(heard) / DYNAMIC_RANGE
            _save(sound.with_name(f"{sound.stem}_heard.png"), level, 0, "magma")


def _relative(values: np.ndarray) -> np.ndarray:
    return values / (np.abs(values).max() or 1.0)


def _decibels(values: np.ndarray) -> np.ndarray:
    """Below the largest value, down to the dynamic range."""
    return 20 * np.log10(np.maximum(_relative(values), 10 ** (-DYNAMIC_RANGE / 20)))


def _save(path: Path, picture: np.ndarray, least: float, colours: str) -> None:
    with whole_file(path) as partial:
        image.imsave(
            partial, picture, vmin=least, vmax=1, cmap=colours, origin="lower", format="png"
        )
