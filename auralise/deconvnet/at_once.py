"""The way back on the pooled grids for a GPU: whole layers at once, in few operations.

The sums are those of `auralise.deconvnet.pooled`. Row by row they are some two thousand short
operations, which a processor's cache rewards and a GPU waits for.
"""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from auralise.deconvnet.pooled import PooledNetwork, Stage
from auralise.deconvnet.steps import ForwardPass, Layer, Step

WORKING_MEMORY = 2**30  # bytes of a batch's signals, about
STAMP_MEMORY = 2**28  # bytes of the stamps that are gathered at once


class PooledAtOnce(PooledNetwork):
    """Like `PooledNetwork`, for regular layers: whole layers, a batch of features at a time."""

    @staticmethod
    def takes(steps: Sequence[Step], layers: Sequence[Layer]) -> bool:
        """Whether every layer is a stage with a pooling whose windows lie side by side."""
        return all(
            Stage.takes(steps[layer.steps]) and Stage.is_regular(steps[layer.steps])
            for layer in layers
        )

    def back(
        self, passed: ForwardPass, wanted: Iterable[tuple[int, list[int]]]
    ) -> Iterator[Tensor]:
        """As `auralise.deconvnet.steps.StepByStep.back`."""
        widest = max(output.numel() for output in passed.outputs)
        batch_size = max(1, WORKING_MEMORY // (4 * widest))
        for number, features in wanted:
            maps = passed.outputs[0].new_zeros(len(features), *self.before.grid(passed))
            chosen = torch.tensor(features, dtype=torch.long, device=maps.device)
            batches = zip(chosen.split(batch_size), maps.split(batch_size), strict=True)
            for batch, target in batches:
                signal = _alone(passed.outputs[self.layers[number - 1].end][0], batch)
                for index in range(number - 1, -1, -1):
                    convolution = self.layers[index].convolution
                    pooling = self.poolings[index]
                    assert pooling is not None  # as `takes` says
                    switches = passed.memories[pooling]
                    size, _ = passed.memories[convolution]
                    signal = _back(self.stages[index], signal, switches, size)
                n_rows, n_columns = signal.shape[:2]
                target[:, :n_rows, :n_columns] = signal[:, :, 0].permute(2, 0, 1)
            yield self.before.back(maps, passed)


def _alone(maps: Tensor, features: Tensor) -> Tensor:
    """Feature maps ``(n_channels, height, width)``, each alone in its channel.

    Returns
    -------
    Tensor, shape (height, width, n_channels, n_features)
    """
    n_features = len(features)
    signal = maps.new_zeros(*maps.shape[1:], len(maps), n_features)
    places = torch.arange(n_features, device=maps.device)
    signal[:, :, features, places] = maps[features].permute(1, 2, 0)
    return signal


def _back(
    stage: Stage, above: Tensor, memory: tuple[Tensor, Sequence[int]], size: Sequence[int]
) -> Tensor:
    """A signal at the convolution's input, from one at the pooling's output.

    Parameters
    ----------
    stage : Stage
    above : Tensor, shape (n_rows, n_columns, n_channels, n_features)
        Rows and columns missing at the end are zero.
    memory : tuple
        As `MaxPooling.forward` returns it.
    size : (int, int)
        At the convolution's input.

    Returns
    -------
    Tensor, shape (n_rows, n_columns, n_inputs, n_features)
        No larger than `size`; rows and columns missing at the end are zero.
    """
    v, h = stage.vertical, stage.horizontal
    n_rows, n_columns, n_channels, n_features = above.shape
    switches, (n_switched_rows, n_switched) = memory
    height, width = n_switched_rows // v.pool, n_switched // h.pool
    n_blocks, n_values = width + h.n_cells - 1, h.n_cells * n_channels
    picks = stage.picks(switches.view(n_channels, height, width), n_switched)

    # Between the rows lie as many void cells as a block reaches to its left: so all blocks, of
    # all rows, are views at even distances.
    gap = h.n_cells - 1
    cells = stage.stamps.new_zeros(gap + height * n_blocks, n_channels, n_features)
    image = cells[gap:].unflatten(0, (height, n_blocks))[:, :width]
    image[:n_rows, :n_columns] = above.clamp(min=0)
    signals = cells.as_strided((height * n_blocks, n_values, n_features), cells.stride())

    n_pixels = stage.stamps.shape[2]
    blocks = cells.new_zeros(height + v.n_cells - 1, n_blocks, n_pixels, n_features)
    picks = picks.view(height * n_blocks, n_values)
    n_at_once = max(1, STAMP_MEMORY // (n_values * n_pixels * cells.element_size()))
    for row, stamps in enumerate(stage.stamps.flip(0)):
        sums = blocks[row : row + height].flatten(0, 1)
        parts = (of.split(n_at_once) for of in (sums, picks, signals))
        for some_sums, some_picks, some_signals in zip(*parts, strict=True):
            some_sums.baddbmm_(stamps[some_picks].mT, some_signals)
    pixels = blocks.unflatten(2, (v.pool, h.pool, stage.n_inputs))
    pixels = pixels.transpose(1, 2).flatten(2, 3).flatten(0, 1)
    return pixels[-v.origin :, -h.origin :][: size[0], : size[1]]
