"""What explaining songs takes of a disk and of processors, said before it begins."""

from collections.abc import Sequence

from auralise.progress import in_time
from auralise.stft import Stft
from auralise.storage import in_bytes

# Measured: 6 songs of 4 s, 5 layers of 32 and 64 features, an x86-64 core at about 3 GHz.
BYTES_OF_VALUE = 4  # of a map, which compression hardly makes smaller
BYTES_OF_SAMPLE = 2  # of a sound
PAGE_OF_MAPS = 0.46  # what the page takes, of what the maps do
BYTES_OF_PICTURE = 50_000  # a feature's part of the sheets, PNG and PDF
SECONDS_OF_SECOND = 0.012  # core-seconds a second of a song and feature: maps, sounds, re-hearing
SECONDS_OF_START = 12.0  # core-seconds until the jobs of a song and network have begun


def cost_of_songs(
    n_songs: int, duration: float, networks: Sequence[tuple[int, Stft]], keep: str = "all"
) -> str:
    """What explaining songs takes of a core and of the disk, in words.

    Parameters
    ----------
    n_songs : int
    duration : float
        Of what is explained of each (s).
    networks : sequence of (int, Stft)
        Of each that is heard, how many features are explained, and its transform.
    keep : {'all', 'sounds', 'audible'}
        The setting of that name. How many features are audible is not known before: all of them
        count.

    Examples
    --------
    >>> cost_of_songs(1000, 4.0, [(320, Stft(11025, 512, 256))] * 2)
    '15 h 12 min of one core and 253.9 GB'
    """
    seconds = maps = others = 0.0
    for n_features, stft in networks:
        frames = duration * stft.sample_rate / stft.hop_length
        of_maps = n_features * stft.n_bins * frames * BYTES_OF_VALUE
        maps += of_maps
        others += of_maps * PAGE_OF_MAPS + n_features * BYTES_OF_PICTURE
        others += n_features * duration * stft.sample_rate * BYTES_OF_SAMPLE
        seconds += SECONDS_OF_START + SECONDS_OF_SECOND * n_features * duration
    told = f"{in_time(n_songs * seconds)} of one core and {in_bytes(n_songs * (maps + others))}"
    if keep == "all":
        return told
    return f"{told} while it runs, of which {in_bytes(n_songs * others)} at most stay"
