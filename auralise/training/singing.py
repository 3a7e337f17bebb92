"""Singing voice detection: SVDNet's training and evaluation (Schlüter & Grill 2015)."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import median_filter
from torch import Tensor, nn
from torch.nn import functional as F

from auralise.datasets.jamendo import Spectra
from auralise.datasets.segments import Segments
from auralise.files import fingerprint_of, sha256_of_file
from auralise.mel import FRAME_RATE, STFT, LogMel
from auralise.networks.svdnet import PICTURE, initial_svdnet, predict_frames
from auralise.progress import tracked
from auralise.provenance import code_version
from auralise.statistics import interval, resample
from auralise.training.augmentation import resample_axes
from auralise.training.schedules import Schedule, empty_history

TARGETS = (0.02, 0.98)  # of unsung and sung excerpts
MEDIAN = 56  # frames, .8 s, of the filter over predictions
THRESHOLDS = np.concatenate([[1e-5, 1e-4, 1e-3], np.arange(1, 100) / 100, [0.999, 0.9999, 0.99999]])
FEWEST_SONGS = 4  # for an interval over songs


@dataclass(frozen=True)
class Variation:
    """Ranges of the random variation of training excerpts.

    Attributes
    ----------
    stretch, shift : float
        Largest change of tempo and of frequency, as a share.
    filter_db : float
        Largest gain or loss of a random filter, a bell over frequency (dB).
    """

    stretch: float
    shift: float
    filter_db: float

    @property
    def n_frames(self) -> int:
        """Frames needed to make an excerpt of 115 at the slowest tempo, an odd number."""
        return int(PICTURE[1] / (1 - self.stretch)) // 2 * 2 + 1


def warp(magnitude: Tensor, stretch: Tensor, shift: Tensor, n_bins: int) -> Tensor:
    """Change tempo and pitch of magnitudes by resampling their axes, and cut out the middle.

    Of shape ``(batch, n_bins_in, n_frames)``, with an odd number of frames, at least 115, they
    become ``(batch, n_bins, 115)``. The factors, of shape ``(batch,)``, make the excerpt last
    `stretch` times as long and every frequency `shift` times as high.
    """
    middle = torch.full_like(stretch, 0.5)
    warped = resample_axes(magnitude[:, None], shift, 1 / stretch, middle)[:, 0]
    first = (magnitude.shape[-1] - PICTURE[1]) // 2
    return warped[:, :n_bins, first : first + PICTURE[1]]


def filter_response(centre: Tensor, width: Tensor, gain_db: Tensor, frequencies: Tensor) -> Tensor:
    """Factors that multiply a magnitude, one bell-shaped filter for each example.

    Parameters
    ----------
    centre, gain_db : Tensor, shape (batch,)
        Where the bell peaks (Hz), and its gain there (dB).
    width : Tensor, shape (batch,)
        Semitones from the centre up to one standard deviation. The bell is symmetric in Hz.
    frequencies : Tensor, shape (n_bins,)
        In Hz.

    Returns
    -------
    Tensor, shape (batch, n_bins)
    """
    deviation = centre * (2 ** (width / 12) - 1)
    bell = torch.exp(-0.5 * ((frequencies - centre[:, None]) / deviation[:, None]) ** 2)
    return 10 ** (gain_db[:, None] * bell / 20)


def vary(magnitude: Tensor, variation: Variation, n_bins: int) -> Tensor:
    """Stretch, shift and filter every excerpt by draws from torch's generator, and `warp` it."""

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(len(magnitude))

    # Drawn on the CPU, so that the draws are the same wherever the network is trained.
    stretch = 1 + between(-variation.stretch, variation.stretch)
    shift = 1 + between(-variation.shift, variation.shift)
    # Centres evenly spaced in pitch from 150 Hz to 8 kHz, widths of 5 to 7 semitones.
    centre = 150 * (8000 / 150) ** between(0, 1)
    width = between(5, 7)
    gain_db = between(-variation.filter_db, variation.filter_db)
    frequencies = torch.from_numpy(STFT.frequencies[:n_bins]).float()
    response = filter_response(centre, width, gain_db, frequencies)
    return warp(magnitude, stretch, shift, n_bins) * response.to(magnitude)[..., None]


