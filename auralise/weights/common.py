"""Shared by all readers: how a file is refused, and how modules become layers."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from auralise.errors import WeightsError, counted

Reader = TypeVar("Reader", bound=Callable[..., Any])


LARGEST = 2 * 2**30  # bytes that one file may unfold to; VGG-19 with its dense part has 0.6e9

NAME_OF_MODULE = {
    nn.Conv2d: "convolution",
    nn.BatchNorm2d: "batch_norm",
    nn.ReLU: "relu",
    nn.LeakyReLU: "leaky_relu",
    nn.ELU: "elu",
    nn.MaxPool2d: "pooling",
    nn.AvgPool2d: "pooling",
    nn.Dropout: "dropout",
    nn.Dropout2d: "dropout",
}


def refusal(found: str, expected: str, remedy: str) -> WeightsError:
    """The error for a file that cannot be used; `naming` puts the file's name before it."""
    return WeightsError(f"{found}; expected {expected}. {remedy}")


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Put the file's name before an error's text, once, even where readers call each other."""
    try:
        yield
    except WeightsError as error:
        if str(error).startswith(f"{path}: "):
            raise
        raise WeightsError(f"{path}: {error}") from None


def names_file(reader: Reader) -> Reader:
    """Let a reader, whose first argument is a path, name the file in its errors."""

    @wraps(reader)
    def naming_reader(path: str | Path, *arguments: Any, **options: Any) -> Any:
        with naming(path):
            return reader(path, *arguments, **options)

    return cast(Reader, naming_reader)


def shape_text(shape: Iterable[int]) -> str:
    """A shape as people write it: ``64×1×3×3``."""
    return "×".join(str(size) for size in shape) or "a single number"


def fill(module: nn.Module, tensors: Mapping[str, Tensor], remedy: str) -> None:
    """Copy `tensors` into `module` by name; on an error the module stays as it was.

    The module may lie on the meta device: its parameters are replaced, not copied into. A
    WeightsError, which ends in `remedy`, names the tensors that are missing, unexpected or of
    another shape.
    """
    wanted = module.state_dict()
    # Files from before torch 0.4.1, and converters, leave out this counter; nothing here reads it.
    counters = {
        name: torch.zeros((), dtype=torch.long)
        for name in wanted
        if name.endswith("num_batches_tracked") and name not in tensors
    }
    tensors = {**tensors, **counters}
    for name, tensor in tensors.items():
        if name in wanted and tensor.shape != wanted[name].shape:
            raise refusal(
                f"tensor '{name}' is {shape_text(tensor.shape)}",
                shape_text(wanted[name].shape),
                remedy,
            )
    missing = [name for name in wanted if name not in tensors]
    unexpected = [name for name in tensors if name not in wanted]
    if missing or unexpected:
        found = [
            f"{what} {listing(names)}"
            for what, names in (("lacks", missing), ("also holds", unexpected))
            if names
        ]
        raise refusal("it " + " and ".join(found), f"{len(wanted)} tensors by name", remedy)
    for name, tensor in tensors.items():
        if wanted[name].is_floating_point():
            require_finite(name, tensor)
    like_wanted = {
        name: tensor.to(wanted[name].dtype).contiguous() for name, tensor in tensors.items()
    }
    module.load_state_dict(like_wanted, assign=True)


def listing(names: Sequence[str], at_most: int = 6) -> str:
    """The first few names in quotes, and how many more there are."""
    shown = ", ".join(f"'{name}'" for name in names[:at_most])
    more = len(names) - at_most
    return f"{shown} and {more} more" if more > 0 else shown


def require_finite(name: str, tensor: Tensor) -> None:
    """Refuse a tensor with NaN or infinity in it, or of integers, complex or 8-bit numbers."""
    if not tensor.is_floating_point() or tensor.element_size() < 2:
        raise refusal(
            f"tensor '{name}' is of type {str(tensor.dtype).removeprefix('torch.')}",
            "real floating-point numbers of 16 bits or more",
            "Undo the quantisation before saving the weights.",
        )
    if not torch.isfinite(tensor).all():
        raise refusal(
            f"tensor '{name}' holds values that are not finite",
            "finite numbers",
            "The training diverged or the file is damaged: take an earlier checkpoint.",
        )


def ignore_biases(network: nn.Module) -> None:
    """Zero the biases of all convolutions and take out local response normalisation, in place.

    The procedure of 2015 (Choi 2015, code) lets neither take part.
    """
    for parent in list(network.modules()):
        if isinstance(parent, nn.Conv2d) and parent.bias is not None:
            nn.init.zeros_(parent.bias)
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.LocalResponseNorm):
                if isinstance(parent, nn.Sequential):
                    delattr(parent, name)
                else:
                    setattr(parent, name, nn.Identity())


def require_size(what: str, n_bytes: int) -> None:
    """Refuse content that would take more than `LARGEST` bytes once decompressed."""
    if n_bytes > LARGEST:
        raise refusal(
            f"{what} would take {n_bytes / 2**30:.1f} GiB",
            f"at most {LARGEST / 2**30:.1f} GiB",
            "This is not a weights file that auralise can use; check where it comes from.",
        )


def declare_bins(network: nn.Module, n_bins: int | None) -> nn.Module:
    """Note how many bins or bands a network takes, where its file says so."""
    setattr(network, "declared_bins", n_bins)  # noqa: B010, no tensor and no module
    return network


def declared_bins(network: nn.Module) -> int | None:
    """How many bins or bands a network takes; None where its file did not say."""
    return getattr(network, "declared_bins", None)


@dataclass(frozen=True)
class FoundConvolution:
    """A convolution in a file that does not describe its architecture.

    Attributes
    ----------
    name : str
        What the file calls its weight.
    weight : Tensor, shape (n_features, n_inputs, height, width)
        As torch has it: cross-correlation.
    bias : Tensor, shape (n_features,), optional
    norm : BatchNorm2d, optional
        That follows it.
    """

    name: str
    weight: Tensor
    bias: Tensor | None = None
    norm: nn.BatchNorm2d | None = None


def convolution(weight: Tensor, bias: Tensor | None = None, **options) -> nn.Conv2d:
    """A Conv2d that holds `weight` and `bias`; `options` are its stride, padding and so on."""
    n_features, n_inputs, height, width = weight.shape
    with torch.device("meta"):
        module = nn.Conv2d(
            n_inputs * options.get("groups", 1),
            n_features,
            (height, width),
            bias=bias is not None,
            **options,
        )
    module.weight = nn.Parameter(weight.float().contiguous())
    if bias is not None:
        module.bias = nn.Parameter(bias.float().contiguous())
    return module


def batch_norm(
    mean: Tensor, variance: Tensor, gamma: Tensor | None, beta: Tensor | None, epsilon: float
) -> nn.BatchNorm2d:
    """A BatchNorm2d in evaluation; a missing gain is 1, a missing offset 0."""
    with torch.device("meta"):
        module = nn.BatchNorm2d(len(mean), eps=epsilon)
    module.weight = nn.Parameter(torch.ones(len(mean)) if gamma is None else gamma.float())
    module.bias = nn.Parameter(torch.zeros(len(mean)) if beta is None else beta.float())
    module.running_mean, module.running_var = mean.float(), variance.float()
    module.num_batches_tracked = torch.zeros((), dtype=torch.long)
    return module


def with_norm(
    item: FoundConvolution,
    vectors: Sequence[tuple[str, Tensor | None]],
    epsilon: float,
    remedy: str,
) -> FoundConvolution:
    """A convolution with the batch normalisation that follows it.

    `vectors` are mean, variance, gain and offset, each with what the file calls it; the last two
    may be missing. A WeightsError says that the first two are, or that a vector has not one value
    per feature.
    """
    for number, (name, vector) in enumerate(vectors):
        if vector is None and number > 1:
            continue
        if vector is None or vector.shape != (len(item.weight),):
            raise refusal(
                f"{name} is {'missing' if vector is None else shape_text(vector.shape)}",
                f"{len(item.weight)}, one value per feature of '{item.name}'",
                remedy,
            )
    mean, variance, gamma, beta = (vector for _, vector in vectors)
    assert mean is not None and variance is not None
    return replace(item, norm=batch_norm(mean, variance, gamma, beta, epsilon))


def require_chain(found: Sequence[FoundConvolution], remedy: str) -> None:
    """Refuse convolutions that do not follow each other, or whose vectors do not fit."""
    if not found:
        raise refusal("no convolution in it", "at least one weight with four axes", remedy)
    n_inputs = found[0].weight.shape[1]
    for item in found:
        require_finite(item.name, item.weight)
        n_features = len(item.weight)
        if item.weight.numel() == 0 or item.weight.shape[1] != n_inputs:
            raise refusal(
                f"tensor '{item.name}' is {shape_text(item.weight.shape)} (features × inputs × "
                "height × width)",
                f"{counted(n_inputs, 'input')}, as many as the layer before has features",
                remedy,
            )
        vectors = {}
        if item.bias is not None:
            vectors["bias"] = item.bias
        if item.norm is not None:
            vectors |= {
                f"batch normalisation's {name}": vector
                for name, vector in item.norm.state_dict().items()
                if vector.ndim
            }
        for what, vector in vectors.items():
            if vector.shape != (n_features,):
                raise refusal(
                    f"the {what} of '{item.name}' is {shape_text(vector.shape)}",
                    f"{n_features}, one value per feature",
                    remedy,
                )
            require_finite(f"{what} of {item.name}", vector)
        n_inputs = n_features


class Assumed(nn.Sequential):
    """A convolutional part from a file of tensors alone, arranged as in 2015.

    Attributes
    ----------
    assumption : str
    remedy : str
        What to do where it is wrong.
    """

    assumption = (
        "the file holds no architecture, so that of 2015: each layer convolution 'same', batch "
        "normalisation where the file has one, ReLU, max-pooling 2×2"
    )
    remedy: str


def assume_2015(found: Sequence[FoundConvolution], remedy: str) -> Assumed:
    """Layers as in the network of 2015, for a file that holds tensors and no architecture.

    Every layer is taken as convolution 'same', batch normalisation where there is one, ReLU,
    max-pooling 2×2 (Choi 2015, code). A WeightsError, which ends in `remedy`, says that the
    convolutions do not chain, or that an even kernel shows that this is another network.
    """
    require_chain(found, remedy)
    for item in found:
        if not all(side % 2 for side in item.weight.shape[2:]):
            raise refusal(
                f"tensor '{item.name}' is {shape_text(item.weight.shape)}, an even kernel, and "
                "the file says nothing of its padding",
                "odd kernels, as in the network of 2015",
                remedy,
            )
    modules: list[nn.Module] = []
    for item in found:
        modules.append(convolution(item.weight, item.bias, padding="same"))
        if item.norm is not None:
            modules.append(item.norm)
        modules += [nn.ReLU(), nn.MaxPool2d(2)]
    assumed = Assumed(OrderedDict(arrange_layers(modules).named_children()))
    assumed.remedy = remedy
    return assumed


def arrange_layers(modules: Iterable[nn.Module]) -> nn.Sequential:
    """A chain of modules as ``layer1``, ``layer2``, …, each from one convolution to the next.

    What comes before the first convolution is called ``input``.
    """
    layers: dict[str, dict[str, nn.Module]] = {}
    current: dict[str, nn.Module] = layers.setdefault("input", {})
    for module in modules:
        if isinstance(module, nn.Conv2d):
            current = layers.setdefault(f"layer{len(layers)}", {})
        name = NAME_OF_MODULE.get(type(module), type(module).__name__.lower())
        n_before = sum(known.rstrip("_0123456789") == name for known in current)
        current[name if not n_before else f"{name}_{n_before + 1}"] = module
    return nn.Sequential(
        OrderedDict(
            (name, nn.Sequential(OrderedDict(parts))) for name, parts in layers.items() if parts
        )
    )


def weights_digest(network: nn.Module) -> str:
    """SHA-256 (hexadecimal) of the names and values of all weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
