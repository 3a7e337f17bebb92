"""musicnn's taggers, held against an independent float64 account of what the package computes."""

import sys

import librosa
import numpy as np
import pytest
import torch
from torch.nn import functional

from auralise.choices import PUBLISHED
from auralise.errors import AudioError, WeightsError
from auralise.networks.musicnn import STFT, build_vgg
from auralise.networks.prediction import predict_song
from auralise.weights import published
from auralise.weights.bundles import read_bundle
from auralise.weights.published import read_literal, read_published


def answer_in_float64(prefix, samples):
    """From samples to probabilities, time first, as the package's graph has it."""
    norms = ["batch_normalization", *(f"batch_normalization_{n}" for n in range(1, 6))]
    kinds = ("gamma", "beta", "moving_mean", "moving_variance")
    names = [f"{n}CNN/{part}" for n in range(1, 6) for part in ("kernel", "bias")]
    names += [f"{norm}/{kind}" for norm in norms for kind in kinds]
    arrays = read_bundle(prefix, [*names, "dense/kernel", "dense/bias"])
    tensors = {name: torch.from_numpy(array.astype(np.float64)) for name, array in arrays.items()}

    def normalise(x, norm):  # channels last
        gamma, beta, mean, variance = (tensors[f"{norm}/{kind}"] for kind in kinds)
        return gamma * (x - mean) / torch.sqrt(variance + 0.001) + beta

    mel = librosa.feature.melspectrogram(
        y=samples.astype(np.float64), sr=16000, n_fft=512, hop_length=256, n_mels=96
    )
    x = normalise(torch.from_numpy(np.log10(10000 * mel.T + 1))[None, :187, :, None], norms[0])
    pools = [((4, 1), (2, 2)), ((2, 2), 2), ((2, 2), 2), ((2, 2), 2), ((4, 4), 4)]
    for number, (size, stride) in enumerate(pools, start=1):
        kernel = tensors[f"{number}CNN/kernel"].permute(3, 2, 0, 1)
        x = functional.conv2d(x.permute(0, 3, 1, 2), kernel, padding=1).permute(0, 2, 3, 1)
        x = normalise((x + tensors[f"{number}CNN/bias"]).relu(), norms[number])
        x = functional.max_pool2d(x.permute(0, 3, 1, 2), size, stride).permute(0, 2, 3, 1)
    assert x.shape[1:] == (2, 1, 128)
    return torch.sigmoid(x.reshape(1, -1) @ tensors["dense/kernel"] + tensors["dense/bias"])


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.slow
def test_answers_equal_the_independent_account(name):
    tagger = read_published(name)
    samples = np.random.default_rng(0).normal(scale=0.1, size=186 * 256).astype(np.float32)
    magnitude = np.abs(tagger.stft.analyse(samples))
    assert magnitude.shape == (257, tagger.n_frames)
    answer = predict_song(tagger.network, magnitude, tagger.n_frames)
    prefix = str(tagger.weights).removesuffix("data-00000-of-00001")[:-1]
    expected = answer_in_float64(prefix, samples)[0].numpy()
    assert len(tagger.classes) == 50
    np.testing.assert_allclose(answer, expected, rtol=1e-3, atol=1e-6)


def test_the_package_is_never_imported():
    read_published("musicnn/MTT_vgg")
    assert "musicnn" not in sys.modules


def test_it_has_the_published_number_of_parameters():
    network = build_vgg(1.0, 0.0)
    n_in_front_end = 2  # gain and offset, which are constants here
    assert sum(values.numel() for values in network.parameters()) + n_in_front_end == 605_748


def test_the_convolutional_part_takes_any_length():
    network = build_vgg(1.0, 0.0).eval()
    with torch.no_grad():
        features = network.convolutional(torch.rand(1, 1, STFT.n_bins, 400))
    assert features.shape == (1, 128, 1, 6)


class TestPredictSong:
    class Mean(torch.nn.Module):
        def forward(self, x):
            return x.mean((-3, -2, -1))[:, None]

    def test_windows_are_averaged_and_the_rest_is_not_heard(self):
        magnitude = np.array([[0.1, 0.3, 0.5, 0.7, 100.0]])
        assert predict_song(self.Mean(), magnitude, 2) == pytest.approx([0.4])

    def test_a_song_shorter_than_a_window_is_refused(self):
        with pytest.raises(AudioError, match="the song has 4 frames, and the network takes 187"):
            predict_song(self.Mean(), np.ones((257, 4)), 187)


class TestBadInput:
    def test_an_unknown_name_is_answered_with_the_known_ones(self):
        with pytest.raises(WeightsError, match="'musicnn/VGG' .* one of musicnn/MTT_vgg"):
            read_published("musicnn/VGG")

    def test_an_absent_package_is_answered_with_the_line_that_installs_it(self, monkeypatch):
        monkeypatch.setattr(published, "folder_of", lambda package: None)
        with pytest.raises(WeightsError, match=r"pip install --no-deps musicnn==0\.1\.0$"):
            read_published("musicnn/MTT_vgg")

    @pytest.mark.parametrize(
        ("code", "finding"),
        [
            ("LABELS = [", "cannot be read"),
            ("OTHER = ['a']", "no list of texts the name LABELS"),
            ("LABELS = [1]", "no list of texts the name LABELS"),
            ("LABELS = list(open('/etc/passwd'))", "cannot be read"),
        ],
    )
    def test_labels_that_are_no_literal_are_refused_and_not_run(self, tmp_path, code, finding):
        file = tmp_path / "configuration.py"
        file.write_text(code)
        with pytest.raises(WeightsError, match=finding):
            read_literal(file, "LABELS")

    def test_labels_are_read_as_they_stand(self, tmp_path):
        file = tmp_path / "configuration.py"
        file.write_text("raise SystemExit\nLABELS = ['no vocals', 'piano']\n")
        assert read_literal(file, "LABELS") == ["no vocals", "piano"]
