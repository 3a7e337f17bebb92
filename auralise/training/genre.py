"""Training of the genre network on a file of segments."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

from auralise.datasets.segments import Segments
from auralise.files import fingerprint_of, read_table, sha256_of_file
from auralise.networks.genre import Architecture, NormalisedLogScaling, build_network
from auralise.networks.initialisation import INITIALISATIONS, fit_batch_norms, initialise
from auralise.provenance import code_version
from auralise.training.augmentation import Augmentation
from auralise.training.schedules import FITTED, Schedule, empty_history
from auralise.training.speed import convolution_rate

CALIBRATED = 256  # segments that the statistics of normalisations are taken from


def train_network(
    segments: str | Path,
    architecture: Architecture,
    schedule: Schedule,
    seed: int,
    checkpoints: str | Path,
    augmentation: Augmentation | None = None,
    partner: str | Path | None = None,
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
        Folder for the state of an unfinished training, as in `auralise.training.fitting.fit`.
    augmentation : Augmentation, optional
        Of the training segments; what it draws depends on the seed, epoch and batch alone.
    partner : str or Path, optional
        The history of a network, which makes this one a control of it: it is trained for as many
        epochs, on labels that are permuted clip by clip, and its last epoch is returned. That of
        the lowest validation loss would be almost untrained, since there is nothing to generalise.

    Returns
    -------
    network : torch.nn.Sequential
        With the weights of the lowest validation loss; the first weights for 0 epochs.
    history : DataFrame
        One row per epoch: ``epoch``, ``train_loss``, ``train_accuracy``, ``validation_loss``,
        ``validation_accuracy``; losses in nats. Its ``attrs`` hold ``rows_per_second``.
    """
    train, validation = (Segments.open(segments, split) for split in FITTED)
    if partner is not None:
        train, validation = train.permuted(seed), validation.permuted(seed)
        n_epochs = len(read_table(partner))
        schedule = replace(schedule, epochs=n_epochs, patience=n_epochs, keep_last=True)
    network = initial_network(architecture, train, seed)
    if schedule.epochs == 0:
        return network, empty_history("accuracy")

    # Imported late: it takes seconds, for which an untrained control need not wait.
    from auralise.training.fitting import fit

    augmentation = augmentation or Augmentation()
    fingerprint = fingerprint_of(
        code_version(__file__),
        sha256_of_file(segments),
        asdict(architecture),
        asdict(schedule),
        asdict(augmentation),
        seed,
        partner is not None,
    )
    history = fit(
        network,
        _CrossEntropy(augmentation, schedule.label_smoothing),
        train,
        validation,
        schedule,
        seed,
        checkpoints,
        fingerprint,
    )
    return network, history


def measure_speed(
    network: nn.Module, segments: Segments, schedule: Schedule, history: pd.DataFrame
) -> dict:
    """The speed of a training, beside the speed of its convolutions alone.

    Parameters
    ----------
    network : torch.nn.Module
        As `train_network` returns it.
    segments : Segments
    schedule : Schedule
    history : DataFrame
        As `train_network` returns it, in the same process.

    Returns
    -------
    dict
        ``threads`` and, of a network that was trained, ``device``, ``segments_per_second``,
        ``convolution_segments_per_second`` (see `training.speed.convolution_rate`; in float32)
        and ``times_slower``, their ratio.
    """
    speed: dict = {"threads": torch.get_num_threads()}
    if not history.attrs:
        return speed
    network.to(history.attrs["device"])
    rate = convolution_rate(network, segments.shape, min(schedule.batch_size, len(segments)))
    network.cpu()
    return speed | {
        "device": history.attrs["device"],
        "segments_per_second": history.attrs["rows_per_second"],
        "convolution_segments_per_second": rate,
        "times_slower": rate / history.attrs["rows_per_second"],
    }


@dataclass(frozen=True)
class _CrossEntropy:
    augmentation: Augmentation
    label_smoothing: float

    def __call__(self, network: nn.Module, batch) -> tuple[torch.Tensor, dict[str, float]]:
        magnitudes, labels = batch
        if network.training:
            magnitudes = self.augmentation(magnitudes)
        scores = network(magnitudes)
        hits = (scores.argmax(1) == labels).float().mean().item()
        smoothing = self.label_smoothing if network.training else 0.0
        return F.cross_entropy(scores, labels, label_smoothing=smoothing), {"accuracy": hits}


def initial_network(
    architecture: Architecture, segments: Segments, seed: int, n_calibrated: int = CALIBRATED
) -> nn.Sequential:
    """The network before training, as its architecture says; zero biases.

    What its normalisations hold is taken from the segments: of each bin the mean and deviation
    of what the network sees, and of batch normalisation the statistics of what reaches it.

    Parameters
    ----------
    architecture : Architecture
    segments : Segments
        Their shape and classes decide the dense part.
    seed : int
    n_calibrated : int
        Segments that the statistics of normalisations are taken from, at most.
    """
    network = build_network(architecture, *segments.shape, len(segments.classes))
    initialise(network, INITIALISATIONS[architecture.initialisation], seed)
    if architecture.batch_norm or architecture.scaling == "normalised":
        rows = np.random.default_rng(seed).permutation(len(segments))[:n_calibrated]
        magnitudes = torch.from_numpy(segments.read(np.sort(rows)))[:, None]
        for module in network.modules():
            if isinstance(module, NormalisedLogScaling):
                module.fit(magnitudes)
        fit_batch_norms(network, magnitudes)
    return network
