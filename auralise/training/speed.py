"""The speed of a machine's convolutions: an upper bound for training."""

import time
from collections.abc import Callable

import torch
from torch import nn


def convolution_rate(
    network: nn.Module, shape: tuple[int, int], batch_size: int, seconds: float = 1.0
) -> float:
    """Segments per second that the convolutions alone would allow.

    Each convolution of the network, which takes ``(batch, 1, n_bins, n_frames)``, runs forward and
    backward (gradients of its weights and, but for the first, of its input) on its own, on the
    network's device and on data that are there already; activations, poolings, dense layers, the
    optimiser and reading are left out. `shape` is ``(n_bins, n_frames)``; it takes `seconds` at
    least.
    """
    device = next(network.parameters()).device
    inputs: list[tuple[nn.Conv2d, torch.Size]] = []
    handles = [
        module.register_forward_pre_hook(lambda of, given: inputs.append((of, given[0].shape)))
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.no_grad():
        network(torch.zeros(1, 1, *shape, device=device))
    for handle in handles:
        handle.remove()
    runs = [
        _run(module, size[1:], batch_size, device, first=number == 0)
        for number, (module, size) in enumerate(inputs)
    ]
    for run in runs:
        run()
    network.zero_grad()
    n_rounds, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for run in runs:
            run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        n_rounds += 1
    rate = n_rounds * batch_size / (time.perf_counter() - start)
    network.zero_grad()
    return rate


def _run(
    module: nn.Conv2d, size: torch.Size, batch_size: int, device: torch.device, first: bool
) -> Callable[[], None]:
    given = torch.rand(batch_size, *size, device=device).to(memory_format=torch.channels_last)
    given.requires_grad_(not first)
    with torch.no_grad():
        gradient = torch.rand_like(module(given))

    def run() -> None:
        module(given).backward(gradient)

    return run
