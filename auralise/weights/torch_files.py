"""PyTorch state dicts (.pt, .pth, Lightning checkpoints) and plain safetensors.

A state dict names tensors and nothing else. Its weights with four axes are taken as a chain of
convolutions in the order of the file, a batch normalisation that follows directly belongs to
its convolution, and the rest of each layer is assumed to be that of 2015
(`common.assume_2015`); a module of one's own to fill makes every assumption needless.
"""

import logging
import pickle
import pickletools
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from auralise.errors import WeightsError, cause_of
from auralise.weights.common import (
    FoundConvolution,
    assume_2015,
    fill,
    listing,
    refusal,
    require_size,
    shape_text,
    with_norm,
)

log = logging.getLogger(__name__)

GIVE_NETWORK = "If the network is another one, pass it as read_weights(path, network=module)."
SAVE_STATE_DICT = "Save the tensors alone: torch.save(model.state_dict(), path)."
NESTED_UNDER = ("state_dict", "model_state_dict", "model")
PLAIN = ("", "collections", "numpy", "torch")  # what pickles of arrays and tensors ask for
EPSILON = 1e-5  # torch's default; a state dict does not hold it


def _first_class(path: str | Path) -> str:
    """The class or function that a pickle of a later protocol asks for first; nothing is run."""
    texts = [""]
    with suppress(Exception), Path(path).open("rb") as file:
        for operation, argument, _ in pickletools.genops(file):
            if operation.name == "STACK_GLOBAL":
                return ".".join(texts[-2:])
            texts += [argument] if isinstance(argument, str) else []
    return ""


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a file that ``torch.save`` wrote, in their order.

    Nothing but tensors and plain containers is unpickled (``weights_only=True``). What else a
    Lightning checkpoint holds beside its state dict, such as settings, becomes empty objects.

    Raises
    ------
    WeightsError
        Damaged; holds code; or is not a state dict.
    """
    try:
        content = _load(path)
    except pickle.UnpicklingError as error:
        if (checkpoint := _without_settings(path)) is not None:
            return _tensors_in(checkpoint)
        blocked = re.search(r"(?:GLOBAL|global|class|type) ['`]?([\w.]+\.[\w.]+)", str(error))
        found = f"it asks for {blocked[1]}" if blocked else "it holds more than tensors"
        if "Unsupported operand" in str(error):
            found = "a pickle of a later protocol than torch.save writes by itself"
            name = _first_class(path)
            found = f"it asks for {name}" if name.partition(".")[0] not in PLAIN else found
        raise refusal(
            f"{found}, and nothing in a weights file is run",
            "a state dict: tensors by name",
            SAVE_STATE_DICT,
        ) from None
    except Exception as error:  # torch raises many kinds for damaged files
        is_other = "Invalid magic number" in str(error)
        raise refusal(
            "a pickle that torch.save did not write"
            if is_other
            else f"damaged or cut short ({cause_of(error)})",
            "a whole file from torch.save",
            SAVE_STATE_DICT,
        ) from None
    return _tensors_in(content)


def _load(path: str | Path) -> Any:
    # Opened here, since torch would judge the file by its ending. It warns of pickles that it then
    # refuses.
    with Path(path).open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(file, map_location="cpu", weights_only=True)


class _Inert:
    """Stands in for an object of a checkpoint; accepts any arguments and does nothing."""

    def __new__(cls, *arguments: object) -> "_Inert":
        return super().__new__(cls)

    def __init__(self, *arguments: object):
        pass

    def __setstate__(self, state: object) -> None:
        pass


def _without_settings(path: str | Path) -> Mapping | None:
    """A checkpoint, whatever objects stand beside its state dict; or nothing."""
    try:
        asked_for = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        inert: list = [(type("Inert", (_Inert,), {}), name) for name in asked_for]
        with torch.serialization.safe_globals(inert):
            content = _load(path)
    except Exception:  # torch raises many kinds; the reason why it was tried is shown
        return None
    return content if isinstance(content, Mapping) and _nested(content) else None


def fill_network(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put a file's tensors into a module of the user's, strictly by name.

    Names may begin with what Lightning's modules, DataParallel and `torch.compile` prepend, in
    the file or in the module. What a checkpoint holds beside the network (losses, metrics,
    buffers of a front end that the module lacks) is left out; a message says so.

    Raises
    ------
    WeightsError
        Names the tensors that are missing, unexpected or misshapen; the module is as before. Or
        the file holds several such networks.
    """
    wanted = network.state_dict()
    matched, others, outside = _match(list(wanted), tensors)
    children = {name.split(".")[0] for name in wanted}
    layers = _of_layers({name: of for name, of in others.items() if not BESIDE.search(name)})
    kept = [name for name in others if name in layers or name.split(".")[0] in children]
    left_out = [*outside, *(name for name in others if name not in kept)]
    if left_out:
        log.info("left out, since the module has no place for it: %s", listing(left_out))
    found = matched | {name: others[name] for name in kept}
    fill(network, found, "Pass the module that these weights were saved from.")


