"""Maps become sound by the original's spectrum."""

import librosa
import numpy as np
import pytest
import soundfile
import torch

from auralise.auralisation import (
    PEAK,
    Auralisation,
    auralise,
    masked_spectrum,
    set_loudness,
    sound_name,
    write_auralisations,
)
from auralise.deconvnet.deconvnet import Deconvnet
from auralise.errors import SettingsError
from auralise.explainers.writing import write_maps
from auralise.maps import Origin, create_maps, open_maps, scale_maps
from auralise.networks.front_ends import build_front_end, undo

ORIGIN = Origin("song", "n-0", "", {})


@pytest.fixture(scope="module")
def spectrum(stft, song):
    return stft.analyse(song)


class TestModes:
    def test_a_map_of_ones_gives_the_song_in_mask_and_rectified(self, stft, song, spectrum):
        ones = np.ones((1, *spectrum.shape), np.float32)
        for mode in ("mask", "rectified"):
            sound = auralise(spectrum, ones, stft, len(song), mode)[0]
            np.testing.assert_allclose(sound, song, atol=1e-6)

    def test_mask_turns_the_phase_where_the_map_is_negative(self, stft, song, spectrum):
        minus = -np.ones((1, *spectrum.shape), np.float32)
        np.testing.assert_allclose(auralise(spectrum, minus, stft, len(song))[0], -song, atol=1e-6)

    def test_rectified_drops_what_is_negative(self, stft, song, spectrum):
        minus = -np.ones((1, *spectrum.shape), np.float32)
        assert not auralise(spectrum, minus, stft, len(song), "rectified").any()

    def test_phase_takes_the_magnitude_from_the_map_alone(self, spectrum):
        maps = np.abs(spectrum)[None]
        np.testing.assert_allclose(masked_spectrum(spectrum, maps, "phase")[0], spectrum, atol=1e-4)
        np.testing.assert_allclose(
            masked_spectrum(100 * spectrum, maps, "phase"),
            masked_spectrum(spectrum, maps, "phase"),
            atol=1e-4,
        )

    def test_a_mode_that_does_not_exist_is_refused(self, spectrum):
        with pytest.raises(ValueError, match="loud"):
            masked_spectrum(spectrum, spectrum.real[None], "loud")


