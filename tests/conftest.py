"""Small sounds and networks, made by code."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from auralise.audio import Stft
from auralise.networks.genre import Architecture, build_network

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def stft() -> Stft:
    return Stft()


@pytest.fixture
def write_sound(tmp_path):
    """Write samples to a file of any format and return its path."""

    def write(name, samples, sample_rate=11025, **options):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, sample_rate, **options)
        return path

    return write


def sine(frequency=440.0, seconds=1.0, sample_rate=11025, level=0.5):
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    return (level * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


@pytest.fixture(scope="session")
def song() -> np.ndarray:
    """Four seconds at 11,025 Hz: a chord, and a click every half second."""
    samples = sum(sine(f, 4.0, level=0.1) for f in (220, 277, 330))
    rng = np.random.default_rng(0)
    for first in range(0, len(samples) - 200, 11025 // 2):
        samples[first : first + 200] += 0.5 * rng.uniform(-1, 1, 200) * np.linspace(1, 0, 200)
    return samples.astype(np.float32)


@pytest.fixture(scope="session")
def small_architecture() -> Architecture:
    return Architecture(kernels=((3, 3),) * 3, features=(4, 5, 6), dropout=(0.0,) * 3, dense=(8,))


@pytest.fixture(scope="session")
def small_network(small_architecture) -> torch.nn.Sequential:
    torch.manual_seed(0)
    return build_network(small_architecture, 257, 173, 3).eval()
