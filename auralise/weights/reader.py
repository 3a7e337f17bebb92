"""Weights files of many origins, read by their layout and never by running code from them."""

import logging
import re
from pathlib import Path

from torch import nn

from auralise.recognition import MEAN_AND_STD, PARTS, REMEDIES, ZIP, describe_file
from auralise.weights import zips
from auralise.weights.common import Assumed, ignore_biases, names_file, refusal, require_size
from auralise.weights.keras import read_keras_hdf5, read_keras_zip
from auralise.weights.lasagne import read_lasagne
from auralise.weights.onnx import read_onnx
from auralise.weights.own import FORMAT, read_network, read_safetensors, write_weights
from auralise.weights.torch_files import assume_convolutions, fill_network, read_state_dict

log = logging.getLogger(__name__)

__all__ = ["FORMAT", "read_network", "read_weights", "write_weights"]

KNOWN = "safetensors, a PyTorch state dict, ONNX, Keras HDF5 or .keras, or a Lasagne .npz"
REFUSED = ("a TorchScript file", "an exported program (.pt2)")
EXPORT = (
    "Loading it would run code from the file; in PyTorch, "
    "torch.save(torch.jit.load(FILE).state_dict(), 'weights.pt'), and give the class (--module)."
)
# Its version, then the name of what wrote it, a text or the graph (protobuf, onnx.proto).
ONNX = re.compile(rb"\x08[\x03-\x14](\x12.[a-zA-Z]|[\x1a\x22\x32].|:)", re.DOTALL)
# As Hugging Face calls the files of one network; `fold-1-of-5.pt` is a network of its own.
PART = re.compile(r"(?:model-\d+|-\d{5})-of-(?!0*1\.)(\d+)\.")
CHECK = "Check the path, or copy the file again from where it was written."


@names_file
def read_weights(
    path: str | Path, biases: bool = True, network: nn.Module | None = None
) -> nn.Module:
    """A network's convolutional part, ready for `Deconvnet`.

    The format is recognised by the content, whatever the file is called:

    - auralise's own safetensors, and Keras 2 ``.h5`` or Keras 3 ``.keras`` of a whole model: the
      network as it was;
    - Lasagne ``.npz`` of SVDNet (Schlüter & Grill 2015): as published, transposed to take
      ``(n_bins, n_frames)``;
    - ONNX: the network as the file describes it, with the optional package `onnx`;
    - what holds tensors alone (PyTorch state dicts, other safetensors, Keras 0.3 and bare Keras
      weights, other ``.npz``): every layer is assumed to be convolution 'same', batch
      normalisation where there is one, ReLU, max-pooling 2×2, as in 2015; a message of level
      INFO says so.

    Parameters
    ----------
    path : str or Path
    biases : bool
        False gives the procedure of 2015, which lets neither the biases of convolutions nor
        local response normalisation take part.
    network : torch.nn.Module, optional
        A module of one's own to fill from a state dict or safetensors, strictly by name, instead
        of assuming one.

    Returns
    -------
    torch.nn.Module
        In evaluation mode: `network` itself if it was given, otherwise a Sequential of
        ``layer1``, ``layer2``, …, each a Sequential that begins with its convolution; before them
        ``scaling`` or ``input`` where the network has such a thing. It takes
        ``(batch, 1, n_bins, n_frames)``.

    Raises
    ------
    WeightsError
        The file is missing, damaged or of no known format, its tensors do not fit, or a layer
        has no exact counterpart in torch; the message names it.

    Examples
    --------
    >>> import tempfile, torch
    >>> tagger = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
    >>> with tempfile.NamedTemporaryFile(suffix=".pt") as file:
    ...     torch.save(tagger.state_dict(), file.name)
    ...     network = read_weights(file.name, network=nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()))
    >>> bool((network[0].weight == tagger[0].weight).all())
    True
    """
    result = load_weights(path, biases, network)
    if isinstance(result, Assumed):
        log.info("assumed: %s. %s", result.assumption, result.remedy)
    return result


