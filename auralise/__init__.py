"""Hear what a convolutional network for music has learned."""

import lazy_loader

__version__ = "0.1.0"

# Lazy: who draws a figure, or plans the workflow, does not wait for torch.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "stft": ["Stft"],
        "deconvnet.deconvnet": ["Deconvnet"],
        "notebook": ["explain", "open"],
        "weights.arrays": ["network_of"],
        "weights.reader": ["read_weights"],
    },
)
