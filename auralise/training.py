"""Training of the genre network on a file of segments."""

from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

from auralise.datasets.segments import Segments
from auralise.files import sha256_of_file
from auralise.fitting import SPLITS, Schedule, fingerprint_of, fit
from auralise.networks import Architecture, build_network


def train_network(
    segments: str | Path,
    architecture: Architecture,
    schedule: Schedule,
    seed: int,
    checkpoints: str | Path,
) -> tuple[nn.Sequential, pd.DataFrame]:
    """Train the network on a file of segments and return its best epoch.

    Interrupted, it goes on from its last whole epoch to the same weights. Same settings,
    seed, segments and number of threads: same weights.

    Parameters
    ----------
    segments : str or Path
        As `auralise.datasets.segments.write_segments` writes it.
    architecture : Architecture
    schedule : Schedule
    seed : int
        Of the first weights, the order of the segments and dropout.
    checkpoints : str or Path
        Folder for the state of an unfinished training; removed at the end.

    Returns
    -------
    network : torch.nn.Sequential
        With the weights of the lowest validation loss; the first weights for 0 epochs.
    history : DataFrame
        One row per epoch: ``epoch``, ``train_loss``, ``train_accuracy``, ``validation_loss``,
        ``validation_accuracy``; losses in nats.
    """
    train, validation = (Segments.open(segments, split) for split in SPLITS)
    network = initial_network(architecture, train, seed)
    if schedule.epochs == 0:
        values = [f"{split}_{value}" for split in SPLITS for value in ("loss", "accuracy")]
        return network, pd.DataFrame(columns=["epoch", *values])
    fingerprint = fingerprint_of(
        sha256_of_file(segments), asdict(architecture), asdict(schedule), seed
    )
    history = fit(
        network, _cross_entropy, train, validation, schedule, seed, checkpoints, fingerprint
    )
    return network, history


def _cross_entropy(network: nn.Module, batch) -> tuple[torch.Tensor, dict[str, float]]:
    magnitudes, labels = batch
    scores = network(magnitudes)
    hits = (scores.argmax(1) == labels).float().mean().item()
    return F.cross_entropy(scores, labels), {"accuracy": hits}


def initial_network(architecture: Architecture, segments: Segments, seed: int) -> nn.Sequential:
    """The network before training: Glorot-uniform weights, zero biases.

    Parameters
    ----------
    architecture : Architecture
    segments : Segments
        Their shape and classes decide the dense part.
    seed : int
    """
    network = build_network(architecture, *segments.shape, len(segments.classes))
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight, generator=generator)
            nn.init.zeros_(module.bias)
    return network.eval()
