"""Features whose names are known: kernels that can be planted among others, or looked at alone."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from auralise.deconvnet.deconvnet import Deconvnet
from auralise.dissection.concepts import REGISTERS
from auralise.errors import AuraliseError
from auralise.maps import Maps, Origin, create_maps
from auralise.networks.front_end_steps import LogScaling
from auralise.networks.names import PLANTED

CENTRE = ((0, 0, 0), (0, 1, 0), (0, 0, 0))


@dataclass(frozen=True)
class Plant:
    """A feature with a kernel of our own, so that its name is known.

    Attributes
    ----------
    what : str
    kernel : tuple of tuple of float
        Bins × frames, as torch applies it.
    right : str
        The name that it should get.
    hears : str
        The concept whose cells are left of the clip; empty for all of it.
    """

    what: str
    kernel: tuple[tuple[float, ...], ...]
    right: str
    hears: str = ""


ONSET = Plant("onset", ((-1, 1, 0),) * 3, "onsets")
# As published, where kernels are turned before they are applied.
PUBLISHED_ONSET = Plant("[1 −1; 1 −1]", ((-1, 1, 0), (-1, 1, 0), (0, 0, 0)), "onsets")
PUBLISHED_SUPPRESSOR = Plant("[1 1; −1 −1]", ((-1, -1, 0), (1, 1, 0), (0, 0, 0)), "sustained sound")
KICK = Plant("kick", CENTRE, "kick", "kick")


def explain_plant(plant: Plant, layer: int) -> Deconvnet:
    """The explainer of a network that holds a plant alone, one feature in each layer.

    Parameters
    ----------
    plant : Plant
        Its kernel stands in layer 1; single weights of the layers above hand on what it finds.
    layer : int
        Where the plant is, counted from 1.
    """
    stages: list[nn.Module] = [LogScaling()]
    for kernel in (plant.kernel, *(CENTRE,) * (layer - 1)):
        convolution = nn.Conv2d(1, 1, 3, padding="same", bias=False)
        with torch.no_grad():
            convolution.weight[0, 0] = torch.tensor(kernel, dtype=torch.float32)
        stages += [convolution, nn.ReLU(), nn.MaxPool2d(2)]
    return Deconvnet(nn.Sequential(OrderedDict(convolutional=nn.Sequential(*stages))).eval())


def plant_map(plant: Plant, layer: int, magnitude: np.ndarray) -> np.ndarray:
    """A plant's deconvolved map, by which a song's spectrum is multiplied.

    Parameters
    ----------
    plant, layer
        As `explain_plant` takes them.
    magnitude : ndarray, shape (n_bins, n_frames)

    Returns
    -------
    ndarray, shape (n_bins, n_frames)
    """
    explainer = explain_plant(plant, layer)
    mask = explainer.deconvolve(magnitude, layer, [0])[0]
    return mask * explainer.mask_scale(len(magnitude))[:, None]


# What is heard on songs, layer by layer.
HEARD: Mapping[int, Sequence[Plant]] = {
    1: (PUBLISHED_ONSET, PUBLISHED_SUPPRESSOR, KICK),
    2: (ONSET,),
}
KICK_BEGINS, KICK_ENDS = -0.02, 0.1  # s from the note: frames are centred on their time
KICK_KEYS = (35, 36)  # of a General MIDI kit


def read_kicks(notes: Path, start: float = 0.0) -> np.ndarray:
    """When kicks are played in a song (s from `start`).

    Parameters
    ----------
    notes : Path
        The song's score, with the columns ``is_drum``, ``start`` (s) and ``pitch``; none is played
        where there is no such file.
    start : float
    """
    if not notes.is_file():
        return np.zeros(0)
    try:
        table = pd.read_csv(notes)
        is_kick = (table["is_drum"] == 1) & table["pitch"].isin(KICK_KEYS)
        return table["start"][is_kick].to_numpy(float) - start
    except (KeyError, ValueError) as error:
        raise AuraliseError(
            f"{notes}: not a list of notes ({error}); expected the columns is_drum, start and "
            "pitch, as src_songs/README.md says; correct it or give it another name"
        ) from None


def write_plants(path: str | Path, song: Maps, kicks: np.ndarray) -> None:
    """Write the maps of `HEARD` plants on a song.

    Each is at the scale at which it lets through as much energy as the song has: a plant has no
    level of its own.

    Parameters
    ----------
    path : str or Path
    song : Maps
        Any network's maps of the song.
    kicks : ndarray
        As `read_kicks` returns them. What the kick's plant hears of the song is what sounds in the
        lowest register while one is played; without kicks it never fires.
    """
    spectrum, stft = song.spectrum, song.stft
    magnitude = np.abs(spectrum)
    times, low = stft.times(magnitude.shape[1]), stft.frequencies < REGISTERS[1]
    since = times - kicks[:, None]
    in_kick = ((since >= KICK_BEGINS) & (since < KICK_ENDS)).any(axis=0)
    played = {"": magnitude, "kick": magnitude * (low[:, None] & in_kick)}
    features = {layer: range(len(plants)) for layer, plants in HEARD.items()}
    sha256 = hashlib.sha256(repr(HEARD).encode()).hexdigest()
    origin = Origin(song.origin.song, PLANTED, sha256, {}, (), song.origin.song_sha256)
    ones = np.ones(stft.n_bins)
    with create_maps(path, stft, song.n_samples, features, origin, ones) as writer:
        writer.write_spectrum(spectrum)
        for layer, plants in HEARD.items():
            maps = np.stack([plant_map(of, layer, played[of.hears]) for of in plants])
            through = np.square(magnitude * maps).sum(axis=(1, 2))
            live = through > 0
            energy = np.square(magnitude, dtype=np.float64).sum()
            maps *= (
                np.sqrt(energy / np.where(live, through, 1))[:, None, None] * live[:, None, None]
            )
            writer.write_maps(layer, maps)
            peak = np.abs(maps).max(axis=(1, 2))
            silence = np.zeros(len(plants))
            writer.write_activations(layer, energy * live, peak, live, live, silence)


def name_plants() -> pd.DataFrame:
    """Names of the `HEARD` plants: ``layer, feature, name``."""
    rows = [(layer, n, of.right) for layer, plants in HEARD.items() for n, of in enumerate(plants)]
    return pd.DataFrame(rows, columns=["layer", "feature", "name"])


def plant_kernels() -> dict[tuple[int, int], np.ndarray]:
    """Kernels of the `HEARD` plants, by layer and feature, shape (n_bins, n_frames)."""
    return {
        (layer, n): np.array(plant.kernel)
        for layer, plants in HEARD.items()
        for n, plant in enumerate(plants)
    }
