"""Fitting of any network with Lightning: resumable, repeatable, early stopping, best epoch."""

import logging
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint, TQDMProgressBar
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

from auralise.schedules import FITTED, OPTIMISERS, Schedule

log = logging.getLogger(__name__)

# Of a network on a batch: the loss to descend, and what else to report, as means over the batch.
Loss = Callable[[nn.Module, Any], tuple[torch.Tensor, Mapping[str, float]]]


class EpochShuffle(Sampler):
    """Rows in an order that depends on the seed and the epoch alone, so that a run resumes.

    Of several devices, each has its share of them, all of one size.
    """

    def __init__(self, n_rows: int, seed: int, device: int = 0, n_devices: int = 1):
        self.n_rows, self.seed, self.epoch = n_rows, seed, 0
        self.device, self.n_devices = device, n_devices

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n_rows // self.n_devices

    def __iter__(self) -> Iterator[int]:
        rows = np.random.default_rng([self.seed, self.epoch]).permutation(self.n_rows)
        return iter(rows[self.device :: self.n_devices][: len(self)].tolist())


class _Fitting(pl.LightningModule):
    def __init__(
        self,
        network: nn.Module,
        loss: Loss,
        schedule: Schedule,
        order: EpochShuffle,
        fingerprint: str,
    ):
        super().__init__()
        self.network = network
        self.loss = loss
        self.schedule = schedule
        self.order = order
        self.fingerprint = fingerprint
        self.history: list[dict] = []
        self._sums: dict[str, dict[str, float]] = {split: {} for split in FITTED}
        self._counts = dict.fromkeys(FITTED, 0)
        self._rows, self._seconds, self._since = 0, 0.0, None

    @property
    def rows_per_second(self) -> float:
        """Of training, reading included, on this device in this process."""
        return self._rows / self._seconds if self._seconds else float("nan")

    def configure_optimizers(self):
        schedule = self.schedule
        return OPTIMISERS[schedule.optimiser](self.parameters(), schedule.learning_rate)

    def _loss(self, batch, split: str) -> torch.Tensor:
        loss, others = self.loss(self.network, batch)
        size = len(batch[0])
        sums = self._sums[split]
        for name, value in {"loss": loss.item(), **others}.items():
            sums[name] = sums.get(name, 0.0) + value * size
        self._counts[split] += size
        return loss

    def _means(self, split: str) -> dict[str, float]:
        sums = list(self._sums[split].values())
        totals = self._over_devices([*sums, self._counts[split]])
        # Plain numbers, which weights_only reads back.
        return {
            f"{split}_{name}": float(total / totals[-1])
            for name, total in zip(self._sums[split], totals, strict=False)
        }

    def _over_devices(self, values: list[float]) -> list[float]:
        if self.trainer.world_size == 1:
            return values
        local = torch.tensor(values, device=self.device)
        return self.trainer.strategy.reduce(local, reduce_op="sum").tolist()

    def training_step(self, batch, number):
        # Dropout draws by seed, epoch and batch, so that a resumed run draws the same.
        rng = np.random.default_rng([self.order.seed, self.current_epoch, number])
        torch.manual_seed(int(rng.integers(2**62)))
        return self._loss(batch, "train")

    def on_train_batch_end(self, outputs, batch, number):
        now = time.perf_counter()
        if number > 0:  # the first waits for more than itself
            self._rows += len(batch[0])
            self._seconds += now - self._since
        self._since = now

    def validation_step(self, batch, _):
        self._loss(batch, "validation")

    def on_train_epoch_start(self):
        self._sums = {split: {} for split in FITTED}
        self._counts = dict.fromkeys(FITTED, 0)
        rate = self.schedule.rate([row["validation_loss"] for row in self.history])
        for group in self.optimizers().param_groups:
            group["lr"] = rate

    def on_validation_epoch_end(self):
        self.log_dict(self._means("validation"), prog_bar=True)

    def on_train_epoch_end(self):
        row: dict = {"epoch": self.current_epoch}
        for split in FITTED:
            row |= self._means(split)
        self.history.append(row)

    def on_save_checkpoint(self, checkpoint):
        checkpoint["history"] = self.history
        checkpoint["fingerprint"] = self.fingerprint

    def on_load_checkpoint(self, checkpoint):
        self.history = checkpoint["history"]
        # Lightning fetches the first batch before it tells the sampler the epoch.
        self.order.set_epoch(len(self.history))


def fit(
    network: nn.Module,
    loss: Loss,
    train: Dataset,
    validation: Dataset,
    schedule: Schedule,
    seed: int,
    checkpoints: str | Path,
    fingerprint: str,
) -> pd.DataFrame:
    """Fit a network and leave it with the weights of its best epoch.

    Interrupted, it goes on from its last whole epoch to the same weights. Same arguments and
    number of threads: same weights.

    Parameters
    ----------
    network : torch.nn.Module
        Trained in place; left on the CPU, in evaluation mode.
    loss : callable
        Of the network and a batch: a scalar tensor to descend, and other values to report
        by name, each a mean over the batch.
    train, validation : torch.utils.data.Dataset
        A batch of either is a sequence whose first entry has the length of the batch.
    schedule : Schedule
        Of at least one epoch.
    seed : int
        Of the order of the rows and of what the network draws.
    checkpoints : str or Path
        Folder for the state of an unfinished training; removed at the end.
    fingerprint : str
        Of everything that the result depends on, as `auralise.files.fingerprint_of` makes
        it: a training that was started with another one is not resumed.

    Returns
    -------
    DataFrame
        One row per epoch: ``epoch``, ``train_loss``, ``validation_loss`` and the other
        values under the same prefixes. Its ``attrs`` say how fast it was trained,
        ``rows_per_second``, and on what ``device``.
    """
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
            limit_train_batches=1.0 if schedule.batches is None else schedule.batches,
            accelerator=schedule.accelerator,
            devices=schedule.devices,
            precision=schedule.precision,
            deterministic=True,
            use_distributed_sampler=False,
            logger=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            enable_model_summary=False,
            callbacks=[best, stop, TQDMProgressBar(refresh_rate=5)],
        )
        device, n_devices = trainer.global_rank, trainer.world_size
        order = EpochShuffle(len(train), seed, device, n_devices)
        # Channels last: 1.5 times the segments per second of channels first.
        network.train().to(memory_format=torch.channels_last)
        fitting = _Fitting(network, loss, schedule, order, fingerprint)
        trainer.fit(
            fitting,
            DataLoader(train, schedule.batch_size, sampler=order),
            DataLoader(
                validation, schedule.batch_size, sampler=range(device, len(validation), n_devices)
            ),
            ckpt_path=resume,
            weights_only=True,
        )
    if not trainer.is_global_zero:
        sys.exit(0)  # Lightning ran this script once more for each further device
    device = str(trainer.strategy.root_device)
    state = torch.load(best.best_model_path, weights_only=True)["state_dict"]
    network.load_state_dict({k.removeprefix("network."): v for k, v in state.items()})
    shutil.rmtree(checkpoints)
    network.cpu().eval()
    history = pd.DataFrame(fitting.history)
    history.attrs |= {"rows_per_second": fitting.rows_per_second, "device": device}
    return history


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
        log.warning("%s: made with other settings or data, training starts anew", last)
    shutil.rmtree(checkpoints)
    return None
