"""What front ends promise: librosa's numbers forward, a stated linear way back, clear refusals."""

import json

import librosa
import numpy as np
import pytest
import torch
import yaml
from torch import nn

from auralise.deconvnet.at_once import PooledAtOnce
from auralise.deconvnet.deconvnet import Deconvnet
from auralise.deconvnet.pooled import PooledNetwork
from auralise.deconvnet.steps import StepByStep
from auralise.errors import NetworkError
from auralise.mel import BANDS, LogMel
from auralise.mel import STFT as SVDNET_STFT
from auralise.networks.front_ends import (
    build_front_end,
    check_bins,
    compression_of,
    expected_bins,
    front_end_spec,
    mask_scale,
    read_front_end,
    undo,
)
from auralise.networks.genre import Architecture, build_convolutional_part
from auralise.stft import Stft
from benchmarks.references import with_rectifiers

STFT = Stft(16000, 512, 256)
CQT_STFT = Stft(22050, 1024, 512)
CQT = {"n_bands": 36, "fmin": 400, "bins_per_octave": 12}
N_FRAMES = 60

MUSICNN = """
- power: 2
- mel: {n_bands: 96, scale: slaney, norm: slaney, fmin: 0, fmax: 8000}
- log1p: {gain: 10000, base: 10}
"""
MEAN, STD = np.linspace(-1, 1, 40).tolist(), np.linspace(0.5, 2, 40).tolist()

# Each with what it does, forward, in librosa and numpy; straight(x, y) has the values of y and
# the gradient of x.


def straight(x, y):
    return x + (y - x).detach()


def bands(x, matrix):
    return torch.from_numpy(np.asarray(matrix, np.float32)) @ x


def librosa_mel(n_bands=40, **options):
    return librosa.filters.mel(sr=16000, n_fft=512, n_mels=n_bands, **options)


def power(x):
    return straight(x, x**2)


def column(values):
    return torch.tensor(values)[:, None]


def as_log10(x):
    y = bands(power(x), librosa_mel(96, fmax=8000))
    return straight(y, torch.log10(1 + 10000 * y))


def as_db(x):
    y = bands(power(x), librosa_mel(htk=True, norm=None))
    return straight(y, torch.from_numpy(librosa.power_to_db(y.detach().numpy(), top_db=None)))


def as_floored(x):
    y = bands(x, BANDS.filterbank(np.fft.rfftfreq(512, 1 / 16000)))
    y = straight(y, torch.log(torch.clamp(y, min=1e-7)))
    return (y - y.mean().detach()) / (y.std(correction=0).detach() + 1e-8)


def as_normalised(x):
    y = bands(x, librosa_mel())
    y = straight(y, torch.log1p(100 * y))
    return (y - column(MEAN)) / column(STD)


HIGH_CQT = {"n_bands": 24, "fmin": 800}


def as_cqt(x):
    (filterbank,) = build_front_end([{"pseudo_cqt": HIGH_CQT}], STFT)
    y = bands(x, filterbank.matrix)
    y = straight(y, torch.log(y + 0.01))
    floor = y.max().detach() - 5
    y = straight(y, torch.maximum(y, floor))
    centred = y - y.mean(-1, keepdim=True).detach()
    return centred / (y.std(-1, correction=0, keepdim=True).detach() + 1e-3)


def as_batch_norm(x):
    y = bands(straight(x, x**0.5), librosa_mel())
    norm = nn.BatchNorm1d(40).eval().requires_grad_(False)
    norm.running_mean[:], norm.running_var[:] = torch.tensor(MEAN), torch.tensor(STD)
    norm.weight[:], norm.bias[:] = torch.tensor(STD), torch.tensor(MEAN)
    return norm(y[0])[None]


FRONT_ENDS = {
    "cqt, each bin standardised": (
        [
            {"pseudo_cqt": HIGH_CQT},
            {"log": {"offset": 0.01}},
            {"top_db": 5},
            {"standardise": {"over": "bin", "eps": 1e-3}},
        ],
        as_cqt,
    ),
    "batch norm": (
        [
            {"power": 0.5},
            {"mel": 40},
            {"batch_norm": {"mean": MEAN, "variance": STD, "gain": STD, "offset": MEAN}},
        ],
        as_batch_norm,
    ),
    "itself": ([{"log1p": 100}], lambda x: straight(x, torch.log1p(100 * x))),
    "musicnn": (yaml.safe_load(MUSICNN), as_log10),
    "db": (
        [{"power": 2}, {"mel": {"n_bands": 40, "scale": "htk", "norm": None}}, {"db": {}}],
        as_db,
    ),
    "floored, standardised": (
        [{"svdnet_mel": {}}, {"log": {"floor": 1e-7}}, {"standardise": {"over": "example"}}],
        as_floored,
    ),
    "normalised": (
        [{"mel": 40}, {"log1p": {"gain": 100}}, {"normalise": {"mean": MEAN, "std": STD}}],
        as_normalised,
    ),
    "time first": (
        [{"mel": 40}, {"log1p": 100}, {"transpose": {}}, {"normalise": {"mean": MEAN, "std": STD}}],
        lambda x: as_normalised(x).mT,
    ),
    "negative gain": (
        [{"bins": {"first": 1, "stop": 129}}, {"affine": {"gain": -2, "offset": 3}}],
        lambda x: -2 * x[:, :, 1:129] + 3,
    ),
}


