"""How single functions of a network walk back, by the policy's rules."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


class Replaced(torch.autograd.Function):
    """An operation whose result is known, with a way back of our own."""

    @staticmethod
    def forward(ctx, x: Tensor, value: Tensor, back: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.back = back
        return value.clone()  # what is returned may be changed in place

    @staticmethod
    def backward(ctx, signal):
        return ctx.back(signal), None, None


def rectify(signal: Tensor) -> Tensor:
    return signal.clamp(min=0)


# The functions of `torch` want another order than those of `torch.nn.functional`.
ARGUMENTS: dict[Any, list[str]] = {
    torch.batch_norm: (
        "input weight bias running_mean running_var training momentum eps cudnn_enabled".split()
    ),
    torch.instance_norm: (
        "input weight bias running_mean running_var use_input_stats momentum eps "
        "cudnn_enabled".split()
    ),
    "batch_norm": "input running_mean running_var weight bias training momentum eps".split(),
    "instance_norm": (
        "input running_mean running_var weight bias use_input_stats momentum eps".split()
    ),
    "group_norm": "input num_groups weight bias eps".split(),
    "layer_norm": "input normalized_shape weight bias eps".split(),
    "rms_norm": "input normalized_shape weight eps".split(),
    "normalize": "input p dim eps".split(),
}


def input_of(args, kwargs) -> Tensor:
    return args[0] if args else kwargs["input"]


def gain_of(name: str, x: Tensor, given: dict, own: bool) -> Tensor:
    """The gain of a normalisation, of a shape that fits its input."""
    if name == "normalize":
        norm = x.norm(given.get("p", 2.0), given.get("dim", 1), keepdim=True)
        return norm.clamp(min=given.get("eps", 1e-12)).reciprocal()
    eps, weight = given.get("eps", 1e-5), given.get("weight")
    per_channel = (-1, *[1] * (x.dim() - 2))
    if name in {"layer_norm", "rms_norm"}:
        dims = tuple(range(-len(given["normalized_shape"]), 0))
        eps = torch.finfo(x.dtype).eps if eps is None else eps
        if name == "layer_norm":
            spread = x.var(dims, correction=0, keepdim=True)
        else:
            spread = x.square().mean(dims, keepdim=True)
        gain = torch.rsqrt(spread + eps)
        return gain if weight is None else gain * weight
    if name == "group_norm":
        groups = x.unflatten(1, (given["num_groups"], -1)).flatten(2)
        gain = torch.rsqrt(groups.var(2, correction=0) + eps)
        gain = gain.repeat_interleave(x.shape[1] // given["num_groups"], 1)
        gain = gain.reshape(len(x), *per_channel)
    elif own:
        dims = tuple(range(2, x.dim())) if name == "instance_norm" else (0, *range(2, x.dim()))
        gain = torch.rsqrt(x.var(dims, correction=0, keepdim=True) + eps)
    else:
        gain = torch.rsqrt(given["running_var"] + eps).reshape(per_channel)
    return gain if weight is None else gain * weight.reshape(per_channel)


def is_zero(value) -> bool:
    return value is not None and not torch.as_tensor(value).any()


def is_one(value: Tensor) -> bool:
    return torch.allclose(value, torch.ones_like(value))


def scaling(factor, x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]] | None:
    """A factor's gain of each feature, and what it makes of an offset; None if there is none."""
    gain = torch.as_tensor(factor).detach()
    shape = [1] * (x.dim() - gain.dim()) + list(gain.shape)
    if any(size != 1 for place, size in enumerate(shape) if place != 1):
        return None
    gain = gain.float().flatten()
    return gain, lambda offset: offset.to(gain) * gain


def maxima(x: Tensor, dim: int | Sequence[int] = (), keepdim: bool = False) -> Tensor:
    """Maxima over dimensions; of equal ones, one gets the gradient, which `amax` shares."""
    dims = [dim] if isinstance(dim, int) else list(dim) or list(range(x.dim()))
    dims = sorted(of % x.dim() for of in dims)
    kept = [of for of in range(x.dim()) if of not in dims]
    flat = x.permute(*kept, *dims).flatten(len(kept))
    values = flat.max(-1).values
    if keepdim:
        values = values.reshape([1 if of in dims else size for of, size in enumerate(x.shape)])
    return values
