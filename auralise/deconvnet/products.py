"""Ways back through convolutions by one matrix product, where a processor's library is slow.

With few positions the library spends its time on reordering the kernels: at 2×2 positions of 2,048
channels it takes 14 times as long as the product. With one or two input channels it computes with
eight, and a kernel of 67×7 takes three times as long.
"""

import math
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext

from torch import Tensor, ops
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

FEW_POSITIONS = 12
FEW_INPUTS, LARGE_KERNEL = 2, 25  # taps
PRODUCTS_AT_MOST = 2**26  # numbers


def by_products(convolutions: Iterable) -> AbstractContextManager:
    """Let the ways back through `convolutions` (operations of autograd) be matrix products.

    Only where these are faster; if they are nowhere, nothing is watched, which takes time itself.
    """
    is_any = any(
        of._saved_groups == 1
        and _is_slow(of._input_metadata[0].shape, of._saved_weight, of._saved_transposed)
        for of in convolutions
    )
    return _ByProducts() if is_any else nullcontext()


class _ByProducts(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is ops.aten.convolution_backward.default:
            signal, _, weight, _, _, _, _, transposed, _, groups, wanted = args
            if groups == 1 and not any(wanted[1:]) and _is_slow(signal.shape, weight, transposed):
                return _by_product(*args), None, None
        return function(*args, **(kwargs or {}))


def _is_slow(shape: Sequence[int], weight: Tensor, transposed: bool) -> bool:
    if transposed or weight.device.type != "cpu" or weight.dim() > 4:
        return False
    n_positions = math.prod(shape) // shape[1]
    n_inputs, n_taps = weight.shape[1], weight[0, 0].numel()
    few = n_positions <= FEW_POSITIONS or (n_inputs <= FEW_INPUTS and n_taps >= LARGE_KERNEL)
    return few and n_positions * n_inputs * n_taps <= PRODUCTS_AT_MOST


def _by_product(signal, x, weight, biases, stride, padding, dilation, *others) -> Tensor:
    positions = signal.flatten(2).transpose(1, 2).flatten(0, 1)
    products = (positions @ weight.flatten(1)).unflatten(0, (len(signal), -1)).transpose(1, 2)
    size, kernel = x.shape[2:], weight.shape[2:]
    if len(size) == 1:  # an image of one row
        size, kernel, stride, dilation = ((1, *of) for of in (size, kernel, stride, dilation))
        padding = (0, *padding)
    return functional.fold(products, size, kernel, dilation, padding, stride).view(x.shape)