class TestLoudness:
    def test_peak_brings_every_sound_to_one_peak(self, song):
        sounds = set_loudness(np.stack([song, 1e-9 * song]), song, "peak")
        np.testing.assert_allclose(np.abs(sounds).max(axis=1), PEAK, rtol=1e-5)

    def test_relative_keeps_the_differences_within_a_layer(self, song):
        sounds = set_loudness(np.stack([1e-6 * song, 1e-7 * song]), song, "relative")
        np.testing.assert_allclose(sounds[0], song, rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(sounds[1], 0.1 * song, rtol=1e-4, atol=1e-7)

    def test_relative_never_clips(self, song):
        click = np.zeros_like(song)
        click[100] = 1e-4
        sound = set_loudness(click[None], song, "relative")
        assert np.abs(sound).max() == pytest.approx(PEAK)

    @pytest.mark.parametrize("loudness", ["peak", "relative"])
    def test_silence_stays_silent(self, song, loudness):
        assert not set_loudness(np.zeros((2, len(song))), song, loudness).any()


def test_writes_one_sound_per_map(tmp_path, small_network, stft, song):
    path = tmp_path / "song.h5"
    features = {1: range(4), 3: range(6)}
    write_maps(path, Deconvnet(small_network), song, stft, ORIGIN, features)
    with open_maps(path) as maps:
        write_auralisations(tmp_path / "sounds", maps)
        live = maps.live(3)
    names = {str(p.relative_to(tmp_path / "sounds")) for p in (tmp_path / "sounds").rglob("*.wav")}
    assert names == {"original.wav"} | {
        sound_name(layer, feature) for layer, n in ((1, 4), (3, 6)) for feature in range(n)
    }
    original, rate = soundfile.read(tmp_path / "sounds/original.wav")
    assert rate == stft.sample_rate
    np.testing.assert_allclose(original, song, atol=1e-4)
    for feature, is_live in enumerate(live):
        sound, _ = soundfile.read(tmp_path / "sounds" / sound_name(3, feature))
        assert len(sound) == len(song)
        assert bool(sound.any()) == is_live


@pytest.fixture(scope="module")
def bands_path(tmp_path_factory, stft, song):
    front_end = build_front_end([{"mel": {"n_bands": 40, "fmax": 5000}}], stft)
    network = torch.nn.Sequential(front_end, torch.nn.Conv2d(1, 1, 1, bias=False), torch.nn.ReLU())
    torch.nn.init.ones_(network[1].weight)
    path = tmp_path_factory.mktemp("bands") / "song.h5"
    write_maps(path, Deconvnet(network), song, stft, ORIGIN)
    return path


class TestBands:
    """A network that hears mel bands: its maps lie on the STFT's grid, `mask_scale` beside them."""

    def test_a_map_of_ones_gives_the_song_within_the_bands(self, bands_path, stft, song, spectrum):
        filterbank = librosa.filters.mel(sr=11025, n_fft=512, n_mels=40, fmax=5000)
        reached = filterbank.any(axis=0)
        assert 0 < np.count_nonzero(~reached) < 40
        ones = filterbank.sum(axis=0)[None, :, None] * np.ones((1, *spectrum.shape), np.float32)
        with open_maps(bands_path) as maps:
            masks = scale_maps(ones, maps.mask_scale)
        sound = auralise(spectrum, masks, stft, len(song))[0]
        expected = stft.synthesise(spectrum * reached[:, None], len(song))
        np.testing.assert_allclose(sound, expected, atol=1e-5)

    def test_sounds_use_the_scaled_maps(self, bands_path, tmp_path, spectrum, stft, song):
        with open_maps(bands_path) as maps:
            masks = maps.deconvolved(1) * maps.mask_scale[:, None]
            assert np.abs(masks).max() > 10 * np.abs(maps.deconvolved(1)).max()
            write_auralisations(tmp_path, maps)
        expected = auralise(spectrum, masks, stft, len(song))
        expected = set_loudness(expected, song)
        sound, _ = soundfile.read(tmp_path / sound_name(1, 0))
        np.testing.assert_allclose(sound, expected[0], atol=1e-4)

    def test_energy_outside_the_bands_is_told(self, bands_path, tmp_path, spectrum, caplog):
        with open_maps(bands_path) as maps:
            silent = maps.mask_scale == 0
            write_auralisations(tmp_path, maps)
        energies = (np.abs(spectrum) ** 2).sum(axis=1)
        share = 100 * energies[silent].sum() / energies.sum()
        assert f"{silent.sum()} of 257 bins" in caplog.text
        assert f"hold {share:.2g} % of the song's energy" in caplog.text

    def test_phase_is_refused(self, bands_path, tmp_path):
        with (
            open_maps(bands_path) as maps,
            pytest.raises(SettingsError, match="choose mask or rectified"),
        ):
            write_auralisations(tmp_path, maps, Auralisation("phase", "peak"))


def test_phase_takes_the_networks_compression_back(stft, song, tmp_path):
    """A map that is what the network hears gives the song, however loud and soft it is."""
    compression = [{"log1p": {"gain": 100.0, "base": "e"}}]
    spectrum = stft.analyse(song)
    origin = Origin("song", "n", "", {})
    path, features = tmp_path / "song.h5", {1: [0]}
    ones = np.ones(stft.n_bins)
    with create_maps(
        path, stft, len(song), features, origin, ones, compression=compression
    ) as writer:
        writer.write_spectrum(spectrum)
        writer.write_maps(1, np.log1p(100 * np.abs(spectrum))[None])
        writer.write_activations(1, np.ones(1), np.ones(1), np.ones(1, bool))
    with open_maps(path) as maps:
        write_auralisations(tmp_path, maps, Auralisation("phase", "peak"), undo)
    sound, _ = soundfile.read(tmp_path / sound_name(1, 0))
    expected = set_loudness(stft.synthesise(spectrum, len(song))[None], song)[0]
    np.testing.assert_allclose(sound, expected, atol=1e-3)


@pytest.mark.slow
def test_constant_q_maps_are_heard_through_its_own_inverse():
    """The README's recipe: each tone is weighted by the map at its pitch."""
    rate, frequencies = 22050, (261.6, 1046.5)
    time = np.arange(2 * rate) / rate
    loud, soft = (np.sin(2 * np.pi * f * time) for f in frequencies)
    samples = (loud + 0.5 * soft).astype(np.float32)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1, bias=False), torch.nn.ReLU())
    torch.nn.init.ones_(network[0].weight)

    cqt = librosa.cqt(samples, sr=rate, hop_length=128)
    maps = Deconvnet(network).deconvolve(np.abs(cqt), layer=1)
    sound = librosa.icqt(cqt * maps[0], sr=rate, hop_length=128, length=len(samples))

    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    levels = [spectrum[round(f * 2) - 3 : round(f * 2) + 4].max() for f in frequencies]
    # Semitones above C1: 36 and 60.
    weights = maps[0, [36, 60], maps.shape[2] // 2]
    expected = 2 * weights[0] / weights[1]
    assert expected > 4
    assert 20 * np.log10(levels[0] / levels[1]) == pytest.approx(20 * np.log10(expected), abs=1)
