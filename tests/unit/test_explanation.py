"""A song of any length, explained in windows as if in one piece."""

import tracemalloc

import h5py
import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from auralise.auralisation import (
    PEAK,
    Auralisation,
    auralise,
    read_auralisation,
    set_loudness,
    write_auralisations,
)
from auralise.deconvnet.deconvnet import Deconvnet
from auralise.errors import AudioError, NetworkError, SettingsError
from auralise.explainers.songs import SOUNDS, explain_song
from auralise.explainers.windows import Windows
from auralise.explainers.writing import choose_features, write_maps
from auralise.files import require_replaceable
from auralise.maps import Origin, open_maps
from auralise.networks.front_end_steps import Orientation
from auralise.stft import Stft

pytestmark = pytest.mark.slow

STFT = Stft(4000, 64, 32)
ORIGIN = Origin("söng", "n", "ab", {"x": 1})


def chain(*n_features, bias=False, seed=0):
    torch.manual_seed(seed)
    modules, n_inputs = [], 1
    for n in n_features:
        modules += [nn.Conv2d(n_inputs, n, 3, padding=1, bias=bias), nn.ReLU(), nn.MaxPool2d(2)]
        n_inputs = n
    return Deconvnet(nn.Sequential(*modules))


def noise(n_samples, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, n_samples).astype(np.float32)


class TestWindows:
    @pytest.mark.parametrize("n_frames", [1, 39, 40, 41, 59, 60, 61, 79, 80, 500])
    @pytest.mark.parametrize(("length", "stride"), [(40, 1), (40, 8), (41, 1), (33, 32), (40, 99)])
    def test_shares_sum_to_one_at_every_frame(self, n_frames, length, stride):
        windows = Windows.of(n_frames, length, stride)
        total, covered = np.zeros(n_frames), np.zeros(n_frames, int)
        for k, (first, stop) in enumerate(windows):
            weights = windows.weights(k)
            assert len(weights) == stop - first
            assert weights.min() > 0
            total[first:stop] += weights
            covered[first:stop] += 1
        np.testing.assert_allclose(total, 1, atol=1e-6)
        assert k == len(windows) - 1
        assert covered.min() >= 1
        assert covered.max() <= 2

    def test_the_only_window_counts_fully(self):
        windows = Windows.of(30, 40)
        assert list(windows) == [(0, 30)]
        assert (windows.weights(0) == 1).all()

    def test_the_ends_of_the_song_count_fully(self):
        windows = Windows.of(500, 40)
        assert (windows.weights(0)[:20] == 1).all()
        assert (windows.weights(len(windows) - 1)[20:] == 1).all()

    def test_a_window_begins_where_the_pooling_grid_does(self):
        assert Windows.of(1000, 173, 32).hop == 96
        assert Windows.of(1000, 173, 1).hop == 87
        assert Windows.of(1000, 33, 32).hop == 17, "no overlap would be left"

    def test_strides_of_layers_are_those_of_their_modules_in_time(self):
        assert chain(2, 2, 2).strides == [2, 4, 8]
        parts = nn.Conv2d(1, 2, 3, stride=(1, 3)), nn.ReLU(), nn.AvgPool2d((4, 2))
        assert Deconvnet(nn.Sequential(*parts)).strides == [6]

    def test_the_stride_of_a_network_that_takes_time_first_is_its_rows(self):
        parts = [Orientation(), nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d((4, 3))]
        assert Deconvnet(nn.Sequential(*parts)).strides == [4]


@pytest.mark.parametrize("loudness", ["peak", "relative"])
def test_a_song_of_one_window_is_that_of_the_plain_way(tmp_path, loudness):
    net, samples = chain(3, 4, bias=True), noise(4000)
    how = Auralisation("mask", loudness)
    explain_song(samples, net, STFT, tmp_path / "new", ORIGIN, window=1.0, auralisation=how)
    write_maps(tmp_path / "plain.h5", net, samples, STFT, ORIGIN)
    with open_maps(tmp_path / "plain.h5") as plain:
        write_auralisations(tmp_path / "plain", plain, how)
        assert plain.origin == ORIGIN
        with open_maps(tmp_path / "new/söng.h5") as new:
            assert new.layers == plain.layers
            cut = {"count": 1, "length": 126, "hop": 64}
            assert new.origin.config == {"x": 1, "windows": cut}
            np.testing.assert_array_equal(new.spectrum, plain.spectrum)
            for layer in plain.layers:
                np.testing.assert_array_equal(new.deconvolved(layer), plain.deconvolved(layer))
                for name in ("activation_energy", "activation_peak", "live", "feature"):
                    ours, theirs = (m.file[f"layer{layer}/{name}"] for m in (new, plain))
                    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
                    assert ours.dtype == theirs.dtype
    wavs = sorted(p.relative_to(tmp_path / "plain") for p in (tmp_path / "plain").rglob("*.wav"))
    assert len(wavs) == 1 + 3 + 4
    for wav in wavs:
        # The bytes behind the sound say in how many windows it was explained.
        plain, new = (soundfile.read(tmp_path / of / wav)[0] for of in ("plain", "new/söng"))
        np.testing.assert_array_equal(plain, new)


