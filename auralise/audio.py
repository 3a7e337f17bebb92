"""Sound files, resampling and the short-time Fourier transform: samples ↔ spectra."""

import logging
import os
import struct
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from auralise.choices import HOP_LENGTH, N_FFT, SAMPLE_RATE
from auralise.errors import AudioError, SettingsError
from auralise.files import whole_file
from auralise.songs import AUDIO_SUFFIXES

log = logging.getLogger(__name__)

BLOCK = 2**20  # frames of a sound file read at a time

SILENCE = 1e-5  # -100 dB below full scale, under one step of 16-bit audio


@dataclass(frozen=True)
class Stft:
    """The short-time Fourier transform that the network sees, and its inverse.

    Hann window, frames centred on their time, zero-padded at both ends: the same numbers as
    ``librosa.stft`` to float32 rounding. The defaults are those of 2015 (257 bins of 21.5 Hz,
    hops of 23.2 ms; Choi 2015, code).

    Attributes
    ----------
    sample_rate : int
        Samples per second (Hz).
    n_fft : int
        Window and transform length (samples).
    hop_length : int
        Distance between frames (samples), at most half a window: else sound would be lost
        between the windows.

    Raises
    ------
    SettingsError
        `hop_length` is larger than that.
    """

    sample_rate: int = SAMPLE_RATE
    n_fft: int = N_FFT
    hop_length: int = HOP_LENGTH

    def __post_init__(self) -> None:
        if self.hop_length > self.n_fft // 2:
            raise SettingsError(
                f"stft.hop_length = {self.hop_length}: expected at most half of stft.n_fft, "
                f"{self.n_fft // 2}"
            )

    @property
    def n_bins(self) -> int:
        return self.n_fft // 2 + 1

    @property
    def frequencies(self) -> np.ndarray:
        """Centre frequency of every bin (Hz), shape ``(n_bins,)``."""
        return np.fft.rfftfreq(self.n_fft, 1 / self.sample_rate)

    def times(self, n_frames: int) -> np.ndarray:
        """Centre time of every frame (s), shape ``(n_frames,)``."""
        return np.arange(n_frames) * (self.hop_length / self.sample_rate)

    def n_samples(self, duration: float) -> int:
        """Samples in `duration` seconds."""
        return round(duration * self.sample_rate)

    def n_frames(self, n_samples: int) -> int:
        """Frames that `analyse` makes of `n_samples` samples."""
        return 1 + n_samples // self.hop_length

    def analyse(self, samples: np.ndarray) -> np.ndarray:
        """Spectrum of a signal.

        Parameters
        ----------
        samples : ndarray, shape (..., n_samples)
            Signal; leading axes are a batch.

        Returns
        -------
        ndarray, complex64, shape (..., n_bins, n_frames)
        """
        import torch  # here, because most jobs transform nothing and it takes seconds to load

        batch = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))
        spectrum = torch.stft(
            batch.reshape(-1, batch.shape[-1]),
            self.n_fft,
            self.hop_length,
            window=torch.hann_window(self.n_fft),
            center=True,
            pad_mode="constant",
            return_complex=True,
        )
        return spectrum.reshape(*batch.shape[:-1], *spectrum.shape[-2:]).numpy()

    def analyse_frames(self, samples: np.ndarray, first: int, stop: int) -> np.ndarray:
        """Some frames of the spectrum that `analyse` makes of a signal, from its part alone.

        Parameters
        ----------
        samples : ndarray, shape (n_samples,)
            The whole signal; may be mapped from a file.
        first, stop : int
            Frames, as in ``analyse(samples)[:, first:stop]``.

        Returns
        -------
        ndarray, complex64, shape (n_bins, stop - first)
        """
        start = max(0, first - self._reach)
        end = (stop - 1 + self._reach) * self.hop_length
        part = self.analyse(samples[start * self.hop_length : end])
        return part[:, first - start : stop - start]

    def synthesise(self, spectrum: np.ndarray, n_samples: int) -> np.ndarray:
        """Signal whose spectrum is nearest, in the least-squares sense, to `spectrum`.

        Parameters
        ----------
        spectrum : ndarray, complex, shape (..., n_bins, n_frames)
        n_samples : int
            Length of the signal (samples).

        Returns
        -------
        ndarray, float32, shape (..., n_samples)
        """
        import torch

        batch = torch.from_numpy(np.ascontiguousarray(spectrum, dtype=np.complex64))
        frames = batch.reshape(-1, *batch.shape[-2:])
        if n_samples - (frames.shape[-1] - 1) * self.hop_length > self.n_fft // 4:
            # Past the last centre one window alone reaches, and dividing by its end would make a
            # click of what a mask has left there. The frame that would follow is silent.
            frames = torch.nn.functional.pad(frames, (0, 1))
        samples = torch.istft(
            frames,
            self.n_fft,
            self.hop_length,
            window=torch.hann_window(self.n_fft),
            center=True,
            length=n_samples,
        )
        return samples.reshape(*batch.shape[:-2], n_samples).numpy()

    def synthesise_blocks(
        self, spectra: Iterable[np.ndarray], n_samples: int
    ) -> Iterator[np.ndarray]:
        """What `synthesise` makes of a spectrum, block by block.

        Parameters
        ----------
        spectra : iterable of ndarray, complex, each of shape (..., n_bins, any)
            The spectrum's frames in their order; `n_frames` of `n_samples` in all.
        n_samples : int
            Length of the signal (samples).

        Yields
        ------
        ndarray, float32, shape (..., any)
            `n_samples` in all.
        """
        n_frames, hop = self.n_frames(n_samples), self.hop_length
        pending, first, seen, done = None, 0, 0, 0
        for spectrum in spectra:
            seen += spectrum.shape[-1]
            pending = spectrum if pending is None else np.concatenate([pending, spectrum], axis=-1)
            # Samples that a frame still to come reaches have to wait for it.
            ready = n_samples if seen == n_frames else (seen - self._reach) * hop
            if ready <= done:
                continue
            yield self.synthesise(pending, ready - first * hop)[..., done - first * hop :]
            done = ready
            kept = max(first, seen - 2 * self._reach)
            pending, first = pending[..., kept - first :], kept

    @property
    def _reach(self) -> int:
        """Frames from a frame's centre to the end of its window, rounded up."""
        return -(-(self.n_fft // 2) // self.hop_length)


def read_audio(path: str | Path, sample_rate: int) -> np.ndarray:
    """Read a sound file as mono samples at the given rate.

    Channels are averaged. Anything that libsndfile reads: WAV, FLAC, OGG, MP3, AU.

    Parameters
    ----------
    path : str or Path
    sample_rate : int
        Rate of the returned samples (Hz); the file is resampled to it.

    Returns
    -------
    ndarray, float32, shape (n_samples,)

    Raises
    ------
    AudioError
        The file is missing, empty, truncated, not audio, silent, or holds NaN or infinity.
    """
    return np.concatenate(list(_read_blocks(Path(path), sample_rate)))


@contextmanager
def map_audio(path: str | Path, sample_rate: int) -> Iterator[np.ndarray]:
    """As `read_audio`, for a file of any length: its samples lie on disk and are mapped.

    Parameters
    ----------
    path : str or Path
    sample_rate : int
        Rate of the samples (Hz).

    Yields
    ------
    ndarray, float32, shape (n_samples,)
        Its temporary file is gone when the context closes.

    Raises
    ------
    AudioError
        As `read_audio`.
    """
    with tempfile.TemporaryFile() as file:
        for block in _read_blocks(Path(path), sample_rate):
            file.write(block.tobytes())
        file.flush()
        yield np.memmap(file, np.float32, "c")


def _read_blocks(path: Path, sample_rate: int) -> Iterator[np.ndarray]:
    """Mono samples at the given rate, some seconds at a time; checks as `read_audio` says."""
    resampler = None
    for frames, own_rate in read_frames(path):
        if resampler is None and own_rate != sample_rate:
            resampler = soxr.ResampleStream(own_rate, sample_rate, 1)
        samples = frames.mean(axis=1)
        yield samples if resampler is None else resampler.resample_chunk(samples)
    if resampler is not None:
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def read_frames(path: Path) -> Iterator[tuple[np.ndarray, int]]:
    """Decode a sound file some seconds at a time, at its own rate and with all its channels.

    Parameters
    ----------
    path : Path

    Yields
    ------
    frames : ndarray, float32, shape (any, n_channels)
    sample_rate : int
        The file's own (Hz).

    Raises
    ------
    AudioError
        As `read_audio`: at once, or at the end for what only shows when all is read.
    """
    if not path.is_file():
        raise AudioError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: the file is empty (0 bytes); replace or remove it")
    n_read, n_bad, peak = 0, 0, 0.0
    try:
        with soundfile.SoundFile(path) as file:
            if file.format == "RAW":
                raise soundfile.LibsndfileError(1)  # what libsndfile makes of any '.au'
            declared = file.frames
            while len(frames := file.read(BLOCK, dtype="float32", always_2d=True)):
                n_read += len(frames)
                n_bad += int(np.count_nonzero(~np.isfinite(frames).all(axis=1)))
                peak = max(peak, float(np.abs(frames.mean(axis=1)).max()))
                yield frames, file.samplerate
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{path}: cannot be read as audio ({error.error_string.rstrip('. ')}); "
            f"expected one of {', '.join(AUDIO_SUFFIXES)}; replace, convert or remove it"
        ) from None
    missing = _missing_bytes(path)
    if missing or 0 < n_read < declared:
        what = f"{missing} bytes" if missing else f"{declared - n_read} samples"
        raise AudioError(
            f"{path}: truncated, {what} fewer than its header declares; "
            "copy it again from where it came, or remove it"
        )
    if n_read == 0:
        raise AudioError(f"{path}: holds no samples; replace or remove it")
    if n_bad:
        raise AudioError(
            f"{path}: {n_bad} of {n_read} samples are NaN or infinite; export it again"
        )
    if peak < SILENCE:
        raise AudioError(
            f"{path}: silent (peak below {20 * np.log10(SILENCE):.0f} dB), "
            "there is nothing to explain; remove it"
        )


def read_excerpt(path: str | Path, sample_rate: int, start: float, duration: float) -> np.ndarray:
    """Read an excerpt of a sound file, zero-padded at its end if the file is too short.

    Parameters
    ----------
    path : str or Path
    sample_rate : int
        Rate of the returned samples (Hz).
    start, duration : float
        Where the excerpt begins and how long it is (s).

    Returns
    -------
    ndarray, float32, shape (round(duration * sample_rate),)

    Raises
    ------
    AudioError
        As `read_audio`; or the excerpt begins after the end of the file, or is silent.
    """
    samples = read_audio(path, sample_rate)
    first, n_samples = round(start * sample_rate), round(duration * sample_rate)
    if first >= len(samples):
        raise AudioError(
            f"{path}: lasts {len(samples) / sample_rate:.2f} s, but the excerpt begins at "
            f"{start:g} s; choose an earlier start or a longer file"
        )
    excerpt = samples[first : first + n_samples]
    if np.abs(excerpt).max() < SILENCE:
        raise AudioError(
            f"{path}: silent between {start:g} s and {start + duration:g} s; choose another start"
        )
    if len(excerpt) < n_samples:
        log.warning(
            "%s: only %.2f s from %g s on, padded with silence to %g s",
            path,
            len(excerpt) / sample_rate,
            start,
            duration,
        )
        excerpt = np.pad(excerpt, (0, n_samples - len(excerpt)))
    return excerpt


def write_audio(path: str | Path, samples: np.ndarray, sample_rate: int) -> None:
    """Write mono samples as 16-bit PCM; the ending of `path` chooses the format.

    Parameters
    ----------
    path : str or Path
    samples : ndarray, shape (n_samples,)
        In [-1, 1]; values outside are clipped, and said so in the log.
    sample_rate : int
        In Hz.
    """
    peak = np.abs(samples).max(initial=0.0)
    if peak > 1:
        log.warning("%s: peak %+.1f dB above full scale is clipped", path, 20 * np.log10(peak))
    with whole_file(path) as partial:
        soundfile.write(partial, np.clip(samples, -1, 1), sample_rate, subtype="PCM_16")


@contextmanager
def create_audio(path: str | Path, sample_rate: int) -> Iterator[soundfile.SoundFile]:
    """A new mono sound file of 16-bit PCM, to be written block by block.

    Parameters
    ----------
    path : str or Path
        Appears only when the context closes without an error; its ending chooses the format.
    sample_rate : int
        In Hz.

    Yields
    ------
    soundfile.SoundFile
        Clips what is outside [-1, 1].
    """
    with (
        whole_file(path) as partial,
        soundfile.SoundFile(partial, "w", sample_rate, 1, subtype="PCM_16") as file,
    ):
        yield file


def _missing_bytes(path: Path) -> int:
    """Bytes of sound that a WAV or AU header declares and the file does not hold.

    libsndfile shortens such files silently. Sizes that say "unknown" (streamed files) count
    as nothing missing.
    """
    unknown = (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFFFFF - 36)
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b".snd" and len(head) == 12:
            offset, declared = struct.unpack(">II", head[4:12])
            return 0 if declared in unknown else max(0, offset + declared - size)
        if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
            while len(chunk := file.read(8)) == 8:
                name, declared = struct.unpack("<4sI", chunk)
                if name == b"data":
                    return 0 if declared in unknown else max(0, file.tell() + declared - size)
                file.seek(declared + declared % 2, os.SEEK_CUR)
    return 0
