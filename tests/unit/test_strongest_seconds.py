"""Where a feature is most active, on clips in which that is known."""

import logging

import numpy as np
import pytest
import soundfile
import torch

from auralise.deconvnet.deconvnet import Deconvnet
from auralise.explainers import strongest_seconds
from auralise.explainers.strongest_seconds import find_strongest_seconds
from auralise.stft import Stft

STFT = Stft(sample_rate=8000, n_fft=256, hop_length=128)


@pytest.fixture
def clips(tmp_path):
    """Noise in one second of a clip, the louder the later the clip; the last cannot be read."""
    rng = np.random.default_rng(0)
    paths = {}
    for name, start, amplitude in ("a", 2, 0.1), ("b", 5, 0.2), ("c", 0, 0.3), ("d", 3, 0.4):
        samples = np.zeros(7 * 8000)
        samples[start * 8000 : (start + 1) * 8000] = amplitude * rng.uniform(-1, 1, 8000)
        paths[name] = tmp_path / f"{name}.wav"
        soundfile.write(paths[name], samples, 8000)
    (tmp_path / "e.wav").write_bytes(b"no sound")
    return paths | {"e": tmp_path / "e.wav"}


@pytest.fixture
def explainer():
    """Layer 1 hears the magnitude, and nothing; layer 2 the same after pooling."""
    first, second = (torch.nn.Conv2d(n, 2, 1, bias=False) for n in (1, 2))
    with torch.no_grad():
        first.weight[:] = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)
        second.weight[:] = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).reshape(2, 2, 1, 1)
    layers = [first, torch.nn.ReLU(), torch.nn.MaxPool2d(4), second, torch.nn.ReLU()]
    return Deconvnet(torch.nn.Sequential(*layers))


@pytest.mark.parametrize("piece", [strongest_seconds.PIECE, 3.0])
def test_the_strongest_seconds_of_the_loudest_clips_are_found(
    clips, explainer, caplog, monkeypatch, piece
):
    monkeypatch.setattr(strongest_seconds, "PIECE", piece)
    with caplog.at_level(logging.WARNING):
        found = find_strongest_seconds(explainer, clips, STFT, "surroundings")
    assert "e.wav" in caplog.text
    for layer in (1, 2):
        own = found[found["layer"] == layer]
        assert own["feature"].tolist() == [0, 0, 0]  # the other one never fires
        assert own["rank"].tolist() == [1, 2, 3] and own["clip"].tolist() == ["d", "c", "b"]
        assert np.allclose(own["start"], [3, 0, 5], atol=0.1)
        assert np.allclose(own["end"] - own["start"], 1)
        assert (np.diff(own["activation"]) < 0).all()


def test_no_clip_makes_a_table_without_rows(explainer):
    assert find_strongest_seconds(explainer, {}, STFT, "zero").empty
