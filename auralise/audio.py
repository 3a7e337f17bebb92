"""Sound files, resampling and the short-time Fourier transform: samples ↔ spectra."""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from auralise.choices import EDGES, HOP_LENGTH, N_FFT, SAMPLE_RATE
from auralise.containers import Contents, View, append_comment, read_comment, read_contents
from auralise.errors import AudioError, SettingsError
from auralise.files import printable, whole_file
from auralise.songs import AUDIO_SUFFIXES
from auralise.storage import patient_file, temporary_file, write_temporarily

log = logging.getLogger(__name__)

BLOCK = 2**20  # frames of a sound file read at a time

MANY_CHANNELS = 8  # with more, blocks are shorter

SILENCE = 1e-5  # -100 dB below full scale, under one step of 16-bit audio
CANCELLED = 0.03  # amplitude of a mix, relative to its loudest channel, that no stereo music has

TOLERANCE = 0.1  # s that a file may be shorter than its header says
LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000  # Hz; what lies outside is a mistake of the header
UNKNOWN_LENGTH = 2**60  # libsndfile says more samples than that where it does not know


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

    Examples
    --------
    >>> stft = Stft()
    >>> sound = np.sin(2 * np.pi * 440 * np.arange(11025) / 11025)
    >>> spectrum = stft.analyse(sound)
    >>> spectrum.shape  # bins, frames
    (257, 44)
    >>> float(stft.frequencies[np.abs(spectrum[:, 20]).argmax()])  # Hz
    430.6640625
    >>> bool(np.allclose(stft.synthesise(spectrum, len(sound)), sound, atol=1e-5))
    True
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
        """Compute some frames of `analyse`'s spectrum from the part of the signal that they need.

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
        return self.analyse_part(samples, first * self.hop_length, stop - first)

    def analyse_part(
        self, samples: np.ndarray, start: int, n_frames: int, beyond: str = "zero"
    ) -> np.ndarray:
        """Frames of a signal from any sample on, with what sounds around them in their windows.

        Parameters
        ----------
        samples : ndarray, shape (n_samples,)
            The whole signal; may be mapped from a file.
        start : int
            Centre of the first frame (samples); it may lie before the signal, and the last frame
            behind it.
        n_frames : int
        beyond : {'zero', 'reflect'}
            What is taken to sound before and after the signal: nothing, or its mirror image.

        Returns
        -------
        ndarray, complex64, shape (n_bins, n_frames)
        """
        import torch

        half = self.n_fft // 2
        first = start - half
        part = take(samples, first, first + (n_frames - 1) * self.hop_length + self.n_fft, beyond)
        spectrum = torch.stft(
            torch.from_numpy(np.array(part, dtype=np.float32)),
            self.n_fft,
            self.hop_length,
            window=torch.hann_window(self.n_fft),
            center=False,
            return_complex=True,
        )
        return spectrum.numpy()

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
        """Yield `synthesise`'s signal block by block.

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


def take(samples: np.ndarray, start: int, stop: int, beyond: str = "zero") -> np.ndarray:
    """Part of a signal, which may begin before it and end behind it.

    Parameters
    ----------
    samples : ndarray, shape (n_samples,)
        May be mapped from a file; no more of it is read than is asked for.
    start, stop : int
    beyond : {'zero', 'reflect'}
        What lies outside: zeros, or the signal mirrored at its first and last sample.

    Returns
    -------
    ndarray, shape (stop - start,)

    Examples
    --------
    >>> signal = np.array([1, 2, 3])
    >>> take(signal, -2, 5).tolist()
    [0, 0, 1, 2, 3, 0, 0]
    >>> take(signal, -2, 5, "reflect").tolist()
    [3, 2, 1, 2, 3, 2, 1]
    """
    n = len(samples)
    if beyond == "reflect" and (start < 0 or stop > n):
        places = np.arange(start, stop) % max(1, 2 * (n - 1))
        return samples[np.minimum(places, 2 * (n - 1) - places)]
    inside = samples[max(0, start) : max(0, stop)]
    before = min(max(0, -start), stop - start)
    return np.pad(inside, (before, stop - start - before - len(inside)))


