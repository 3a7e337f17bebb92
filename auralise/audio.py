"""Sound files: reading them at any rate, in whole or in part, and writing them."""

import itertools
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from operator import itemgetter
from pathlib import Path

import numpy as np
import soundfile
import soxr

from auralise.containers import Contents, View, append_comment, read_comment, read_contents
from auralise.errors import AudioError
from auralise.excerpts import Excerpt
from auralise.files import parse_json, printable, whole_file
from auralise.recognition import READABLE, REMEDIES, describe_file
from auralise.songs import AUDIO_SUFFIXES
from auralise.storage import patient_file, temporary_file, write_temporarily

log = logging.getLogger(__name__)

BLOCK = 2**20  # frames of a sound file read at a time

MANY_CHANNELS = 8  # with more, blocks are shorter

SILENCE = 1e-5  # -100 dB below full scale, under one step of 16-bit audio
HIGHEST_PEAK = 1e12  # times full scale; above it, energies overflow float32
CANCELLED = 0.03  # amplitude of a mix, relative to its loudest channel, that no stereo music has

TOLERANCE = 0.1  # s that a file may be shorter than its header says
LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000  # Hz; what lies outside is a mistake of the header
# What libsndfile says, of which not all is true, and what we say.
SAID = {
    "a pipe?": "no sound is found in it",
    "No 'data' chunk": "its chunk 'fmt ' or 'data' is missing",
    "Format not recognised": "its format is not recognised",
    "SF_INFO struct": "its header declares no sample rate",
}
UNKNOWN_LENGTH = 2**60  # libsndfile says more samples than that where it does not know


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

    Examples
    --------
    >>> stereo = np.array([[1.0, 0.5], [0.0, -1.0]])  # samples, channels
    >>> mix(stereo).tolist(), mix(stereo, "side").tolist()
    ([0.75, -0.5], [0.25, 0.5])
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
    rate, n_samples = sample_rate, 0
    # The rate changes from one link of a chained file to the next.
    for rate, link in itertools.groupby(read_frames(path, asked, channel), itemgetter(1)):
        mixed = (mix(frames, channel) for frames, _ in link)
        for block in _resampled(mixed, rate, sample_rate):
            n_samples += len(block)
            yield block
    if n_samples == 0:
        raise AudioError(
            f"{path}: too short, no sample is left of it at {sample_rate} Hz (its own rate is "
            f"{rate} Hz); remove it"
        )


