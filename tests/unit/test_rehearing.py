"""The sounds of a song are given back to the network."""

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from torch import nn

from auralise.auralisation import Auralisation, sound_name, write_auralisations
from auralise.deconvnet.deconvnet import Deconvnet
from auralise.explainers.rehearing import (
    Rehearing,
    certify,
    read_rehearing,
    rehear,
    say_certificates,
    write_rehearing,
)
from auralise.explainers.shifts import (
    add_shifts,
    rehear_shifted,
    say_shifts,
    shift_circularly,
)
from auralise.explainers.writing import write_maps
from auralise.maps import Origin, open_maps
from auralise.stft import Stft

pytestmark = pytest.mark.slow

STFT = Stft(4000, 64, 32)
ORIGIN = Origin("song", "n", "", {})
N = 24


def rehearing(activation, responds=None):
    n = len(activation)
    responds = np.ones(n, bool) if responds is None else np.asarray(responds)
    return Rehearing({3: np.arange(n) * 2}, {3: responds}, {3: np.asarray(activation, float)})


@pytest.fixture
def rng():
    return np.random.default_rng(0)


class TestPercentile:
    def test_is_the_share_of_the_other_sounds_that_excite_a_feature_less(self):
        activation = np.zeros((21, 21))
        activation[:, 0] = np.arange(21)  # its own is the least
        activation[:, 1] = [5, 3, *[2] * 9, *[3] * 10]  # 9 less, 10 alike, one more
        activation[:, 2] = [0, 0, 1, *[0] * 18]
        found = np.diag(rehearing(activation).percentiles(3))
        np.testing.assert_allclose(found[:3], [0, 100 * 9 / 20, 100])

    def test_dead_and_silent_ones_do_not_count(self):
        activation = np.tile(np.arange(25.0)[:, None], (1, 25))
        activation[[3, 7]] = np.nan
        found = np.diag(rehearing(activation).percentiles(3))
        assert np.isnan(found[[3, 7]]).all()
        assert (found[4], found[24]) == (pytest.approx(100 * 3 / 22), 100)

    def test_is_empty_below_twenty_live_features(self):
        activation = np.eye(25)
        activation[:6] = np.nan
        assert np.isnan(rehearing(activation).percentiles(3)).all()
        activation[5] = 0
        assert not np.isnan(rehearing(activation).percentiles(3)[5:]).any()

    def test_the_table_has_the_own_ones(self):
        table = rehearing(np.eye(20)).table()
        assert table["feature"].tolist() == list(range(0, 40, 2))
        assert (table["layer"] == 3).all()
        assert (table["rehearing_percentile"] == 100).all()


class TestCertificate:
    @pytest.mark.parametrize(
        ("passes", "certified"),
        [
            ("110", True),
            ("100", False),
            ("111", True),
            ("11", True),
            ("10", False),
            ("1111000", False),
        ],
    )
    def test_takes_two_thirds_of_the_songs_and_two(self, passes, certified):
        own, other = np.eye(N), np.eye(N)
        other[0, 0], other[1:, 0] = 0, 1
        songs = {str(i): rehearing(own if p == "1" else other) for i, p in enumerate(passes)}
        first = certify(songs).iloc[0]
        assert bool(first["certificate"]) == certified
        assert (first["n_songs"], first["n_passed"]) == (len(passes), passes.count("1"))

    def test_one_song_certifies_nothing(self):
        found = certify({"a": rehearing(np.eye(N))})
        assert found["certificate"].isna().all()
        assert "takes two songs" in say_certificates(found)

    def test_songs_on_which_it_is_dead_do_not_count(self):
        dead = np.eye(N)
        dead[0] = np.nan
        songs = {"a": rehearing(np.eye(N)), "b": rehearing(np.eye(N)), "c": rehearing(dead)}
        assert certify(songs).iloc[0]["n_songs"] == 2
        assert certify(songs)["certificate"].all()

    def test_a_feature_that_does_not_respond_is_not_certified(self):
        responds = np.arange(N) > 0
        song = rehearing(np.eye(N), responds)
        assert certify({"a": song, "b": song})["certificate"].tolist() == responds.tolist()

    def test_where_nothing_is_to_be_found_there_are_as_many_as_by_chance(self, rng):
        """Sounds that excite at random, and sounds that are loud to all: three songs, 60 draws."""
        for common in (0, 2):
            found, chance = 0, 0.0
            for _ in range(60):
                loud = common * rng.normal(size=(N, 1))  # a sound's own, alike in each song
                songs = {s: rehearing(rng.normal(size=(N, N)) + loud) for s in "abc"}
                table = certify(songs)
                found += table["certificate"].sum()
                chance += table["chance"].sum()
            assert chance > 1
            assert found == pytest.approx(chance, abs=4 * np.sqrt(chance) + 2)

    def test_what_is_there_is_found(self, rng):
        songs = {s: rehearing(rng.normal(size=(N, N)) + 6 * np.eye(N)) for s in "abc"}
        table = certify(songs)
        assert table["certificate"].mean() > 0.95
        assert table["chance"].sum() < 0.1 * N
        assert f"{table['certificate'].sum()} of {N} features are certified" in say_certificates(
            table
        )


