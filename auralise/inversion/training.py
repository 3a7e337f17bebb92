"""Training of inverters on the excerpts of a data set."""

from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from auralise.datasets.segments import Segments
from auralise.files import fingerprint_of, sha256_of_file
from auralise.inversion.subjects import Subject
from auralise.networks.genre import feature_shapes
from auralise.networks.inverters import Plan, initial_inverter, plan_for
from auralise.progress import tracked
from auralise.provenance import code_version
from auralise.training.fitting import fit
from auralise.training.schedules import FITTED, Schedule
from auralise.weights.common import weights_digest

KEPT = 2**29  # bytes of features up to which they are computed once and kept
SCALES = (1, 2, 4, 8)  # bins and frames over which the spectral term averages


@dataclass(frozen=True)
class Objective:
    """The loss that an inverter is trained to minimise.

    The mean squared error of the picture, as published, and weights of what is added to it.

    Attributes
    ----------
    l2 : float
        Of the squares of all weights but biases and normalisation.
    features : float
        Of `feature_error`: the inversion should look the same to the layer it comes from.
    spectral : float
        Of `spectral_error`, which asks for the right amount of detail on several scales.
    """

    l2: float
    features: float = 0.0
    spectral: float = 0.0


def feature_error(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared error of features, relative to their mean square."""
    return F.mse_loss(found, wanted) / wanted.square().mean().clamp(min=1e-12)


def spectral_error(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean over `SCALES` of the mean absolute difference of pictures averaged over that scale.

    Parameters
    ----------
    found, wanted : Tensor, shape (batch, 1, n_bins, n_frames)
    """
    differences = [
        (F.avg_pool2d(found, scale) - F.avg_pool2d(wanted, scale)).abs().mean()
        for scale in SCALES
        if scale <= min(found.shape[-2:])
    ]
    return torch.stack(differences).mean()


def weight_penalty(network: nn.Module) -> Tensor:
    """Sum of squares of the weights; biases and batch normalisations do not count."""
    return torch.stack([p.square().sum() for p in network.parameters() if p.ndim > 1]).sum()


class _Excerpts(Dataset):
    """Pictures of a split and, where they fit into memory, their features."""

    def __init__(self, segments: Segments, scaling: nn.Module, front: nn.Sequential, n_rows: int):
        self.segments, self.scaling, self.n_rows = segments, scaling, n_rows
        self.features: Tensor | None = None
        size = prod(list(feature_shapes(front, *segments.shape).values())[-1])
        if 4 * size * n_rows <= KEPT:
            batches = np.array_split(np.arange(n_rows), -(-n_rows // 32))
            with torch.inference_mode():
                parts = [
                    front(self.pictures(rows))
                    for rows in tracked(batches, f"features {segments.split}", unit="batches")
                ]
            self.features = torch.cat(parts).clone()

    def pictures(self, rows) -> Tensor:
        with torch.no_grad():
            return self.scaling(torch.from_numpy(self.segments.read(rows))[:, None])

    def __len__(self) -> int:
        return self.n_rows

    def __getitems__(self, rows):
        if self.features is None:
            return [(picture,) for picture in self.pictures(rows)]
        return list(zip(self.pictures(rows), self.features[rows], strict=True))


def train_inverter(
    subject: Subject,
    layer: str,
    segments: str | Path,
    objective: Objective,
    schedule: Schedule,
    seed: int,
    checkpoints: str | Path,
    published: bool = True,
) -> tuple[Plan, nn.Sequential, pd.DataFrame]:
    """Train the inverter of one layer and return its plan, its best epoch, and the history.

    As `auralise.training.fitting.fit`, which says what becomes of `checkpoints`, it goes on from
    its last whole epoch when it was interrupted, to the same weights. `published` says whether
    SVDNet's inverters are the published ones (`plan_for`). The history has for each ``epoch``, of
    training and validation, ``loss`` and ``error``, the mean squared error of the picture alone.
    A SettingsError says that the classifier has no such layer.
    """
    front = subject.front(layer).eval().requires_grad_(False)
    shape = feature_shapes(front, *subject.picture)[layer]
    plan = plan_for(layer, shape, subject.picture, published)
    network = initial_inverter(plan, seed)

    def loss(network: nn.Module, batch) -> tuple[Tensor, dict[str, float]]:
        pictures, *kept = batch
        front.to(pictures.device)
        with torch.no_grad():
            features = kept[0] if kept else front(pictures)
        found = network(features)
        error = F.mse_loss(found, pictures)
        total = error + objective.l2 * weight_penalty(network)
        if objective.features:
            total = total + objective.features * feature_error(front(found), features)
        if objective.spectral:
            total = total + objective.spectral * spectral_error(found, pictures)
        return total, {"error": error.item()}

    fingerprint = fingerprint_of(
        code_version(__file__),
        sha256_of_file(segments),
        weights_digest(front),
        asdict(plan),
        asdict(objective),
        asdict(schedule),
        seed,
    )
    data = []
    for split in FITTED:
        part = Segments.open(segments, split)
        # Batch normalisation cannot train on a last batch of one.
        lone = split == "train" and len(part) % schedule.batch_size == 1
        data.append(_Excerpts(part, subject.scaling, front, len(part) - lone))
    train, validation = data
    history = fit(network, loss, train, validation, schedule, seed, checkpoints, fingerprint)
    return plan, network, history