@dataclass(frozen=True)
class Excerpt:
    """Part of a recording, and what is taken to sound around it.

    Attributes
    ----------
    recording : ndarray, shape (any,)
        May be mapped from a file.
    first : int
        Where in it the excerpt begins (samples).
    length : int, optional
        How long the excerpt is (samples); to the end of the recording by default.
    edges : {'zero', 'reflect', 'surroundings'}
        What sounds around the excerpt: nothing; its mirror image, as far as a window of the STFT
        reaches (2015); or what the recording holds there, mirrored at its ends.
    """

    recording: np.ndarray
    first: int = 0
    length: int | None = None
    edges: str = "zero"

    def __post_init__(self) -> None:
        if self.edges not in EDGES:
            raise SettingsError(f"edges: {self.edges!r}; expected one of {', '.join(EDGES)}")

    @property
    def n_samples(self) -> int:
        return len(self.recording) - self.first if self.length is None else self.length

    @property
    def samples(self) -> np.ndarray:
        return self.recording[self.first : self.first + self.n_samples]

    def spectrum(self, stft: Stft, first: int = 0, stop: int | None = None) -> np.ndarray:
        """Frames of the excerpt, counted from its start; all of them by default.

        Parameters
        ----------
        stft : Stft
        first, stop : int
            May lie before the excerpt, and behind it.

        Returns
        -------
        ndarray, complex64, shape (n_bins, stop - first)
        """
        stop = stft.n_frames(self.n_samples) if stop is None else stop
        start, n_frames = first * stft.hop_length, stop - first
        if self.edges == "surroundings":
            return stft.analyse_part(self.recording, self.first + start, n_frames, "reflect")
        return stft.analyse_part(self.samples, start, n_frames, self.edges)


def read_audio(path: str | Path, sample_rate: int, channel: str | None = None) -> np.ndarray:
    """Read a sound file as mono samples at the given rate.

    Anything that libsndfile reads. What can be decoded is what there is: where a header promises
    more, a warning says so.

    Parameters
    ----------
    path : str or Path
    sample_rate : int
        Rate of the returned samples (Hz); the file is resampled to it.
    channel : {'left', 'right', 'mid', 'side'}, optional
        As in `mix`; the mean of all channels by default.

    Returns
    -------
    ndarray, float32, shape (n_samples,)

    Raises
    ------
    AudioError
        The file is missing, empty, not audio, silent, or holds NaN or infinity; its channels
        cancel; or its sample rate is not one of sound.
    """
    return np.concatenate(list(_read_blocks(Path(path), sample_rate, channel)))


@contextmanager
def map_audio(
    path: str | Path, sample_rate: int, channel: str | None = None
) -> Iterator[np.ndarray]:
    """Like `read_audio`, for a file of any length: the samples are mapped from disk.

    Parameters
    ----------
    path : str or Path
    sample_rate : int
        Rate of the samples (Hz).
    channel : {'left', 'right', 'mid', 'side'}, optional
        As in `mix`; the mean of all channels by default.

    Yields
    ------
    ndarray, float32, shape (n_samples,)
        Its temporary file is gone when the context closes.

    Raises
    ------
    AudioError
        As `read_audio`.
    """
    with temporary_file() as file:
        for block in _read_blocks(Path(path), sample_rate, channel):
            write_temporarily(file, block)
        yield np.memmap(file, np.float32, "c")


def mix(frames: np.ndarray, channel: str | None = None) -> np.ndarray:
    """Mix the channels of a sound into one signal.

    Parameters
    ----------
    frames : ndarray, shape (n_samples, n_channels)
    channel : {'left', 'right', 'mid', 'side'}, optional
        The first channel, the second, half their sum, half their difference. By default the
        mean of all channels.

    Returns
    -------
    ndarray, shape (n_samples,)

    Raises
    ------
    AudioError
        'side' of a single channel. Its 'left', 'right' and 'mid' are the channel itself.
    """
    if channel is None:
        return frames.mean(axis=1)
    if channel == "side" and frames.shape[1] == 1:
        raise AudioError("has one channel, and so no difference of channels; choose another one")
    left, right = frames[:, 0], frames[:, min(1, frames.shape[1] - 1)]
    return {
        "left": left,
        "right": right,
        "mid": (left + right) / 2,
        "side": (left - right) / 2,
    }[channel]


