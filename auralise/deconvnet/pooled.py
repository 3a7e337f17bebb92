"""The way back of a chain, done on its pooled grids: the same sums, several times faster.

Every layer is a convolution, an activation and a max-pooling, or some of these. After unpooling,
few pixels of the windows of a pooling (a *cell* each) hold a value, and which one (the switch) is
the same for all features of a song. So at each place the transposed convolution is one matrix,
picked by the switches, that multiplies the whole batch of features. Of the 36 products that a
3×3 kernel costs densely for each value of a 2×2 pooling, 16 remain. Where windows overlap and
share their maximum, the first of them takes the values of all. Without a pooling, each pixel is a
cell, and the matrix is the same at all places.

All layers walk back together, row by row: a layer asks the one above for its next row of cells
when it needs it. The signals stay in the processor's cache, and nothing of full resolution
exists but the maps.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from auralise.deconvnet.steps import (
    WORKING_MEMORY,
    Activation,
    BeforeConvolutions,
    Convolution,
    ForwardPass,
    Layer,
    MaxPooling,
    Normalisation,
    Passing,
    Step,
    StepByStep,
    dtypes_of,
    pair,
)

FEATURES_AT_ONCE = 640  # enough to fill a processor, few enough for its cache
MEMORY = 384 * 2**20  # bytes of the signals of all layers
STAMPS_AT_MOST = 2**26  # numbers in the matrices of a layer
LANES = 16  # batches of a multiple of this are multiplied 1.15 times faster
FEW = 16  # features for which gathering the matrices takes longer than multiplying by them


@dataclass(frozen=True)
class _Axis:
    """Which cells reach which pixels, along one axis.

    A cell is a window of the pooling: of `window` outputs of the convolution, `pool` after the
    one before, the first of them `pad` before the first output. The pixels at the convolution's
    input are cut into *blocks* of as many pixels as lie between cells, placed so that the fewest
    cells reach each: block ``i`` is reached by the cells ``i - n_cells + 1`` to ``i``.
    """

    pool: int
    kernel: int
    padding: int
    window: int
    pad: int = 0
    stride: int = 1
    dilation: int = 1

    @property
    def block(self) -> int:
        return self.pool * self.stride

    @property
    def _span(self) -> int:
        """Pixels that a cell reaches."""
        return (self.window - 1) * self.stride + (self.kernel - 1) * self.dilation + 1

    @property
    def n_cells(self) -> int:
        return -(-self._span // self.block)

    @property
    def origin(self) -> int:
        """First pixel of block 0; not positive."""
        before = self.padding + self.pad * self.stride
        return self._span - before - self.block * self.n_cells

    def taps(self) -> Tensor:
        """The tap of the kernel that leads from a position in the cells to a pixel of the block.

        Returns
        -------
        Tensor of int, shape (n_cells * window, block)
            `kernel` where none does.
        """
        cell, position, pixel = torch.meshgrid(
            *map(torch.arange, (self.n_cells, self.window, self.block)), indexing="ij"
        )
        first = self._span - self.block * (cell + 1) - self.stride * position + pixel
        tap = first // self.dilation
        is_one = (first % self.dilation == 0) & (tap >= 0) & (tap < self.kernel)
        return torch.where(is_one, tap, self.kernel).flatten(0, 1)


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

    def put_next(self, target: Tensor, inside: slice, least: float) -> None:
        """Put the next row into `target` ``(width, n_channels, n_features or more)``.

        What lies below `least` becomes it.
        """
        if self.n_features == 0:
            return
        start = inside.start + self.first
        landing = target[start : start + self.n_pixels, :, : self.n_features]
        row = next(self.rows, None)
        if row is None:
            landing.zero_()
            return
        row = row[..., : self.n_features]
        torch.maximum(row, row.new_full((), least), out=landing.view(row.shape))
        target[: inside.start].zero_()
        target[inside.stop :].zero_()


@dataclass(frozen=True)
class _Shared:
    """Which windows of a pooling, by their switches, took their maximum from the same place.

    On the way back their values meet in one of them: the first of the last row. Values of a row
    of cells are counted ``column * n_channels + channel``.

    Attributes
    ----------
    taken : list of list of (Tensor, Tensor)
        For each row, whose values another one of the row takes, and which one; in several
        rounds, where each takes once.
    passed : list of list of (int, Tensor, Tensor)
        For each row, to which later one it passes values, whose these are, and who takes them.
    """

    taken: list[list[tuple[Tensor, Tensor]]]
    passed: list[list[tuple[int, Tensor, Tensor]]]

    @classmethod
    def of(cls, switches: Tensor) -> "_Shared":
        """From switches ``(n_channels, height, width)``, flat positions in an image."""
        n_channels, height, _ = switches.shape
        places = switches.permute(1, 2, 0) * n_channels + torch.arange(n_channels)
        taken: list[list[tuple[Tensor, Tensor]]] = []
        firsts = []  # of each place in each row: place, row, value
        for row, own in enumerate(places.flatten(1).numpy()):
            here, first, of = np.unique(own, return_index=True, return_inverse=True)
            firsts.append(np.stack([here, np.full(len(here), row), first]))
            others = np.flatnonzero(first[of] != np.arange(len(of)))
            rounds = []
            while len(others):
                takers, chosen = np.unique(first[of[others]], return_index=True)
                rounds.append((torch.from_numpy(others[chosen]), torch.from_numpy(takers)))
                others = np.delete(others, chosen)
            taken.append(rounds)
        place, row, value = np.concatenate(firsts, axis=1)
        order = np.lexsort((row, place))
        place, row, value = place[order], row[order], value[order]
        again = np.flatnonzero(place[1:] == place[:-1])
        passed: list[list[tuple[int, Tensor, Tensor]]] = [[] for _ in range(height)]
        for source, target in np.unique(np.stack([row[again], row[again + 1]]), axis=1).T:
            these = again[(row[again] == source) & (row[again + 1] == target)]
            facts = torch.from_numpy(value[these]), torch.from_numpy(value[these + 1])
            passed[source].append((int(target), *facts))
        return cls(taken, passed)

    def meet(self, row: Tensor, i: int, pending: dict[int, list[tuple[Tensor, Tensor]]]) -> None:
        """Let values of row `i`, ``(width, n_channels, n_features)``, meet, in place.

        What later rows take is put into `pending`.
        """
        values = row.flatten(0, 1)
        for takers, arriving in pending.pop(i, []):
            values[takers] += arriving
        for places, takers in self.taken[i]:
            values[takers] += values[places]
            values[places] = 0
        for target, places, takers in self.passed[i]:
            pending.setdefault(target, []).append((takers, values[places]))
            values[places] = 0


@dataclass(frozen=True)
class _Plan:
    """What the steps of a layer are to its stage.

    Attributes
    ----------
    convolution : Convolution
    pooling : MaxPooling, optional
    activates : bool
        Whether there is an activation.
    pools_first : bool
        Whether the pooling comes before it.
    weight_gain, own_gain, above_gain : Tensor, optional, shape (n_features,)
        Of batch norms before the activation; of those between it and the layer's end; of all
        behind it.
    """

    convolution: Convolution
    pooling: MaxPooling | None
    activates: bool
    pools_first: bool
    weight_gain: Tensor | None
    own_gain: Tensor | None
    above_gain: Tensor | None

    @classmethod
    def of(cls, steps: Sequence[Step]) -> "_Plan | None":
        """The plan of a layer's steps, convolution first; None if they cannot be a stage."""
        convolution, *rest = [step for step in steps if not isinstance(step, Passing)]
        if not isinstance(convolution, Convolution):
            return None
        shaping = [i for i, step in enumerate(rest) if isinstance(step, Activation | MaxPooling)]
        end = max(shaping, default=-1)
        pooling, activates, pools_first = None, False, False
        before = own = above = None
        for i, step in enumerate(rest):
            if isinstance(step, Normalisation):
                if i < end and not activates:
                    before = step.gain if before is None else before * step.gain
                else:
                    above = step.gain if above is None else above * step.gain
                    own = above if i < end else own
            elif isinstance(step, MaxPooling) and pooling is None:
                pooling, pools_first = step, not activates
            elif isinstance(step, Activation) and own is None and (pooling is None or pools_first):
                activates = True
            else:
                return None
        return cls(convolution, pooling, activates, pools_first, before, own, above)

    @property
    def is_regular(self) -> bool:
        """Whether the windows of a pooling lie side by side, and nothing else is in the way."""
        if self.pooling is None or not self.activates or self.above_gain is not None:
            return False
        convolution, pooling = self.convolution.module, self.pooling.module
        return (
            convolution.stride == convolution.dilation == (1, 1)
            and pair(pooling.kernel_size) == pair(pooling.stride)
            and pair(pooling.padding) == (0, 0)
        )

    @property
    def axes(self) -> list[_Axis]:
        """Vertical and horizontal."""
        module = self.convolution.module
        left, _, top, _ = self.convolution.pads
        window, pool, pad = (1, 1), (1, 1), (0, 0)
        if self.pooling is not None:
            of = self.pooling.module
            window, pool, pad = pair(of.kernel_size), pair(of.stride), pair(of.padding)
        facts = (pool, module.kernel_size, (top, left), window, pad, module.stride, module.dilation)
        return [_Axis(*own) for own in zip(*facts, strict=True)]

    @property
    def n_stamps(self) -> int:
        """Numbers in all matrices."""
        v, h = self.axes
        places = v.n_cells * h.n_cells * v.window * h.window * v.block * h.block
        return places * self.convolution.module.weight[:, :, 0, 0].numel()


