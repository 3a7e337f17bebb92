"""Training on several devices: here, with two processes on the CPU."""

import json
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd

SETTINGS = {"layers": 2, "features": 4, "kernel": [3, 3], "dropout": 0.0, "dense": [8]}

PROGRAM = """
import json
from auralise.training.schedules import Schedule
from auralise.networks.genre import Architecture
from auralise.training.genre import train_network

architecture = Architecture.from_settings(json.loads(SETTINGS))
schedule = Schedule(
    epochs=3, patience=6, batch_size=8, optimiser="rmsprop", learning_rate=5e-3, accelerator="cpu",
    devices=N_DEVICES
)
network, history = train_network("segments.h5", architecture, schedule, 0, "checkpoints")
with open("history.csv", "x") as file:  # a second process that came so far would fail here
    history.to_csv(file, index=False)
"""


def test_two_devices_train_one_network(tmp_path):
    """Each has half of the rows; loss and accuracy are those of all."""
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "segments.h5", "w") as file:
        file.attrs["classes"] = ["high", "low"]
        for split, n_clips in (("train", 48), ("validation", 15)):
            labels = np.arange(n_clips) % 2
            magnitude = rng.uniform(0, 1, (n_clips, 32, 24)).astype(np.float32)
            magnitude[labels == 0, 16:] += 0.5
            magnitude[labels == 1, :16] += 0.5
            group = file.create_group(split)
            group["magnitude"], group["label"], group["clip"] = magnitude, labels, labels
    script = tmp_path / "train.py"
    program = PROGRAM.replace("SETTINGS", repr(json.dumps(SETTINGS)))
    script.write_text(program.replace("N_DEVICES", "2"))
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    history = pd.read_csv(tmp_path / "history.csv")
    assert len(history) == 3
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]
    # A share of fifteen validation segments: both devices counted.
    shares = history["validation_accuracy"] * 15
    np.testing.assert_allclose(shares, shares.round(), atol=1e-4)