@pytest.fixture(scope="module")
def network():
    """24 features that each hear one bin (nothing else), and one that hears nothing."""
    convolution = nn.Conv2d(1, N + 1, (33, 1), bias=False)
    with torch.no_grad():
        convolution.weight.zero_()
        for feature in range(N):
            convolution.weight[feature, 0, feature + 4] = 1
    return Deconvnet(nn.Sequential(convolution, nn.ReLU()))


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).normal(0, 0.1, 4000).astype(np.float32)


class TestRehear:
    def test_a_sound_of_one_bin_excites_the_feature_that_hears_it(self, network, noise, tmp_path):
        write_maps(tmp_path / "a.h5", network, noise, STFT, ORIGIN)
        with open_maps(tmp_path / "a.h5") as maps:
            write_auralisations(tmp_path / "sounds", maps)
            found = rehear(maps, tmp_path / "sounds", network, "zero")
        percentiles = np.diag(found.percentiles(1))
        assert (percentiles[:N] == 100).all()
        assert np.isnan(percentiles[N])
        own = np.diag(found.activation[1])[:N]
        assert own.min() > 3, "all of the level in a bin"
        write_rehearing(tmp_path / "b.h5", found)
        again = read_rehearing(tmp_path / "b.h5")
        for name in ("features", "responds", "activation"):
            np.testing.assert_array_equal(getattr(again, name)[1], getattr(found, name)[1])

    def test_the_gain_of_a_sound_plays_no_part(self, network, noise, tmp_path):
        write_maps(tmp_path / "a.h5", network, noise, STFT, ORIGIN)
        with open_maps(tmp_path / "a.h5") as maps:
            write_auralisations(tmp_path / "sounds", maps)
            before = rehear(maps, tmp_path / "sounds", network, "zero").activation[1]
            path = tmp_path / "sounds" / sound_name(1, 3)
            sound, rate = soundfile.read(path)
            soundfile.write(path, sound / 8, rate, subtype="FLOAT")
            after = rehear(maps, tmp_path / "sounds", network, "zero").activation[1]
        np.testing.assert_allclose(after, before, rtol=1e-5)

    def test_a_silent_file_is_no_sound(self, network, noise, tmp_path):
        write_maps(tmp_path / "a.h5", network, noise, STFT, ORIGIN)
        with open_maps(tmp_path / "a.h5") as maps:
            write_auralisations(tmp_path / "sounds", maps, Auralisation("mask", "relative"))
            soundfile.write(tmp_path / "sounds" / sound_name(1, 3), np.zeros(4000), 4000)
            found = rehear(maps, tmp_path / "sounds", network, "surroundings")
        assert np.isnan(found.activation[1][[3, N]]).all()
        assert np.isnan(found.activation[1]).any(axis=1).sum() == 2

    def test_of_a_long_song_the_loudest_part_is_analysed(self, network, noise, tmp_path):
        song = np.concatenate([noise / 8, noise, noise / 8])
        write_maps(tmp_path / "a.h5", network, song, STFT, ORIGIN)
        seen = []
        once = network.feature_maps

        class Watched:
            receptive_field, strides = network.receptive_field, network.strides
            above_rest = staticmethod(network.above_rest)

            @staticmethod
            def feature_maps(magnitude):
                seen.append(magnitude)
                return once(magnitude)

        with open_maps(tmp_path / "a.h5") as maps:
            write_auralisations(tmp_path / "sounds", maps)
            rehear(maps, tmp_path / "sounds", Watched, "zero", 126)
        assert len(seen) == N + 1, "one forward pass for each sound, one for the original"
        assert {magnitude.shape for magnitude in seen} == {(33, 126)}
        middle = np.abs(STFT.analyse(song)[:, 125:251])
        np.testing.assert_allclose(seen[0][:, 5:-5], middle[:, 5:-5], atol=0.05 * middle.max())


