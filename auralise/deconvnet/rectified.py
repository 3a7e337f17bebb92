"""When a feature fires: what batch norms left of an activation's output, above its silence."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rectified:
    """How batch norms turned an activation's output into the feature maps: a gain and an offset.

    Attributes
    ----------
    gain, offset : Tensor, shape (n_features,) or ()
    """

    gain: Tensor
    offset: Tensor

    def above_rest(self, maps: Tensor) -> Tensor:
        """How far feature maps ``(n_features, …)`` are above what a silent activation leaves."""
        gain, offset = self._beside(maps)
        return (maps - offset) * gain.sign()

    def fired(self, maps: Tensor) -> Tensor:
        """Which feature maps ``(n_features, …)`` hold more than a silent activation leaves."""
        _, offset = self._beside(maps)
        # Two ways to the same offset may differ in their last bits.
        above = self.above_rest(maps) > 1e-6 * offset.abs()
        return above.reshape(len(maps), -1).any(dim=1)

    def _beside(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        places = (-1, *[1] * (maps.dim() - 1))
        return self.gain.to(maps).reshape(places), self.offset.to(maps).reshape(places)


def just_rectified() -> Rectified:
    return Rectified(torch.ones(()), torch.zeros(()))


class Unrectified:
    """Like `Rectified`, for layers without an activation: silence leaves zeros."""

    def above_rest(self, maps: Tensor) -> Tensor:
        return maps.abs()

    def fired(self, maps: Tensor) -> Tensor:
        return (maps != 0).reshape(len(maps), -1).any(dim=1)
