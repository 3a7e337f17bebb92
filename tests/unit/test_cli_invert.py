"""The command ``auralise invert``, with the files as they were published."""

import re
import shutil
import signal

import h5py
import numpy as np
import pytest
import soundfile

from auralise.cli.main import main
from auralise.files import sha256_of_file
from auralise.networks.inverters import derive_plan, initial_inverter, plan_for
from auralise.networks.svdnet import PICTURE, SHAPES, initial_svdnet
from auralise.weights.svdnet import Inverter, write_inverter, write_mean_std, write_svdnet
from tests.conftest import sine
from tests.unit.test_weights_svdnet import inverter_arrays, save, svdnet_arrays


@pytest.fixture
def folder(tmp_path):
    save(tmp_path / "classifier.npz", svdnet_arrays())
    for layer in ("mp6", "fc8"):
        save(tmp_path / f"{layer}.npz", inverter_arrays(layer))
    write_mean_std(tmp_path / "meanstd.npz", np.full(80, -3.0), np.full(80, 2.0))
    noise = 0.01 * np.random.default_rng(0).standard_normal(66150)
    soundfile.write(tmp_path / "song.wav", sine(440, 3.0, 22050) + noise, 22050)
    return tmp_path


def run(folder, *inverters, songs=("song.wav",), **others):
    options = {"classifier": "classifier.npz", "meanstd": "meanstd.npz", "out": "out"} | others
    arguments = ["invert", *(str(folder / song) for song in songs), "--inverter"]
    arguments += [str(folder / name) for name in inverters]
    for name, value in options.items():
        is_file = name in ("classifier", "meanstd", "out")
        arguments += [f"--{name.replace('_', '-')}", str(folder / value) if is_file else str(value)]
    return main(arguments)


@pytest.mark.slow
def test_published_files_give_pictures_and_sounds_by_layer(folder, capsys, caplog):
    caplog.set_level("INFO")
    assert run(folder, "fc8.npz", "mp6.npz", time_index=1.0) == 0
    written = {path.name for path in (folder / "out/song").iterdir()}
    assert written == {
        "song.png", "song.pdf", "original.wav", "input.wav", "mp6.wav", "fc8.wav", "inversions.npz",
    }  # fmt: skip
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0] == "song, 1.63 s from 1.00 s on"
    assert [line.split()[0] for line in lines[2:5]] == ["input", "mp6", "fc8"]
    assert "sing 0." in lines[2]
    assert "does not say which classifier it was trained on" in caplog.text


