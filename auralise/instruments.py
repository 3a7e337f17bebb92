"""General MIDI notes → audio: what to play as data, and one offline renderer."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soxr

from auralise.errors import AuraliseError

if TYPE_CHECKING:
    from tinysoundfont import Synth

# General MIDI 1 sound set, counted from 0 (printed tables count from 1).
PROGRAMS = {
    "piano": 0,
    "bright_piano": 1,
    "honky_tonk_piano": 3,
    "electric_piano": 4,
    "fm_piano": 5,
    "harpsichord": 6,
    "clavinet": 7,
    "vibraphone": 11,
    "drawbar_organ": 16,
    "percussive_organ": 17,
    "rock_organ": 18,
    "accordion": 21,
    "harmonica": 22,
    "nylon_guitar": 24,
    "acoustic_guitar": 25,
    "jazz_guitar": 26,
    "electric_guitar": 27,
    "muted_guitar": 28,
    "overdriven_guitar": 29,
    "distortion_guitar": 30,
    "acoustic_bass": 32,
    "finger_bass": 33,
    "pick_bass": 34,
    "fretless_bass": 35,
    "slap_bass": 36,
    "synth_bass": 38,
    "fat_synth_bass": 39,
    "violin": 40,
    "viola": 41,
    "cello": 42,
    "contrabass": 43,
    "pizzicato_strings": 45,
    "harp": 46,
    "timpani": 47,
    "strings": 48,
    "slow_strings": 49,
    "synth_strings": 50,
    "choir": 52,
    "voice": 53,
    "synth_voice": 54,
    "trumpet": 56,
    "trombone": 57,
    "muted_trumpet": 59,
    "french_horn": 60,
    "brass": 61,
    "synth_brass": 62,
    "soprano_saxophone": 64,
    "saxophone": 65,
    "tenor_saxophone": 66,
    "oboe": 68,
    "bassoon": 70,
    "clarinet": 71,
    "flute": 73,
    "square_lead": 80,
    "saw_lead": 81,
    "voice_lead": 85,
    "warm_pad": 89,
    "polysynth": 90,
    "banjo": 105,
    "steel_drums": 114,
}

# General MIDI percussion key map (the pitch of a note on the drum channel).
DRUMS = {
    "kick": 36,
    "side_stick": 37,
    "snare": 38,
    "clap": 39,
    "electric_snare": 40,
    "low_tom": 45,
    "mid_tom": 47,
    "high_tom": 50,
    "closed_hat": 42,
    "pedal_hat": 44,
    "open_hat": 46,
    "crash": 49,
    "ride": 51,
    "ride_bell": 53,
    "tambourine": 54,
    "cowbell": 56,
    "high_conga": 63,
    "shaker": 82,
}

RENDER_RATE = 44100
# The synthesiser updates its envelopes every 64 samples, counted from the start of each call:
# events on that grid make the result independent of how rendering is cut into calls.
BLOCK = 64
DRUM_CHANNEL = 9
MELODIC_CHANNELS = tuple(channel for channel in range(16) if channel != DRUM_CHANNEL)
MAX_VOICES = 1024
# Hz. Some recordings in soundfonts stand off zero: half of the energy of TimGM6mb's saxophone is
# below that.
HIGH_PASS = 15


class InstrumentError(AuraliseError):
    """Notes that cannot be rendered, or a soundfont that cannot be used."""


@dataclass(frozen=True)
class Note:
    """One note.

    Attributes
    ----------
    start, duration : float
        When the key goes down, and for how long it stays down (s).
    pitch : int
        MIDI number 0…127 (60 is middle C, 69 is 440 Hz); on drums, a key of `DRUMS`.
    velocity : int
        1…127.
    """

    start: float
    duration: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Part:
    """What one instrument plays.

    Attributes
    ----------
    program : int
        General MIDI program 0…127, see `PROGRAMS`; for drums the number of the kit.
    notes : Sequence of Note
        In any order.
    is_drum : bool
    gain_db : float
        Level of this part against the others (dB).
    """

    program: int
    notes: Sequence[Note]
    is_drum: bool = False
    gain_db: float = 0.0


def default_soundfont() -> Path:
    """Path of TimGM6mb.sf2, the General MIDI soundfont that comes with pretty_midi.

    Raises
    ------
    InstrumentError
        The package pretty_midi is not installed.
    """
    spec = find_spec("pretty_midi")
    if spec is None or spec.origin is None:
        raise InstrumentError(
            "the soundfont comes with the package pretty_midi, which is not installed; install it "
            "(pip install pretty_midi)"
        )
    return Path(spec.origin).with_name("TimGM6mb.sf2")


def render(parts: Sequence[Part], duration: float, sample_rate: int) -> np.ndarray:
    """Play parts into samples, the same bits each time.

    Events are placed on a grid of 64 samples at 44.1 kHz (1.45 ms). A note may begin before 0
    or end after `duration`: what falls in between is heard, as in a cut from a longer recording.

    Parameters
    ----------
    parts : Sequence of Part
        At most 15 melodic parts and one of drums. No parts make silence.
    duration : float
        Length of the result (s).
    sample_rate : int
        Rate of the result (Hz).

    Returns
    -------
    ndarray, float32, shape (round(duration * sample_rate),)
        The mean of both stereo channels, without what lies below 15 Hz, at the soundfont's own
        level; it may exceed 1, see `normalise_level`.

    Raises
    ------
    InstrumentError
        Too many parts, a number outside MIDI's ranges, or a soundfont that cannot be loaded.
    """
    n_samples = round(duration * sample_rate)
    if n_samples < 1:
        raise InstrumentError(
            f"a duration of {duration:g} s at {sample_rate} Hz holds no samples; make it longer"
        )
    channels = _assign_channels(parts)
    events = _schedule(parts, channels, duration)
    first = min([0, *(block for block, *_ in events)])
    last = -(-round(duration * RENDER_RATE) // BLOCK) + 1

    # A synthesiser keeps traces of what it has played: each render gets a fresh one.
    synth = _load_synth(default_soundfont())
    loudest = max([part.gain_db for part in parts], default=0.0)
    for part, channel in zip(parts, channels, strict=True):
        synth.program_select(channel, 0, 128 if part.is_drum else 0, part.program, part.is_drum)
        # Channel volume, 14 bits, is cubed into amplitude and can only attenuate.
        volume = round(16383 * 10 ** ((part.gain_db - loudest) / 60))
        synth.control_change(channel, 7, volume >> 7)
        synth.control_change(channel, 39, volume & 127)

    stereo = np.empty(((last - first) * BLOCK, 2), np.float32)
    now = first
    # Releasing a key that is not down does nothing: it plays on to the end.
    for block, is_on, channel, pitch, velocity in [*events, (last, False, DRUM_CHANNEL, 0, 0)]:
        if block > now:
            target = stereo[(now - first) * BLOCK : (block - first) * BLOCK]
            synth.generate_simple(len(target), target.data.cast("B"))
            now = block
        if is_on:
            synth.noteon(channel, pitch, velocity)
        else:
            synth.noteoff(channel, pitch)

    # Imported late: who only asks what can be played need not wait for it.
    from scipy.signal import butter, sosfilt

    high_pass = butter(2, HIGH_PASS, "highpass", fs=RENDER_RATE, output="sos")
    left, right = stereo.T
    mono = sosfilt(high_pass, left + right) * (0.5 * 10 ** (loudest / 20))
    audible = mono[-first * BLOCK :].astype(np.float32)
    return soxr.resample(audible, RENDER_RATE, sample_rate)[:n_samples]


def normalise_level(samples: np.ndarray, level_db: float) -> np.ndarray:
    """Scale a signal to an RMS of `level_db` (dB re full scale), its peak at most full scale.

    A signal of high crest factor stays below `level_db` rather than clip. Silence is returned
    as it is.
    """
    peak = np.abs(samples).max(initial=0.0)
    if peak == 0:
        return np.asarray(samples, dtype=np.float32)
    rms = np.sqrt(np.mean(np.square(samples, dtype=np.float64)))
    target = min(1.0, peak * 10 ** (level_db / 20) / max(rms, 1e-30))
    scaled = (samples * (target / peak)).astype(np.float32)
    return np.clip(scaled, -np.float32(target), np.float32(target))  # never rounded above it


def _assign_channels(parts: Sequence[Part]) -> list[int]:
    """MIDI channel of each part, drums on `DRUM_CHANNEL`; refuses what MIDI cannot hold."""
    n_drums = sum(part.is_drum for part in parts)
    if n_drums > 1:
        raise InstrumentError(
            f"{n_drums} drum parts given, but MIDI has one drum channel; join their notes"
        )
    if len(parts) - n_drums > len(MELODIC_CHANNELS):
        raise InstrumentError(
            f"{len(parts) - n_drums} melodic parts given, but MIDI has {len(MELODIC_CHANNELS)} "
            "melodic channels; render in groups and add the samples"
        )
    for part in parts:
        if not 0 <= part.program <= 127:
            raise InstrumentError(f"program {part.program} is outside 0…127; see PROGRAMS")
        for note in part.notes:
            if not (0 <= note.pitch <= 127 and 1 <= note.velocity <= 127 and note.duration > 0):
                raise InstrumentError(
                    f"{note} cannot be played; expected a pitch in 0…127, a velocity in 1…127 "
                    "and a duration above 0 s"
                )
    melodic = iter(MELODIC_CHANNELS)
    return [DRUM_CHANNEL if part.is_drum else next(melodic) for part in parts]


def _schedule(
    parts: Sequence[Part], channels: Sequence[int], duration: float
) -> list[tuple[int, bool, int, int, int]]:
    """Events (block, is_on, channel, pitch, velocity) in playing order, offs before ons."""
    events = set()
    for part, channel in zip(parts, channels, strict=True):
        for note in part.notes:
            on = round(note.start * RENDER_RATE / BLOCK)
            off = max(on + 1, round((note.start + note.duration) * RENDER_RATE / BLOCK))
            if note.start < duration:
                events.add((on, True, channel, note.pitch, note.velocity))
                events.add((off, False, channel, note.pitch, 0))
    last = round(duration * RENDER_RATE / BLOCK)
    return sorted(event for event in events if event[0] <= last)


def _load_synth(soundfont: Path) -> "Synth":
    """A fresh tinysoundfont synthesiser whose soundfont 0 is the given file."""
    try:
        import tinysoundfont
    except ImportError:
        raise InstrumentError(
            "rendering needs the package tinysoundfont, which is not installed; install it "
            "without its live playback: pip install --no-deps tinysoundfont==0.3.7"
        ) from None
    synth = tinysoundfont.Synth(samplerate=RENDER_RATE)
    try:
        synth.sfload(str(soundfont), max_voices=MAX_VOICES)
    except RuntimeError as error:
        raise InstrumentError(
            f"{soundfont}: cannot be loaded as a soundfont ({error}); install pretty_midi again"
        ) from None
    return synth
