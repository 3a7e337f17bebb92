"""The way back of a regular network, done on its pooled grids: the same sums, several times faster.

Every layer is a convolution, an activation and a max-pooling without overlap. After unpooling,
at most one pixel of each pooling window (a *cell*) holds a value, and which one (the switch) is
the same for all features of a song. So at each place the transposed convolution is one matrix,
picked by the switches, that multiplies the whole batch of features. Of the 36 products that a
3×3 kernel costs densely for each value of a 2×2 pooling, 16 remain.

All layers walk back together, row by row: a layer asks the one above for its next row of cells
when it needs it. The signals stay in the processor's cache, and nothing of full resolution
exists but the maps.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from auralise.deconvnet.steps import (
    Activation,
    BeforeConvolutions,
    ForwardPass,
    Layer,
    MaxPooling,
    Normalisation,
    Passing,
    Step,
    dtypes_of,
    pair,
)

FEATURES_AT_ONCE = 512  # enough to fill a processor, few enough for its cache
LANES = 16  # batches of a multiple of this are multiplied 1.15 times faster


@dataclass(frozen=True)
class _Axis:
    """Which cells reach which pixels, along one axis.

    The pixels at the convolution's input are cut into *blocks* of `pool`, placed so that the
    fewest cells reach each: block ``i`` is reached by the cells ``i - n_cells + 1`` to ``i``.
    """

    pool: int
    kernel: int
    padding: int

    @property
    def n_cells(self) -> int:
        return -(-(self.pool + self.kernel - 1) // self.pool)

    @property
    def origin(self) -> int:
        """First pixel of block 0; never positive."""
        return self.kernel - 1 - self.padding - self.pool * (self.n_cells - 1)

    @property
    def margins(self) -> tuple[int, int]:
        """Zeros around a kernel, so that `taps` can index it."""
        return self.pool - 1, self.n_cells * self.pool - self.kernel

    def taps(self) -> Tensor:
        """The tap of the flipped kernel that leads from a pixel of the cells to one of the block.

        Returns
        -------
        Tensor of int, shape (n_cells * pool, pool)
        """
        return torch.arange(self.n_cells * self.pool)[:, None] + (
            self.pool - 1 - torch.arange(self.pool)
        )


@dataclass
class Rows:
    """The rows of a signal, from the top; missing ones at the end are zero.

    Attributes
    ----------
    rows : iterator of Tensor, shape (n_blocks, block width * n_channels, n_features or more)
        Each is used before the next is asked for.
    n_features : int
    first : int
        Pixel at which a row begins; not positive. What lies outside the image is void.
    n_pixels : int
        Length of a row.
    """

    rows: Iterator[Tensor] = iter(())
    n_features: int = 0
    first: int = 0
    n_pixels: int = 0

    def put_next(self, target: Tensor, inside: slice) -> None:
        """Rectify the next row into `target` ``(width, n_channels, n_features or more)``."""
        if self.n_features == 0:
            return
        start = inside.start + self.first
        landing = target[start : start + self.n_pixels, :, : self.n_features]
        row = next(self.rows, None)
        if row is None:
            landing.zero_()
            return
        row = row[..., : self.n_features]
        torch.maximum(row, row.new_zeros(()), out=landing.view(row.shape))
        target[: inside.start].zero_()
        target[inside.stop :].zero_()


class Stage:
    """Unpooling, ReLU and transposed convolution of one layer, row by row.

    Signals are ``(pixel, n_channels, n_features)``: what a matrix multiplies is contiguous.
    """

    def __init__(self, steps: Sequence[Step], dtype: torch.dtype):
        convolution = steps[0]
        pooling = next(step for step in steps if isinstance(step, MaxPooling))
        weight = convolution.module.weight
        for step in steps:
            if isinstance(step, Normalisation):
                weight = weight * step.gain[:, None, None, None]
        _, self.n_inputs, *kernel = weight.shape
        left, _, top, _ = convolution.pads
        self.vertical, self.horizontal = map(
            _Axis, pair(pooling.module.kernel_size), kernel, (top, left)
        )
        self.stamps = self._stamps(weight).to(dtype)

    @staticmethod
    def takes(steps: Sequence[Step]) -> bool:
        """Whether a layer's steps, convolution first, are those of a stage."""
        convolution, *rest = [step for step in steps if not isinstance(step, Passing)]
        while rest and isinstance(rest[0], Normalisation):
            rest.pop(0)
        poolings = [step.module for step in rest if isinstance(step, MaxPooling)]
        activations = [step for step in rest if isinstance(step, Activation)]
        if len(poolings) != 1 or not activations or len(poolings) + len(activations) != len(rest):
            return False
        (pooling,) = poolings
        return (
            convolution.module.stride == convolution.module.dilation == (1, 1)
            and convolution.module.groups == 1
            and pair(pooling.kernel_size) == pair(pooling.stride)
            and (pair(pooling.padding), pair(pooling.dilation)) == ((0, 0), (1, 1))
            and not pooling.ceil_mode
        )

    def _stamps(self, weight: Tensor) -> Tensor:
        """What a one, wherever it may stand, adds to a block of pixels.

        Returns
        -------
        Tensor, shape (cells_v, cells_h * pool_v * pool_h * n_channels, pool_v * pool_h * n_inputs)
            Which row of cells; which cell in it, which switch, which channel; which pixel of
            the block, which channel.
        """
        v, h = self.vertical, self.horizontal
        flipped = functional.pad(weight.flip(2, 3), (*h.margins, *v.margins))
        stamps = flipped[:, :, v.taps()[:, :, None, None], h.taps()]
        stamps = stamps.unflatten(4, (h.n_cells, h.pool)).unflatten(2, (v.n_cells, v.pool))
        # channel, input, cell_v, switch_v, pixel_v, cell_h, switch_h, pixel_h
        stamps = stamps.permute(2, 5, 3, 6, 0, 4, 7, 1)
        return stamps.reshape(v.n_cells, -1, v.pool * h.pool * self.n_inputs)

    def picks(self, switches: Tensor, n_columns: int) -> Tensor:
        """Which stamps the values that reach each block take.

        Parameters
        ----------
        switches : Tensor of int, shape (n_channels, height, width)
            Flat positions in images of `n_columns` columns.

        Returns
        -------
        Tensor of int, shape (height, n_blocks * cells_h * n_channels)
        """
        v, h = self.vertical, self.horizontal
        n_channels, height, width = switches.shape
        cell_v, cell_h, neighbour, channel = (
            torch.arange(n, device=switches.device) for n in (height, width, h.n_cells, n_channels)
        )
        row = switches // n_columns
        switch_v = row - cell_v[:, None] * v.pool
        switch_h = switches - row * n_columns - cell_h * h.pool
        switch = functional.pad(switch_v * h.pool + switch_h, (h.n_cells - 1, h.n_cells - 1))
        # height, block, neighbour, channel
        switch = switch.unfold(2, h.n_cells, 1).permute(1, 2, 3, 0)
        place = neighbour[:, None] * v.pool * h.pool + switch
        return (place * n_channels + channel).flatten(1)

    def back(
        self,
        above: Rows,
        maps: Tensor,
        features: Sequence[int],
        memory: tuple[Tensor, Sequence[int]],
        n_rows: int,
    ) -> Rows:
        """Rows at the convolution's input, from rows at the pooling's output.

        Parameters
        ----------
        above : Rows
            Of the features of the layers above.
        maps : Tensor, shape (n_channels, height, width)
            This layer's feature maps.
        features : sequence of int
            Those of this layer, each of which starts here, alone in its channel; they follow
            those of `above`.
        memory : tuple
            As `MaxPooling.forward` returns it.
        n_rows : int
            Height at the convolution's input.
        """
        rows = self._rows(above, maps, features, memory, n_rows)
        n_blocks = maps.shape[2] + self.horizontal.n_cells - 1
        n_pixels = n_blocks * self.horizontal.pool
        return Rows(rows, above.n_features + len(features), self.horizontal.origin, n_pixels)

    def _rows(self, above, maps, features, memory, n_rows) -> Iterator[Tensor]:
        v, h = self.vertical, self.horizontal
        n_channels, height, width = maps.shape
        n_blocks, n_values = width + h.n_cells - 1, h.n_cells * n_channels
        n_features = above.n_features + len(features)
        switches, (_, n_columns) = memory
        picks = self.picks(switches.view(maps.shape), n_columns)
        own = maps[features].clamp(min=0).permute(1, 2, 0).to(self.stamps.dtype)
        channels = torch.tensor(features, dtype=torch.long, device=maps.device)
        places = torch.arange(above.n_features, n_features, device=maps.device)

        # The same memory for every row: fresh pages cost half as much as the products.
        before = max(h.n_cells - 1, -above.first)
        after = max(h.n_cells - 1, above.first + above.n_pixels - width)
        new = self.stamps.new_zeros
        n_batch = -(-n_features // LANES) * LANES
        cells = new(v.n_cells, before + width + after, n_channels, n_batch)
        matrices = new(n_blocks * n_values, self.stamps.shape[2])
        blocks = new(n_blocks, self.stamps.shape[2], n_batch)
        # Neighbouring blocks share cells: overlapping views of one row.
        signals = [
            row.as_strided(
                (n_blocks, n_values, n_batch),
                row.stride(),
                row[before - h.n_cells + 1 :].storage_offset(),
            )
            for row in cells
        ]
        y = v.origin
        for i in range(height + v.n_cells - 1):
            if i < height:
                inside = slice(before, before + width)
                above.put_next(cells[i % v.n_cells], inside)
                cells[i % v.n_cells, inside][:, channels, places] = own[i]
            first = max(0, i - v.n_cells + 1)
            for k in range(first, min(i + 1, height)):
                stamps = self.stamps[k - i + v.n_cells - 1]
                torch.index_select(stamps, 0, picks[k], out=matrices)
                blocks.baddbmm_(
                    matrices.view(n_blocks, n_values, -1).mT,
                    signals[k % v.n_cells],
                    beta=int(k > first),
                )
            for pixels in blocks.unflatten(1, (v.pool, -1)).unbind(1):
                if 0 <= y < n_rows:
                    yield pixels
                y += 1


class PooledNetwork:
    """The way back through a network in which every layer is a `Stage`.

    Parameters
    ----------
    steps : sequence of Step
    layers : sequence of Layer
    dtype : torch.dtype
        Of the signals and kernels on the way back through the layers of `dtypes_of`.
    """

    def __init__(self, steps: Sequence[Step], layers: Sequence[Layer], dtype: torch.dtype):
        self.layers = layers
        self.before = BeforeConvolutions(steps, layers)
        self.stages = [
            Stage(steps[layer.steps], own)
            for layer, own in zip(layers, dtypes_of(layers, dtype), strict=True)
        ]
        self.poolings = [
            next(i for i in range(len(steps))[layer.steps] if isinstance(steps[i], MaxPooling))
            for layer in layers
        ]

    @staticmethod
    def takes(steps: Sequence[Step], layers: Sequence[Layer]) -> bool:
        """Whether every layer is a stage; what comes before the first may be anything."""
        return all(Stage.takes(steps[layer.steps]) for layer in layers)

    def back(
        self, passed: ForwardPass, wanted: Iterable[tuple[int, list[int]]]
    ) -> Iterator[Tensor]:
        """As `auralise.deconvnet.steps.StepByStep.back`."""
        for group in _groups(wanted):
            maps = self._maps(passed, group)
            downwards = sorted(group, reverse=True)
            parts = maps.split([len(group[layer]) for layer in downwards])
            of_layer = dict(zip(downwards, parts, strict=True))
            yield from (self.before.back(of_layer[layer], passed) for layer in group)

    def _maps(self, passed: ForwardPass, features: dict[int, list[int]]) -> Tensor:
        """Maps of several layers at the first convolution's input, the top layer's first."""
        top = max((layer for layer, own in features.items() if own), default=0)
        rows = Rows()
        for index in range(top - 1, -1, -1):
            layer = self.layers[index]
            (n_rows, _), _ = passed.memories[layer.convolution]
            rows = self.stages[index].back(
                rows,
                passed.outputs[layer.end][0],
                features.get(index + 1, []),
                passed.memories[self.poolings[index]],
                n_rows,
            )
        height, width = self.before.grid(passed)
        maps = passed.outputs[0].new_zeros(rows.n_features, height, width)
        for y, row in enumerate(rows.rows):
            row = row.flatten(0, 1)[-rows.first :][:width]
            maps[:, y, : len(row)] = row.T[: rows.n_features]
        return maps


def _groups(wanted: Iterable[tuple[int, list[int]]]) -> Iterator[dict[int, list[int]]]:
    """Consecutive layers of at most `FEATURES_AT_ONCE` features in all, or of one layer."""
    group: dict[int, list[int]] = {}
    for layer, features in wanted:
        n_features = sum(map(len, group.values())) + len(features)
        if layer in group or (group and n_features > FEATURES_AT_ONCE):
            yield group
            group = {}
        group[layer] = features
    yield group
