"""What the published taggers answer; the expectations were written down before they were asked."""

from pathlib import Path

import numpy as np
import pytest

from auralise.audio import read_audio
from auralise.datasets.bands.rendering import render_clip
from auralise.networks.prediction import predict_song
from auralise.weights.published import read_published

SONGS = Path(__file__).parents[2] / "src_songs"

# A first guess of classical, strings and violin for clip 0 of the genre 'classical' failed: a piano
# plays it alone, and the tagger says so (.88). The clip of the genre 'metal' came in its place, its
# tags written down before the tagger was asked.
# Most of a song's tags are expected among the ten that are likeliest.
EXPECTED = {
    "bach_prelude_c": {"piano", "classical", "solo"},
    "ballad_quartet": {"slow", "piano", "soft"},
    "uptempo_band": {"rock", "guitar", "drums", "fast"},
    "metal": {"rock", "metal", "guitar", "drums", "loud"},
}


@pytest.fixture(scope="module")
def tagger():
    return read_published("musicnn/MTT_vgg")


def probabilities(tagger, song):
    rate = tagger.stft.sample_rate
    if song == "metal":  # a clip of the embedded data set
        samples = render_clip("metal", 0, seed=0, duration=10.0, sample_rate=rate)
    else:
        samples = read_audio(SONGS / f"{song}.flac", rate)
    magnitude = np.abs(tagger.stft.analyse(samples))
    answer = predict_song(tagger.network, magnitude, tagger.n_frames)
    return dict(zip(tagger.classes, answer, strict=True))


def test_the_prelude_is_piano(tagger):
    assert probabilities(tagger, "bach_prelude_c")["piano"] > 0.85


@pytest.mark.parametrize("song", EXPECTED)
def test_most_expected_tags_are_among_the_ten_likeliest(tagger, song):
    answer = probabilities(tagger, song)
    likeliest = set(sorted(answer, key=answer.__getitem__)[-10:])
    assert len(EXPECTED[song] & likeliest) > len(EXPECTED[song]) / 2
