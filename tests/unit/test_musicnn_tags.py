"""What the published taggers answer; the expectations were written down before they were asked."""

from pathlib import Path

import numpy as np
import pytest

from auralise.audio import read_audio
from auralise.networks.prediction import predict_song
from auralise.weights.published import read_published

SONGS = Path(__file__).parents[2] / "src_songs"

# Three more guesses failed, and are not tested. Two were for clips of the embedded data set:
# - genre 'classical', clip 0: classical, strings, violin. A piano plays it alone, and the tagger
#   answers piano (.88), slow, classical.
# - genre 'metal', clip 0: rock, metal, guitar, drums, loud. The tagger answers techno (.47), fast,
#   drums.
# The third was for the prelude's notes, played by a harpsichord of General MIDI: harpsichord,
# classical, solo. The tagger is at a loss: electronic (.21), strings, sitar; harpsichord .08.
# Most of a song's tags are expected among the ten that are likeliest.
EXPECTED = {
    "bach_prelude_c": {"piano", "classical", "solo"},
    "ballad_quartet": {"slow", "piano", "soft"},
    "uptempo_band": {"rock", "guitar", "drums", "fast"},
}


@pytest.fixture(scope="module")
def tagger():
    return read_published("musicnn/MTT_vgg")


def probabilities(tagger, song):
    samples = read_audio(SONGS / f"{song}.flac", tagger.stft.sample_rate)
    magnitude = np.abs(tagger.stft.analyse(samples))
    answer = predict_song(tagger.network, magnitude, tagger.n_frames)
    return dict(zip(tagger.classes, answer, strict=True))


@pytest.mark.slow
def test_the_prelude_is_piano(tagger):
    assert probabilities(tagger, "bach_prelude_c")["piano"] > 0.85


@pytest.mark.parametrize("song", EXPECTED)
@pytest.mark.slow
def test_most_expected_tags_are_among_the_ten_likeliest(tagger, song):
    answer = probabilities(tagger, song)
    likeliest = set(sorted(answer, key=answer.__getitem__)[-10:])
    assert len(EXPECTED[song] & likeliest) > len(EXPECTED[song]) / 2