class TestSeveralSongs:
    NAMES = ("song", "100% [live] $x_1$", "夜")

    @pytest.fixture
    def others(self, folder):
        """A folder of songs, one of which is none, and a list of the others, as of Jamendo."""
        (folder / "audio").mkdir()
        for name in self.NAMES[1:]:
            shutil.copy(folder / "song.wav", folder / "audio" / f"{name}.wav")
        (folder / "filelists").mkdir()
        lines = "\r\n".join(f"{name}.wav" for name in self.NAMES[1:])
        (folder / "filelists/test").write_text(f"\ufeff{lines}\r\n")
        return folder

    @pytest.mark.slow
    @pytest.mark.parametrize("given", ["audio", "filelists/test"])
    def test_a_folder_and_a_list_are_inverted_beside_a_song(self, others, capsys, given):
        assert run(others, "mp6.npz", songs=("song.wav", given), time_index=0.5) == 0
        assert {path.name for path in (others / "out").iterdir()} == set(self.NAMES)
        said = capsys.readouterr().out
        for name in self.NAMES:
            assert (others / "out" / name / f"{name}.png").is_file()
            assert f"{name}, 1.63 s from 0.50 s on" in said

    @pytest.mark.slow
    def test_a_bad_song_costs_itself_alone(self, others, capsys):
        (others / "audio/bad.wav").write_text("no sound")
        (others / "filelists/test").write_text("bad.wav\n夜.wav\ngone.wav\n")
        assert run(others, "mp6.npz", songs=["filelists/test"], time_index=0.5) == 1
        said = capsys.readouterr().out
        assert "not inverted: bad (" in said and "not inverted: gone (" in said
        assert [path.name for path in (others / "out").iterdir()] == ["夜"]
        assert run(others, "mp6.npz", songs=["audio/bad.wav", "gone.wav"]) == 2

    @pytest.mark.slow
    def test_results_of_a_strange_name_are_known_again(self, others):
        for _ in range(2):
            assert run(others, "mp6.npz", songs=[f"audio/{self.NAMES[1]}.wav"]) == 0

    def test_a_summary_that_nobody_reads_is_no_fault_of_the_song(self, others, monkeypatch, capsys):
        monkeypatch.setattr("auralise.cli.invert._invert", lambda *_: None)

        def summary(*_):
            raise BrokenPipeError

        monkeypatch.setattr("auralise.cli.invert.summary", summary)
        assert run(others, "mp6.npz") == 128 + signal.SIGPIPE
        assert "Broken pipe" not in capsys.readouterr().err

    def test_what_is_neither_song_nor_list_is_told(self, others, capsys):
        (others / "diary.txt").write_text("Dear diary")
        (others / "latin1.lst").write_bytes(b"caf\xe9.wav")
        for name, words in (
            ("diary.txt", "lists no sound file that is there"),
            ("latin1.lst", "cannot be read as audio"),
            ("gone.txt", "no such file"),
        ):
            assert run(others, "mp6.npz", songs=[name]) == 2
            assert words in capsys.readouterr().err

    @pytest.mark.slow
    def test_each_song_has_its_own_drawn_time(self, others, capsys):
        assert run(others, "mp6.npz", songs=["song.wav", "audio"]) == 0
        times = re.findall(r"1.63 s from (\d.\d\d) s on", capsys.readouterr().out)
        assert len(set(times)) == 3


@pytest.mark.slow
def test_a_drawn_time_is_the_same_each_time(folder, capsys):
    assert run(folder, "fc8.npz") == run(folder, "fc8.npz", out="again") == 0
    first, again = ((folder / name / "song/fc8.wav").read_bytes() for name in ("out", "again"))
    assert first == again


@pytest.mark.parametrize(
    ("inverters", "others", "message"),
    [
        (["fc8.npz"], {"time_index": 2.5}, "choose an earlier time or a longer song"),
        (["fc8.npz", "fc8.npz"], {}, "are both for 'fc8'"),
        (["classifier.npz"], {}, "no inverter of SVDNet"),
        (["fc8.npz"], {"classifier": "mp6.npz"}, "the inverter of 'mp6'"),
        (["fc8.npz"], {"meanstd": "fc8.npz"}, "fc8.npz: it is an archive of 52 arrays"),
        (["fc8.npz"], {"classifier": "song.wav"}, "song.wav: it is a WAV file, a sound; expected"),
        (["fc8.npz"], {"classifier": "keras.h5"}, "keras.h5: it is an HDF5 file, as Keras writes"),
        (["fc8.npz"], {"classifier": "meanstd.npz"}, "meanstd.npz: it is a mean and a std; exp"),
        (["fc8.npz"], {"meanstd": "keras.h5"}, "it is an HDF5 file.* expected arrays 'mean' and"),
        (["song.wav"], {}, "song.wav: it is a WAV file, a sound; expected an inverter"),
        (["keras.h5"], {}, "keras.h5: it is an HDF5 file.*; expected an inverter"),
        (["meanstd.npz"], {}, "meanstd.npz: it is a mean and a std; expected an inverter"),
        (["page.npz"], {}, "page.npz: it is a web page.*; expected an inverter"),
        (["fc8.npz"], {"classifier": "pointer.npz"}, "pointer.npz: it is a pointer of Git LFS"),
        (["other.safetensors"], {}, "was trained on another classifier"),
        (["layer.safetensors"], {}, "the inverter of 'layer2', a layer that .* does not have"),
    ],
)
def test_mistakes_are_answered_in_one_line(folder, capsys, inverters, others, message):
    plan = plan_for("fc8", SHAPES["fc8"], PICTURE)
    other = Inverter("fc8", plan, initial_inverter(plan, 0), "0" * 64)
    write_inverter(folder / "other.safetensors", other)
    plan = derive_plan((4, 40, 57), PICTURE)
    layer = Inverter("layer2", plan, initial_inverter(plan, 0))
    write_inverter(folder / "layer.safetensors", layer)
    h5py.File(folder / "keras.h5", "w").close()
    (folder / "page.npz").write_text("<!DOCTYPE html><title>Sign in</title>")
    (folder / "pointer.npz").write_text("version https://git-lfs.github.com/spec/v1\n")
    capsys.readouterr()
    assert run(folder, *inverters, **others) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("auralise: error: ")
    assert re.search(message, error)


