"""What sounds around an excerpt takes part in its analysis, and is cut off again."""

import numpy as np
import pytest
import torch
from torch import nn

from auralise.audio import read_surrounded
from auralise.deconvnet.deconvnet import Deconvnet
from auralise.errors import SettingsError
from auralise.excerpts import Excerpt
from auralise.explainers.edges import margin_of
from auralise.explainers.writing import write_maps
from auralise.maps import Origin, open_maps
from auralise.networks.front_end_steps import Orientation
from auralise.stft import Stft

STFT = Stft(4000, 64, 32)
ORIGIN = Origin("song", "n", "", {})


def chain(*n_features):
    torch.manual_seed(0)
    modules, n_inputs = [], 1
    for n in n_features:
        modules += [nn.Conv2d(n_inputs, n, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        n_inputs = n
    return Deconvnet(nn.Sequential(*modules))


@pytest.fixture(scope="module")
def recording():
    """Six seconds of noise at 4 kHz."""
    return np.random.default_rng(0).uniform(-0.5, 0.5, 24000).astype(np.float32)


class TestSpectrum:
    def test_zero_is_the_plain_spectrum(self, recording):
        np.testing.assert_allclose(
            Excerpt(recording, edges="zero").spectrum(STFT), STFT.analyse(recording), atol=1e-5
        )

    @pytest.mark.parametrize("first", [0, 5000])
    def test_reflect_is_that_of_librosa_in_2015(self, recording, first):
        part = recording[first : first + 4000]
        padded = np.pad(part, 32, "reflect")  # as librosa 0.4 did
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(64) / 64)
        frames = [padded[start : start + 64] for start in range(0, 4001, 32)]
        expected = np.fft.rfft(np.array(frames) * window).T
        found = Excerpt(recording, first, 4000, "reflect").spectrum(STFT)
        np.testing.assert_allclose(found, expected, atol=1e-5)

    def test_surroundings_are_what_the_recording_holds(self, recording):
        whole = STFT.analyse(recording)
        found = Excerpt(recording, 100 * 32, 4000, "surroundings").spectrum(STFT, -10, 140)
        np.testing.assert_allclose(found, whole[:, 90:240], atol=1e-5)

    def test_beyond_the_ends_of_a_recording_is_its_mirror_image(self, recording):
        excerpt = Excerpt(recording[:4000], edges="surroundings")
        expected = STFT.analyse(np.pad(recording[:4000], 640, "reflect"))
        found = excerpt.spectrum(STFT, -10, STFT.n_frames(4000) + 10)
        np.testing.assert_allclose(found, expected[:, 10:-10], atol=1e-5)

    def test_a_sound_that_is_shorter_than_its_mirror_is_mirrored_again(self):
        found = Excerpt(np.array([1.0, 2.0]), edges="surroundings").spectrum(STFT, -4, 5)
        assert np.abs(found).min(axis=0).shape == (9,)
        assert Excerpt(np.ones(1), edges="surroundings").spectrum(STFT, -1, 2)[0, 0].real > 0

    def test_others_are_refused(self, recording):
        with pytest.raises(SettingsError, match="one of surroundings, reflect, zero"):
            Excerpt(recording, edges="mirror")


class TestReadSurrounded:
    def test_keeps_what_is_asked_for_around(self, write_sound, recording):
        path = write_sound("a.wav", recording, 4000, subtype="FLOAT")
        excerpt = read_surrounded(path, 4000, 1.0, 2.0, "surroundings", around=500)
        assert (len(excerpt.recording), excerpt.first, excerpt.n_samples) == (9000, 500, 8000)
        np.testing.assert_array_equal(excerpt.samples, recording[4000:12000])
        np.testing.assert_array_equal(excerpt.recording, recording[3500:12500])

    def test_or_as_much_as_there_is(self, write_sound, recording):
        path = write_sound("a.wav", recording, 4000, subtype="FLOAT")
        excerpt = read_surrounded(path, 4000, 0.1, 5.8, "surroundings", around=1000)
        assert (len(excerpt.recording), excerpt.first) == (24000, 400)

    def test_a_short_song_is_padded_first(self, write_sound, recording):
        path = write_sound("a.wav", recording[:4000], 4000, subtype="FLOAT")
        excerpt = read_surrounded(path, 4000, 0.0, 2.0, "surroundings", around=1000)
        assert len(excerpt.samples) == 8000
        assert not excerpt.samples[4000:].any()


class TestReceptiveField:
    def test_is_what_a_frame_can_change(self):
        net, n = chain(3, 4, 5), 128
        assert net.receptive_field == 22
        magnitude = np.random.default_rng(0).uniform(1, 2, (32, n)).astype(np.float32)
        before = net.feature_maps(magnitude)[-1]
        reached = set()
        for frame in range(n):
            other = magnitude.copy()
            other[:, frame] += 100
            if (net.feature_maps(other)[-1] != before)[:, :, n // 16].any():
                reached.add(frame)
        assert max(reached) - min(reached) + 1 == 22

    def test_time_is_the_rows_where_they_are(self):
        parts = [Orientation(), nn.Conv2d(1, 2, (5, 3)), nn.ReLU(), nn.MaxPool2d((4, 1))]
        assert Deconvnet(nn.Sequential(*parts)).receptive_field == 8

    def test_dilation_widens(self):
        parts = nn.Conv2d(1, 2, 3, dilation=2), nn.ReLU()
        assert Deconvnet(nn.Sequential(*parts)).receptive_field == 5

    def test_the_margin_holds_it_and_the_pooling_grid(self):
        assert margin_of(chain(3, 4, 5), "surroundings") == 24
        assert margin_of(chain(3, 4, 5), "reflect") == margin_of(chain(3), "zero") == 0


def written(path, song, net):
    write_maps(path, net, song, STFT, ORIGIN)
    with open_maps(path) as maps:
        layer = maps.layers[-1]
        facts = maps.deconvolved(layer), maps.activation_peak(layer), maps.live(layer)
        return *facts, maps.surrounded_spectrum


class TestMaps:
    def test_are_those_of_the_whole_recording(self, tmp_path, recording):
        """Wherever the recording goes on, an excerpt's maps are a part of the recording's."""
        net, first = chain(3, 4, 5), 25 * 8 * 32
        excerpt = Excerpt(recording, first, 4096 - 32, "surroundings")
        maps, peak, live, _ = written(tmp_path / "a.h5", excerpt, net)
        spectrum = STFT.analyse(recording)
        whole = net.deconvolve(np.abs(spectrum), 3)[..., 200:328]
        np.testing.assert_allclose(maps, whole, atol=1e-6 * np.abs(whole).max())
        own = net.feature_maps(np.abs(spectrum))[2][..., 25:41]
        np.testing.assert_allclose(peak, own.max(axis=(1, 2)), rtol=1e-5)
        assert live.tolist() == own.any(axis=(1, 2)).tolist()

    def test_with_zeros_they_are_not(self, tmp_path, recording):
        net, first = chain(3, 4, 5), 25 * 8 * 32
        excerpt = Excerpt(recording, first, 4096 - 32, "zero")
        maps, *_ = written(tmp_path / "a.h5", excerpt, net)
        whole = net.deconvolve(np.abs(STFT.analyse(recording)), 3)[..., 200:328]
        apart = np.abs(maps - whole).max(axis=(0, 1)) > 1e-4 * np.abs(whole).max()
        assert apart[:8].any() and apart[-8:].any()
        assert not apart[30:-30].any()

    def test_what_fires_around_the_excerpt_alone_is_dead_in_it(self, tmp_path):
        recording = np.zeros(24000, np.float32)
        recording[4000] = 0.5
        recording[8000:12000] = 1e-4
        detector = nn.Conv2d(1, 1, 3, padding=1)
        nn.init.ones_(detector.weight)
        nn.init.constant_(detector.bias, -1.0)
        net = Deconvnet(nn.Sequential(detector, nn.ReLU(), nn.MaxPool2d(2)))
        maps, _, live, _ = written(
            tmp_path / "a.h5", Excerpt(recording, 4000 + 3 * 32, 4000, "surroundings"), net
        )
        assert not live.any()
        assert not maps.any()

    def test_what_was_analysed_is_kept(self, tmp_path, recording):
        net = chain(3)
        excerpt = Excerpt(recording, 6400, 4000, "surroundings")
        *_, (spectrum, frames) = written(tmp_path / "a.h5", excerpt, net)
        assert (frames.start, spectrum.shape[1] - frames.stop) == (4, 4)
        np.testing.assert_allclose(
            spectrum, STFT.analyse(recording)[:, 196 : 196 + 126 + 8], atol=1e-5
        )

    def test_a_song_in_windows_is_mirrored_at_its_ends(self, tmp_path, recording):
        from auralise.explainers.windows import Windows

        net = chain(3)
        song = Excerpt(recording, edges="surroundings")
        windows = Windows.of(STFT.n_frames(24000), 126, 2)
        write_maps(tmp_path / "a.h5", net, song, STFT, ORIGIN, None, windows)
        with open_maps(tmp_path / "a.h5") as maps:
            found = maps.deconvolved(1)
        mirrored = STFT.analyse(np.pad(recording, 640, "reflect"))
        whole = net.deconvolve(np.abs(mirrored), 1)[..., 20:-20]
        at_ends = np.r_[:30, -30:0]
        scale = np.abs(whole).max()
        np.testing.assert_allclose(found[..., at_ends], whole[..., at_ends], atol=1e-5 * scale)
