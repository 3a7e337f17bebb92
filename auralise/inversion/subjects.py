"""A classifier split into stages, with the way from sound to picture and back."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from auralise.errors import SettingsError, WeightsError
from auralise.files import sha256_of_file
from auralise.mel import BANDS, LEAD, STFT, LogMel
from auralise.networks.front_end_steps import LogScaling
from auralise.networks.genre import stages_of
from auralise.networks.svdnet import PICTURE
from auralise.stft import Stft
from auralise.weights.own import is_network, read_network
from auralise.weights.svdnet import read_inverter, read_mean_std, read_svdnet

log = logging.getLogger(__name__)

N_UPDATES = 300  # of `spread_bands`


@dataclass(frozen=True)
class Subject:
    """A classifier whose layers can be inverted.

    A *picture* is what its first layer sees: a normalised log-mel spectrogram, or a scaled
    magnitude.

    Attributes
    ----------
    stages : torch.nn.Sequential
        Its layers by name, the output last; takes pictures ``(batch, 1, n_bins, n_frames)``.
    scaling : torch.nn.Module
        From the excerpts of its data set to pictures.
    stft : Stft
    lead : int
        From where an excerpt begins to the centre of its first frame (samples): half a window
        where frames begin at their time, 0 where they are centred on it.
    picture : (int, int)
        Bins and frames.
    frequencies : ndarray, shape (n_bins,)
        Of the picture's bins (Hz).
    to_picture : callable
        From magnitudes ``(n_stft_bins, n_frames)`` to a picture ``(n_bins, n_frames)``.
    to_magnitude : callable
        The way back, as near as it can be.
    classes : tuple of str
        One per score of the output; a single one stands for yes.
    unit : str
        What a picture's values are.
    """

    stages: nn.Sequential
    scaling: nn.Module
    stft: Stft
    lead: int
    picture: tuple[int, int]
    frequencies: np.ndarray
    to_picture: Callable[[Tensor], Tensor]
    to_magnitude: Callable[[Tensor], Tensor]
    classes: tuple[str, ...]
    unit: str

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that can be inverted, from the input on."""
        return tuple(name for name, _ in self.stages.named_children())[:-1]

    def front(self, layer: str) -> nn.Sequential:
        """The stages from the picture to a layer's features.

        Raises
        ------
        SettingsError
            There is no such layer.
        """
        if layer not in self.layers:
            raise SettingsError(
                f"no layer '{layer}' to invert; the classifier has {', '.join(self.layers)}"
            )
        stages = list(self.stages.named_children())
        return nn.Sequential(OrderedDict(stages[: self.layers.index(layer) + 1]))

    @torch.inference_mode()
    def predict(self, pictures: Tensor) -> Tensor:
        """Probabilities of the classes, shape ``(batch, n_classes)``."""
        scores = self.stages(pictures)
        return torch.sigmoid(scores) if len(self.classes) == 1 else torch.softmax(scores, 1)

    def describe(self, picture: Tensor) -> str:
        """The prediction for one picture in words, such as ``sing 0.93``."""
        probabilities = self.predict(picture[None, None])[0]
        best = int(probabilities.argmax())
        return f"{self.classes[best]} {probabilities[best]:.2f}"


def svdnet_subject(network: nn.Sequential, front_end: LogMel) -> Subject:
    """The `Subject` of SVDNet; its pictures are normalised log-mel spectrograms."""
    return Subject(
        stages=network,
        scaling=nn.Identity(),
        stft=STFT,
        lead=LEAD,
        picture=PICTURE,
        frequencies=BANDS.edges[1:-1],
        to_picture=front_end,
        to_magnitude=lambda picture: spread_bands(
            front_end.mel_magnitude(picture), front_end.filterbank
        ),
        classes=("sing",),
        unit="deviations from a band's mean",
    )


