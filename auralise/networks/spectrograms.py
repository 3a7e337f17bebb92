"""Other people's spectrogram modules, as the steps of an equal front end.

torchaudio, torchlibrosa and nnAudio are known by the names of their classes and attributes, and
need not be installed. Their modules take samples; the front end takes the STFT magnitude.
"""

import logging
from typing import Any

import torch

from auralise.audio import Stft
from auralise.errors import NetworkError

log = logging.getLogger(__name__)


def steps_of(module: Any, stft: Stft) -> list[dict] | None:
    """The steps of the front end that equals a spectrogram module, for `build_front_end`.

    Parameters
    ----------
    module : torch.nn.Module
        torchaudio's ``Spectrogram``, ``MelSpectrogram``, ``MelScale``, ``AmplitudeToDB``;
        torchlibrosa's ``Spectrogram`` (which puts time first) and ``LogmelFilterBank``;
        nnAudio's ``MelSpectrogram``.
    stft : Stft
        The transform whose magnitude the front end gets.

    Returns
    -------
    list of dict, or None
        None for any other module.

    Raises
    ------
    NetworkError
        It is one of these, but not what `stft` and the steps can equal.
    """
    name = type(module).__name__
    if name == "Spectrogram" and hasattr(module, "stft"):  # torchlibrosa
        return [*_transform(module, module.stft, stft), {"transpose": {}}]
    if name == "Spectrogram" and hasattr(module, "normalized"):  # torchaudio
        return _transform(module, module, stft)
    if name == "MelSpectrogram" and hasattr(module, "mel_scale"):  # torchaudio
        return [*_transform(module.spectrogram, module, stft), _bands(module.mel_scale.fb.T)]
    if name == "MelSpectrogram" and hasattr(module, "mel_basis"):  # nnAudio
        return [*_transform(module, module.stft, stft), _bands(module.mel_basis)]
    if name == "MelScale" and hasattr(module, "fb"):
        return [_bands(module.fb.T)]
    if name == "LogmelFilterBank" and hasattr(module, "melW"):
        decibels = _decibels(10, module.ref, module.amin, module.top_db) if module.is_log else []
        return [_bands(module.melW.T), *decibels]
    if name == "AmplitudeToDB" and hasattr(module, "ref_value"):
        return _decibels(module.multiplier, module.ref_value, module.amin, module.top_db)
    return None


def _transform(module: Any, transform: Any, stft: Stft) -> list[dict]:
    name = type(module).__name__
    hop_length = getattr(transform, "hop_length", None) or getattr(transform, "stride", None)
    found = {
        "sample_rate": getattr(transform, "sample_rate", stft.sample_rate),
        "n_fft": transform.n_fft,
        "hop_length": hop_length,
    }
    for key, value in found.items():
        if value != getattr(stft, key):
            raise NetworkError(
                f"{name} has {key} = {value}, but the STFT has {getattr(stft, key)}; set it to "
                f"{value}"
            )
    window = getattr(module, "window", getattr(transform, "window", "hann"))
    is_hann = window == "hann"
    if isinstance(window, torch.Tensor):
        expected = torch.hann_window(stft.n_fft, dtype=window.dtype, device=window.device)
        is_hann = len(window) == stft.n_fft and torch.allclose(window, expected, atol=1e-6)
    options = [
        (is_hann and (transform.win_length or stft.n_fft) == stft.n_fft, "a Hann window of n_fft"),
        (
            all(getattr(part, "center", True) for part in (module, transform)),
            "frames centred on their time",
        ),
        (not getattr(module, "normalized", False), "normalized=False"),
        (not getattr(module, "pad", 0), "pad=0"),
        (module.power is not None, "a power"),
    ]
    if wanting := [what for fits, what in options if not fits]:
        raise NetworkError(
            f"{name} cannot be replaced by the STFT magnitude; expected {', '.join(wanting)}: "
            "write its front end as a file"
        )
    if getattr(transform, "pad_mode", getattr(module, "pad_mode", "constant")) == "reflect":
        log.warning("%s reflects the sound at its ends, where the STFT pads it with zeros", name)
    return [] if module.power == 1 else [{"power": {"exponent": float(module.power)}}]


def _bands(matrix: torch.Tensor) -> dict:
    return {"filterbank": {"matrix": matrix.detach().cpu().float().tolist()}}


def _decibels(multiplier: float, reference: float, amin: float, top_db: float | None) -> list[dict]:
    options = {"multiplier": int(multiplier), "reference": float(reference), "amin": float(amin)}
    cut = [] if top_db is None else [{"top_db": {"range": float(top_db)}}]
    return [{"db": options}, *cut]