@pytest.mark.slow
def test_our_own_files_are_matched(folder):
    write_svdnet(folder / "own.safetensors", initial_svdnet(0))
    plan = plan_for("fc8", SHAPES["fc8"], PICTURE)
    digest = sha256_of_file(folder / "own.safetensors")
    write_inverter(
        folder / "fc8.safetensors", Inverter("fc8", plan, initial_inverter(plan, 0), digest)
    )
    assert run(folder, "fc8.safetensors", classifier="own.safetensors", scale="unit") == 0


@pytest.mark.slow
def test_results_replace_earlier_ones_and_nothing_else(folder, capsys):
    assert run(folder, "mp6.npz", time_index=0.5) == 0
    assert run(folder, "fc8.npz", time_index=0.5) == 0
    assert not (folder / "out/song/mp6.wav").exists()
    before = {path.name: path.read_bytes() for path in (folder / "out/song").iterdir()}
    assert run(folder, "mp6.npz", time_index=2.5) == 2
    assert {p.name: p.read_bytes() for p in (folder / "out/song").iterdir()} == before
    (folder / "out/song/take 1.wav").touch()
    capsys.readouterr()
    assert run(folder, "mp6.npz", time_index=0.5) == 2
    assert "holds something else ('take 1.wav')" in capsys.readouterr().err
    assert (folder / "out/song/fc8.wav").is_file()


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_is_told(folder, capsys, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("auralise.inversion.excerpts.write_audio", full)
    assert run(folder, "mp6.npz", time_index=0.5) == 2
    assert "out is full" in capsys.readouterr().err


def test_a_seed_that_is_none_is_refused(folder, capsys):
    with pytest.raises(SystemExit):
        run(folder, "fc8.npz", seed="-1")
    assert "expected a whole number, 0 or more, got '-1'" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["-1", "later", "inf", "nan"])
def test_a_time_that_is_none_is_refused(folder, capsys, text):
    with pytest.raises(SystemExit):
        run(folder, "fc8.npz", time_index=text)
    assert "expected seconds, 0 or more" in capsys.readouterr().err


def test_what_goes_in_is_never_written_over(folder, capsys):
    """A song that lies where its results would go, and a folder that only looks like results."""
    own = folder / "out/song"
    own.mkdir(parents=True)
    (folder / "song.wav").rename(own / "original.wav")
    (folder / "song.wav").write_bytes((own / "original.wav").read_bytes())
    before = (own / "original.wav").read_bytes()
    assert run(folder, "fc8.npz", time_index=0.5) == 2
    assert "not written by an earlier inversion" in capsys.readouterr().err
    (folder / "fc8.npz").rename(own / "fc8.npz")
    assert run(folder, "out/song/fc8.npz", time_index=0.5) == 2
    assert "fc8.npz would be replaced by the results" in capsys.readouterr().err
    assert (own / "original.wav").read_bytes() == before


@pytest.mark.slow
def test_channels_that_cancel_are_told_and_one_of_them_is_inverted(folder, capsys):
    noise = 0.1 * np.random.default_rng(0).standard_normal(66150)
    soundfile.write(folder / "song.wav", np.column_stack([noise, -noise]), 22050)
    assert run(folder, "fc8.npz", time_index=1.0) == 2
    assert "channels cancel" in capsys.readouterr().err
    assert run(folder, "fc8.npz", time_index=1.0, channel="side") == 0
    found, _ = soundfile.read(folder / "out/song/original.wav")
    heard = noise[22050 + 512 :][: len(found)]  # from the middle of the first frame on
    np.testing.assert_allclose(found[1000:-1000], heard[1000:-1000], atol=1e-2)
