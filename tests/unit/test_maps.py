"""The HDF5 file of one song's maps."""

import json

import h5py
import numpy as np
import pytest
import torch
import xarray

from auralise.deconvnet.deconvnet import Deconvnet
from auralise.errors import MapsError
from auralise.explainers.writing import choose_features, quiet_sounds, write_maps
from auralise.maps import Origin, open_maps
from auralise.stft import Stft

ORIGIN = Origin("söng", "n-0", "ab", {"x": 1})


@pytest.fixture(scope="module")
def net(small_network):
    return Deconvnet(small_network)


@pytest.fixture(scope="module")
def path(tmp_path_factory, net, stft, song):
    path = tmp_path_factory.mktemp("maps") / "song.h5"
    write_maps(path, net, song, stft, ORIGIN)
    return path


def test_holds_what_the_design_fixes(path, stft, song):
    with h5py.File(path) as file:
        attributes = dict(file.attrs)
        assert attributes["format"] == "auralise-maps/1"
        assert attributes["song"] == "söng"
        assert attributes["network"] == "n-0"
        assert attributes["weights_sha256"] == "ab"
        assert json.loads(attributes["config"]) == {"x": 1}
        assert json.loads(attributes["assumptions"]) == []
        assert file["layer1"].attrs["path"] == "convolutional.layer1.convolution"
        assert "torch" in json.loads(attributes["versions"])
        assert [attributes[k] for k in ("sample_rate", "n_fft", "hop_length")] == [11025, 512, 256]
        np.testing.assert_allclose(file["frequency"], stft.frequencies)
        np.testing.assert_allclose(file["time"], stft.times(173))
        np.testing.assert_array_equal(file["stft"], stft.analyse(song))
        np.testing.assert_array_equal(file["mask_scale"], np.ones(257, np.float32))
        assert file["mask_scale"].dims[0][0] == file["frequency"]
        for layer, n_features in ((1, 4), (2, 5), (3, 6)):
            maps = file[f"layer{layer}/deconvolved"]
            assert maps.shape == (n_features, 257, 173)
            assert maps.dtype == np.float32
            assert maps.chunks == (1, 257, 173)
            assert maps.fletcher32
            assert file[f"layer{layer}/live"].dtype == bool


def test_maps_are_those_of_the_deconvnet(path, net, stft, song):
    magnitude = np.abs(stft.analyse(song))
    with open_maps(path) as maps:
        assert maps.layers == [1, 2, 3]
        for layer in maps.layers:
            np.testing.assert_array_equal(maps.deconvolved(layer), net.deconvolve(magnitude, layer))


def test_energy_and_peak_are_those_of_the_feature_maps(path, net, stft, song):
    feature_maps = net.feature_maps(np.abs(stft.analyse(song)))
    with h5py.File(path) as file:
        for layer, activations in enumerate(feature_maps, start=1):
            group = file[f"layer{layer}"]
            np.testing.assert_allclose(
                group["activation_energy"], (activations**2).sum(axis=(1, 2)), rtol=1e-5
            )
            np.testing.assert_array_equal(group["activation_peak"], activations.max(axis=(1, 2)))
            np.testing.assert_array_equal(group["live"], activations.any(axis=(1, 2)))


def test_a_dead_feature_is_marked_and_its_map_is_zero(tmp_path, small_network, stft, song):
    import copy

    network = copy.deepcopy(small_network)
    network.convolutional.layer2.convolution.bias.data[1] = -1e6
    write_maps(tmp_path / "a.h5", Deconvnet(network), song, stft, ORIGIN)
    with open_maps(tmp_path / "a.h5") as maps:
        assert not maps.live(2)[1]
        assert maps.live(2).any()
        assert not maps.deconvolved(2)[1].any()


def test_some_features_of_a_layer_with_batch_normalisation(tmp_path, stft, song):
    torch.manual_seed(0)
    norm = torch.nn.BatchNorm2d(3).eval()
    with torch.no_grad():
        norm.bias.copy_(torch.tensor([0.5, 0.25, 0.0]))
    convolution = torch.nn.Conv2d(1, 3, 3, padding=1)
    with torch.no_grad():
        convolution.bias.copy_(torch.tensor([0.0, -1e6, 0.0]))
    net = Deconvnet(torch.nn.Sequential(convolution, torch.nn.ReLU(), norm, torch.nn.MaxPool2d(2)))
    write_maps(tmp_path / "a.h5", net, song, stft, ORIGIN, {1: [1, 2]})
    with open_maps(tmp_path / "a.h5") as maps:
        assert maps.live(1).tolist() == [False, True], "an offset is no firing"


def test_opens_in_xarray_group_by_group(path):
    with xarray.open_dataset(path, engine="h5netcdf") as root:
        assert root["stft"].dims == ("frequency", "time")
        assert root["time"].attrs["units"] == "s"
    with xarray.open_dataset(path, group="layer2", engine="h5netcdf") as layer:
        assert layer["deconvolved"].dims == ("feature", "frequency", "time")
        assert layer["live"].dims == ("feature",)


def test_layers_and_features_can_be_chosen(tmp_path, net, stft, song):
    write_maps(tmp_path / "a.h5", net, song, stft, ORIGIN, choose_features(net, [3, 2], [5, 1]))
    with open_maps(tmp_path / "a.h5") as maps:
        assert maps.layers == [2, 3]
        assert maps.features(2).tolist() == [1]
        assert maps.features(3).tolist() == [1, 5]


