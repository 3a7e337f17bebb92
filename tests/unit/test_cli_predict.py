"""``auralise predict``: a CSV on standard output, mistakes in one line."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from auralise.cli.main import main
from auralise.weights import published

SONGS = Path(__file__).parents[2] / "src_songs"
NETWORK = ["--network", "musicnn/MTT_vgg"]


@pytest.mark.slow
def test_the_likeliest_classes_of_every_song_are_printed(capsys):
    names = ("bach_prelude_c", "uptempo_band")
    songs = [str(SONGS / f"{name}.flac") for name in names]
    assert main(["predict", *songs, *NETWORK, "--top", "3"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["song"] for row in rows] == [name for name in names for _ in range(3)]
    assert rows[0]["class"] == "piano"
    probabilities = [float(row["probability"]) for row in rows[:3]]
    assert probabilities == sorted(probabilities, reverse=True)


@pytest.mark.slow
def test_a_song_that_fails_is_named_and_the_others_are_answered(capsys):
    songs = [str(SONGS / "bach_prelude_c.flac"), str(SONGS / "nothing.flac")]
    assert main(["predict", *songs, *NETWORK]) == 1
    printed = capsys.readouterr()
    assert printed.out.count("bach_prelude_c,") == 10
    assert "nothing.flac: no such file" in printed.err


def test_no_song_answered_is_a_failure(capsys):
    assert main(["predict", str(SONGS / "nothing.flac"), *NETWORK]) == 2
    assert capsys.readouterr().out == "song,class,probability\n"


def test_without_the_package_the_line_that_installs_it_is_printed(capsys, monkeypatch):
    monkeypatch.setattr(published.importlib.util, "find_spec", lambda name: None)
    assert main(["predict", str(SONGS / "bach_prelude_c.flac"), *NETWORK]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "pip install --no-deps musicnn==0.1.0" in printed.err


@pytest.mark.slow
def test_a_channel_is_taken_alone(capsys, tmp_path):
    samples, rate = soundfile.read(SONGS / "bach_prelude_c.flac")
    samples = samples[: 5 * rate]
    soundfile.write(tmp_path / "mono.wav", samples, rate)
    soundfile.write(tmp_path / "cancel.wav", np.column_stack([samples, -samples]), rate)
    assert main(["predict", str(tmp_path / "cancel.wav"), *NETWORK]) == 2
    capsys.readouterr()
    answers = []
    for name, channel in (("mono", "left"), ("cancel", "left"), ("cancel", "side")):
        song = str(tmp_path / f"{name}.wav")
        assert main(["predict", song, *NETWORK, "--channel", channel, "--top", "2"]) == 0
        answers.append(capsys.readouterr().out.replace("cancel", "mono"))
    assert answers[0] == answers[1] == answers[2]
