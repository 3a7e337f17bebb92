"""Fitting of any network with Lightning: resumable, repeatable, early stopping, best epoch."""

import logging
import math
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint, TQDMProgressBar
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

from auralise.errors import SettingsError, counted
from auralise.files import whole_file
from auralise.training.schedules import FITTED, OPTIMISERS, Schedule

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
        best: Path,
        fingerprint: str,
    ):
        super().__init__()
        self.network = network
        self.loss = loss
        self.schedule = schedule
        self.order = order
        self.best = best
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

    def on_train_batch_start(self, batch, number):
        progress = number / self.trainer.num_training_batches
        rate = self.schedule.rate(_losses(self.history), progress)
        for group in self.optimizers().param_groups:
            group["lr"] = rate

    def on_validation_epoch_end(self):
        self.log_dict(self._means("validation"), prog_bar=True)

    def on_train_epoch_end(self):
        row: dict = {"epoch": self.current_epoch}
        for split in FITTED:
            row |= self._means(split)
        self.history.append(row)
        if self.trainer.is_global_zero:
            numbers = ", ".join(f"{n} {v:.3g}" for n, v in row.items() if n != "epoch")
            log.info("epoch %d of %d: %s", self.current_epoch + 1, self.trainer.max_epochs, numbers)
        # Before Lightning writes the state that says that this epoch is done.
        if self.schedule.is_kept(_losses(self.history)) and self.trainer.is_global_zero:
            with whole_file(self.best) as path:
                torch.save(self.network.state_dict(), path)
        self.trainer.should_stop = self.schedule.is_over(_losses(self.history))

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
    """Fit a network and leave it with the weights of its best epoch, or of its last.

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
        Folder for the state of the training. It stays until the caller, who has written the
        weights by then, removes it.
    fingerprint : str
        Of everything that the result depends on, as `auralise.files.fingerprint_of` makes
        it: a training that was started with another one is not resumed.

    Returns
    -------
    DataFrame
        One row per epoch: ``epoch``, ``train_loss``, ``validation_loss`` and the other
        values under the same prefixes. Its ``attrs`` say how fast it was trained,
        ``rows_per_second``, and on what ``device``; empty if all epochs were done before.

    Raises
    ------
    SettingsError
        The machine has no such devices, one of them would have no rows, or the loss was no
        number in the first epoch.
    """
    checkpoints = Path(checkpoints)
    last, best = checkpoints / "last.ckpt", checkpoints / "best.pt"
    history = _history_to_resume(last, best, fingerprint)
    attrs: dict = {}
    if not schedule.is_over(_losses(history)):
        with _expected_warnings():
            trainer = _trainer(schedule, checkpoints)
        n_rows, n_shown = len(cast(Sized, train)), len(cast(Sized, validation))
        _require_rows(trainer.world_size, {"training": n_rows, "validation": n_shown})
        order = EpochShuffle(n_rows, seed, trainer.global_rank, trainer.world_size)
        shown = range(trainer.global_rank, n_shown, trainer.world_size)
        # Channels last: 1.5 times the segments per second of channels first.
        cast(Any, network.train()).to(memory_format=torch.channels_last)
        fitting = _Fitting(network, loss, schedule, order, best, fingerprint)
        with _expected_warnings():
            trainer.fit(
                fitting,
                DataLoader(train, schedule.batch_size, sampler=order),
                DataLoader(validation, schedule.batch_size, sampler=shown),
                ckpt_path=last if history else None,
                weights_only=True,
            )
        if not trainer.is_global_zero:
            sys.exit(0)  # Lightning ran this script once more for each further device
        history = fitting.history
        device = str(trainer.strategy.root_device)
        attrs = {"rows_per_second": fitting.rows_per_second, "device": device}
    if not best.is_file():
        raise SettingsError(
            "training failed: the loss is not a number after the first epoch; choose a lower "
            f"'learning_rate' than {schedule.learning_rate:g}"
        )
    network.load_state_dict(torch.load(best, map_location="cpu", weights_only=True))
    network.cpu().eval()
    table = pd.DataFrame(history)
    table.attrs |= attrs
    return table


def _require_rows(n_devices: int, n_rows: Mapping[str, int]) -> None:
    """Refuse more devices than there is work for: one without a row would wait for ever."""
    for part, n in n_rows.items():
        if n < n_devices:
            raise SettingsError(
                f"training.devices: {n_devices} devices, but {counted(n, 'segment')} for {part}; "
                "expected at least one for each device; use fewer devices, or more clips"
            )


def _losses(history: Sequence[Mapping]) -> list[float]:
    return [row["validation_loss"] for row in history]


def _trainer(schedule: Schedule, checkpoints: Path) -> pl.Trainer:
    on_terminal = sys.stderr.isatty()  # a log has a line for each epoch
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # it advertises
    try:
        return pl.Trainer(
            max_epochs=schedule.epochs,
            limit_train_batches=1.0 if schedule.batches is None else schedule.batches,
            accelerator=schedule.accelerator,
            devices=schedule.devices,
            precision=cast(Any, schedule.precision),  # Lightning itself says which there are
            deterministic=True,
            use_distributed_sampler=False,
            # Those of a Slurm job around this one are not meant for it.
            plugins=[LightningEnvironment()],
            logger=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            enable_model_summary=False,
            enable_progress_bar=on_terminal,
            callbacks=[
                ModelCheckpoint(
                    checkpoints,
                    filename="last",
                    save_on_train_epoch_end=True,
                    enable_version_counter=False,
                ),
                *([TQDMProgressBar(refresh_rate=5)] if on_terminal else []),
            ],
        )
    except (MisconfigurationException, ValueError) as error:
        raise SettingsError(
            f"training on accelerator '{schedule.accelerator}', devices {schedule.devices}, "
            f"precision '{schedule.precision}' is not possible here: {str(error).splitlines()[0]}; "
            "change these settings"
        ) from None


@contextmanager
def _expected_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        # Rows are read in the process itself; workers would only add start-up time.
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*treespec.*")
        # A resumed training finds its own files, and may have been moved with them.
        warnings.filterwarnings("ignore", ".*exists and is not empty.*")
        warnings.filterwarnings("ignore", ".*dirpath has changed.*")
        # A job of the workflow is started by Snakemake, on Slurm as elsewhere.
        warnings.filterwarnings("ignore", ".*`srun` command.*")
        yield


def _is_whole(weights: Path) -> bool:
    try:
        torch.load(weights, map_location="cpu", weights_only=True)
    except Exception:  # a file cut short fails in many ways
        return False
    return True


def _history_to_resume(last: Path, best: Path, fingerprint: str) -> list[dict]:
    """The finished epochs of an interrupted training; another training's folder is emptied."""
    if last.is_file():
        try:
            found = torch.load(last, map_location="cpu", weights_only=True)
        except Exception as error:  # a file cut short fails in many ways
            log.warning("%s: unreadable (%s), training starts again", last, type(error).__name__)
        else:
            history = found.get("history", [])
            if found.get("fingerprint") != fingerprint:
                log.warning("%s: made with other settings or data, training starts again", last)
            elif math.isfinite(min(_losses(history), default=math.nan)) and not _is_whole(best):
                log.warning("%s: missing or damaged, training starts again", best)
            else:
                log.info("%s: training goes on from here", last)
                return history
    shutil.rmtree(last.parent, ignore_errors=True)
    return []