def _read_blocks(
    path: Path, sample_rate: int, channel: str | None = None, asked: float = 0.0
) -> Iterator[np.ndarray]:
    """Mono samples at the given rate, some seconds at a time; checks as `read_audio` says."""
    resampler, rate, n_samples = None, sample_rate, 0
    for frames, own_rate in read_frames(path, asked, channel):
        if own_rate != rate:  # the first block, or another link of a chained file
            if resampler is not None:
                block = resampler.resample_chunk(np.zeros(0, np.float32), last=True)
                n_samples += len(block)
                yield block
            is_given = own_rate == sample_rate
            resampler = None if is_given else soxr.ResampleStream(own_rate, sample_rate, 1)
            rate = own_rate
        samples = mix(frames, channel)
        block = samples if resampler is None else resampler.resample_chunk(samples)
        n_samples += len(block)
        yield block
    if resampler is not None:
        block = resampler.resample_chunk(np.zeros(0, np.float32), last=True)
        n_samples += len(block)
        yield block
    if n_samples == 0:
        raise AudioError(
            f"{path}: too short, no sample is left of it at {sample_rate} Hz (its own rate is "
            f"{rate} Hz); remove it"
        )


def read_frames(
    path: Path, asked: float = 0.0, channel: str | None = None
) -> Iterator[tuple[np.ndarray, int]]:
    """Decode a sound file some seconds at a time, at its own rate and with all its channels.

    All that is known of files whose headers are wrong is here and in `auralise.containers`.

    Parameters
    ----------
    path : Path
    asked : float
        How much of the file is needed (s). Where its header promises more than there is, and
        less than this is there, it is an error, as is sound that is missing in the middle. If 0,
        these are warnings.
    channel : {'left', 'right', 'mid', 'side'}, optional
        What of the channels will be used (see `mix`), and must therefore not be silent.

    Yields
    ------
    frames : ndarray, float32, shape (any, n_channels)
    sample_rate : int
        The file's own (Hz). It changes where a chained file does.

    Raises
    ------
    AudioError
        As `read_audio`: at once, or at the end for what only shows when all is read.
    """
    contents = _open_contents(path)
    tally = _Tally(channel)
    declared, failure = 0.0, None
    for pieces in contents.links:
        try:
            with (
                nullcontext(path) if pieces is None else View(path, pieces) as source,
                soundfile.SoundFile(source) as file,
            ):
                if file.format == "RAW":
                    raise soundfile.LibsndfileError(1)  # what libsndfile makes of any '.au'
                _refuse_rate(path, file.samplerate)
                n_samples = contents.n_samples or file.frames
                if n_samples < UNKNOWN_LENGTH:
                    declared += n_samples / file.samplerate
                for frames in _decode(file, n_samples):
                    tally.add(path, frames, file.samplerate)
                    yield frames, file.samplerate
        except soundfile.LibsndfileError as error:
            failure = error.error_string.rstrip(". ") or "damaged"
            break
        except OSError as error:
            raise AudioError(f"{path}: cannot be read ({error.strerror or error})") from None
    if tally.n_read == 0 and failure:
        raise AudioError(
            f"{path}: cannot be read as audio ({failure}); "
            f"expected one of {', '.join(AUDIO_SUFFIXES)}; replace, convert or remove it"
        )
    if contents.share > 0:
        declared = max(declared, tally.seconds / contents.share)
    _judge_length(path, contents, tally.seconds, declared, asked)
    tally.judge(path)