@pytest.fixture(scope="module")
def long_song():
    return noise(7 * 4000 + 123, seed=1)


@pytest.fixture(scope="module")
def long_explanation(tmp_path_factory, long_song):
    out = tmp_path_factory.mktemp("out")
    return explain_song(long_song, chain(3), STFT, out, ORIGIN, window=1.0)


class TestLongSong:
    def test_the_map_is_that_of_the_song_in_one_piece(self, long_explanation, long_song):
        spectrum = STFT.analyse(long_song)
        whole = chain(3).deconvolve(np.abs(spectrum), 1)
        with open_maps(long_explanation.maps) as maps:
            found = maps.deconvolved(1)
            np.testing.assert_allclose(maps.spectrum, spectrum, atol=1e-5)
            cut = maps.origin.config["windows"]
            n_windows, length, hop = (cut[key] for key in ("count", "length", "hop"))
        assert n_windows > 5
        # Both convolutions reach one frame, so a map differs in a window's outer four at most.
        apart = np.zeros(whole.shape[2], bool)
        for k in range(1, n_windows):
            apart[k * hop : k * hop + 4] = True
            apart[(k - 1) * hop + length - 4 : (k - 1) * hop + length] = True
        scale = np.abs(whole).max()
        assert apart.mean() < 0.2
        np.testing.assert_allclose(found[..., ~apart], whole[..., ~apart], atol=1e-5 * scale)
        assert np.abs(found - whole)[..., apart].max() < 0.5 * scale

    def test_energy_peak_and_live_are_those_of_the_song(self, long_explanation, long_song):
        (whole,) = chain(3).feature_maps(np.abs(STFT.analyse(long_song)))
        with h5py.File(long_explanation.maps) as file:
            energy = np.square(whole).sum(axis=(1, 2))
            np.testing.assert_allclose(file["layer1/activation_energy"], energy, rtol=0.02)
            peak = whole.max(axis=(1, 2))
            np.testing.assert_allclose(file["layer1/activation_peak"], peak, rtol=1e-5)
            assert file["layer1/live"][:].tolist() == whole.any(axis=(1, 2)).tolist()

    def test_the_file_is_stored_a_hop_at_a_time(self, long_explanation):
        with h5py.File(long_explanation.maps) as file:
            dataset = file["layer1/deconvolved"]
            assert dataset.chunks == (1, 33, 64)
            assert dataset.fletcher32
            assert file.attrs["format"] == "auralise-maps/1"
            assert dataset.shape[2] == file["time"].shape[0] == file["stft"].shape[1]

    def test_sounds_last_as_long_as_the_song_and_reach_the_peak(self, long_explanation, long_song):
        wavs = sorted(long_explanation.sounds.rglob("*.wav"))
        assert [str(wav.relative_to(long_explanation.sounds)) for wav in wavs] == [
            *(f"layer1/feature{feature:02d}.wav" for feature in range(3)),
            "original.wav",
        ]
        for wav in wavs[:-1]:
            samples, rate = soundfile.read(wav)
            assert (rate, len(samples)) == (4000, len(long_song))
            assert np.abs(samples).max() == pytest.approx(PEAK, abs=2**-14)
        original, _ = soundfile.read(wavs[-1])
        hop = STFT.hop_length
        # The last hop, which one window alone reaches, fades.
        np.testing.assert_allclose(original[:-hop], long_song[:-hop], atol=2**-14)
        assert (np.abs(original[-hop:]) <= np.abs(long_song[-hop:]) + 2**-14).all()

    @pytest.mark.parametrize("loudness", ["peak", "relative"])
    @pytest.mark.parametrize("mode", ["mask", "phase"])
    def test_sounds_are_those_of_the_whole_map(self, tmp_path, long_explanation, mode, loudness):
        with open_maps(long_explanation.maps) as maps:
            write_auralisations(tmp_path, maps, Auralisation(mode, loudness))
            original = STFT.synthesise(maps.spectrum, maps.n_samples)
            sounds = auralise(maps.spectrum, maps.deconvolved(1), STFT, maps.n_samples, mode)
        for feature, expected in enumerate(set_loudness(sounds, original, loudness)):
            found, _ = soundfile.read(tmp_path / f"layer1/feature{feature:02d}.wav")
            np.testing.assert_allclose(found, expected, atol=2**-14)

    def test_how_the_sounds_were_made_stands_beside_them(self, tmp_path, long_explanation):
        assert read_auralisation(long_explanation.sounds) == Auralisation("mask", "peak")
        for content in ("", "[]", '{"mode": "mask"}'):
            (tmp_path / "auralisation.json").write_text(content)
            with pytest.raises(AudioError, match="auralise the song again"):
                read_auralisation(tmp_path)

    def test_its_duration_is_that_of_the_song(self, long_explanation, long_song):
        assert long_explanation.duration == pytest.approx(len(long_song) / 4000)


