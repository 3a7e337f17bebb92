"""Hear what a convolutional network for music has learned."""

from importlib import import_module

__version__ = "0.1.0"

_HOME = {
    "Deconvnet": "auralise.deconvnet",
    "Stft": "auralise.audio",
    "read_weights": "auralise.weights",
}

__all__ = ["Deconvnet", "Stft", "read_weights"]


def __getattr__(name: str):
    # Importing torch takes more than a second; the Snakefile must not wait for it.
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'auralise' has no attribute {name!r}")