@names_file
def load_weights(
    path: str | Path, biases: bool = True, network: nn.Module | None = None
) -> nn.Module:
    """Read weights as `read_weights` does, but leave it to the caller to log what is assumed."""
    result = _read(path, network)
    if not biases:
        ignore_biases(result)
    return result.eval()


def _read(path: str | Path, network: nn.Module | None) -> nn.Module:
    start = _first_bytes(path)
    if part := PART.search(Path(path).name):
        raise refusal(f"one of the {int(part[1])} parts of a network", KNOWN, PARTS[1])
    if start.startswith(b"PK\x03\x04"):
        return _read_zip(path, network)
    # Before the pickles: the length that it begins with may look like one's first bytes.
    if start[8:9] == b"{":
        return _read_safetensors(path, network)
    if start.startswith(b"\x80") and len(start) > 1 and start[1] in range(2, 6):
        return _read_torch(path, network)
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        _refuse_network(network, "HDF5")
        return read_keras_hdf5(path)
    if Path(path).suffix.lower() == ".onnx" or ONNX.match(start):
        _refuse_network(network, "ONNX")
        return read_onnx(path)
    what = describe_file(path) or f"a file that begins with {start[:8]!r}"
    raise refusal(what, KNOWN, REMEDIES.get(what, CHECK))


def _first_bytes(path: str | Path) -> bytes:
    if not Path(path).is_file():
        found = "no plain file" if Path(path).exists() else "no such file"
        found = describe_file(path) if Path(path).is_dir() else found
        raise refusal(found, KNOWN, REMEDIES.get(found, CHECK))
    try:
        with Path(path).open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise refusal(f"it cannot be read ({error.strerror})", KNOWN, CHECK) from None
    if not start:
        raise refusal("an empty file", KNOWN, CHECK)
    return start


def _read_zip(path: str | Path, network: nn.Module | None) -> nn.Module:
    with zips.open_zip(path) as archive:
        names = archive.namelist()
        inner = {name.partition("/")[2] for name in names}
        if "constants.pkl" in inner and any(name.startswith("code/") for name in inner):
            raise refusal(REFUSED[0], KNOWN, EXPORT)
        if "archive_format" in inner or "serialized_exported_program.json" in names:
            remedy = EXPORT.replace("jit.load(FILE).state_dict()", "export.load(FILE).state_dict")
            raise refusal(REFUSED[1], KNOWN, remedy)
        if any(name.rpartition("/")[2] == "data.pkl" for name in names):
            size = sum(info.file_size for info in archive.infolist())
            require_size("its content", size)
            return _read_torch(path, network)
        _refuse_network(network, "this archive")
        if "config.json" in names or "model.weights.h5" in names:
            return read_keras_zip(archive)
        if (what := describe_file(path)) == MEAN_AND_STD:
            raise refusal(f"it is {what}, not weights", KNOWN, CHECK)
        if names and all(name.endswith(".npy") for name in names):
            return read_lasagne(archive)
    raise refusal(f"{ZIP[0]} ({', '.join(names[:6])})", KNOWN, ZIP[1])


def _read_torch(path: str | Path, network: nn.Module | None) -> nn.Module:
    tensors = read_state_dict(path)
    if network is None:
        return assume_convolutions(tensors, in_order=True)
    fill_network(network, tensors)
    return network


def _read_safetensors(path: str | Path, network: nn.Module | None) -> nn.Module:
    tensors, metadata = read_safetensors(path)
    if network is not None:
        fill_network(network, tensors)
        return network
    found = metadata.get("format", "")
    if found == FORMAT:
        return read_network(path)[0].get_submodule("convolutional")
    if found.startswith("auralise-"):
        raise refusal(f"its format is '{found}'", f"'{FORMAT}'", "See auralise invert --help.")
    return assume_convolutions(tensors, in_order=False)


def _refuse_network(network: nn.Module | None, what: str) -> None:
    if network is not None:
        raise refusal(
            f"{what}, whose variables are not named as in torch",
            "a state dict or safetensors when a network is given to fill",
            "Leave out the network, or convert the weights to a state dict first.",
        )