def test_layers_above_agree_between_windows_because_their_grids_do(tmp_path, long_song):
    net, reach = chain(3, 4), 16
    whole = net.deconvolve(np.abs(STFT.analyse(long_song)), 2)
    explanation = explain_song(long_song, net, STFT, tmp_path, ORIGIN, window=1.0)
    with open_maps(explanation.maps) as maps:
        found = maps.deconvolved(2)
        cut = maps.origin.config["windows"]
        n_windows, length, hop = (cut[key] for key in ("count", "length", "hop"))
    inside = np.ones(whole.shape[2], bool)
    for k in range(1, n_windows):
        inside[k * hop : k * hop + reach] = False
        inside[(k - 1) * hop + length - reach : (k - 1) * hop + length] = False
    assert inside.mean() > 0.4
    np.testing.assert_allclose(
        found[..., inside], whole[..., inside], atol=1e-5 * np.abs(whole).max()
    )


def test_deep_networks_fade_from_window_to_window(tmp_path, long_song):
    net = chain(3, 4, 5, bias=True)
    features = choose_features(net, [3, 1], [0, 4])
    explanation = explain_song(long_song, net, STFT, tmp_path, ORIGIN, features, window=0.5)
    with open_maps(explanation.maps) as maps:
        assert maps.layers == [1, 3]
        assert maps.features(3).tolist() == [0, 4]
        assert maps.origin.config["windows"]["hop"] % 8 == 0
        loud = np.abs(maps.deconvolved(3)).max(axis=(0, 1))
    assert (loud > 0).all()


def test_memory_does_not_grow_with_the_length(tmp_path, monkeypatch):
    net, largest = chain(3, 4), []
    once = net.deconvolve_all

    def watch(magnitude, *others):
        largest.append(magnitude.shape[1])
        return once(magnitude, *others)

    monkeypatch.setattr(net, "deconvolve_all", watch)

    def peak(n_seconds):
        samples = noise(n_seconds * 4000)
        tracemalloc.start()
        explain_song(samples, net, STFT, tmp_path, ORIGIN, window=1.0)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak, samples.nbytes

    peak(2)  # fills the caches of imports
    (short, _), (long, n_bytes) = peak(4), peak(24)
    # The maps of the seven features alone take as much again, each, as the song's samples.
    assert long < 1.2 * short < 7 * n_bytes
    assert max(largest) < 1.5 * STFT.n_frames(4000) + 1


class TestFolder:
    def test_an_earlier_explanation_is_replaced_whole(self, tmp_path):
        explain_song(noise(3000), chain(2, 2), STFT, tmp_path, ORIGIN)
        explain_song(noise(3000), chain(2, 2), STFT, tmp_path, ORIGIN, {2: [0, 1]})
        found = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
        assert found == [
            "söng.h5",
            "söng/auralisation.json",
            "söng/features.csv",
            "söng/layer2/feature00.wav",
            "söng/layer2/feature01.wav",
            "söng/original.wav",
        ]

    def test_an_error_leaves_the_earlier_one(self, tmp_path, monkeypatch):
        net = chain(2)
        explain_song(noise(3000), net, STFT, tmp_path, ORIGIN)
        before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}

        def fail(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr("auralise.explainers.songs.write_auralisations", fail)
        with pytest.raises(KeyboardInterrupt):
            explain_song(noise(3000, seed=9), net, STFT, tmp_path, ORIGIN)
        assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
        assert len(list(tmp_path.iterdir())) == 2

    def test_a_folder_of_something_else_is_not_touched(self, tmp_path):
        (tmp_path / "söng").mkdir()
        (tmp_path / "söng/diary.txt").write_text("mine")
        with pytest.raises(SettingsError, match=r"something else \('diary.txt'\)"):
            explain_song(noise(3000), chain(2), STFT, tmp_path, ORIGIN)
        assert (tmp_path / "söng/diary.txt").read_text() == "mine"
        (tmp_path / "file").write_text("mine")
        with pytest.raises(SettingsError, match="file"):
            require_replaceable(tmp_path / "file", SOUNDS, "explanation")


def test_a_window_too_short_is_told(tmp_path):
    with pytest.raises(SettingsError, match="shorter than one hop"):
        explain_song(noise(3000), chain(2), STFT, tmp_path, ORIGIN, window=0.001)
    with pytest.raises(NetworkError, match="does not pass"):
        explain_song(noise(3000), chain(2, 2, 2), STFT, tmp_path, ORIGIN, window=0.01)
    assert not list(tmp_path.iterdir())
