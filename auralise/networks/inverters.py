"""Up-convolutional networks that turn a layer's features back into its input.

A `Plan` is written as Mishra 2018 tables it, block by block: ``FC256`` a dense layer, ``C64`` a
convolution 3×3, ``U32`` a transposed convolution 4×4 of stride 2. Every block ends in batch
normalisation and an ELU, the last one too, so that no picture goes below -1.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from auralise.errors import NetworkError
from auralise.networks.initialisation import initialise

GRID = (4, 4)  # into which the published networks fold their last dense layer
EPSILON = 1e-4  # of batch normalisation, Lasagne's
EDGE = 0.2  # octaves of size that convolutions and poolings may cut off at the edges

# Mishra 2018, code: for SVDNet, by layer.
PUBLISHED = {
    "conv1": "C64 C1",
    "conv2": "C32 C32 C32 C1",
    "mp3": "C32 C32 C32 C32 U16 U1",
    "conv4": "C128 C128 C128 U64 U1",
    "conv5": "C64 C64 C64 U32 U1",
    "mp6": "C64 U32 U16 U8 U1",
    "fc7": "FC256 U64 C64 U32 C32 U16 C16 U8 C8 U1",
    "fc8": "FC64 FC256 U64 C64 U32 C32 U16 C16 U8 C8 U1",
}


@dataclass(frozen=True)
class Plan:
    """An inverter's structure.

    Attributes
    ----------
    blocks : tuple of str
        ``FC…`` first, then ``C…`` and ``U…``, each with its number of features.
    shape : tuple of int
        Of the features to invert: ``(n_units,)`` or ``(n_features, n_bins, n_frames)``.
    picture : (int, int)
        Bins and frames of the result.
    grid : (int, int)
        Bins and frames into which the last dense block is folded.
    scaled : bool
        Whether a result that is larger than the picture is scaled down to it; it is cropped
        otherwise, as published.
    """

    blocks: tuple[str, ...]
    shape: tuple[int, ...]
    picture: tuple[int, int]
    grid: tuple[int, int] = GRID
    scaled: bool = False

    @property
    def is_dense(self) -> bool:
        return self.blocks[0].startswith("FC")


def plan_for(
    layer: str, shape: tuple[int, ...], picture: tuple[int, int], published: bool = True
) -> Plan:
    """The published inverter of one of SVDNet's layers; for any other layer, a derived one.

    Parameters
    ----------
    layer : str
        Its name.
    shape : tuple of int
        Of its features: ``(n_units,)`` or ``(n_features, n_bins, n_frames)``.
    picture : (int, int)
        Bins and frames of the picture.
    published : bool
        False derives them all.
    """
    if published and layer in PUBLISHED:
        return Plan(tuple(PUBLISHED[layer].split()), shape, picture)
    return derive_plan(shape, picture)


def derive_plan(shape: tuple[int, ...], picture: tuple[int, int]) -> Plan:
    """An inverter for any layer, by the rule behind most of the published ones.

    As many doublings as lead from the layer's size to the picture's, each halving the features
    down to a single one; before them three convolutions, or one where four doublings or more
    follow. A dense layer is unfolded first, by a dense block of 16 features on a grid from
    which five doublings lead to the picture, with a convolution behind each doubling.

    What comes out larger than the picture is scaled down. The published inverters crop it, by
    which the layers behind SVDNet's poolings, of 3 × 3, are shown enlarged by 4: away from the
    first bins and frames, farther from their place than the convolutions reach.

    The layer's `shape` is ``(n_units,)`` or ``(n_features, n_bins, n_frames)``; a NetworkError says
    that it is larger than the picture, or has no size.
    """
    if len(shape) == 1:
        n_doublings = min(5, *(side.bit_length() - 1 for side in picture))
        grid = (picture[0] >> n_doublings, picture[1] >> n_doublings)
        blocks = [f"FC{16 * grid[0] * grid[1]}"]
        for number in range(n_doublings - 1):
            n_features = max(1, 64 >> number)
            blocks += [f"U{n_features}", f"C{n_features}"]
        return Plan((*blocks, "U1"), shape, picture, grid, scaled=True)
    n_features, *size = shape
    ratios = [whole / part for whole, part in zip(picture, size, strict=True) if part]
    if len(ratios) < 2 or min(ratios) < 1:
        raise NetworkError(
            f"a layer of {size[0]} bins × {size[1]} frames cannot be inverted to a picture of "
            f"{picture[0]} × {picture[1]}; expected a layer with a size, no larger than the picture"
        )
    n_doublings = max(0, math.ceil(math.log2(min(ratios)) - EDGE))
    blocks = [f"C{n_features}"] * (3 if n_doublings < 4 else 1)
    last = "C1" if n_doublings == 0 else "U1"
    halves = [f"U{max(1, n_features >> number)}" for number in range(1, n_doublings)]
    return Plan((*blocks, *halves, last), shape, picture, scaled=True)


def build_inverter(plan: Plan) -> nn.Sequential:
    """The network of a plan, untrained.

    Returns
    -------
    torch.nn.Sequential
        ``block1``, ``block2``, … and ``fit``, which brings them to the picture's size. Takes
        ``(batch, *plan.shape)``; gives ``(batch, 1, *plan.picture)``.

    Raises
    ------
    NetworkError
        The blocks do not follow each other.
    """
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    n_inputs, *size = plan.shape
    doublings_left = sum(block.startswith("U") for block in plan.blocks)
    for number, block in enumerate(plan.blocks, start=1):
        kind, n_features = block.rstrip("0123456789"), int(block.lstrip("FCU"))
        is_last = number == len(plan.blocks)
        # The last layer of a published inverter of a dense layer has a bias instead.
        normalised = not (is_last and plan.is_dense)
        if kind == "FC":
            following = plan.blocks[number : number + 1]
            unfold = plan.grid if not following or not following[0].startswith("FC") else None
            parts[f"block{number}"] = _dense_block(n_inputs, n_features, unfold)
            n_inputs, size = (
                (n_features, size)
                if unfold is None
                else (n_features // (unfold[0] * unfold[1]), list(unfold))
            )
            continue
        if len(size) != 2:
            raise NetworkError(
                f"block {number}, {block}, needs features with bins and frames; "
                f"expected FC blocks before it, got {' '.join(plan.blocks)}"
            )
        if kind == "U":
            doublings_left -= 1
            extra = _lost_by_pooling(size, plan.picture, doublings_left)
            layer: nn.Module = nn.ConvTranspose2d(
                n_inputs, n_features, 4, 2, 1, output_padding=extra, bias=not normalised
            )
            size = [2 * side + more for side, more in zip(size, extra, strict=True)]
        else:
            layer = nn.Conv2d(n_inputs, n_features, 3, padding=1, bias=not normalised)
        parts[f"block{number}"] = _block(
            layer, nn.BatchNorm2d(n_features, EPSILON) if normalised else None
        )
        n_inputs = n_features
    parts["fit"] = Fit(plan.picture, plan.scaled)
    return nn.Sequential(parts)


def _lost_by_pooling(
    size: list[int], picture: tuple[int, int], doublings_left: int
) -> tuple[int, int]:
    """Rows and columns (0 or 1 each) dropped where the picture's size was halved."""
    wanted = [side >> doublings_left for side in picture]
    return tuple(int(w == 2 * side + 1) for w, side in zip(wanted, size, strict=True))  # type: ignore[return-value]


