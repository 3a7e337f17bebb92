"""Training of the genre network with Lightning."""

import hashlib
import json
import logging
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint, TQDMProgressBar
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Sampler

from auralise.datasets.segments import Segments
from auralise.files import sha256_of_file
from auralise.networks import Architecture, build_network

log = logging.getLogger(__name__)

OPTIMISERS = {
    # As in 2015: rho .9, eps 1e-6.
    "rmsprop": lambda parameters, rate: torch.optim.RMSprop(parameters, rate, alpha=0.9, eps=1e-6),
    "adam": lambda parameters, rate: torch.optim.Adam(parameters, rate),
}


@dataclass(frozen=True)
class Schedule:
    """How a network is trained.

    Attributes
    ----------
    epochs : int
        At most; 0 leaves the network untrained.
    patience : int
        Epochs without a better validation loss before training stops.
    batch_size : int
    optimiser : {'rmsprop', 'adam'}
    learning_rate : float
    accelerator : str
        As Lightning names it: 'cpu', 'gpu', 'auto'.
    """

    epochs: int = 30
    patience: int = 6
    batch_size: int = 32
    optimiser: str = "rmsprop"
    learning_rate: float = 5e-4
    accelerator: str = "auto"


class EpochShuffle(Sampler):
    """Rows in an order that depends on the seed and the epoch alone, so that a run resumes."""

    def __init__(self, n_rows: int, seed: int):
        self.n_rows, self.seed, self.epoch = n_rows, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n_rows

    def __iter__(self) -> Iterator[int]:
        return iter(
            np.random.default_rng([self.seed, self.epoch]).permutation(self.n_rows).tolist()
        )


class _Training(pl.LightningModule):
    def __init__(
        self, network: nn.Module, schedule: Schedule, order: EpochShuffle, fingerprint: str
    ):
        super().__init__()
        self.network = network
        self.schedule = schedule
        self.order = order
        self.fingerprint = fingerprint
        self.history: list[dict] = []
        self._sums = {"train": np.zeros(3), "validation": np.zeros(3)}

    def configure_optimizers(self):
        schedule = self.schedule
        return OPTIMISERS[schedule.optimiser](self.parameters(), schedule.learning_rate)

    def _loss(self, batch, split: str) -> torch.Tensor:
        magnitudes, labels = batch
        scores = self.network(magnitudes)
        loss = F.cross_entropy(scores, labels)
        hits = (scores.argmax(1) == labels).sum().item()
        self._sums[split] += (loss.item() * len(labels), hits, len(labels))
        return loss

    def training_step(self, batch, number):
        # Dropout draws by seed, epoch and batch, so that a resumed run draws the same.
        rng = np.random.default_rng([self.order.seed, self.current_epoch, number])
        torch.manual_seed(int(rng.integers(2**62)))
        return self._loss(batch, "train")

    def validation_step(self, batch, _):
        self._loss(batch, "validation")

    def on_train_epoch_start(self):
        for sums in self._sums.values():
            sums[:] = 0

    def on_validation_epoch_end(self):
        if self.trainer.sanity_checking:
            return
        loss, hits, count = self._sums["validation"].tolist()
        self.log("validation_loss", loss / count, prog_bar=True)
        self.log("validation_accuracy", hits / count, prog_bar=True)

    def on_train_epoch_end(self):
        row: dict = {"epoch": self.current_epoch}
        for split, sums in self._sums.items():
            loss, hits, count = sums.tolist()  # plain numbers, which weights_only reads back
            row |= {f"{split}_loss": loss / count, f"{split}_accuracy": hits / count}
        self.history.append(row)

    def on_save_checkpoint(self, checkpoint):
        checkpoint["history"] = self.history
        checkpoint["fingerprint"] = self.fingerprint

    def on_load_checkpoint(self, checkpoint):
        self.history = checkpoint["history"]
        # Lightning fetches the first batch before it tells the sampler the epoch.
        self.order.set_epoch(len(self.history))


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
    train, validation = (Segments.open(segments, split) for split in ("train", "validation"))
    network = initial_network(architecture, train, seed)
    if schedule.epochs == 0:
        columns = ["epoch"] + [
            f"{split}_{value}"
            for split in ("train", "validation")
            for value in ("loss", "accuracy")
        ]
        return network, pd.DataFrame(columns=columns)

    fingerprint = _fingerprint(segments, architecture, schedule, seed)
    checkpoints = Path(checkpoints)
    resume = _checkpoint_to_resume(checkpoints, fingerprint)
    best = ModelCheckpoint(
        checkpoints,
        filename="best",
        monitor="validation_loss",
        save_last=True,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    stop = EarlyStopping(
        "validation_loss", patience=schedule.patience, check_on_train_epoch_end=True
    )
    with warnings.catch_warnings():
        # Rows are read in the process itself; workers would only add start-up time.
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*treespec.*")
        trainer = pl.Trainer(
            max_epochs=schedule.epochs,
            accelerator=schedule.accelerator,
            devices=1,
            deterministic=True,
            logger=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            enable_model_summary=False,
            callbacks=[best, stop, TQDMProgressBar(refresh_rate=5)],
        )
        order = EpochShuffle(len(train), seed)
        # Channels last: 1.5 times the segments per second of channels first.
        network.train().to(memory_format=torch.channels_last)
        training = _Training(network, schedule, order, fingerprint)
        trainer.fit(
            training,
            DataLoader(train, schedule.batch_size, sampler=order),
            DataLoader(validation, schedule.batch_size),
            ckpt_path=resume,
            weights_only=True,
        )
    state = torch.load(best.best_model_path, weights_only=True)["state_dict"]
    network.load_state_dict({k.removeprefix("network."): v for k, v in state.items()})
    shutil.rmtree(checkpoints)
    return network.cpu().eval(), pd.DataFrame(training.history)


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


def _fingerprint(
    segments: str | Path, architecture: Architecture, schedule: Schedule, seed: int
) -> str:
    parts = [sha256_of_file(segments), asdict(architecture), asdict(schedule), seed]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _checkpoint_to_resume(checkpoints: Path, fingerprint: str) -> Path | None:
    last = checkpoints / "last.ckpt"
    if not last.is_file():
        return None
    try:
        found = torch.load(last, map_location="cpu", weights_only=True).get("fingerprint")
    except Exception as error:  # a file cut short fails in many ways
        log.warning("%s: unreadable (%s), training starts anew", last, type(error).__name__)
    else:
        if found == fingerprint:
            log.info("%s: training goes on from here", last)
            return last
        log.warning("%s: made with other settings or segments, training starts anew", last)
    shutil.rmtree(checkpoints)
    return None
