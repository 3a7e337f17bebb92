"""The way back on the pooled grids for a GPU: whole layers at once, a few dozen operations a song.

The sums are those of `auralise.deconvnet.pooled`. Row by row they are some two thousand short
operations, which a processor's cache rewards and a GPU waits for.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from auralise.deconvnet.pooled import PooledNetwork, Stage
from auralise.deconvnet.steps import ForwardPass


class PooledAtOnce(PooledNetwork):
    """`PooledNetwork`, a layer at a time."""

    def _maps(self, passed: ForwardPass, features: dict[int, list[int]]) -> Tensor:
        top = max((layer for layer, own in features.items() if own), default=0)
        signal = passed.outputs[0].new_zeros(0, 0, 1, 0)
        for index in range(top - 1, -1, -1):
            signal = _back(
                self.stages[index],
                signal,
                passed.outputs[self.layers[index].end][0],
                features.get(index + 1, []),
                passed.memories[self.poolings[index]],
                passed.memories[self.layers[index].convolution][0],
            )
        n_rows, n_columns, _, n_features = signal.shape
        maps = passed.outputs[0].new_zeros(n_features, *passed.size)
        maps[:, :n_rows, :n_columns] = signal[:, :, 0].permute(2, 0, 1)
        return maps


def _back(
    stage: Stage,
    above: Tensor,
    maps: Tensor,
    features: Sequence[int],
    memory: tuple[Tensor, Sequence[int]],
    size: tuple[int, int],
) -> Tensor:
    """A signal at the convolution's input, from one at the pooling's output.

    Parameters
    ----------
    stage : Stage
    above : Tensor, shape (n_rows, n_columns, n_channels, n_features)
        Of the features of the layers above; rows and columns missing at the end are zero.
    maps : Tensor, shape (n_channels, height, width)
        The layer's feature maps.
    features : sequence of int
        Those of this layer, each of which starts here, alone in its channel; they follow those
        of `above`.
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
    n_channels, height, width = maps.shape
    n_rows, n_columns, _, n_above = above.shape
    n_blocks, n_values = width + h.n_cells - 1, h.n_cells * n_channels
    n_features = n_above + len(features)
    switches, (_, n_switched) = memory
    picks = stage.picks(switches.view(maps.shape), n_switched)

    # Between the rows lie as many void cells as a block reaches to its left: so all blocks, of
    # all rows, are views at even distances.
    gap = h.n_cells - 1
    cells = stage.stamps.new_zeros(gap + height * n_blocks, n_channels, n_features)
    image = cells[gap:].unflatten(0, (height, n_blocks))[:, :width]
    image[:n_rows, :n_columns, :, :n_above] = above.clamp(min=0)
    channels = torch.tensor(features, dtype=torch.long, device=maps.device)
    places = torch.arange(n_above, n_features, device=maps.device)
    own = maps[channels].clamp(min=0).permute(1, 2, 0)
    image[:, :, channels, places] = own.to(cells.dtype)
    signals = cells.as_strided((height * n_blocks, n_values, n_features), cells.stride())

    n_pixels = stage.stamps.shape[2]
    blocks = cells.new_zeros(height + v.n_cells - 1, n_blocks, n_pixels, n_features)
    for row, stamps in enumerate(stage.stamps.flip(0)):
        matrices = stamps[picks.flatten()].view(height * n_blocks, n_values, n_pixels)
        blocks[row : row + height].flatten(0, 1).baddbmm_(matrices.mT, signals)
    pixels = blocks.view(*blocks.shape[:2], v.pool, h.pool, stage.n_inputs, n_features)
    pixels = pixels.transpose(1, 2).flatten(2, 3).flatten(0, 1)
    return pixels[-v.origin :, -h.origin :][: size[0], : size[1]]