# What checkpoints hold beside a network.
BESIDE = re.compile(
    r"(^|[._])(\w*loss\w*|criterion|metrics?|\w*stft|\w*spec|\w*spectrogram\w*|\w*mel\w*|\w*cqt)(\.|_|$)"
)
WRAPPERS = {"module", "_orig_mod"}
USUAL = {"model", "network", "net", "backbone"}


def _of_layers(tensors: Mapping[str, Tensor]) -> set[str]:
    """The names of those that belong to layers with weights or running statistics."""
    owners = {
        name.rpartition(".")[0]
        for name, tensor in tensors.items()
        if name.endswith("running_mean") or (name.endswith("weight") and tensor.ndim > 1)
    }
    return {name for name in tensors if name.rpartition(".")[0] in owners}


def _match(
    wanted: Sequence[str], tensors: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor], list[str]]:
    """Tensors of the module, others beside them in the file, and names outside its prefix."""
    own = {_without_wrappers(name): name for name in wanted}
    found = {_without_wrappers(name): tensor for name, tensor in tensors.items()}
    if len(own) < len(wanted) or len(found) < len(tensors):
        own, found = {name: name for name in wanted}, dict(tensors)
    needed = {name for name in own if not name.endswith("num_batches_tracked")}
    outside: list[str] = []
    if (prefix := _prefix(found, needed)) is not None:
        outside = [name for name in found if not name.startswith(prefix)]
        found = {name[len(prefix) :]: of for name, of in found.items() if name.startswith(prefix)}
    elif (prefix := _prefix(needed, set(found))) is not None:
        found = {prefix + name: tensor for name, tensor in found.items()}
    matched = {own[name]: tensor for name, tensor in found.items() if name in own}
    return matched, {name: of for name, of in found.items() if name not in own}, outside


def _without_wrappers(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _prefix(names: Iterable[str], wanted: set[str]) -> str | None:
    """The prefix under which most wanted names stand among `names`; None if none does.

    Raises
    ------
    WeightsError
        All are there under several prefixes.
    """
    counts: Counter[str] = Counter()
    for name in names:
        parts = name.split(".")
        for cut in range(len(parts)):
            if ".".join(parts[cut:]) in wanted:
                counts[".".join([*parts[:cut], ""]) if cut else ""] += 1
    if not counts:
        return None
    most = max(counts.values())
    best = [prefix for prefix, count in counts.items() if count == most]
    usual = [of for of in best if USUAL.issuperset(of.split(".")[:-1])]
    best = sorted(usual, key=len)[:1] or best
    if len(best) > 1 and most == len(wanted):
        raise refusal(
            f"the module's tensors stand in it under {listing(best)}",
            "one network that fits the module",
            "Save the state dict of the one that is meant: torch.save(model.state_dict(), path).",
        )
    return best[0]


def assume_convolutions(tensors: Mapping[str, Tensor], in_order: bool) -> nn.Sequential:
    """The convolutional part that a state dict suggests.

    Its order is the network's if `in_order`; otherwise the numbers in the names tell. A
    WeightsError says that the tensors are not a chain of convolutions, each with at most one batch
    normalisation.
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


def _holds_tensors(content: object) -> bool:
    return isinstance(content, Mapping) and any(isinstance(of, Tensor) for of in content.values())


def _is_of_optimiser(content: object) -> bool:
    """Whether there is nothing in a checkpoint but numbers and the state of an optimiser."""
    if not isinstance(content, Mapping):
        return False
    return {"state", "param_groups"} <= content.keys() or any(
        _is_of_optimiser(of) for of in content.values()
    )


def _nested(content: object) -> dict[str, Mapping]:
    """The state dicts in a checkpoint, by their names: the usual one if it is there, or all."""
    if not isinstance(content, Mapping):
        return {}
    for key in NESTED_UNDER:
        if isinstance(content.get(key), Mapping):
            return {key: content[key]}
    if _holds_tensors(content):
        return {}
    return {str(key): of for key, of in content.items() if _holds_tensors(of)}


def _tensors_in(content: object) -> dict[str, Tensor]:
    nested = _nested(content)
    if len(nested) == 1:
        (content,) = nested.values()
    if not _holds_tensors(content):
        names = listing(list(nested))
        several = f"; several things in it hold some: {names}" if len(nested) > 1 else ""
        found = f"a {type(content).__name__} without tensors by name{several}"
        raise refusal(
            "the state of an optimiser, no network" if _is_of_optimiser(content) else found,
            "a state dict, or a checkpoint with one under 'state_dict'",
            SAVE_STATE_DICT,
        )
    assert isinstance(content, Mapping)
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
    kinds = ("running_mean", "running_var", "weight", "bias")
    vectors = [(f"tensor '{owner}.{kind}'", parts.get(kind)) for kind in kinds]
    return with_norm(item, vectors, EPSILON, GIVE_NETWORK)


def _not_known(owner: str, parts: Mapping[str, Tensor]) -> WeightsError:
    shapes = ", ".join(f"{kind} {shape_text(tensor.shape)}" for kind, tensor in parts.items())
    return refusal(
        f"'{owner}' ({shapes}) is not part of a plain chain",
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
