"""Maps become sound by the original's spectrum."""

import librosa
import numpy as np
import pandas as pd
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
from auralise.errors import AuraliseError, SettingsError
from auralise.explainers.writing import write_maps
from auralise.features import MEASURED, audible, read_features, write_features
from auralise.maps import Origin, create_maps, open_maps, scale_maps
from auralise.networks.front_ends import build_front_end, undo
from auralise.stft import Stft

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

    def test_magnitude_lets_through_whatever_the_sign(self, stft, song, spectrum):
        signs = np.random.default_rng(0).choice([-1, 1], (1, *spectrum.shape)).astype(np.float32)
        sound = auralise(spectrum, signs, stft, len(song), "magnitude")[0]
        np.testing.assert_allclose(sound, song, atol=1e-6)

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

    def test_full_scale_is_the_largest_value_of_16_bit_sound(self, song):
        (sound,) = set_loudness(song[None], song, "full_scale")
        assert np.abs(sound).max() == pytest.approx(32767 / 32768, rel=1e-6)

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


@pytest.mark.slow
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
        writer.write_activations(1, *np.ones((2, 1)), *np.ones((2, 1), bool), np.zeros(1))
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


class TestWhatASoundBears:
    """Maps whose shares can be counted: 1 bin of the song is loud, 1 is 70 dB below it."""

    SPECTRUM = np.zeros((33, 9), np.complex64)
    SPECTRUM[5], SPECTRUM[20] = 2.0, 2.0 * 10**-3.5

    @pytest.fixture(params=[None, 4])
    def measured(self, tmp_path, request):
        """The table of a song in one piece, and of one in blocks."""
        stft, deconvolved = Stft(4000, 64, 32), np.zeros((5, 33, 9), np.float32)
        deconvolved[0, 5] = 1.0  # what is loud, as it is
        deconvolved[1, 5], deconvolved[1, 20] = -0.5, 0.5  # half of its energy is quiet
        deconvolved[2, 20] = 1e-9
        deconvolved[3, 5, :3], deconvolved[3, 5, 3:] = -1, 1  # a third is negative
        with create_maps(
            tmp_path / "a.h5",
            stft,
            8 * 32,
            {2: [0, 2, 4, 6, 8]},
            ORIGIN,
            np.ones(33),
            request.param,
        ) as writer:
            writer.write_spectrum(self.SPECTRUM)
            writer.write_maps(2, deconvolved)
            peak, silence = np.array([4.0, 2, 1, 1, 0]), np.array([1.0, 0, 2, 0, 0])
            live, responds = np.array([1, 1, 1, 1, 0], bool), np.array([1, 1, 0, 1, 0], bool)
            writer.write_activations(2, peak, peak, live, responds, silence)
        with open_maps(tmp_path / "a.h5") as maps:
            table = write_auralisations(tmp_path / "sounds", maps, Auralisation("mask", "peak"))
        return table, tmp_path / "sounds"

    def test_rows_are_those_of_the_maps(self, measured):
        table, _ = measured
        assert table["layer"].tolist() == [2] * 5
        assert table["feature"].tolist() == [0, 2, 4, 6, 8]
        assert table["live"].tolist() == [True] * 4 + [False]
        assert table["responds"].tolist() == [True, True, False, True, False]
        assert table.iloc[4, 4:].isna().all()

    def test_activation_on_silence_is_a_share_of_that_on_the_song(self, measured):
        assert measured[0]["silence_ratio"].tolist()[:4] == [0.25, 0, 2, 0]

    def test_energy_of_the_map_where_the_song_is_quiet(self, measured):
        shares = measured[0]["share_below_60db"]
        np.testing.assert_allclose(shares[:4], [0, 0.5, 1, 0])

    def test_energy_of_the_sound_where_the_map_is_negative(self, measured):
        shares = measured[0]["share_negative"]
        np.testing.assert_allclose(shares[:4], [0, 1 / (1 + 1e-7), 0, 1 / 3], rtol=1e-6)

    def test_level_is_that_before_the_gain_which_stands_beside(self, measured):
        table, folder = measured
        assert table["level_db"].max() == 0
        assert table["level_db"][2] == pytest.approx(-180 - 70, abs=5)  # frames cancel, or do not
        levels = {}
        for feature in (0, 4):
            sound, _ = soundfile.read(folder / sound_name(2, feature))
            levels[feature] = 20 * np.log10(np.sqrt(np.mean(sound**2)))
        first, third = table.iloc[0], table.iloc[2]
        before, gained = (third[of] - first[of] for of in ("level_db", "gain_db"))
        assert levels[4] - levels[0] == pytest.approx(before + gained, abs=0.02)
        assert PEAK / 10 ** (table["gain_db"][0] / 20) == pytest.approx(
            np.abs(auralise(self.SPECTRUM, np.ones((1, 33, 9)), Stft(4000, 64, 32), 256)).max(),
            rel=1e-3,
        )

    def test_the_table_is_written_and_read(self, measured, tmp_path):
        table, _ = measured
        percentiles = table[["layer", "feature"]].assign(rehearing_percentile=[97.5] + [np.nan] * 4)
        certificates = table[["layer", "feature"]].assign(certificate=[True, False] + [pd.NA] * 3)
        write_features(tmp_path / "features.csv", table, percentiles, certificates)
        head = (tmp_path / "features.csv").read_text().splitlines()[0]
        assert head == (
            "layer,feature,live,responds,level_db,gain_db,silence_ratio,share_below_60db,"
            "share_negative,rehearing_percentile,certificate"
        )
        found = read_features(tmp_path / "features.csv")
        pd.testing.assert_frame_equal(found[list(MEASURED)], table, rtol=1e-5, check_dtype=False)
        assert found["rehearing_percentile"][0] == 97.5
        assert found["certificate"][:2].tolist() == [True, False]
        assert found["certificate"][2:].isna().all()

    def test_another_table_is_refused(self, measured, tmp_path):
        with pytest.raises(AuraliseError, match="no such file"):
            read_features(tmp_path / "none.csv")
        measured[0].to_csv(tmp_path / "other.csv", index=False)
        with pytest.raises(AuraliseError, match="no column rehearing_percentile, certificate"):
            read_features(tmp_path / "other.csv")

    @pytest.mark.parametrize(("threshold", "heard"), [(-40, 3), (-300, 4)])
    def test_audible_is_what_the_loudest_does_not_hide(self, measured, threshold, heard):
        assert audible(measured[0], threshold).sum() == heard