def _dense_block(n_inputs: int, n_units: int, unfold: tuple[int, int] | None) -> nn.Sequential:
    block = _block(nn.Linear(n_inputs, n_units, bias=False), nn.BatchNorm1d(n_units, EPSILON))
    if unfold is not None:
        n_features, rest = divmod(n_units, unfold[0] * unfold[1])
        if rest or not n_features:
            raise NetworkError(
                f"{n_units} units cannot be folded into {unfold[0]} bins × {unfold[1]} frames"
            )
        block.add_module("unfold", nn.Unflatten(1, (n_features, *unfold)))
    return block


def _block(layer: nn.Module, norm: nn.Module | None) -> nn.Sequential:
    parts = OrderedDict(layer=layer)
    if norm is not None:
        parts["norm"] = norm
    parts["elu"] = nn.ELU()
    return nn.Sequential(parts)


class Fit(nn.Module):
    """Crop or scale down to the picture; where there is too little, zero-pad on both sides.

    Parameters
    ----------
    picture : (int, int)
        Bins and frames of the result.
    scaled : bool
        Scale down instead of cropping to the first bins and frames.
    """

    def __init__(self, picture: tuple[int, int], scaled: bool = False):
        super().__init__()
        self.picture, self.scaled = picture, scaled

    def forward(self, x: Tensor) -> Tensor:
        if self.scaled:
            size = tuple(map(min, x.shape[-2:], self.picture))
            if size != tuple(x.shape[-2:]):
                x = F.interpolate(x, size, mode="bilinear")
        x = x[..., : self.picture[0], : self.picture[1]]
        below, before = ((side - has) for side, has in zip(self.picture, x.shape[-2:], strict=True))
        return F.pad(x, (before // 2, before - before // 2, below // 2, below - below // 2))


def initial_inverter(plan: Plan, seed: int) -> nn.Sequential:
    """The network of a plan before training: He-normal weights, zero biases."""
    # Gain 1, as Lasagne's HeNormal has unless told otherwise.
    he_normal = partial(nn.init.kaiming_normal_, nonlinearity="linear")
    return initialise(build_inverter(plan), he_normal, seed)