def test_an_interrupted_write_leaves_nothing(tmp_path, net, stft, song, monkeypatch):
    def fail(*_):
        yield 1, np.zeros((4, 257, 173), np.float32)
        raise KeyboardInterrupt

    monkeypatch.setattr(net, "deconvolve_all", fail)
    with pytest.raises(KeyboardInterrupt):
        write_maps(tmp_path / "a.h5", net, song, stft, ORIGIN)
    assert list(tmp_path.iterdir()) == []


def test_a_flipped_byte_is_found(tmp_path, path):
    copy = tmp_path / "copy.h5"
    content = bytearray(path.read_bytes())
    with h5py.File(path) as file:
        chunk = file["layer1/deconvolved"].id.get_chunk_info(2)
    content[chunk.byte_offset + chunk.size // 2] ^= 0xFF
    copy.write_bytes(content)
    with open_maps(copy) as maps, pytest.raises(MapsError, match="'layer1.deconvolved' is damaged"):
        maps.deconvolved(1)


def test_refuses_another_file(tmp_path):
    text = tmp_path / "a.h5"
    text.write_text("no maps here")
    with pytest.raises(MapsError, match="not a readable HDF5"), open_maps(text):
        pass
    other = tmp_path / "b.h5"
    h5py.File(other, "w").close()
    with pytest.raises(MapsError, match="expected 'auralise-maps/1'"), open_maps(other):
        pass


def test_a_file_of_an_earlier_version_is_told(tmp_path, net, stft, song):
    write_maps(tmp_path / "a.h5", net, song, stft, ORIGIN, {1: [0]})
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file["layer1/responds"]
    with open_maps(tmp_path / "a.h5") as maps:
        assert maps.live(1).shape == (1,)
        with pytest.raises(MapsError, match="earlier version; explain the song again"):
            maps.responds(1)


def test_another_grid_is_restored(tmp_path, net, song):
    stft = Stft(11025, 256, 100)
    write_maps(tmp_path / "a.h5", net, song, stft, ORIGIN, {1: [0]})
    with open_maps(tmp_path / "a.h5") as maps:
        assert maps.stft == stft
        assert maps.n_samples == len(song)


@pytest.fixture(scope="module")
def found(tmp_path_factory, stft, song):
    convolution = torch.nn.Conv2d(1, 5, 1)
    with torch.no_grad():
        # One that hears the song; one that silence excites most; one that never fires; one
        # that fires always alike; one that hears nothing but what is as quiet as the noise.
        convolution.weight[:, 0, 0, 0] = torch.tensor([1.0, -1.0, 1.0, 0.0, -1.0])
        convolution.bias.copy_(torch.tensor([0.0, 0.5, -1e6, 0.5, 1e-9]))
    net = Deconvnet(torch.nn.Sequential(convolution, torch.nn.ReLU()))
    path = tmp_path_factory.mktemp("responds") / "a.h5"
    write_maps(path, net, song, stft, ORIGIN, {1: [4, 3, 2, 1, 0]})
    with open_maps(path) as maps:
        return maps.live(1)[::-1], maps.responds(1)[::-1], maps.silence_peak(1)[::-1]


class TestResponds:
    """A feature responds where the song excites it more than silence and quiet noise do."""

    def test_above_both(self, found):
        live, responds, _ = found
        assert responds.tolist() == [True, False, False, False, False]
        assert live[:4].tolist() == [True, True, False, True]

    def test_silence_is_what_the_biases_let_through(self, found):
        np.testing.assert_allclose(found[2], [0, 0.5, 0, 0.5, 1e-9])

    def test_above_the_noise_as_well(self, tmp_path, stft, song, monkeypatch):
        convolution = torch.nn.Conv2d(1, 3, 1)
        net = Deconvnet(torch.nn.Sequential(convolution, torch.nn.ReLU()))

        def of(magnitude):
            """One louder on what is quiet, one the reverse, one as loud on both."""
            is_song, is_silent = magnitude.max() > 1, not magnitude.any()
            values = [0, 0, 0] if is_silent else [1, 2, 1] if is_song else [2, 1, 1]
            return [np.ones((3, 257, 173), np.float32) * np.reshape(values, (3, 1, 1))]

        monkeypatch.setattr(net, "feature_maps", of)
        write_maps(tmp_path / "a.h5", net, song, stft, ORIGIN)
        with open_maps(tmp_path / "a.h5") as maps:
            assert maps.live(1).all()
            assert maps.responds(1).tolist() == [False, True, False]

    def test_a_batch_norm_behind_the_activation_does_not_decide(self, tmp_path, stft, song):
        convolution, norm = torch.nn.Conv2d(1, 2, 1, bias=False), torch.nn.BatchNorm2d(2).eval()
        with torch.no_grad():
            convolution.weight.fill_(1.0)
            norm.weight.copy_(torch.tensor([1.0, -1.0]))
            norm.bias.copy_(torch.tensor([-5.0, 5.0]))
        net = Deconvnet(torch.nn.Sequential(convolution, torch.nn.ReLU(), norm))
        write_maps(tmp_path / "a.h5", net, song, stft, ORIGIN)
        with open_maps(tmp_path / "a.h5") as maps:
            assert maps.responds(1).all()
            np.testing.assert_allclose(maps.silence_peak(1), 0, atol=1e-6)
            np.testing.assert_allclose(*maps.activation_peak(1), rtol=1e-5)

    def test_the_noise_peaks_60_db_below_the_song(self, song):
        silence, noise = quiet_sounds(song, 5000)
        assert not silence.any()
        assert np.abs(noise).max() == pytest.approx(1e-3 * np.abs(song).max(), rel=1e-6)
        np.testing.assert_array_equal(noise, quiet_sounds(song, 5000)[1])
