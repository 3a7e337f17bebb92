"""Maps in eight bits, which the page multiplies the song's spectrum with, and bytes as text.

A map is rounded on a scale that is even near zero and in dB above, with a finer step where the
song is loud, and the finest that its sound needs.
"""

import zlib
from dataclasses import dataclass

import numpy as np

# Energy of what is lost, relative to what there is of either sign.
ERROR = 10**-3.06
ERROR_OF_SIGNALS = 10**-2.4  # of so many maps of dull sounds, the pictures matter most
RELATIVE_STEP = 0.06  # of values far above the step: 0.5 dB
LARGEST_CODE = 127
COARSEST = 8  # the song's quiet cells have steps up to 2^8 times those of its loud ones
N_HALVINGS = 10  # of the search for the step

# Two of these 91 characters hold 13 bits: 8 % less than base64, and neither JSON nor HTML has to
# escape one.
DIGITS = np.array([c for c in range(ord("!"), ord("~") + 1) if chr(c) not in '"\\<'], np.uint8)
BITS = 13


@dataclass(frozen=True)
class PackedMap:
    """A map as the page gets it.

    Attributes
    ----------
    codes : ndarray, int8, shape (n_bins, n_frames)
        Code c stands for sinh(`bend` × c) / `bend` × `step` × 2^coarseness.
    step, bend : float
    """

    codes: np.ndarray
    step: float
    bend: float

    def text(self, coarseness: np.ndarray) -> str:
        """The codes, compressed by zlib, as text.

        Those of one coarseness stand together, the finest first, because they are alike; bin
        after bin, and frame after frame within.
        """
        return packed_bytes(self.codes.ravel()[np.argsort(coarseness.ravel(), kind="stable")])

    def values(self, coarseness: np.ndarray) -> np.ndarray:
        """The map that the page gets out of it, float64, shape (n_bins, n_frames)."""
        return _values(self.codes.astype(float), self.step * 2.0**coarseness, self.bend)


def packed_bytes(values: np.ndarray) -> str:
    """An array's bytes, compressed by zlib, as text.

    A code of a map repeats itself or follows from nothing: zlib looks for runs alone, and counts
    anew every 2000 codes. That is 10 % less than its own choice.
    """
    compressor = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, 5, zlib.Z_RLE)
    return text_of(compressor.compress(np.ascontiguousarray(values).tobytes()) + compressor.flush())


def text_of(content: bytes) -> str:
    """Bytes as text: 13 bits in two of `DIGITS`, and up to 6 that are left in one.

    Examples
    --------
    >>> text_of(b"abc")
    'E8=r'
    """
    bits = np.unpackbits(np.frombuffer(content, np.uint8))
    is_short = 0 < len(bits) % BITS <= BITS // 2
    groups = np.pad(bits, (0, -len(bits) % BITS)).reshape(-1, BITS)
    digits = np.stack(np.divmod(groups @ (1 << np.arange(BITS)[::-1]), len(DIGITS)), axis=1).ravel()
    if is_short:
        digits = np.append(digits[:-2], groups[-1, : BITS // 2] @ (1 << np.arange(BITS // 2)[::-1]))
    return DIGITS[digits].tobytes().decode("ascii")


def coarseness_of(magnitude: np.ndarray) -> np.ndarray:
    """How coarse maps may be in each cell of a song's spectrum.

    Parameters
    ----------
    magnitude : ndarray, shape (n_bins, n_frames)

    Returns
    -------
    ndarray, uint8, shape (n_bins, n_frames)
        0 where the song is loud, and one more for each 6 dB below, up to `COARSEST`.
    """
    loud = np.percentile(magnitude, 99.5)
    if loud == 0:
        return np.zeros(magnitude.shape, np.uint8)
    with np.errstate(divide="ignore"):
        halvings = np.log2(loud / magnitude)
    return np.rint(np.clip(halvings, 0, COARSEST)).astype(np.uint8)


def pack_map(
    mask: np.ndarray, weight: np.ndarray, coarseness: np.ndarray, error: float = ERROR
) -> PackedMap:
    """Round a map to eight bits so that no more of its sound is lost than is allowed.

    Parameters
    ----------
    mask : ndarray, shape (n_bins, n_frames)
        Signed; what multiplies the spectrum.
    weight : ndarray, shape (n_bins, n_frames)
        What a value of the mask comes to: the magnitude of the song's spectrum, or 1 where
        the mask stands for a magnitude itself.
    coarseness : ndarray, shape (n_bins, n_frames)
        As `coarseness_of`, or 0.
    error : float
        Energy that may be lost, relative to what there is of either sign.

    Examples
    --------
    >>> mask, even = np.array([[1.0, -0.5, 0.0]]), np.zeros((1, 3))
    >>> pack_map(mask, np.ones((1, 3)), even).values(even).round(1).tolist()
    [[1.0, -0.5, 0.0]]
    """
    mask = mask.astype(np.float32)
    greatest = float(np.abs(mask).max(initial=0.0))
    if greatest == 0:
        return PackedMap(np.zeros(mask.shape, np.int8), 1.0, RELATIVE_STEP)
    mask = mask / greatest
    finest = np.exp2(coarseness.astype(np.float32))
    low, high = np.log(1e-5), 0.0
    energies = _energies(mask * weight, mask)
    for _ in range(N_HALVINGS):
        middle = (low + high) / 2
        steps = np.float32(np.exp(middle)) * finest
        lost = (_values(_codes(mask, steps, RELATIVE_STEP), steps, RELATIVE_STEP) - mask) * weight
        is_fine = (_energies(lost, mask) <= error * energies).all()
        low, high = (middle, high) if is_fine else (low, middle)
    step, bend = float(np.exp(low)), RELATIVE_STEP
    codes = _codes(mask, step * finest, bend)
    while np.abs(codes).max() > LARGEST_CODE:
        bend *= 1.1
        codes = _codes(mask, step * finest, bend)
    return PackedMap(codes.astype(np.int8), step * greatest, bend)


def _energies(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Sum of squares, where the mask is positive and where it is negative."""
    squares = np.square(values)
    return np.array([squares.sum(where=mask > 0), squares.sum(where=mask < 0)])


def _codes(mask: np.ndarray, steps: np.ndarray, bend: float) -> np.ndarray:
    return np.rint(np.arcsinh(bend * mask / steps) / bend)


def _values(codes: np.ndarray, steps: np.ndarray, bend: float) -> np.ndarray:
    return np.sinh(bend * codes) / bend * steps
