"""PyTorch state dicts (.pt, .pth, Lightning checkpoints) and plain safetensors.

A state dict names tensors and nothing else. Its weights with four axes are taken as a chain of
convolutions in the order of the file, a batch normalisation that follows directly belongs to
its convolution, and the rest of each layer is assumed to be that of 2015
(`common.assume_2015`); a module of one's own to fill makes every assumption needless.
"""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from auralise.errors import WeightsError
from auralise.weights.common import (
    FoundConvolution,
    assume_2015,
    batch_norm,
    fill,
    listing,
    refusal,
    require_size,
    shape_text,
)

GIVE_NETWORK = "If the network is another one, pass it as read_weights(path, network=module)."
SAVE_STATE_DICT = "Save the tensors alone: torch.save(model.state_dict(), path)."
NESTED_UNDER = ("state_dict", "model_state_dict", "model")
EPSILON = 1e-5  # torch's default; a state dict does not hold it


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a file that ``torch.save`` wrote, in their order.

    Nothing but tensors and plain containers is unpickled (``weights_only=True``).

    Raises
    ------
    WeightsError
        Damaged; holds code; or is no state dict.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        blocked = re.search(r"(?:GLOBAL|global|class|type) ['`]?([\w.]+\.[\w.]+)", str(error))
        found = f"it asks for {blocked[1]}" if blocked else "it holds more than tensors"
        raise refusal(
            f"{found}, and nothing in a weights file is run",
            "a state dict: tensors by name",
            SAVE_STATE_DICT,
        ) from None
    except Exception as error:  # torch raises many kinds for damaged files
        raise refusal(
            f"damaged or cut short ({type(error).__name__}: {_first_line(error)})",
            "a whole file from torch.save",
            SAVE_STATE_DICT,
        ) from None
    return _tensors_in(content)


