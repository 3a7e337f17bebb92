"""Spectrogram modules of other libraries, by doubles with their names and attributes."""

import librosa
import numpy as np
import pytest
import torch
from torch import nn

from auralise.deconvnet.deconvnet import Deconvnet
from auralise.errors import NetworkError
from auralise.networks.front_ends import build_front_end
from auralise.networks.spectrograms import replace_spectrograms, steps_of
from auralise.stft import Stft

STFT = Stft(16000, 512, 256)
MEL = torch.from_numpy(librosa.filters.mel(sr=16000, n_fft=512, n_mels=40))


def module(name, **attributes):
    made = type(name, (nn.Module,), {})()
    for key, value in attributes.items():
        setattr(made, key, value)
    return made


def torchaudio_spectrogram(**changes):
    attributes = {"n_fft": 512, "win_length": 512, "hop_length": 256, "pad": 0, "power": 2.0}
    attributes |= {"normalized": False, "center": True, "pad_mode": "constant"}
    attributes["window"] = torch.hann_window(512)
    return module("Spectrogram", **attributes | changes)


@pytest.fixture
def samples():
    return np.random.default_rng(0).standard_normal(8000).astype(np.float32)


@pytest.fixture
def magnitude(samples):
    return torch.from_numpy(np.abs(STFT.analyse(samples)))[None, None]


def test_torchaudio(samples, magnitude):
    spectrogram = torchaudio_spectrogram()
    sizes = {"sample_rate": 16000, "n_fft": 512, "win_length": 512, "hop_length": 256}
    scale = module("MelScale", fb=MEL.T)
    mel = module("MelSpectrogram", **sizes, spectrogram=spectrogram, mel_scale=scale)
    to_db = module("AmplitudeToDB", multiplier=10.0, amin=1e-10, ref_value=1.0, top_db=60.0)
    steps = steps_of(mel, STFT) + steps_of(to_db, STFT)
    expected = librosa.feature.melspectrogram(
        y=samples, sr=16000, n_fft=512, hop_length=256, n_mels=40, pad_mode="constant"
    )
    expected = librosa.power_to_db(expected, top_db=60)
    found = build_front_end(steps, STFT)(magnitude)[0, 0]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_torchlibrosa_puts_time_first(magnitude):
    transform = module("STFT", n_fft=512, hop_length=256, win_length=512, pad_mode="constant")
    spectrogram = module("Spectrogram", power=2.0, stft=transform)
    bank = module("LogmelFilterBank", melW=MEL.T, is_log=True, ref=1.0, amin=1e-10, top_db=None)
    front_end = build_front_end(steps_of(spectrogram, STFT) + steps_of(bank, STFT), STFT)
    expected = 10 * torch.log10((magnitude**2).mT @ MEL.T)
    torch.testing.assert_close(front_end(magnitude), expected, atol=1e-3, rtol=1e-5)


def test_nnaudio(magnitude):
    transform = module("STFT", n_fft=512, stride=256, win_length=512, pad_mode="constant")
    mel = module("MelSpectrogram", power=1.0, mel_basis=MEL, stft=transform, center=True)
    assert torch.allclose(build_front_end(steps_of(mel, STFT), STFT)(magnitude), MEL @ magnitude)


def test_another_module_is_none_of_these():
    assert steps_of(nn.Conv2d(1, 1, 1), STFT) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"n_fft": 1024},
            r"n_fft = 1024, but the STFT has 512; set stft.n_fft \(--n-fft\) to 1024",
        ),
        ({"hop_length": 128}, "hop_length = 128"),
        ({"window": torch.ones(512)}, "expected a Hann window"),
        ({"center": False}, "expected frames centred"),
        ({"normalized": True}, "expected normalized=False"),
        ({"power": None}, "expected a power"),
    ],
)
def test_what_is_not_equal_is_refused(changes, expected):
    with pytest.raises(NetworkError, match=expected):
        steps_of(torchaudio_spectrogram(**changes), STFT)


def test_reflection_at_the_ends_is_told(caplog):
    steps_of(torchaudio_spectrogram(pad_mode="reflect"), STFT)
    assert "reflects the sound at its ends" in caplog.text


class Listener(nn.Module):
    """As people write it: spectrogram, decibels, a channel's axis, convolutions."""

    def __init__(self, spectrogram, to_db, unsqueezes):
        super().__init__()
        self.spectrogram, self.to_db, self.unsqueezes = spectrogram, to_db, unsqueezes
        self.convolution = nn.Conv2d(1, 2, 3, padding=1)

    def forward(self, samples):
        x = self.to_db(self.spectrogram(samples))
        x = x.unsqueeze(1) if self.unsqueezes else x
        return torch.relu(self.convolution(x)).amax((2, 3))


def torchaudio_parts():
    sizes = {"sample_rate": 16000, "n_fft": 512, "win_length": 512, "hop_length": 256}
    scale = module("MelScale", fb=MEL.T)
    spectrogram = torchaudio_spectrogram()
    mel = module("MelSpectrogram", **sizes, spectrogram=spectrogram, mel_scale=scale)
    return mel, module("AmplitudeToDB", multiplier=10.0, amin=1e-10, ref_value=1.0, top_db=None)


@pytest.mark.parametrize("unsqueezes", [True, False])
def test_a_network_with_a_spectrogram_takes_the_magnitude_in_its_place(magnitude, unsqueezes):
    network = Listener(*torchaudio_parts(), unsqueezes)
    taking, replaced = replace_spectrograms(network, STFT)
    assert replaced == [
        "'spectrogram' (MelSpectrogram) is replaced by an equal front end: power, filterbank",
        "'to_db' (AmplitudeToDB) is replaced by an equal front end: db",
    ]
    expected = 10 * torch.log10((MEL @ magnitude**2).clamp(min=1e-10))
    expected = torch.relu(network.convolution(expected)).amax((2, 3))
    torch.testing.assert_close(taking(magnitude), expected, atol=1e-3, rtol=1e-4)
    net = Deconvnet(taking, shape=magnitude.shape[2:])
    assert net.deconvolve(magnitude[0, 0].numpy(), 1).shape == (2, *magnitude.shape[2:])
    assert (net.mask_scale(STFT.n_bins) != 1).any()


def test_filterbanks_of_torchlibrosa_take_frames_first(magnitude):
    transform = module("STFT", n_fft=512, hop_length=256, win_length=512, pad_mode="constant")
    spectrogram = module("Spectrogram", power=2.0, stft=transform)
    bank = module("LogmelFilterBank", melW=MEL.T, is_log=True, ref=1.0, amin=1e-10, top_db=None)
    network = Listener(spectrogram, bank, False)
    taking, _ = replace_spectrograms(network, STFT)
    expected = 10 * torch.log10(((magnitude**2).mT @ MEL.T).clamp(min=1e-10))
    expected = torch.relu(network.convolution(expected)).amax((2, 3))
    torch.testing.assert_close(taking(magnitude), expected, atol=1e-3, rtol=1e-4)


def test_a_network_without_one_is_left_alone():
    network = nn.Sequential(nn.Conv2d(1, 2, 3))
    assert replace_spectrograms(network, STFT) == (network, [])


def test_another_transform_than_the_networks_is_refused_by_place():
    network = Listener(torchaudio_spectrogram(n_fft=1024), nn.Identity(), True)
    with pytest.raises(NetworkError, match="'spectrogram': Spectrogram has n_fft = 1024"):
        replace_spectrograms(network, STFT)