class Stage:
    """Unpooling, ReLU and transposed convolution of one layer, row by row.

    Signals are ``(pixel, n_channels, n_features)``: what a matrix multiplies is contiguous.
    """

    def __init__(
        self, steps: Sequence[Step], dtype: torch.dtype, below: Sequence[Step] | None = None
    ):
        plan = _Plan.of(steps)
        assert plan is not None  # as `takes` says
        self.plan = plan
        weight = plan.convolution.module.weight
        if plan.weight_gain is not None:
            weight = weight * plan.weight_gain[:, None, None, None]
        under = _Plan.of(below) if below else None
        if under is not None and under.above_gain is not None:
            # What leaves this layer is multiplied by it before the layer below rectifies.
            weight = weight * under.above_gain[:, None, None]
        self.n_inputs = weight.shape[1]
        self.vertical, self.horizontal = plan.axes
        self.overlaps = any(axis.window > axis.pool for axis in plan.axes)
        self.stamps = self._stamps(weight).to(dtype)

    @staticmethod
    def takes(steps: Sequence[Step]) -> bool:
        """Whether a layer's steps, convolution first, are those of a stage."""
        plan = _Plan.of(steps)
        if plan is None or plan.convolution.module.groups != 1:
            return False
        if plan.pooling is not None:
            pooling = plan.pooling.module
            if pooling.ceil_mode or pair(pooling.dilation) != (1, 1):
                return False
        return plan.is_regular or plan.n_stamps <= STAMPS_AT_MOST

    @staticmethod
    def is_regular(steps: Sequence[Step]) -> bool:
        """Whether the layer has a pooling whose windows lie side by side, and no norm behind."""
        plan = _Plan.of(steps)
        return plan is not None and plan.is_regular

    def _stamps(self, weight: Tensor) -> Tensor:
        """What a value of 1 at each possible place adds to a block of pixels.

        Returns
        -------
        Tensor, shape (cells_v, cells_h * window_v * window_h * n_channels, block * n_inputs)
            Which row of cells; which cell in it, which switch, which channel; which pixel of
            the block, which channel.
        """
        v, h = self.vertical, self.horizontal
        padded = functional.pad(weight, (0, 1, 0, 1))
        stamps = padded[:, :, v.taps()[:, :, None, None], h.taps()]
        stamps = stamps.unflatten(4, (h.n_cells, h.window)).unflatten(2, (v.n_cells, v.window))
        # channel, input, cell_v, switch_v, pixel_v, cell_h, switch_h, pixel_h
        stamps = stamps.permute(2, 5, 3, 6, 0, 4, 7, 1)
        return stamps.reshape(v.n_cells, -1, v.block * h.block * self.n_inputs)

    def picks(self, switches: Tensor, n_columns: int) -> Tensor:
        """The stamp of each value that reaches a block.

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
        switch_v = row - cell_v[:, None] * v.pool + v.pad
        switch_h = switches - row * n_columns - cell_h * h.pool + h.pad
        switch = functional.pad(switch_v * h.window + switch_h, (h.n_cells - 1, h.n_cells - 1))
        # height, block, neighbour, channel
        switch = switch.unfold(2, h.n_cells, 1).permute(1, 2, 3, 0)
        place = neighbour[:, None] * v.window * h.window + switch
        return (place * n_channels + channel).flatten(1)

    def back(
        self,
        above: Rows,
        maps: Tensor,
        features: Sequence[int],
        memory: tuple[Tensor, Sequence[int]] | None,
        n_rows: int,
    ) -> Rows:
        """Rows at the convolution's input, from rows at the layer's end.

        Parameters
        ----------
        above : Rows
            Of the features of the layers above.
        maps : Tensor, shape (n_channels, height, width)
            This layer's feature maps.
        features : sequence of int
            Those of this layer, each of which starts here, alone in its channel; they follow
            those of `above`.
        memory : tuple, optional
            As `MaxPooling.forward` returns it, of a layer with a pooling.
        n_rows : int
            Height at the convolution's input.
        """
        rows = self._rows(above, maps, features, memory, n_rows)
        n_blocks = maps.shape[2] + self.horizontal.n_cells - 1
        n_pixels = n_blocks * self.horizontal.block
        return Rows(rows, above.n_features + len(features), self.horizontal.origin, n_pixels)

    def n_values(self, width: int) -> int:
        """Numbers that are kept at once for each feature, of a layer of `width` columns."""
        v, h = self.vertical, self.horizontal
        n_channels = len(self.plan.convolution.module.weight)
        cells = v.n_cells * (width + 2 * h.n_cells) * n_channels
        return cells + (width + h.n_cells) * v.block * h.block * self.n_inputs

    def _rows(self, above, maps, features, memory, n_rows) -> Iterator[Tensor]:
        v, h = self.vertical, self.horizontal
        n_channels, height, width = maps.shape
        n_blocks, n_values = width + h.n_cells - 1, h.n_cells * n_channels
        n_features = above.n_features + len(features)
        shared = None
        if memory is not None:
            switches, (_, n_columns) = memory
            picks = self.picks(switches.view(maps.shape), n_columns)
            shared = _Shared.of(switches.view(maps.shape)) if self.overlaps else None
        rectifies_last = self.plan.activates and shared is not None and not self.plan.pools_first
        least = 0.0 if self.plan.activates and not rectifies_last else -torch.inf
        own = maps[features]
        if self.plan.own_gain is not None:
            own = own * self.plan.own_gain[features, None, None]
        own = own.clamp(min=least).permute(1, 2, 0).to(self.stamps.dtype)
        channels = torch.tensor(features, dtype=torch.long, device=maps.device)
        places = torch.arange(above.n_features, n_features, device=maps.device)

        # The same memory for every row: fresh pages cost half as much as the products.
        before = max(h.n_cells - 1, -above.first)
        after = max(h.n_cells - 1, above.first + above.n_pixels - width)
        new = self.stamps.new_zeros
        n_batch = -(-n_features // LANES) * LANES
        cells = new(v.n_cells, before + width + after, n_channels, n_batch)
        matrices = new(n_blocks * n_values if memory is not None else 0, self.stamps.shape[2])
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
        inside = slice(before, before + width)
        pending: dict[int, list[tuple[Tensor, Tensor]]] = {}
        y = v.origin
        for i in range(height + v.n_cells - 1):
            if i < height:
                row = cells[i % v.n_cells]
                above.put_next(row, inside, least)
                if shared is not None:
                    row[inside, :, above.n_features :].zero_()  # an earlier row's may have met here
                row[inside][:, channels, places] = own[i]
                if shared is not None:
                    shared.meet(row[inside], i, pending)
                if rectifies_last:
                    row[inside].clamp_(min=0)
            first = max(0, i - v.n_cells + 1)
            for k in range(first, min(i + 1, height)):
                stamps = self.stamps[k - i + v.n_cells - 1]
                if memory is None:
                    picked = stamps.expand(n_blocks, -1, -1)
                else:
                    torch.index_select(stamps, 0, picks[k], out=matrices)
                    picked = matrices.view(n_blocks, n_values, -1)
                blocks.baddbmm_(picked.mT, signals[k % v.n_cells], beta=int(k > first))
            for pixels in blocks.unflatten(1, (v.block, -1)).unbind(1):
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
        below = [None, *(steps[layer.steps] for layer in layers)]
        self.stages = [
            Stage(steps[layer.steps], own, under)
            for layer, own, under in zip(layers, dtypes_of(layers, dtype), below[:-1], strict=True)
        ]
        self.poolings: list[int | None] = [
            next(
                (i for i in range(len(steps))[layer.steps] if isinstance(steps[i], MaxPooling)),
                None,
            )
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
        at_once = self._at_once(passed)
        for group in _groups(wanted, at_once):
            if len(group) == 1:
                ((layer, own),) = group.items()
                parts = [own[i : i + at_once] for i in range(0, len(own), at_once)] or [[]]
                found = [self._maps(passed, {layer: part}) for part in parts]
                whole = found[0] if len(found) == 1 else torch.cat(found)
                yield self.before.back(whole, passed)
                continue
            maps = self._maps(passed, group)
            downwards = sorted(group, reverse=True)
            split = maps.split([len(group[layer]) for layer in downwards])
            of_layer = dict(zip(downwards, split, strict=True))
            yield from (self.before.back(of_layer[layer], passed) for layer in group)

    def _at_once(self, passed: ForwardPass) -> int:
        """Features that fit into `MEMORY`, at most `FEATURES_AT_ONCE`."""
        n_values = sum(
            stage.n_values(passed.outputs[layer.end].shape[-1])
            for stage, layer in zip(self.stages, self.layers, strict=True)
        )
        n = MEMORY // (4 * n_values) // LANES * LANES
        return min(max(n, LANES), FEATURES_AT_ONCE)

    def _maps(self, passed: ForwardPass, features: dict[int, list[int]]) -> Tensor:
        """Maps of several layers at the first convolution's input, the top layer's first."""
        top = max((layer for layer, own in features.items() if own), default=0)
        rows = Rows()
        for index in range(top - 1, -1, -1):
            layer = self.layers[index]
            (n_rows, _), _ = passed.memories[layer.convolution]
            pooling = self.poolings[index]
            rows = self.stages[index].back(
                rows,
                passed.outputs[layer.end][0],
                features.get(index + 1, []),
                None if pooling is None else passed.memories[pooling],
                n_rows,
            )
        height, width = self.before.grid(passed)
        maps = passed.outputs[0].new_zeros(rows.n_features, height, width)
        for y, row in enumerate(rows.rows):
            row = row.flatten(0, 1)[-rows.first :][:width]
            maps[:, y, : len(row)] = row.T[: rows.n_features]
        return maps


class PooledUnlessFew(PooledNetwork):
    """Like `PooledNetwork`, but a few features walk step by step."""

    def __init__(self, steps: Sequence[Step], layers: Sequence[Layer], dtype: torch.dtype):
        super().__init__(steps, layers, dtype)
        is_rounded = dtype != torch.float32  # on the way step by step in other places
        self.by_steps = None if is_rounded else StepByStep(steps, layers, dtype)

    def back(
        self, passed: ForwardPass, wanted: Iterable[tuple[int, list[int]]]
    ) -> Iterator[Tensor]:
        """As `auralise.deconvnet.steps.StepByStep.back`."""
        wanted = list(wanted)
        n_features = sum(len(features) for _, features in wanted)
        widest = max(output.numel() for output in passed.outputs)
        if self.by_steps and n_features <= FEW and 4 * widest <= WORKING_MEMORY:
            return self.by_steps.back(passed, wanted)
        return super().back(passed, wanted)


def _groups(
    wanted: Iterable[tuple[int, list[int]]], at_once: int
) -> Iterator[dict[int, list[int]]]:
    """Consecutive layers of at most `at_once` features in all, or one layer."""
    group: dict[int, list[int]] = {}
    for layer, features in wanted:
        n_features = sum(map(len, group.values())) + len(features)
        if layer in group or (group and n_features > at_once):
            yield group
            group = {}
        group[layer] = features
    yield group