def _resampled(blocks: Iterable[np.ndarray], given: int, wanted: int) -> Iterator[np.ndarray]:
    """Resample a signal from one rate (Hz) to another, block by block."""
    if given == wanted:
        yield from blocks
        return
    resampler = soxr.ResampleStream(given, wanted, 1)
    for block in blocks:
        yield resampler.resample_chunk(block)
    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


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
    for link in contents.links:
        n_before = tally.n_read
        try:
            with (
                nullcontext(path) if link.pieces is None else View(path, link.pieces) as source,
                soundfile.SoundFile(source) as file,
            ):
                if file.format == "RAW":
                    raise soundfile.LibsndfileError(1)  # what libsndfile makes of any '.au'
                _refuse_rate(path, file.samplerate)
                n_samples = link.n_samples or file.frames
                n_declared = link.n_declared or n_samples
                if n_declared < UNKNOWN_LENGTH:
                    declared += n_declared / file.samplerate
                try:
                    for frames in _decode(file, n_samples):
                        tally.add(path, frames, file.samplerate)
                        yield frames, file.samplerate
                except soundfile.LibsndfileError:
                    # Of FLAC: not for its end, but for a damaged frame, around which sound is lost.
                    if "STATUS" in file.extra_info and "END_OF_STREAM" not in file.extra_info:
                        contents = replace(contents, hole="a damaged frame cannot be decoded")
                    raise
        except soundfile.LibsndfileError as error:
            failure = error.error_string.rstrip(". ") or "damaged"
            failure = next((ours for theirs, ours in SAID.items() if theirs in failure), failure)
            if 0 < n_before == tally.n_read:
                contents = replace(contents, hole=f"a part cannot be decoded ({failure})")
        except OSError as error:
            raise AudioError(f"{path}: cannot be read ({error.strerror or error})") from None
    if tally.n_read == 0 and failure:
        what = describe_file(path)
        reason = f"it is {what}" if what and not what.endswith(READABLE) else failure
        convert = "Convert it (ffmpeg -i FILE out.wav), replace or remove it; expected one of "
        remedy = REMEDIES.get(what, convert + ", ".join(AUDIO_SUFFIXES))
        raise AudioError(f"{path}: cannot be read as audio ({reason}). {remedy}")
    if not contents.declares_samples and contents.share > 0:
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
            what = (
                "not a plain file; give a sound file"
                if path.exists()
                else "no such file; check the path"
            )
            raise AudioError(f"{path}: {what}")
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
    """Blocks of an open file; those decoded before an error are yielded before it is raised."""
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
        self._channel, self._n_bad = channel, 0
        self._lowest, self._highest = np.inf, -np.inf
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
        self._lowest = min(self._lowest, float(mixed.min()))
        self._highest = max(self._highest, float(mixed.max()))
        if frames.shape[1] > 1 and self._channel is None:
            self._peak_of_channels = max(self._peak_of_channels, float(np.abs(frames).max()))
            # An offset of a channel is no sound, and does not cancel.
            self._energy += len(mixed) * float(mixed.var(dtype=float))
            self._energy_of_channels += len(mixed) * float(frames.var(axis=0, dtype=float).max())

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
                "silent; use one of them or their difference (the commands' --channel left, "
                "right or side), or export it as mono"
            )
        if (peak := max(-self._lowest, self._highest)) > HIGHEST_PEAK:
            raise AudioError(
                f"{path}: its samples reach {peak:.0e} times full scale; export it again"
            )
        if _is_silent(self._lowest, self._highest, self.n_read):
            of_channel = f" in its channel '{self._channel}'" if self._channel else ""
            raise AudioError(
                f"{path}: silent{of_channel} (peak below {20 * np.log10(SILENCE):.0f} dB, an "
                "offset aside), there is nothing to hear; leave it out"
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
    if contents.declares_samples and decoded - declared >= TOLERANCE:
        log.warning(
            "%s: its header declares %.2f s, but %.2f s are there and are read",
            path, declared, decoded,
        )  # fmt: skip
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

    Returns
    -------
    Excerpt

    Raises
    ------
    AudioError
        As `read_excerpt`.
    """
    first, n_samples = round(start * sample_rate), round(duration * sample_rate)
    earliest = max(0, first - around)
    kept, total = [np.zeros(0, np.float32)], 0
    for block in _read_blocks(Path(path), sample_rate, asked=start + duration):
        # Only the excerpt is kept, but all is read: faults may show at the end. A view, even an
        # empty one, would keep its whole block.
        part = block[max(0, earliest - total) : max(0, first + n_samples + around - total)]
        kept.append(part.copy())
        total += len(block)
    recording = np.concatenate(kept)
    excerpt = recording[first - earliest :][:n_samples]
    if first >= total:
        raise AudioError(
            f"{path}: lasts {total / sample_rate:.2f} s, but the excerpt begins at "
            f"{start:g} s; choose an earlier start or a longer file"
        )
    if _is_silent(excerpt.min(), excerpt.max(), len(excerpt)):
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
        As `create_audio`; `read_facts` reads them.

    Raises
    ------
    StorageError
        The disk is full, or the folder may not be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "tone.wav")
    ...     write_audio(path, np.sin(np.arange(22050) / 10), 22050, {"song": "tone"})
    ...     read_audio(path, sample_rate=11025).shape, read_facts(path)
    ((11025,), {'song': 'tone'})
    """
    warn_of_clipping(path, np.abs(samples).max(initial=0.0))
    with create_audio(path, sample_rate, facts) as file:
        file.write(np.clip(samples, -1, 1))


def warn_of_clipping(name: str | Path, peak: float) -> None:
    """Log that a sound is clipped, if its largest absolute value is above 1."""
    if peak > 1:
        log.warning("%s: peak %+.1f dB above full scale is clipped", name, 20 * np.log10(peak))


def _is_silent(lowest: float, highest: float, n_samples: int) -> bool:
    """Whether samples between two values are nothing to hear, as an offset is not."""
    is_offset = n_samples > 1 and highest - lowest < 2 * SILENCE  # a single sample is a click
    return is_offset or max(-lowest, highest) < SILENCE


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
    """How a sound file was made, as it states itself; None if it does not."""
    comment = read_comment(Path(path))
    try:
        facts = parse_json(comment or "null")
    except ValueError:
        return None
    return facts if isinstance(facts, dict) else None
