"""A network of 2015 from arrays, wherever they come from."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from auralise.errors import WeightsError
from auralise.weights.common import FoundConvolution, assume_2015, ignore_biases

REMEDY = "Give a list of (kernel, bias), first layer first; a bias may be None."


def network_of(
    layers: Sequence[tuple[np.ndarray, np.ndarray | None]],
    biases: bool = True,
    *,
    flipped: bool = True,
) -> nn.Module:
    """The convolutional part of a network of 2015, from the kernels of its layers.

    Every layer is convolution 'same', ReLU, max-pooling 2×2, as in 2015 (Choi 2015, code).

    Parameters
    ----------
    layers : sequence of (ndarray, ndarray or None)
        Kernel ``(n_features, n_inputs, height, width)`` and bias ``(n_features,)`` of each layer,
        the first layer's first; height along frequency, width along time.
    biases : bool
        False lets none take part, as in 2015.
    flipped : bool
        Whether the kernels are those of a true convolution, as the ``W`` of 2015 (Keras 0.3 on
        Theano; `scipy.signal.convolve2d`). False for those of a cross-correlation, as torch and
        TensorFlow have them.

    Returns
    -------
    torch.nn.Module
        As `auralise.weights.reader.read_weights` returns it.

    Raises
    ------
    WeightsError
        The arrays are not kernels and biases, do not follow each other, or have even sides.

    Examples
    --------
    >>> import numpy as np
    >>> onset = np.array([[[[0, -1, 1], [0, -1, 1], [0, -1, 1]]]])  # as a true convolution
    >>> network = network_of([(onset, None)])
    >>> network.layer1.convolution.weight[0, 0, 0].tolist()
    [1.0, -1.0, 0.0]
    """
    found = []
    for number, layer in enumerate(layers, start=1):
        try:
            kernel, bias = (None if part is None else _tensor(part) for part in layer)
        except (TypeError, ValueError) as error:
            raise WeightsError(
                f"layer {number}: no kernel and bias ({error}); expected two arrays. {REMEDY}"
            ) from None
        if kernel is None or kernel.ndim != 4:
            n_axes = 0 if kernel is None else kernel.ndim
            raise WeightsError(
                f"layer {number}: a kernel with {n_axes} axes; expected 4, (n_features, n_inputs, "
                f"height, width). {REMEDY}"
            )
        name = f"kernel of layer {number}"
        found.append(FoundConvolution(name, kernel.flip(2, 3) if flipped else kernel, bias))
    network = assume_2015(found, REMEDY)
    if not biases:
        ignore_biases(network)
    return network.eval()


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(np.array(values, dtype=np.float32))