@pytest.fixture(params=FRONT_ENDS)
def front_end_and_reference(request):
    steps, reference = FRONT_ENDS[request.param]
    return build_front_end(steps, STFT), reference


@pytest.fixture(scope="module")
def magnitude():
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((N_FRAMES - 1) * 256).astype(np.float32)
    return np.abs(STFT.analyse(0.1 * samples))


def convolutional(seed=0):
    torch.manual_seed(seed)
    return build_convolutional_part(Architecture(((3, 3),) * 2, (6, 5), (0.0,) * 2))


class TestForward:
    @pytest.mark.slow
    def test_equals_librosa_and_numpy(self, front_end_and_reference, magnitude):
        front_end, reference = front_end_and_reference
        x = torch.from_numpy(magnitude)[None, None]
        expected = reference(x)
        torch.testing.assert_close(front_end(x), expected, atol=1e-4, rtol=1e-5)

    @pytest.mark.parametrize("scale", ["slaney", "htk"])
    @pytest.mark.parametrize("norm", ["slaney", None])
    def test_mel_is_librosas(self, scale, norm):
        options = {"n_bands": 30, "scale": scale, "norm": norm, "fmin": 50, "fmax": 7000}
        (found,) = build_front_end([{"mel": options}], STFT)
        expected = librosa_mel(30, htk=scale == "htk", norm=norm, fmin=50, fmax=7000)
        np.testing.assert_allclose(found.matrix, expected, atol=1e-6)

    @pytest.mark.slow
    def test_pseudo_cqt_responds_as_librosas(self):
        samples = np.random.default_rng(1).standard_normal(30000).astype(np.float32)
        front_end = build_front_end([{"pseudo_cqt": CQT}], CQT_STFT)
        magnitude = torch.from_numpy(np.abs(CQT_STFT.analyse(samples)))[None, None]
        expected = librosa.pseudo_cqt(
            samples, sr=22050, hop_length=512, fmin=400, n_bins=36, bins_per_octave=12
        )
        found = front_end(magnitude)[0, 0].numpy()
        assert np.abs(found - expected).max() <= 1e-6 * expected.max()

    def test_svdnets_own_front_end_is_one_of_these(self):
        x = torch.rand(1, 1, 513, 20)
        mean, std = np.linspace(-3, 0, 80), np.linspace(1, 2, 80)
        statistics = {"mean": mean.tolist(), "std": std.tolist()}
        steps = [{"svdnet_mel": {}}, {"log": {"floor": 1e-7}}, {"normalise": statistics}]
        found = build_front_end(steps, SVDNET_STFT)(x)
        torch.testing.assert_close(found, LogMel(mean, std)(x), atol=1e-5, rtol=1e-5)

    @pytest.mark.parametrize(
        ("multiplier", "theirs"), [(10, "power_to_db"), (20, "amplitude_to_db")]
    )
    @pytest.mark.parametrize(("reference", "ref"), [(0.5, 0.5), ("max", np.max)])
    def test_decibels_are_librosas(self, multiplier, theirs, reference, ref, magnitude):
        db = {"multiplier": multiplier, "reference": reference, "amin": 1e-3}
        front_end = build_front_end([{"db": db}, {"top_db": 30}], STFT)
        found = front_end(torch.from_numpy(magnitude)[None, None])[0, 0]
        expected = getattr(librosa, theirs)(magnitude, ref=ref, amin=1e-3, top_db=30)
        np.testing.assert_allclose(found, expected, atol=1e-4)

    def test_batch_normalisation_over_bins_is_torchs(self):
        norm = nn.BatchNorm2d(257).eval()
        for tensor in (norm.running_mean, norm.running_var, norm.weight.data, norm.bias.data):
            tensor.uniform_(0.5, 2)
        options = {
            "mean": norm.running_mean.tolist(),
            "variance": norm.running_var.tolist(),
            "gain": norm.weight.tolist(),
            "offset": norm.bias.tolist(),
        }
        x = torch.rand(2, 1, 257, 9)
        found = build_front_end([{"batch_norm": options}], STFT)(x)
        torch.testing.assert_close(found, norm(x.transpose(1, 2)).transpose(1, 2))

    def test_standardisation_of_each_bin_follows_the_orientation(self):
        steps = [{"standardise": {"over": "bin"}}]
        x = torch.rand(2, 1, 257, 9)
        bins_first = build_front_end(steps, STFT)(x)
        time_first = build_front_end([{"transpose": {}}, *steps], STFT)(x)
        torch.testing.assert_close(bins_first.mean(-1), torch.zeros(2, 1, 257), atol=1e-5, rtol=0)
        torch.testing.assert_close(time_first.mT, bins_first)