def _open_contents(path: Path) -> Contents:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise AudioError(f"{printable(path)}: its name is not text in UTF-8; rename it") from None
    try:
        if not path.is_file():
            raise AudioError(f"{path}: no such file")
        if path.stat().st_size == 0:
            raise AudioError(f"{path}: the file is empty (0 bytes); replace or remove it")
        return read_contents(path)
    except PermissionError:
        raise AudioError(f"{path}: may not be read; change its permissions") from None
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({error.strerror or error})") from None


def _refuse_rate(path: Path, rate: int) -> None:
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioError(
            f"{path}: its header declares {rate:,} samples per second; expected {LOWEST_RATE:,} to "
            f"{HIGHEST_RATE:,}; export it again"
        )


def _decode(file: soundfile.SoundFile, n_samples: int) -> Iterator[np.ndarray]:
    """Blocks of an open file; what was decoded before an error comes before the error."""
    block = max(1, min(BLOCK, BLOCK * MANY_CHANNELS // file.channels))
    while n_samples > 0:
        # The formats in which decoding can fail hold whole numbers: NaN is what was not decoded.
        frames = np.full((min(block, n_samples), file.channels), np.nan, np.float32)
        try:
            frames = file.read(out=frames)
        except soundfile.LibsndfileError:
            bad = np.isnan(frames).any(axis=1)
            yield frames[: int(bad.argmax()) if bad.any() else len(frames)]
            raise
        if len(frames) == 0:
            return
        n_samples -= len(frames)
        yield frames


class _Tally:
    """Facts about a sound, gathered block by block while it is decoded."""

    def __init__(self, channel: str | None):
        self.n_read, self.seconds = 0, 0.0
        self._channel, self._n_bad, self._peak = channel, 0, 0.0
        self._peak_of_channels, self._energy, self._energy_of_channels = 0.0, 0.0, 0.0

    def add(self, path: Path, frames: np.ndarray, rate: int) -> None:
        if len(frames) == 0:
            return
        self.n_read += len(frames)
        self.seconds += len(frames) / rate
        self._n_bad += int(np.count_nonzero(~np.isfinite(frames).all(axis=1)))
        try:
            mixed = mix(frames, self._channel)
        except AudioError as error:
            raise AudioError(f"{path}: {error}") from None
        self._peak = max(self._peak, float(np.abs(mixed).max()))
        if frames.shape[1] > 1 and self._channel is None:
            self._peak_of_channels = max(self._peak_of_channels, float(np.abs(frames).max()))
            self._energy += float(np.vdot(mixed, mixed))
            self._energy_of_channels += float(np.einsum("ij,ij->j", frames, frames).max())

    def judge(self, path: Path) -> None:
        """Raise an error for a sound that cannot be used."""
        if self.n_read == 0:
            raise AudioError(f"{path}: holds no samples; replace or remove it")
        if self._n_bad:
            raise AudioError(
                f"{path}: {self._n_bad} of {self.n_read} samples are NaN or infinite; export it "
                "again"
            )
        cancels = self._energy < CANCELLED**2 * self._energy_of_channels
        if self._peak_of_channels >= SILENCE and cancels:
            raise AudioError(
                f"{path}: its channels cancel: each holds sound, but their mean is (nearly) "
                "silent; use one of them or their difference (auralise explain --channel left, "
                "right or side), or export it as mono"
            )
        if self._peak < SILENCE:
            of_channel = f" in its channel '{self._channel}'" if self._channel else ""
            raise AudioError(
                f"{path}: silent{of_channel} (peak below {20 * np.log10(SILENCE):.0f} dB), "
                "there is nothing to explain; remove it"
            )


def _judge_length(
    path: Path, contents: Contents, decoded: float, declared: float, asked: float
) -> None:
    """Compare the decoded length with the declared and the requested one (s)."""
    for remark in contents.remarks:
        log.warning("%s: %s (%.2f s)", path, remark, decoded)
    if contents.hole:
        what = f"{contents.hole}: sound is missing in the middle"
        if asked > 0:
            raise AudioError(f"{path}: {what}; copy it again from where it came, or remove it")
        log.warning("%s: %s; what follows sounds too early", path, what)
    if declared - decoded < TOLERANCE:
        return
    what = f"truncated, {decoded:.2f} s of the {declared:.2f} s that its header declares are there"
    if decoded < asked - TOLERANCE:
        raise AudioError(f"{path}: {what}; copy it again from where it came, or remove it")
    log.warning("%s: %s, and are used", path, what)


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
        As `read_audio`; or the excerpt begins after the end of the file, is silent, or is cut
        short in a file that promises more.
    """
    return read_surrounded(path, sample_rate, start, duration).samples


def read_surrounded(
    path: str | Path,
    sample_rate: int,
    start: float,
    duration: float,
    edges: str = "zero",
    around: int = 0,
) -> Excerpt:
    """As `read_excerpt`, with the sound around the excerpt.

    Parameters
    ----------
    path, sample_rate, start, duration
        As `read_excerpt`.
    edges : {'zero', 'reflect', 'surroundings'}
        As `Excerpt`.
    around : int
        How much of the recording is kept on either side, where there is so much (samples).
    """
    first, n_samples = round(start * sample_rate), round(duration * sample_rate)
    earliest = max(0, first - around)
    kept, total = [np.zeros(0, np.float32)], 0
    for block in _read_blocks(Path(path), sample_rate, asked=start + duration):
        # Only the excerpt is kept, but all is read: faults may show at the end.
        kept.append(block[max(0, earliest - total) : max(0, first + n_samples + around - total)])
        total += len(block)
    recording = np.concatenate(kept)
    excerpt = recording[first - earliest :][:n_samples]
    if first >= total:
        raise AudioError(
            f"{path}: lasts {total / sample_rate:.2f} s, but the excerpt begins at "
            f"{start:g} s; choose an earlier start or a longer file"
        )
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
        recording = np.pad(recording, (0, n_samples - len(excerpt)))
    return Excerpt(recording, first - earliest, n_samples, edges)


def write_audio(
    path: str | Path, samples: np.ndarray, sample_rate: int, facts: Mapping | None = None
) -> None:
    """Write mono samples as 16-bit PCM; the ending of `path` chooses the format.

    Parameters
    ----------
    path : str or Path
    samples : ndarray, shape (n_samples,)
        In [-1, 1]; values outside are clipped, and said so in the log.
    sample_rate : int
        In Hz.
    facts : mapping, optional
        As `create_audio`.
    """
    peak = np.abs(samples).max(initial=0.0)
    if peak > 1:
        log.warning("%s: peak %+.1f dB above full scale is clipped", path, 20 * np.log10(peak))
    with create_audio(path, sample_rate, facts) as file:
        file.write(np.clip(samples, -1, 1))


@contextmanager
def create_audio(
    path: str | Path, sample_rate: int, facts: Mapping | None = None
) -> Iterator[soundfile.SoundFile]:
    """A new mono sound file of 16-bit PCM, to be written block by block.

    Parameters
    ----------
    path : str or Path
        Appears only when the context closes without an error; its ending chooses the format.
    sample_rate : int
        In Hz.
    facts : mapping, optional
        How the sound came to be, in values that JSON can hold; kept in the file if it is WAV,
        for `read_facts`.

    Yields
    ------
    soundfile.SoundFile
        Clips what is outside [-1, 1].
    """
    kind = Path(path).suffix[1:].upper()
    with whole_file(path) as partial:
        with (
            patient_file(partial) as target,
            soundfile.SoundFile(target, "w", sample_rate, 1, "PCM_16", format=kind) as file,
        ):
            yield file
        if facts is not None and kind == "WAV":
            append_comment(partial, json.dumps(facts))


def read_facts(path: str | Path) -> dict | None:
    """What a sound file says of how it came to be; None if it does not."""
    comment = read_comment(Path(path))
    try:
        facts = json.loads(comment or "null")
    except (ValueError, RecursionError):
        return None
    return facts if isinstance(facts, dict) else None