def train_svdnet(
    spectra: str | Path,
    excerpts: str | Path,
    front_end: LogMel,
    variation: Variation,
    schedule: Schedule,
    seed: int,
    checkpoints: str | Path,
) -> tuple[nn.Sequential, pd.DataFrame]:
    """Train SVDNet and return its best epoch.

    Interrupted, it goes on from its last whole epoch to the same weights.

    Parameters
    ----------
    spectra, excerpts : str or Path
        Files of `auralise.datasets.jamendo`: magnitudes to train on, and normalised excerpts
        to validate with.
    front_end : LogMel
    variation : Variation
    schedule : Schedule
        Zero epochs leave the network untrained.
    seed : int
        Of the first weights, the order of the excerpts, augmentation and dropout.
    checkpoints : str or Path
        Folder for the state of an unfinished training, as in `auralise.training.fitting.fit`.

    Returns
    -------
    network : torch.nn.Sequential
        With the weights of the lowest validation loss.
    history : DataFrame
        One row per epoch: ``epoch``, ``train_loss``, ``train_error``, ``validation_loss``,
        ``validation_error``; losses in nats, errors as shares of the excerpts.
    """
    network = initial_svdnet(seed)
    if schedule.epochs == 0:
        return network, empty_history("error")

    # Imported late: it takes seconds, for which an untrained control need not wait.
    from auralise.training.fitting import fit

    n_bins = front_end.n_bins_used

    def loss(network: nn.Module, batch) -> tuple[Tensor, dict[str, float]]:
        examples, labels = batch
        if network.training:
            front_end.to(examples.device)
            examples = front_end(vary(examples, variation, n_bins))[:, None]
        scores = network(examples)[:, 0]
        targets = TARGETS[0] + (TARGETS[1] - TARGETS[0]) * labels
        error = ((scores > 0) != (labels > 0.5)).float().mean().item()
        return F.binary_cross_entropy_with_logits(scores, targets), {"error": error}

    fingerprint = fingerprint_of(
        code_version(__file__),
        sha256_of_file(spectra),
        sha256_of_file(excerpts),
        asdict(variation),
        asdict(schedule),
        seed,
    )
    train = Spectra.open(spectra, "train", variation.n_frames)
    validation = Segments.open(excerpts, "validation")
    history = fit(network, loss, train, validation, schedule, seed, checkpoints, fingerprint)
    return network, history


def predict_singing(network: nn.Sequential, front_end: LogMel, magnitude: np.ndarray) -> np.ndarray:
    """Probability of singing at every frame of a song, float32, shape ``(n_frames,)``.

    Silence stands before and after the song, so that each frame is in the middle once.
    """
    around = PICTURE[1] // 2
    padded = F.pad(torch.from_numpy(magnitude), (around, around))
    return predict_frames(network, front_end(padded))


def smooth(predictions: np.ndarray) -> np.ndarray:
    """Predictions by frame under a median filter of 56 frames, as published."""
    return median_filter(predictions, MEDIAN, mode="nearest")


def count_outcomes(predictions: np.ndarray, sung: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """True positives, false positives, false negatives, true negatives: ``(n_thresholds, 4)``.

    A prediction above a threshold says that something is sung.
    """
    says = predictions > thresholds[:, None]
    return np.stack(
        [
            (says & sung).sum(1),
            (says & ~sung).sum(1),
            (~says & sung).sum(1),
            (~says & ~sung).sum(1),
        ],
        axis=1,
    )


def scores(outcomes: np.ndarray) -> dict[str, float]:
    """Frame error, precision, recall and F1 of counted outcomes; NaN where nothing counts."""
    hits, false_alarms, misses, rejections = (float(count) for count in outcomes)

    def share(part: float, whole: float) -> float:
        return part / whole if whole else float("nan")

    return {
        "error": share(false_alarms + misses, hits + false_alarms + misses + rejections),
        "precision": share(hits, hits + false_alarms),
        "recall": share(hits, hits + misses),
        "f1": share(2 * hits, 2 * hits + false_alarms + misses),
    }


def evaluate_svdnet(network: nn.Sequential, front_end: LogMel, spectra: str | Path) -> dict:
    """Frame-wise evaluation on the test songs, with the threshold that validation chose.

    Predictions are smoothed; the threshold of the lowest error on the validation songs, all
    frames taken together, decides (Schlüter & Grill 2015; without test-time augmentation).

    Returns
    -------
    dict
        ``threshold``; ``error``, ``precision``, ``recall`` and ``f1`` over all frames;
        ``error_ci``, a 95 % bootstrap interval over songs, None twice for fewer than four;
        ``chance_error``, of always saying what is more frequent in training; ``n_songs``,
        ``n_frames`` and ``frame_rate``.
    """
    outcomes = {}
    for split in ("validation", "test"):
        source = Spectra.open(spectra, split, 1)
        outcomes[split] = np.stack(
            [
                count_outcomes(
                    smooth(predict_singing(network, front_end, source.song(song))),
                    sung,
                    THRESHOLDS,
                )
                for song, sung in zip(
                    tracked(source.songs, f"predict {split}", unit="songs"),
                    source.sung,
                    strict=True,
                )
            ]
        )
    wrong = outcomes["validation"][..., 1:3].sum((0, 2))
    # Among equally good thresholds the middle one: the first would be an extreme.
    equal = np.flatnonzero(wrong == wrong.min())
    chosen = int(equal[len(equal) // 2])
    by_song = outcomes["test"][:, chosen]
    resampled = resample([len(by_song)]) @ by_song
    errors = resampled[:, 1:3].sum(1) / resampled.sum(1)
    train = np.concatenate(Spectra.open(spectra, "train", 1).sung)
    test = np.concatenate(source.sung)
    return {
        "split": "test",
        "threshold": float(THRESHOLDS[chosen]),
        **scores(by_song.sum(0)),
        "error_ci": list(interval(errors)) if len(by_song) >= FEWEST_SONGS else [None, None],
        "chance_error": float((test != (train.mean() > 0.5)).mean()),
        "n_songs": len(by_song),
        "n_frames": len(test),
        "frame_rate": FRAME_RATE,
    }
