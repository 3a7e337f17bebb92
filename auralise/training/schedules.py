"""The settings of a training, which `training.fitting` follows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

WARM_UP = 0.3  # share of a cycle in which the learning rate rises

FITTED = ("train", "validation")  # splits that a training sees

OPTIMISERS = {
    # As in 2015: rho .9, eps 1e-6.
    "rmsprop": lambda parameters, rate: torch.optim.RMSprop(parameters, rate, alpha=0.9, eps=1e-6),
    "adam": lambda parameters, rate: torch.optim.Adam(parameters, rate),
    "adamw": lambda parameters, rate: torch.optim.AdamW(parameters, rate, weight_decay=0.01),
    # As Schlüter & Grill 2015 trained.
    "nesterov": lambda parameters, rate: torch.optim.SGD(
        parameters, rate, momentum=0.95, nesterov=True
    ),
}


@dataclass(frozen=True)
class Schedule:
    """How a network is trained.

    What a training has to decide has no default here; the settings' defaults stand in their schema.

    Attributes
    ----------
    epochs : int
        At most; 0 leaves the network untrained.
    patience : int
        Epochs without a better validation loss before training stops.
    batch_size : int
    optimiser : {'rmsprop', 'adam', 'adamw', 'nesterov'}
    learning_rate : float
        In the first epoch; of a cycle, its highest.
    one_cycle : bool
        Whether the learning rate rises over the first 30 % of all steps and falls to nearly
        nothing over the others (Smith & Topin 2017), whatever the validation loss does.
    label_smoothing : float
        Share of the target that all classes divide among them (Szegedy 2016, section 7).
    learning_rate_decay : float
        Factor from one epoch to the next.
    stall : int, optional
        Epochs without a better validation loss before the learning rate is halved; never if
        None.
    keep_last : bool
        Whether the last epoch is kept, not the one of the lowest validation loss.
    batches : int, optional
        Batches of an epoch, drawn again for each; all rows if None.
    accelerator, devices, precision : str or int
        As Lightning names them: 'cpu', 'gpu', 'auto'; how many, or 'auto' for all; '32-true',
        '16-mixed', 'bf16-mixed'. Each device takes batches of its own, and all but the first
        are served by processes that end in `fit`.
    """

    epochs: int
    patience: int
    batch_size: int
    optimiser: str
    learning_rate: float
    accelerator: str
    one_cycle: bool = False
    label_smoothing: float = 0.0
    learning_rate_decay: float = 1.0
    stall: int | None = None
    batches: int | None = None
    devices: int | str = 1
    precision: str = "32-true"
    keep_last: bool = False

    def rate(self, losses: Sequence[float], progress: float = 0.0) -> float:
        """Learning rate of a step, in the epoch that follows those with these validation losses.

        A function of the history alone, so that a resumed training has the same.

        Parameters
        ----------
        losses : sequence of float
        progress : float
            Share of the epoch's steps that are done.
        """
        if self.one_cycle:
            done = (len(losses) + progress) / self.epochs
            lowest = self.learning_rate / (25 if done < WARM_UP else 25e4)
            part = done / WARM_UP if done < WARM_UP else (1 - done) / (1 - WARM_UP)
            rise = (1 - math.cos(math.pi * part)) / 2
            return lowest + (self.learning_rate - lowest) * rise
        halvings, best, waited = 0, float("inf"), 0
        for loss in losses:
            best, waited = (loss, 0) if loss < best else (best, waited + 1)
            if self.stall is not None and waited == self.stall:
                halvings, waited = halvings + 1, 0
        return self.learning_rate * self.learning_rate_decay ** len(losses) / 2**halvings

    def is_kept(self, losses: Sequence[float]) -> bool:
        """Whether the last epoch is the one to keep, by the validation losses of all so far."""
        best = min(losses[:-1], default=math.inf)
        return losses[-1] < best or (self.keep_last and math.isfinite(losses[-1]))

    def is_over(self, losses: Sequence[float]) -> bool:
        """Whether training ends after the epochs with the given validation losses.

        So it is after the last epoch, `patience` epochs after the best one, and after a loss
        that is not a number.
        """
        if not losses:
            return self.epochs == 0
        if not math.isfinite(losses[-1]) or len(losses) >= self.epochs:
            return True
        return len(losses) - 1 - int(np.argmin(losses)) >= self.patience


def empty_history(measure: str) -> pd.DataFrame:
    """History of a network that was not trained: ``epoch``, and of each split loss and measure."""
    values = [f"{split}_{value}" for split in FITTED for value in ("loss", measure)]
    return pd.DataFrame(columns=["epoch", *values])
