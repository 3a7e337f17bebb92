"""What a network answers for a whole song."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from auralise.audio import read_audio
from auralise.errors import AudioError, AuraliseError, NetworkError, cause_of, counted
from auralise.files import printable
from auralise.stft import Stft

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("song", "class", "probability")


def predict_songs(
    network: nn.Module,
    songs: Mapping[str, str | Path],
    stft: Stft,
    classes: Sequence[str] = (),
    n_frames: int | None = None,
    top: int | None = None,
    channel: str | None = None,
) -> tuple["pd.DataFrame", dict[str, AuraliseError]]:
    """A network's answers for songs, the likeliest class of each first.

    Parameters
    ----------
    network, n_frames
        As in `predict_song`.
    songs : mapping of str to str or Path
        Sound files by name.
    stft : Stft
        Whose magnitude the network takes.
    classes : sequence of str
        Names of its answers; without any, their numbers stand for them.
    top : int, optional
        How many classes of each song; all by default.
    channel : {'left', 'right', 'mid', 'side'}, optional
        Of stereo songs; their mix by default.

    Returns
    -------
    answers : DataFrame
        Columns ``song``, ``class`` and ``probability``, the latter as text of four decimals.
    failures : dict of str to AuraliseError
        Of the songs that could not be answered; the message names the file.
    """
    import pandas as pd  # here, since it takes half a second

    rows: list[tuple[str, str, str]] = []
    failures: dict[str, AuraliseError] = {}
    for song, path in songs.items():
        try:
            magnitude = np.abs(stft.analyse(read_audio(path, stft.sample_rate, channel)))
            answer = predict_song(network, magnitude, n_frames)
            names = _names(classes, len(answer))
        except (AudioError, NetworkError) as error:
            where = "" if printable(path) in str(error) else f"{printable(path)}: "
            failures[song] = type(error)(f"{where}{error}")
            continue
        for index in np.argsort(-answer, kind="stable")[:top]:
            rows.append((song, names[index], f"{answer[index]:.4f}"))
    return pd.DataFrame(rows, columns=COLUMNS), failures


def _names(classes: Sequence[str], n_answers: int) -> list[str]:
    if classes and len(classes) != n_answers:
        raise NetworkError(
            f"the network gives {counted(n_answers, 'answer')}, and there are {len(classes)} names "
            "of classes; expected one for each, in their order"
        )
    return list(classes) or [str(number) for number in range(n_answers)]


def predict_song(
    network: nn.Module, magnitude: np.ndarray, n_frames: int | None = None
) -> np.ndarray:
    """A network's answer for a song, shape ``(n_classes,)``: the mean over windows of `n_frames`.

    The windows follow each other; what is left at the end of the song is not heard. Without
    `n_frames` the song is one window. Scores become probabilities by a softmax. An AudioError
    says that the song is shorter than a window, a NetworkError that there is no such answer.
    """
    n_frames = n_frames or magnitude.shape[1]
    n_windows = magnitude.shape[1] // n_frames
    if n_windows == 0:
        raise AudioError(
            f"the song has {counted(magnitude.shape[1], 'frame')}, and the network takes "
            f"{n_frames}; choose a longer song"
        )
    total: np.ndarray | float = 0.0
    with torch.no_grad():
        for start in range(0, n_windows * n_frames, n_frames):
            window = np.ascontiguousarray(magnitude[:, start : start + n_frames], np.float32)
            total = total + _answer(network, torch.from_numpy(window)[None, None])
    return np.asarray(total / n_windows)


def _answer(network: nn.Module, magnitudes: torch.Tensor) -> np.ndarray:
    try:
        found = network(magnitudes)
    except (RuntimeError, ValueError, TypeError) as error:
        size = " × ".join(map(str, magnitudes.shape[2:]))
        raise NetworkError(
            f"the network fails on a magnitude of {size} ({cause_of(error)}); check "
            "--n-fft, --sample-rate and --front-end"
        ) from None
    if not isinstance(found, torch.Tensor) or found.ndim != 2 or len(found) != 1:
        shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
        raise NetworkError(f"the network gives {shape}; expected one answer (1, n_classes)")
    answer = found[0].double()
    is_probability = bool(((answer >= 0) & (answer <= 1)).all())
    return (answer if is_probability else answer.softmax(0)).numpy()
