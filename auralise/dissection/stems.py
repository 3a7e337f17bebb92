"""A piece, played: its sound, and that of each stem alone."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from auralise.dissection.pieces import DRUMS_OF, Piece
from auralise.instruments import DRUMS, Part, normalise_level, render

KEYS = {DRUMS[name]: drum for drum, names in DRUMS_OF.items() for name in names}
KEYS |= {DRUMS[name]: "cymbals" for name in ("pedal_hat", "ride_bell")}
OTHER_DRUMS = "other percussion"


@dataclass(frozen=True)
class Stem:
    """One instrument, or one group of drums, alone.

    Attributes
    ----------
    role : str
        One of `auralise.dissection.pieces.ROLES`.
    drum : str
        ``kick``, ``snare``, ``cymbals`` or ``other percussion``; empty for what is not a drum.
    part : Part
        What it plays.
    samples : ndarray, float32, shape (n_samples,)
        At its level in the clip.
    """

    role: str
    drum: str
    part: Part
    samples: np.ndarray


def render_stems(piece: Piece, sample_rate: int) -> list[Stem]:
    """Play every stem of a piece by itself.

    Their sum is the clip, to 1e-6 of full scale: the synthesiser adds its voices, and each stem
    is played with the volumes of the whole.
    """
    everyone = [part for _, part in piece.parts]
    silent = [replace(part, notes=()) for part in everyone]
    stems = []
    for place, (role, part) in enumerate(piece.parts):
        for drum, alone in _apart(part):
            parts = [*silent[:place], alone, *silent[place + 1 :]]
            stems.append(Stem(role, drum, alone, render(parts, piece.duration, sample_rate)))
    total = sum_of(stems)
    peak = np.abs(total).max(initial=0.0)
    gain = np.abs(normalise_level(total, piece.level_db)).max(initial=0.0) / max(peak, 1e-30)
    return [replace(stem, samples=stem.samples * np.float32(gain)) for stem in stems]


def sum_of(stems: list[Stem]) -> np.ndarray:
    """Samples of all stems together, float32."""
    return np.stack([stem.samples for stem in stems]).sum(axis=0, dtype=np.float64).astype("f4")


def _apart(part: Part) -> Iterator[tuple[str, Part]]:
    """A part as it is; one of drums, drum by drum."""
    if not part.is_drum:
        yield "", part
        return
    for drum in (*DRUMS_OF, OTHER_DRUMS):
        notes = [note for note in part.notes if KEYS.get(note.pitch, OTHER_DRUMS) == drum]
        if notes:
            yield drum, replace(part, notes=notes)