class TestWayBack:
    @pytest.mark.parametrize("way", [PooledNetwork, PooledAtOnce, StepByStep])
    def test_equals_autograd(self, front_end_and_reference, way, magnitude):
        front_end, reference = front_end_and_reference
        part = convolutional()
        net = Deconvnet(nn.Sequential(front_end, part))
        assert isinstance(net._way_back, PooledNetwork)
        net._way_back = way(net.steps, net.layers, torch.float32)
        n_live = 0
        for layer, maps in net.deconvolve_all(magnitude):
            x = torch.from_numpy(magnitude)[None, None].requires_grad_()
            features = with_rectifiers(part[:layer])(reference(x))[0]
            for feature, found in zip(features, maps, strict=True):
                (expected,) = torch.autograd.grad(feature, x, feature.detach(), retain_graph=True)
                distance = np.linalg.norm(found - expected[0, 0].numpy())
                assert distance <= 1e-5 * np.linalg.norm(expected)
                n_live += bool(expected.any())
        assert n_live >= 5

    def test_of_ones_times_mask_scale_is_one_where_a_band_reaches(
        self, front_end_and_reference, magnitude
    ):
        front_end, _ = front_end_and_reference
        signal = torch.ones_like(front_end(torch.from_numpy(magnitude)[None, None]))
        for module in reversed(front_end):
            signal = module.back(signal)
        scale = mask_scale(front_end, 257)
        heard = (signal[0, 0].numpy() * scale[:, None])[scale > 0]
        np.testing.assert_allclose(np.abs(heard), 1, rtol=1e-4)
        assert np.count_nonzero(scale) >= 80
        assert not signal[0, 0].numpy()[scale == 0].any()

    def test_time_first_is_the_transposed_network(self, magnitude):
        """Feature maps and maps lie as the STFT does, whichever way the convolutions look."""
        upright, lying = convolutional(), convolutional()
        for ours, theirs in zip(lying.parameters(), upright.parameters(), strict=True):
            ours.data = theirs.data.mT.clone() if theirs.ndim == 4 else theirs.data
        front_end = build_front_end([{"transpose": {}}], STFT)
        expected, found = Deconvnet(upright), Deconvnet(nn.Sequential(front_end, lying))
        for one, other in zip(
            expected.feature_maps(magnitude), found.feature_maps(magnitude), strict=True
        ):
            np.testing.assert_allclose(other, one, atol=1e-5)
        maps = found.deconvolve(magnitude, 2)
        np.testing.assert_allclose(maps, expected.deconvolve(magnitude, 2), atol=1e-5)

    def test_a_network_without_a_front_end_hears_every_bin_itself(self):
        np.testing.assert_array_equal(Deconvnet(convolutional()).mask_scale(257), np.ones(257))

    def test_bins_between_bands_are_silent(self):
        front_end = build_front_end([{"mel": {"n_bands": 40, "fmin": 200, "fmax": 6000}}], STFT)
        scale = Deconvnet(nn.Sequential(front_end, convolutional())).mask_scale(257)
        reached = librosa_mel(fmin=200, fmax=6000).any(axis=0)
        np.testing.assert_array_equal(scale > 0, reached)

    @pytest.mark.parametrize(
        "steps",
        [[{"log1p": {"gain": 100}}], [{"power": 2}, {"db": {}}], [{"log": {"offset": 0.01}}]],
    )
    def test_pointwise_compressions_are_undone(self, steps):
        front_end = build_front_end(steps, STFT)
        x = 0.01 + torch.rand(1, 1, 257, 5)
        found = undo(compression_of(front_end), front_end(x).numpy())
        np.testing.assert_allclose(found, x, atol=1e-4, rtol=1e-4)

    @pytest.mark.parametrize("step", [{"mel": 40}, {"db": {"reference": "max"}}, {"affine": 2.0}])
    def test_what_forgets_the_magnitude_is_no_compression(self, step):
        assert compression_of(build_front_end([{"power": 2}, step], STFT)) is None

    def test_a_batch_norm_before_the_first_convolution_is_none_either(self):
        assert compression_of([nn.BatchNorm2d(1)]) is None
        assert compression_of([]) == []