def genre_subject(
    network: nn.Sequential, stft: Stft, n_frames: int, classes: Sequence[str]
) -> Subject:
    """The `Subject` of a genre network; its pictures are scaled magnitudes.

    Parameters
    ----------
    network : Sequential
        As `auralise.networks.genre` builds it.
    stft : Stft
    n_frames : int
        Of a picture.
    classes : sequence of str
    """
    stages = stages_of(network)
    scaling: nn.Module = nn.Identity()
    if isinstance(stages[0], LogScaling):
        scaling, *_ = stages
        stages = nn.Sequential(OrderedDict(list(stages.named_children())[1:]))
    return Subject(
        stages=stages,
        scaling=scaling,
        stft=stft,
        lead=0,
        picture=(stft.n_bins, n_frames),
        frequencies=stft.frequencies,
        to_picture=scaling,
        to_magnitude=getattr(scaling, "inverse", lambda picture: picture.clamp(min=0)),
        classes=tuple(classes),
        unit="magnitude, as the network scales it",
    )


def spread_bands(mel_magnitude: Tensor, filterbank: Tensor) -> Tensor:
    """A magnitude ``(n_bins, n_frames)`` whose bands come nearest to `mel_magnitude`.

    It is the non-negative solution by least squares that multiplicative updates (Lee & Seung
    2001) reach from a flat spectrum. These spread a band's energy over its bins. Solvers that
    look for corners give it to single bins, and clipped least squares (`librosa.util.nnls`)
    lose the faintest bands. Bins that no band reaches are zero.
    """
    used = filterbank.any(0)
    bank = filterbank[:, used]
    wanted = bank.T @ mel_magnitude
    found = mel_magnitude.mean(0).expand(bank.shape[1], -1)
    for _ in range(N_UPDATES):
        found = found * wanted / (bank.T @ (bank @ found)).clamp(min=1e-30)
    magnitude = torch.zeros(filterbank.shape[1], mel_magnitude.shape[1])
    magnitude[used] = found
    return magnitude


def read_inverters(
    paths: Iterable[str | Path], subject: Subject, classifier: str | Path
) -> dict[str, nn.Module]:
    """Read the inverters of a classifier's layers.

    Parameters
    ----------
    paths : iterable of str or Path
        Ours or published; which layer each is for is read off it.
    subject : Subject
    classifier : str or Path
        The weights that `subject` was read from.

    Returns
    -------
    dict of str to torch.nn.Module
        By layer, from the input on.

    Raises
    ------
    SettingsError
        Two are for one layer.
    WeightsError
        A file cannot be read, or is for another classifier or a layer that this one does not have.
    """
    found: dict[str, nn.Module] = {}
    sources: dict[str, str | Path] = {}
    for path in paths:
        inverter = read_inverter(path)
        layer = inverter.layer
        if layer not in subject.layers:
            raise WeightsError(
                f"{path}: the inverter of '{layer}', a layer that {classifier} does not have; "
                f"expected one of {', '.join(subject.layers)}"
            )
        if layer in found:
            raise SettingsError(f"{sources[layer]} and {path} are both for '{layer}'; give one")
        if inverter.classifier_sha256 is None:
            log.info(
                "%s does not say which classifier it was trained on; assuming %s", path, classifier
            )
        elif inverter.classifier_sha256 != sha256_of_file(classifier):
            raise WeightsError(
                f"{path}: was trained on another classifier than {classifier}; give the weights "
                "file that it was trained on"
            )
        found[layer], sources[layer] = inverter.network, path
    return {layer: found[layer] for layer in subject.layers if layer in found}


def read_subject(
    weights: str | Path, mean_std: str | Path | None = None, stft: Stft | None = None
) -> Subject:
    """Read a classifier to be inverted from its files.

    Parameters
    ----------
    weights : str or Path
        A genre network that auralise trained, or SVDNet, ours or as published.
    mean_std : str or Path, optional
        The normalisation of SVDNet's bands.
    stft : Stft, optional
        What a genre network sees.

    Raises
    ------
    SettingsError
        What this classifier needs beside its weights was not given.
    WeightsError
        A file cannot be read or does not fit.
    """
    if is_network(weights):
        if stft is None:
            raise SettingsError(
                f"{weights}: a genre network, and auralise invert takes SVDNet alone. "
                "Invert genre networks in a workflow: inversion.genre_layers"
            )
        network, _, facts = read_network(weights)
        return genre_subject(network, stft, facts["n_frames"], facts["classes"])
    if mean_std is None:
        raise SettingsError(f"{weights}: SVDNet needs the mean and deviation of its bands, too")
    return svdnet_subject(read_svdnet(weights), LogMel(*read_mean_std(mean_std)))
