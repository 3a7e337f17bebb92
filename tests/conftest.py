"""Small sounds and networks, made by code."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from auralise.networks.genre import Architecture, build_network
from auralise.stft import Stft
from auralise.training.schedules import Schedule

CHOI_2015 = Architecture(  # in 2015
    kernels=((3, 3),) * 5,
    features=(64,) * 5,
    dropout=(0.0, 0.25, 0.25, 0.25, 0.5),
    dense=(512, 256),
    dense_dropout=0.5,
)

REPOSITORY = Path(__file__).parent.parent


def make_schedule(**changes) -> Schedule:
    """A training on the processor, with what a test says beside."""
    usual = {"epochs": 30, "patience": 6, "batch_size": 32, "optimiser": "rmsprop"}
    return Schedule(**usual | {"learning_rate": 5e-4, "accelerator": "cpu"} | changes)


class Killed(BaseException):
    """What a test raises where a process is killed."""


def n_values(network: torch.nn.Module) -> int:
    """Numbers that a file of the network holds: weights, biases, and what normalises them."""
    return sum(tensor.numel() for tensor in network.state_dict().values() if tensor.ndim)


def weights_of(network: torch.nn.Module) -> np.ndarray:
    return torch.cat([values.flatten() for values in network.state_dict().values()]).numpy()


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
