"""Methods beside deconvolution, and two that tell nothing of the network: energy and chance.

What is explained of a feature is half the energy of its map, Σ A²/2: its gradient there is the map
itself, which is what deconvolution starts from.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from auralise.choices import INSTALL_CAPTUM
from auralise.deconvnet.deconvnet import Deconvnet
from auralise.errors import NetworkError, SettingsError

N_STEPS = 16  # of a path from the mean spectrum to the song
AT_ONCE = 4  # points of a path


def mean_spectrum(magnitude: np.ndarray) -> np.ndarray:
    """The mean over frames, repeated in every frame; of the magnitude's shape.

    It is what deleted bins are replaced by, and where integrated gradients begin. Zeros would not
    do: no network was trained on music in which a bin falls silent for one frame.
    """
    return np.broadcast_to(magnitude.mean(axis=1, keepdims=True), magnitude.shape)


class OneByOne(Deconvnet):
    """A method that makes the map of one feature after the other, by `map_of`."""

    def map_of(self, magnitude: np.ndarray, layer: int, feature: int) -> np.ndarray:
        """The map of a feature, ``(n_bins, n_frames)``."""
        raise NotImplementedError

    def deconvolve_all(
        self,
        magnitude: np.ndarray,
        layers: Iterable[int | str] | None = None,
        features: Mapping[Any, Iterable[int]] | None = None,
    ) -> Iterator[tuple[int, np.ndarray]]:
        """As `Deconvnet.deconvolve_all`, by this method."""
        for layer, wanted in self.chosen(layers, features).items():
            yield layer, np.stack([self.map_of(magnitude, layer, feature) for feature in wanted])


class Energy(OneByOne):
    """The same map for every feature: the energy of each bin and frame.

    A method that does not beat it says nothing of the network.
    """

    def map_of(self, magnitude: np.ndarray, layer: int, feature: int) -> np.ndarray:
        return np.square(magnitude, dtype=np.float32)


class Chance(OneByOne):
    """Random numbers from 0 to 1: different for each feature, the same for every song."""

    def map_of(self, magnitude: np.ndarray, layer: int, feature: int) -> np.ndarray:
        return np.random.default_rng([layer, feature]).random(magnitude.shape, np.float32)


class GradientTimesInput(OneByOne):
    """Gradient of a feature with respect to the magnitude, times the magnitude.

    Raises
    ------
    NetworkError
        The network is not a chain of modules.

    References
    ----------
    Shrikumar et al. 2016.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if not self.steps:
            raise NetworkError(
                "gradients are computed of chains of modules alone; expected such a network, or "
                "another method"
            )

    def map_of(self, magnitude: np.ndarray, layer: int, feature: int) -> np.ndarray:
        x = self._as_input(magnitude).requires_grad_()
        (gradient,) = torch.autograd.grad(self.half_energy(x, layer, feature).sum(), x)
        return (x.detach() * gradient)[0, 0].cpu().numpy()

    def _as_input(self, magnitude: np.ndarray) -> Tensor:
        return torch.from_numpy(np.array(magnitude, np.float32))[None, None].to(self.device)

    def half_energy(self, x: Tensor, layer: int, feature: int) -> Tensor:
        """Half the energy of a feature's map on magnitudes ``(batch, 1, …)``, ``(batch,)``."""
        for step in self.steps[: self.layers[layer - 1].end + 1]:  # type: ignore[union-attr]
            x = step.module(x)
        return x[:, feature].square().flatten(1).sum(dim=1) / 2


class IntegratedGradients(GradientTimesInput):
    """Gradients along the path from the mean spectrum to the magnitude, by Captum.

    Raises
    ------
    SettingsError
        Captum is not installed.

    References
    ----------
    Sundararajan et al. 2017.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        try:
            import captum.attr
        except ImportError:
            raise SettingsError(
                f"integrated_gradients takes Captum, which is not installed: {INSTALL_CAPTUM}"
            ) from None
        self._captum = captum.attr.IntegratedGradients(self.half_energy)

    def map_of(self, magnitude: np.ndarray, layer: int, feature: int) -> np.ndarray:
        found = self._captum.attribute(
            self._as_input(magnitude),
            self._as_input(mean_spectrum(magnitude)),
            additional_forward_args=(layer, feature),
            n_steps=N_STEPS,
            internal_batch_size=AT_ONCE,
        )
        return found.detach()[0, 0].cpu().numpy().astype(np.float32)