class TestSpec:
    def test_survives_json(self, front_end_and_reference, magnitude):
        front_end, _ = front_end_and_reference
        again = build_front_end(json.loads(json.dumps(front_end_spec(front_end))), STFT)
        x = torch.from_numpy(magnitude)[None, None]
        assert torch.equal(front_end(x), again(x))

    def test_a_matrix_is_stated_weight_by_weight(self):
        matrix = np.random.default_rng(0).random((3, 257), np.float32)
        spec = front_end_spec(build_front_end([{"filterbank": {"matrix": matrix.tolist()}}], STFT))
        (again,) = build_front_end(spec, STFT)
        np.testing.assert_array_equal(again.matrix, matrix)

    def test_a_file_gives_the_same(self, tmp_path, magnitude):
        path = tmp_path / "musicnn.yaml"
        path.write_text(MUSICNN)
        x = torch.from_numpy(magnitude)[None, None]
        found = build_front_end(read_front_end(path), STFT, path)(x)
        assert torch.equal(found, build_front_end(FRONT_ENDS["musicnn"][0], STFT)(x))

    def test_adds_nothing_to_the_weights(self):
        assert not build_front_end(FRONT_ENDS["normalised"][0], STFT).state_dict()

    def test_other_modules_are_refused(self):
        with pytest.raises(NetworkError, match="Conv2d is not a module of a front end"):
            front_end_spec(nn.Sequential(nn.Conv2d(1, 1, 1)))

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("- mell: 40", "step 1, 'mell', is unknown; did you mean 'mel'?"),
            ("- power: 2\n- mel: {bands: 40}", "step 2, mel: 'bands' is unknown; did you mean"),
            ("- mel: {scale: htk}", "step 1, mel: n_bands is missing; write 'mel: {n_bands: …}'"),
            ("- mel: {n_bands: 40, scale: bark}", "scale = 'bark': expected slaney or htk"),
            ("- mel: {n_bands: many}", "n_bands = 'many': expected an integer"),
            ("- mel: {n_bands: 40, fmax: 9000}", "0 ≤ fmin < fmax ≤ 8000 Hz"),
            (
                "- mel: 40\n- normalise: {mean: [1, 2], std: 1}",
                "step 2, normalise: has values for 2",
            ),
            ("- normalise: {mean: 0, std: 0}", "expected deviations above 0"),
            ("- normalise: {mean: [1, 2], std: [1, 2, 3]}", "expected the same number in each"),
            ("- filterbank: {matrix: [[1, 2], [3]]}", "rows of a matrix differ in length"),
            ("- filterbank: {matrix: [[1, 2]]}", "takes 2 bins, but 257 come in"),
            ("- pseudo_cqt: {}", "need n_fft = "),
            ("- log: {}", "silence has no logarithm"),
            ("- log1p: {gain: 1, base: 2}", "base = 2: expected e or 10"),
            ("- db: {reference: loudest}", "expected a number or max"),
            ("- bins: {stop: 300}", "expected bins of 0 to 257"),
            ("- power: -1", "expected a number above 0"),
            ("- transpose: 1", "takes no value, got 1; write 'transpose: {}'"),
            (
                "- power: 2\n  mel: 40",
                "step 1 is {'power': 2, 'mel': 40}; expected a mapping of one",
            ),
            ("power: 2", "is not a front end; expected a list of steps"),
            ("", "None is not a front end"),
            ("- [", "is not YAML"),
        ],
    )
    def test_mistakes_are_told_in_one_sentence(self, tmp_path, text, expected):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        with pytest.raises(NetworkError) as error:
            build_front_end(read_front_end(path), STFT, path)
        assert str(error.value).startswith(f"{path}: ")
        assert expected in str(error.value)
        assert "\n" not in str(error.value)

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(NetworkError, match=r"none\.yaml: cannot be read"):
            read_front_end(tmp_path / "none.yaml")


class TestBins:
    def test_what_front_ends_expect(self):
        assert expected_bins(build_front_end([{"power": 2}, {"mel": 40}], STFT)) == 257
        assert expected_bins(build_front_end([{"log1p": 100}], STFT)) is None

    def test_others_are_refused(self):
        front_end = build_front_end([{"mel": 40}], STFT)
        check_bins(front_end, 257, "n_fft = 512")
        with pytest.raises(
            NetworkError, match="n_fft = 2048 has 1025 bins.* expects 257; set n_fft"
        ):
            check_bins(front_end, 1025, "n_fft = 2048")
        net = Deconvnet(nn.Sequential(front_end, convolutional()))
        with pytest.raises(NetworkError, match="1025 bins"):
            net.deconvolve(np.ones((1025, 40), np.float32), 1)
