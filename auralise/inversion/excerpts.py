"""Inversion of every layer on an excerpt of a song: pictures and sounds."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from zipfile import BadZipFile

import librosa
import numpy as np
import torch
from torch import nn

from auralise.audio import SILENCE, map_audio, write_audio
from auralise.choices import PHASES
from auralise.errors import AudioError, InversionError
from auralise.files import parse_json, whole_file
from auralise.inversion.subjects import Subject

log = logging.getLogger(__name__)

N_ITERATIONS = 32  # of Griffin & Lim
DRAWN = (10.0, 20.0)  # s, between which an excerpt begins unless told (Mishra 2018, code)


@dataclass(frozen=True)
class Inversions:
    """An excerpt as a classifier sees it, and as its layers' inverters give it back.

    Attributes
    ----------
    song, classifier : str
    time : float
        Where the excerpt begins (s).
    duration : float
        From the first to the last frame (s).
    prediction : str
        Of the classifier for the picture.
    predictions : dict of str to str
        The same for each layer's inversion.
    unit : str
        What the pictures' values are.
    frequencies : ndarray, shape (n_bins,)
        Of the picture's bins (Hz).
    picture : ndarray, shape (n_bins, n_frames)
    layers : dict of str to ndarray, shape (n_bins, n_frames)
        Inversions by layer.
    """

    song: str
    classifier: str
    time: float
    duration: float
    prediction: str
    predictions: dict[str, str]
    unit: str
    frequencies: np.ndarray
    picture: np.ndarray
    layers: dict[str, np.ndarray]


def draw_time(duration: float, excerpt: float, rng: np.random.Generator) -> float:
    """Where an excerpt begins (s): between 10 and 20 s, or anywhere in a song too short for that.

    Parameters
    ----------
    duration, excerpt : float
        Of the song and of the excerpt (s).
    rng : numpy.random.Generator
    """
    latest = max(0.0, duration - excerpt)
    if latest < DRAWN[0]:
        return float(rng.uniform(0, latest))
    return float(rng.uniform(DRAWN[0], min(DRAWN[1], latest)))


def read_picture(
    path: str | Path,
    subject: Subject,
    time: float | None = None,
    seed: int = 0,
    channel: str | None = None,
) -> tuple[float, np.ndarray]:
    """The spectrum of an excerpt of a song, as long as a picture of the classifier.

    Returns where it begins (s), on the subject's grid of frames, and the spectrum, complex64,
    shape ``(n_stft_bins, n_frames)``, computed with the surrounding audio. The beginning is drawn
    where `time` is None. An AudioError says that the file cannot be used, that the song ends
    before the excerpt does, or that the excerpt is silent.
    """
    stft, lead, n_frames = subject.stft, subject.lead, subject.picture[1]
    excerpt = float(stft.times(n_frames)[-1]) + 2 * lead / stft.sample_rate
    frame_rate = stft.sample_rate / stft.hop_length
    with map_audio(path, stft.sample_rate, channel) as samples:
        duration = len(samples) / stft.sample_rate
        latest = stft.n_frames(len(samples) - 2 * lead) - n_frames
        if latest < 0:
            raise AudioError(
                f"{path}: lasts {duration:.2f} s, shorter than an excerpt of {excerpt:.2f} s; "
                "choose a longer song"
            )
        if time is None:
            drawn = draw_time(duration, excerpt, np.random.default_rng(seed))
            # The nearest frame may lie beyond the last excerpt that fits.
            time = min(round(drawn * frame_rate), latest) / frame_rate
        first = round(time * frame_rate)
        if first > latest:
            raise AudioError(
                f"{path}: lasts {duration:.2f} s, but the excerpt goes from {time:g} s to "
                f"{time + excerpt:.2f} s; choose an earlier time or a longer song"
            )
        start = lead + first * stft.hop_length
        if np.abs(samples[start : start + (n_frames - 1) * stft.hop_length]).max() < SILENCE:
            raise AudioError(f"{path}: silent from {time:g} s on; choose another time")
        spectrum = stft.analyse_part(samples, start, n_frames)
    return float(stft.times(first + 1)[-1]), spectrum


def invert_song(
    path: str | Path,
    subject: Subject,
    inverters: Mapping[str, nn.Module],
    folder: str | Path,
    *,
    classifier: str,
    time: float | None = None,
    phase: str = "original",
    seed: int = 0,
    channel: str | None = None,
) -> Inversions:
    """Invert every layer on one excerpt of a song and write pictures and sounds.

    Parameters
    ----------
    path : str or Path
    subject : Subject
    inverters : mapping of str to torch.nn.Module
        By layer.
    folder : str or Path
        Gets ``inversions.npz`` (see `read_inversions`); ``original.wav``, the excerpt from the
        centre of its first frame to that of its last; ``input.wav``, what its picture alone
        keeps of it; and ``<layer>.wav``, all at one scale, with clipping avoided by a common gain.
    classifier : str
        Its name.
    time : float, optional
        Where the excerpt begins (s); drawn if None.
    phase : {'original', 'griffin_lim'}
        Of the sounds: the song's own, or one found by Griffin & Lim.
    seed : int
        Of the drawn time.
    channel : {'left', 'right', 'mid', 'side'}, optional
        As in `auralise.audio.mix`.

    Raises
    ------
    AudioError
        As `read_picture`.
    """
    stft = subject.stft
    time, spectrum = read_picture(path, subject, time, seed, channel)
    picture = subject.to_picture(torch.from_numpy(np.abs(spectrum)))
    layers: dict[str, torch.Tensor] = {}
    with torch.inference_mode():
        for layer, inverter in inverters.items():
            features = subject.front(layer).eval()(picture[None, None])
            layers[layer] = inverter.eval()(features)[0, 0]
    found = Inversions(
        song=Path(path).stem,
        classifier=classifier,
        time=time,
        duration=float(stft.times(picture.shape[1])[-1]),
        prediction=subject.describe(picture),
        predictions={layer: subject.describe(inversion) for layer, inversion in layers.items()},
        unit=subject.unit,
        frequencies=subject.frequencies,
        picture=picture.numpy(),
        layers={layer: inversion.numpy() for layer, inversion in layers.items()},
    )
    n_samples = (spectrum.shape[1] - 1) * stft.hop_length
    sounds = {"original": stft.synthesise(spectrum, n_samples)}
    for name, seen in {"input": picture, **layers}.items():
        magnitude = subject.to_magnitude(seen).numpy()
        sounds[name] = _sound(magnitude, spectrum, subject, n_samples, phase)
    loudest = max(float(np.abs(sound).max()) for sound in sounds.values())
    gain = 1 / max(1.0, loudest)
    for name, sound in sounds.items():
        write_audio(Path(folder) / f"{name}.wav", sound * gain, stft.sample_rate)
    _write_inversions(Path(folder) / "inversions.npz", found)
    return found


def invert_songs(
    paths: Iterable[str | Path],
    folder: str | Path,
    invert: Callable[..., object],
    seed: int = 0,
) -> None:
    """Invert an excerpt of each of several songs.

    A song that cannot be used is left out, with a warning.

    Parameters
    ----------
    paths : iterable of str or Path
    folder : str or Path
        Gets a folder for each song, by its name.
    invert : callable
        Takes a path, and `folder` and `seed`, as `invert_song` does.
    seed : int
        Of the drawn times, another one for each song.

    Raises
    ------
    AudioError
        None of the songs can be used.
    """
    failures: list[AudioError] = []
    paths = list(paths)
    for number, path in enumerate(paths):
        try:
            invert(path, folder=Path(folder) / Path(path).stem, seed=seed + 1000 * number)
        except AudioError as error:
            log.warning("left out: %s", error)
            failures.append(error)
    if failures and len(failures) == len(paths):
        raise failures[0]


def _sound(
    magnitude: np.ndarray, spectrum: np.ndarray, subject: Subject, n_samples: int, phase: str
) -> np.ndarray:
    if phase == "original":
        turned = magnitude * np.exp(1j * np.angle(spectrum))
        return subject.stft.synthesise(turned, n_samples)
    if phase == "griffin_lim":
        return librosa.griffinlim(
            magnitude,
            n_iter=N_ITERATIONS,
            hop_length=subject.stft.hop_length,
            n_fft=subject.stft.n_fft,
            pad_mode="constant",
            length=n_samples,
            random_state=0,
        )
    raise ValueError(f"phase must be one of {PHASES}, got {phase!r}")


def _write_inversions(path: Path, found: Inversions) -> None:
    facts = {
        name: value
        for name, value in asdict(found).items()
        if name not in ("picture", "layers", "frequencies")
    }
    arrays = {f"layer_{layer}": inversion for layer, inversion in found.layers.items()}
    with whole_file(path) as partial:
        np.savez(
            partial,
            facts=np.array(json.dumps(facts)),
            frequencies=found.frequencies,
            picture=found.picture,
            **arrays,  # type: ignore[arg-type]
        )


def read_inversions(path: str | Path) -> Inversions:
    """Read the results that `invert_song` wrote.

    Raises
    ------
    InversionError
        The file is missing or is not one of these.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return Inversions(
                **parse_json(str(file["facts"])),
                frequencies=file["frequencies"],
                picture=file["picture"],
                layers={
                    name.removeprefix("layer_"): file[name]
                    for name in file.files
                    if name.startswith("layer_")
                },
            )
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        raise InversionError(
            f"{path}: no file of inversions ({error}); invert the song again"
        ) from None
