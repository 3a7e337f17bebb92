"""The front end of SVDNet, held against loops over bands and frames."""

import librosa
import numpy as np
import pytest
import torch

from auralise.mel import BANDS, FRAME_RATE, STFT, LogMel, MelBands


def band_by_band(sample_rate, n_fft, n_bands, lowest, highest):
    """Triangles as Schlüter & Grill 2015 build them, one bin after the other."""
    mel = [1127 * np.log(1 + f / 700) for f in (lowest, highest)]
    step = (mel[1] - mel[0]) / (n_bands + 1)
    edges = [700 * (np.exp((mel[0] + i * step) / 1127) - 1) for i in range(n_bands + 2)]
    bins = [i * sample_rate / n_fft for i in range(n_fft // 2 + 1)]
    bank = np.zeros((n_bands, len(bins)))
    for band in range(n_bands):
        left, top, right = edges[band : band + 3]
        rising = [i for i, f in enumerate(bins) if left <= f < top]
        falling = [i for i, f in enumerate(bins) if top <= f < right]
        for i in rising:
            bank[band, i] = (bins[i] - left) / len(rising)
        for i in falling:
            bank[band, i] = (right - bins[i]) / len(falling)
        bank[band] /= bank[band].sum()
    return bank


def test_bands_equal_a_loop():
    expected = band_by_band(22050, 1024, 80, 27.5, 8000)
    np.testing.assert_allclose(BANDS.filterbank(STFT.frequencies), expected, atol=1e-6)


def test_wide_bands_are_librosas():
    """Where a flank has many bins, how its slope is counted makes no difference."""
    frequencies = np.fft.rfftfreq(2**15, 1 / 22050)
    theirs = librosa.filters.mel(
        sr=22050, n_fft=2**15, n_mels=20, fmin=100, fmax=8000, htk=True, norm=1
    )
    ours = MelBands(20, 100, 8000).filterbank(frequencies)
    np.testing.assert_allclose(ours, theirs, atol=0.03 * theirs.max())


def test_every_band_weighs_one_and_the_highest_ends_at_8_khz():
    bank = BANDS.filterbank(STFT.frequencies)
    np.testing.assert_allclose(bank.sum(1), 1, rtol=1e-6)
    assert not bank[:, STFT.frequencies > 8000].any()
    assert LogMel().n_bins_used == np.count_nonzero(STFT.frequencies < 8000)


def test_pictures_equal_a_computation_frame_by_frame():
    rng = np.random.default_rng(0)
    samples = (0.1 * rng.standard_normal(8000)).astype(np.float32)
    mean, std = rng.uniform(-4, 0, 80), rng.uniform(0.5, 2, 80)
    found = LogMel(mean, std)(torch.from_numpy(np.abs(STFT.analyse(samples)))).numpy()
    bank = band_by_band(22050, 1024, 80, 27.5, 8000)
    padded = np.pad(samples.astype(np.float64), 512)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    assert found.shape == (80, 1 + 8000 // 315)
    for frame in range(found.shape[1]):
        spectrum = np.abs(np.fft.rfft(window * padded[frame * 315 : frame * 315 + 1024]))
        expected = (np.log(np.maximum(bank @ spectrum, 1e-7)) - mean) / std
        np.testing.assert_allclose(found[:, frame], expected, rtol=1e-3, atol=1e-4)


def test_silence_is_finite():
    picture = LogMel()(torch.zeros(513, 3))
    np.testing.assert_allclose(picture, np.log(1e-7), rtol=1e-6)


def test_bands_come_back_from_a_picture():
    magnitude = torch.rand(513, 5) + 0.01
    front_end = LogMel(np.full(80, -2.0), np.full(80, 3.0))
    expected = torch.from_numpy(BANDS.filterbank(STFT.frequencies)) @ magnitude
    torch.testing.assert_close(front_end.mel_magnitude(front_end(magnitude)), expected)


def test_frames_come_seventy_a_second():
    assert pytest.approx(70) == FRAME_RATE
