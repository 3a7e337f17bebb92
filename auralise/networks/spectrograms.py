"""Other people's spectrogram modules, as the steps of an equal front end.

torchaudio, torchlibrosa and nnAudio are known by the names of their classes and attributes, and
need not be installed. Their modules take samples; the front end takes the STFT magnitude.
"""

import logging
from typing import Any

import torch
from torch import Tensor, nn

from auralise.choices import DURATION
from auralise.errors import NetworkError, cause_of
from auralise.networks.front_ends import build_front_end
from auralise.stft import Stft

log = logging.getLogger(__name__)


TRANSFORMS = ("Spectrogram", "MelSpectrogram")  # these take samples
FRAMES_FIRST = ("LogmelFilterBank",)  # these take frames × bins


class FromMagnitude(nn.Module):
    """A network built for samples, changed to take the STFT's magnitude instead.

    Parameters
    ----------
    network : torch.nn.Module
        Its spectrogram module is replaced.
    with_channel : bool
        Whether it took ``(batch, 1, n_samples)``, and not ``(batch, n_samples)``.
    """

    def __init__(self, network: nn.Module, with_channel: bool):
        super().__init__()
        self.network, self.with_channel = network, with_channel

    def forward(self, magnitude: Tensor) -> Tensor:
        return self.network(magnitude if self.with_channel else magnitude.squeeze(1))


def replace_spectrograms(network: nn.Module, stft: Stft) -> tuple[nn.Module, list[str]]:
    """A network whose spectrogram modules are replaced by equal front ends.

    Parameters
    ----------
    network : torch.nn.Module
        Filled with its weights; is changed.
    stft : Stft
        The transform whose magnitude it is to take.

    Returns
    -------
    network : torch.nn.Module
        The same, or, where it took samples, a `FromMagnitude` around it.
    replaced : list of str
        What was replaced by what, in words.

    Raises
    ------
    NetworkError
        A module does not equal what `stft` and the steps of a front end give, or the network
        fails on a magnitude.
    """
    found: dict[str, list[dict]] = {}
    takes_samples = False
    for path, module in network.named_modules():
        if any(path.startswith(f"{outer}.") for outer in found):
            continue
        try:
            steps = steps_of(module, stft)
        except NetworkError as error:
            raise NetworkError(f"'{path}': {error}") from None
        if steps is not None and path:
            found[path] = steps
            takes_samples |= type(module).__name__ in TRANSFORMS
    replaced = []
    for path, steps in found.items():
        kind = type(network.get_submodule(path)).__name__
        owner, _, name = path.rpartition(".")
        axis = -1 if kind in FRAMES_FIRST else -2
        front_end = build_front_end(steps, stft, f"'{path}'", axis)
        setattr(network.get_submodule(owner), name, front_end)
        names = ", ".join(step for entry in steps for step in entry) or "the magnitude itself"
        replaced.append(f"'{path}' ({kind}) is replaced by an equal front end: {names}")
    return (_from_magnitude(network, stft) if takes_samples else network), replaced


def _from_magnitude(network: nn.Module, stft: Stft) -> nn.Module:
    magnitude = torch.zeros(1, 1, stft.n_bins, stft.n_frames(stft.n_samples(DURATION)))
    failures = []
    for with_channel in (True, False):
        taking = FromMagnitude(network, with_channel).eval()
        try:
            with torch.no_grad():
                taking(magnitude)
            return taking
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            failures.append(cause_of(error))
    raise NetworkError(
        f"with its spectrogram replaced, the network fails on a magnitude ({failures[-1]}); write "
        "a module that begins behind the spectrogram, and its front end as a file"
    )


def steps_of(module: Any, stft: Stft) -> list[dict] | None:
    """The steps of the front end that equals a spectrogram module; None for any other module.

    Known are torchaudio's ``Spectrogram``, ``MelSpectrogram``, ``MelScale``, ``AmplitudeToDB``,
    torchlibrosa's ``Spectrogram`` (which puts time first) and ``LogmelFilterBank``, and nnAudio's
    ``MelSpectrogram``. A NetworkError says what of such a module the steps cannot equal.
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
                f"{name} has {key} = {value}, but the STFT has {getattr(stft, key)}; "
                f"set stft.{key} (--{key.replace('_', '-')}) to {value}"
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