def fill_network(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put a file's tensors into a module of the user's, strictly by name.

    A first part of the names that all share and the module lacks, as Lightning's checkpoints and
    DataParallel prepend one, is taken off.

    Raises
    ------
    WeightsError
        Names the tensors that are missing, unexpected or misshapen; the module is as before.
    """
    wanted = network.state_dict()
    first_parts = {name.partition(".")[0] for name in tensors}
    if len(first_parts) == 1 and not wanted.keys() & tensors.keys():
        tensors = {name.partition(".")[2]: tensor for name, tensor in tensors.items()}
    fill(network, tensors, "Pass the module that these weights were saved from.")


def assume_convolutions(tensors: Mapping[str, Tensor], in_order: bool) -> nn.Sequential:
    """The convolutional part that a state dict suggests.

    Parameters
    ----------
    tensors : mapping of str to Tensor
    in_order : bool
        Whether the mapping's order is the network's; otherwise the numbers in the names tell.

    Raises
    ------
    WeightsError
        The tensors are no chain of convolutions, each with at most one batch normalisation.
    """
    modules: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        owner, _, kind = name.rpartition(".")
        modules.setdefault(owner, {})[kind] = tensor
    if not in_order:
        modules = _by_numbers(modules)

    found: list[FoundConvolution] = []
    dense: str | None = None
    may_be_normalised = False
    for owner, parts in modules.items():
        n_axes = max(tensor.ndim for tensor in parts.values())
        if n_axes == 4 and dense is None:
            found.append(_convolution(owner, parts))
            may_be_normalised = True
        elif may_be_normalised and "running_mean" in parts:
            found[-1] = _with_norm(found[-1], owner, parts)
            may_be_normalised = False
        elif n_axes == 2 and found:
            dense = dense or owner
            may_be_normalised = False
        elif dense is None or n_axes == 4:
            raise _not_known(owner, parts)
    return assume_2015(found, GIVE_NETWORK)


def _tensors_in(content: object) -> dict[str, Tensor]:
    for key in NESTED_UNDER:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not any(
        isinstance(value, Tensor) for value in content.values()
    ):
        raise refusal(
            f"a {type(content).__name__} without tensors by name",
            "a state dict, or a checkpoint with one under 'state_dict'",
            SAVE_STATE_DICT,
        )
    tensors = {
        str(name): value.detach() for name, value in content.items() if isinstance(value, Tensor)
    }
    for name, tensor in tensors.items():
        require_plain(name, tensor)
    return tensors


def require_plain(name: str, tensor: Tensor) -> None:
    """Refuse a tensor that is not dense numbers in memory, or claims to be a huge one."""
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
        raise refusal(
            f"tensor '{name}' is sparse, quantised or without values",
            "dense floating-point tensors",
            SAVE_STATE_DICT,
        )
    # Strides of zero let a small file claim any size; it is copied further on.
    require_size(f"tensor '{name}'", tensor.numel() * tensor.element_size())


def _convolution(owner: str, parts: dict[str, Tensor]) -> FoundConvolution:
    name = f"{owner}.weight" if owner else "weight"
    weight = parts.get("weight")
    if weight is None or weight.ndim != 4 or parts.keys() - {"weight", "bias"}:
        raise _not_known(owner, parts)
    return FoundConvolution(name, weight, parts.get("bias"))


def _with_norm(item: FoundConvolution, owner: str, parts: dict[str, Tensor]) -> FoundConvolution:
    n_features = len(item.weight)
    wanted = {"running_mean", "running_var"} | (parts.keys() & {"weight", "bias"})
    for kind in sorted(wanted):
        tensor = parts.get(kind)
        if tensor is None or tensor.shape != (n_features,):
            raise refusal(
                f"tensor '{owner}.{kind}' is "
                + ("missing" if tensor is None else shape_text(tensor.shape)),
                f"{n_features}, one value per feature of '{item.name}'",
                GIVE_NETWORK,
            )
    norm = batch_norm(
        parts["running_mean"],
        parts["running_var"],
        parts.get("weight"),
        parts.get("bias"),
        EPSILON,
    )
    return FoundConvolution(item.name, item.weight, item.bias, norm)


def _not_known(owner: str, parts: Mapping[str, Tensor]) -> WeightsError:
    shapes = ", ".join(f"{kind} {shape_text(tensor.shape)}" for kind, tensor in parts.items())
    return refusal(
        f"'{owner}' ({shapes}) is no part of a plain chain",
        "convolutions ('weight', 'bias'), each followed by at most one batch normalisation, then "
        "dense layers",
        GIVE_NETWORK,
    )


def _by_numbers(modules: dict[str, dict[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    """Modules in the order of the numbers in their names, the dense part last.

    Of several with the same numbers, as ``conv1`` and ``bn1``, the convolution comes first.
    """
    n_axes = {owner: max(part.ndim for part in parts.values()) for owner, parts in modules.items()}
    pattern = {owner: re.sub(r"\d+", "#", owner) for owner in modules}
    parent = {owner: pattern[owner].rpartition(".")[0] for owner in modules}
    convolutions = [owner for owner in modules if n_axes[owner] == 4]
    if len({pattern[owner] for owner in convolutions}) > 1:
        raise refusal(
            f"convolutions {listing(convolutions)}, in an order that the file does not keep",
            "names that differ in their numbers alone",
            GIVE_NETWORK,
        )
    beside = {parent[owner] for owner in convolutions}
    dense_parts = {parent[owner] for owner in modules if n_axes[owner] == 2} - beside
    is_dense = {owner: n_axes[owner] == 2 or parent[owner] in dense_parts for owner in modules}
    for owner, parts in modules.items():
        is_placed = parent[owner] in beside and (len(convolutions) == 1 or "#" in pattern[owner])
        if not is_dense[owner] and not is_placed:
            raise _not_known(owner, parts)

    def key(owner: str) -> tuple:
        numbers = tuple(int(digits) for digits in re.findall(r"\d+", owner))
        if is_dense[owner]:
            return True, n_axes[owner] != 2, numbers, owner
        return False, numbers, n_axes[owner] != 4, owner

    return {owner: modules[owner] for owner in sorted(modules, key=key)}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200]