class TestShifts:
    def test_a_shifted_map_has_the_same_values_elsewhere(self):
        own = np.arange(12.0).reshape(3, 4)
        shifted = shift_circularly(own, 20, seed=0)
        assert shifted.shape == (20, 3, 4)
        for of_one in shifted:
            assert sorted(of_one.ravel()) == sorted(own.ravel())
            rows, columns = (of_one.sum(axis=axis) for axis in (1, 0))
            assert (rows != own.sum(axis=1)).any() and (columns != own.sum(axis=0)).any()

    def test_a_feature_of_one_bin_prefers_its_own_map_to_those_of_other_bins(
        self, network, noise, tmp_path
    ):
        write_maps(tmp_path / "a.h5", network, noise, STFT, ORIGIN)
        with open_maps(tmp_path / "a.h5") as maps:
            found = rehear_shifted(maps, network, "zero", 20)
        assert len(found) == 16 and N not in set(found["feature"])
        assert (found["shift_percentile"] >= 90).all()

    def test_the_layers_other_features_say_what_is_chance(self, network, noise, tmp_path):
        """They hear other bins, in which a shifted map may lie, and the own one does not."""
        write_maps(tmp_path / "a.h5", network, noise, STFT, ORIGIN)
        with open_maps(tmp_path / "a.h5") as maps:
            found = rehear_shifted(maps, network, "zero", 20)
        assert (found["shift_chance"] < 70).all()

    def test_features_alike_are_at_chance_whatever_it_is(self, noise, tmp_path):
        convolution = nn.Conv2d(1, 6, (33, 1), bias=False)
        with torch.no_grad():
            convolution.weight[:] = 1 + torch.arange(6)[:, None, None, None]
        alike = Deconvnet(nn.Sequential(convolution, nn.ReLU()))
        write_maps(tmp_path / "a.h5", alike, noise, STFT, ORIGIN)
        with open_maps(tmp_path / "a.h5") as maps:
            found = rehear_shifted(maps, alike, "zero", 10)
        difference = found["shift_percentile"] - found["shift_chance"]
        np.testing.assert_allclose(difference, 0, atol=1e-6)

    def test_the_mean_over_songs_stands_beside_the_certificate(self):
        passed = pd.array([True, False, None], "boolean")
        certificates = pd.DataFrame({"layer": 1, "feature": [0, 1, 2], "certificate": passed})
        songs = {
            song: pd.DataFrame(
                {"layer": 1, "feature": [0, 1], "shift_percentile": values, "shift_chance": 48.0}
            )
            for song, values in (("a", [100.0, 40.0]), ("b", [90.0, 60.0]))
        }
        table = add_shifts(certificates, songs)
        assert table["shift_percentile"].tolist()[:2] == [95, 50]
        assert table["shift_percentile"].isna().tolist() == [False, False, True]
        text = say_shifts(table)
        assert "95 % of shifted maps' for 1 certified features (48 % by chance)" in text
        assert "50 % of shifted maps' for 1 other features (48 % by chance)" in text
