"""Features whose names are known: kernels that can be planted among others, or looked at alone."""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from auralise.deconvnet.deconvnet import Deconvnet
from auralise.dissection.concepts import REGISTER_NAMES
from auralise.networks.front_ends import LogScaling

BAND = REGISTER_NAMES[3]
CENTRE = ((0, 0, 0), (0, 1, 0), (0, 0, 0))


@dataclass(frozen=True)
class Plant:
    """A feature whose name is known.

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
PLANTS = (
    ONSET,
    Plant("attack suppressor", ((-1,) * 3, (2,) * 3, (-1,) * 3), "sustained sound"),
    Plant("bass", CENTRE, "bass", "bass"),
    Plant("band", CENTRE, BAND, BAND),
    Plant("kick", CENTRE, "kick", "kick"),
    PUBLISHED_ONSET,
    PUBLISHED_SUPPRESSOR,
)


def explain_plant(plant: Plant, layer: int) -> Deconvnet:
    """A plant that is the only feature of each layer up to its own.

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


def hear_plant(plant: Plant, layer: int, magnitude: np.ndarray) -> np.ndarray:
    """What a plant lets through of a song, |magnitude × map|.

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
    return magnitude * np.abs(mask) * explainer.mask_scale(len(magnitude))[:, None]
