"""The command line, as a newcomer meets it."""

import contextlib
import re
import subprocess
import sys

import h5py
import numpy as np
import pytest
import soundfile
import torch

from auralise.choices import CHANNELS
from auralise.cli.arguments import parse_ranges
from auralise.cli.explain import check_choice
from auralise.cli.main import main
from auralise.errors import SettingsError
from auralise.networks.genre import Architecture, build_network
from auralise.weights.reader import write_weights
from benchmarks.references import Loops
from tests.unit.test_listening import read_script, samples_of

RATE = 4000
GRID = ["--sample-rate", str(RATE), "--n-fft", "64", "--hop-length", "32"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Two layers, of three and five features."""
    folder = tmp_path_factory.mktemp("weights")
    architecture = Architecture(
        kernels=((3, 3),) * 2, features=(3, 5), dropout=(0.0,) * 2, dense=(4,)
    )
    torch.manual_seed(0)
    network = build_network(architecture, 33, 32, 2).eval()
    path = folder / "tiny.safetensors"
    write_weights(path, network, architecture, n_bins=33, n_frames=32, classes=["a", "b"])
    return path


@pytest.fixture(scope="module")
def state_dict(tmp_path_factory):
    path = tmp_path_factory.mktemp("state") / "net.pt"
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Conv2d(2, 4, 3))
    torch.save(net.state_dict(), path)
    return path


@pytest.fixture
def sound(write_sound):
    def make(name="blues.wav", seconds=1.0, **options):
        samples = np.random.default_rng(0).uniform(-0.4, 0.4, round(seconds * RATE))
        return write_sound(name, samples, RATE, **options)

    return make


def explain(*arguments):
    return main(["explain", *map(str, arguments), *GRID])


def files_in(folder):
    """But those of the page."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if path.parts[0] != "listening")


@pytest.mark.slow
def test_layout_and_summary(tmp_path, sound, weights, capsys):
    out = tmp_path / "out"
    songs = sound("blues.wav"), sound("metal.flac", 1.5)
    how = "--weights", weights, "--out", out, "--window", "0.5", "--all"
    assert explain(*songs, *how) == 0
    assert files_in(out) == sorted(
        file
        for song in ("blues", "metal")
        for file in [
            f"{song}.h5",
            f"{song}/auralisation.json",
            f"{song}/features.csv",
            f"{song}/original.wav",
            f"{song}/sheets/layer1.png",
            f"{song}/sheets/layer2.png",
            *(f"{song}/layer1/feature{feature:02d}.wav" for feature in range(3)),
            *(f"{song}/layer2/feature{feature:02d}.wav" for feature in range(5)),
        ]
    )
    assert len(soundfile.read(out / "metal/layer2/feature04.wav")[0]) == 1.5 * RATE
    with h5py.File(out / "blues.h5") as file:
        assert file.attrs["song"] == "blues"
        assert file.attrs["network"] == "tiny"
        assert re.fullmatch("[0-9a-f]{64}", file.attrs["weights_sha256"])
        live = [int(file[f"layer{layer}/live"][:].sum()) for layer in (1, 2)]
    printed = capsys.readouterr()
    assert re.search(r"8 features: about \d+ s, and \d+\.\d kB of disk at most", printed.err)
    table = printed.out.splitlines()
    assert table[0].split() == "song length took layer features live dead audible sounds in".split()
    first, second = table[1].split(), table[2].split()
    assert first[:3] == ["blues", "1.0", "s"]
    assert first[5:9] == ["1", "3", str(live[0]), str(3 - live[0])]
    assert first[10] == str(out / "blues/layer1")
    assert second[:4] == ["2", "5", str(live[1]), str(5 - live[1])]
    assert f"maps: {out / 'blues.h5'}, {out / 'metal.h5'}" in table
    assert "no feature can be certified: that takes two songs, and 20 live" in table[-2]
    assert table[-1] == f"listen: {out / 'listening/index.html'} (open it in a browser)"


@pytest.mark.slow
def test_layers_and_features_are_chosen_and_an_earlier_result_replaced(tmp_path, sound, weights):
    out = tmp_path / "out"
    common = (sound(), "--weights", weights, "--out", out, "--all")
    assert explain(*common) == 0
    assert explain(*common, "--layers", "2", "--features", "1,3-4") == 0
    assert files_in(out) == [
        "blues.h5",
        "blues/auralisation.json",
        "blues/features.csv",
        *(f"blues/layer2/feature{feature:02d}.wav" for feature in (1, 3, 4)),
        "blues/original.wav",
        "blues/sheets/layer2.png",
    ]


@pytest.mark.slow
class TestWhatIsWorthHearing:
    """Of four features the third is 120 dB below the second, and the last never fires."""

    @pytest.fixture
    def explained(self, tmp_path, sound, capsys):
        first = torch.nn.Conv2d(1, 4, 1, bias=False)
        first.weight.data[:] = torch.tensor([0.5, 1.0, 1e-3, -1.0]).reshape(4, 1, 1, 1)
        torch.save(torch.nn.Sequential(first).state_dict(), tmp_path / "w.pt")
        song = sound("blues.wav", 40)

        def run(*options, status=0):
            how = "--weights", tmp_path / "w.pt", "--assume", "--out", tmp_path / "out"
            assert explain(song, *how, "--no-rehearing", *options) == status
            return tmp_path / "out", capsys.readouterr().out

        return run

    def test_audible_sounds_are_written_and_both_counts_told(self, explained):
        out, printed = explained()
        assert [path.name for path in sorted((out / "blues/layer1").iterdir())] == [
            "feature00.wav", "feature01.wav",
        ]  # fmt: skip
        assert re.search(r"\n?blues +40.0 s +[\d.]+ s +1 +4 +3 +1 +2 ", printed)
        rows = [line.split() for line in printed.splitlines() if "/feature0" in line]
        assert [row[1:4] for row in rows] == [["1-01", "0", "dB"], ["1-00", "-12", "dB"]]
        assert rows[1][4].startswith("+") and rows[1][6] == str(out / "blues/layer1/feature00.wav")

    def test_all_of_them_on_demand(self, explained):
        out, printed = explained("--all", "--no-page")
        assert len(list((out / "blues/layer1").iterdir())) == 4
        assert not (out / "listening").exists() and "listen:" not in printed

    def test_the_page_holds_the_audible_features_of_the_loudest_half_minute(self, explained):
        out, _ = explained()
        layer = read_script(out / "listening/data/network0-song0-layer1.js")
        states = [feature["state"] for feature in layer["features"]]
        assert states == ["audible", "audible", "below", "dead"]
        song = read_script(out / "listening/data/song0.js")
        samples = samples_of(song)
        assert len(samples) == 30 * RATE // 32 * 32
        (show,) = read_script(out / "listening/data/catalogue.js")["shows"]
        whole, _ = soundfile.read(out / "blues/original.wav")
        first = round(show["start"] * RATE)
        part = whole[first : first + len(samples)]
        np.testing.assert_allclose(samples[64:-64], part[64:-64], atol=1e-4)
        energies = [np.sum(whole[at : at + len(samples)] ** 2) for at in range(0, 10 * RATE, 320)]
        assert np.sum(part**2) >= 0.999 * max(energies)

    def test_a_page_that_is_not_finished_is_not_there(self, explained, monkeypatch):
        def half(folder):
            (folder / "index.html").write_text("<html")
            raise KeyboardInterrupt

        monkeypatch.setattr("auralise.listening.builder._copy_page", half)
        out, _ = explained(status=130)
        assert files_in(out) and not (out / "listening").exists()
        assert not list(out.glob(".partial-*"))

    def test_the_page_replaces_nothing_but_a_page(
        self, explained, tmp_path, sound, weights, capsys
    ):
        out, _ = explained()
        explained()
        (out / "listening/diary.txt").write_text("mine")
        how = "--weights", weights, "--out", out
        assert explain(sound(), *how) == 2
        assert "holds something else ('diary.txt')" in capsys.readouterr().err
        assert explain(sound("Listening.wav"), *how) == 2
        assert "rename the song, or leave the page out with --no-page" in capsys.readouterr().err


@pytest.mark.slow
def test_a_state_dict_a_folder_and_every_option(tmp_path, sound, state_dict):
    sound("songs/a.wav")
    sound("songs/b.ogg")
    options = "--assume --mode rectified --loudness relative --precision bfloat16 --no-biases"
    arguments = (tmp_path / "songs", "--weights", state_dict, "--out", tmp_path / "out")
    assert explain(*arguments, *options.split()) == 0
    with h5py.File(tmp_path / "out/b.h5") as file:
        assert '"biases": false' in file.attrs["config"]
        assert '"precision": "bfloat16"' in file.attrs["config"]


@pytest.mark.slow
class TestAsIn2015:
    """Held against the published description, on a song longer than the excerpt and a short one."""

    KERNELS = [np.random.default_rng(n).uniform(-0.5, 1, (2, n, 3, 3)) for n in (1, 2)]

    @pytest.fixture(scope="class")
    def out(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("2015")
        rng = np.random.default_rng(0)
        for name, seconds in ("long", 5), ("short", 2):
            soundfile.write(
                folder / f"{name}.wav",
                rng.uniform(-0.4, 0.4, seconds * RATE),
                RATE,
                subtype="FLOAT",
            )
        state = {}
        for number, kernel in enumerate(self.KERNELS):
            state[f"{number}.weight"] = torch.tensor(kernel, dtype=torch.float32)
            state[f"{number}.bias"] = torch.ones(2)
        torch.save(state, folder / "w.pt")
        songs = folder / "long.wav", folder / "short.wav"
        how = "--weights", folder / "w.pt", "--out", folder / "out", "--as-in-2015"
        assert explain(*songs, *how) == 0
        return folder / "out"

    def magnitude(self, out):
        samples, _ = soundfile.read(out.parent / "long.wav")
        padded = np.pad(samples[: 4 * RATE], 32, "reflect")
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(64) / 64)
        frames = np.lib.stride_tricks.sliding_window_view(padded, 64)[::32]
        return np.abs(np.fft.rfft(frames * window).T)

    def test_maps_are_those_of_the_description(self, out):
        reference = Loops(self.KERNELS, self.magnitude(out))
        with h5py.File(out / "long.h5") as file:
            assert file["stft"].shape == (33, 501)
            for layer in (1, 2):
                for feature in range(2):
                    found = file[f"layer{layer}/deconvolved"][feature]
                    expected = reference.deconvolve(layer, feature)
                    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())

    def test_sounds_peak_at_0_db_and_both_pictures_lie_beside(self, out):
        for song in ("long", "short"):
            for layer in (1, 2):
                for feature in ("feature00", "feature01"):
                    sound, _ = soundfile.read(out / song / f"layer{layer}/{feature}.wav")
                    assert len(sound) == 4 * RATE
                    assert np.abs(sound).max() == pytest.approx(1, abs=2**-14)
                    for kind in ("map", "heard"):
                        assert (out / song / f"layer{layer}/{feature}_{kind}.png").is_file()

    def test_a_short_song_is_padded_and_keeps_its_phase(self, out):
        """The original lost the imaginary part of songs of less than 173 frames."""
        samples, _ = soundfile.read(out.parent / "short.wav")
        original, _ = soundfile.read(out / "short/original.wav")
        np.testing.assert_allclose(original[: 2 * RATE], samples, atol=2**-14)
        assert not original[2 * RATE + 64 :].any()

    def test_it_can_be_made_again_in_place(self, out):
        songs = out.parent / "long.wav", out.parent / "short.wav"
        how = "--weights", out.parent / "w.pt", "--out", out, "--layers", 1, "--as-in-2015"
        assert explain(*songs, *how) == 0
        assert not (out / "long/layer2").exists()
        self_made = explain(*songs, *how[:-1], "--assume")
        assert self_made == 0
        assert not list((out / "long").glob("layer*/*.png"))

    def test_sheets_and_page_lie_beside(self, out):
        assert (out / "short/sheets/layer1.png").is_file()
        catalogue = read_script(out / "listening/data/catalogue.js")
        assert catalogue["songs"] == ["long", "short"]


@pytest.mark.slow
def test_a_bad_song_does_not_stop_the_others(tmp_path, sound, weights, capsys):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no sound")
    out = tmp_path / "out"
    assert explain(bad, sound(), "--weights", weights, "--out", out) == 1
    printed = capsys.readouterr()
    assert f"auralise: error: {bad}: cannot be read as audio" in printed.err
    assert "not explained: bad (" in printed.out
    assert sorted(p.name for p in out.iterdir()) == ["blues", "blues.h5", "listening"]


def test_no_song_done_is_status_2(tmp_path, weights, capsys):
    missing = tmp_path / "missing.wav"
    assert explain(missing, "--weights", weights, "--out", tmp_path / "out") == 2
    assert f"auralise: error: {missing}: no such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--layers", "1,3"], "--layers: no layer 3; the network has layers 1 to 2"),
        (["--layers", "0"], "--layers: no layer 0; the network has layers 1 to 2"),
        (["--features", "0-5"], "no feature 5; layer 1 has features 0 to 2, layer 2 has features"),
        (["--features", "4"], "none of them is in layer 1, which has features 0 to 2"),
        (["--device", "abacus"], "torch has no device 'abacus' here"),
        (["--hop-length", "64"], "hop_length = 64: expected at most half of"),
    ],
)
def test_what_the_network_has_not_is_told(tmp_path, sound, weights, capsys, options, message):
    arguments = map(str, (sound(), "--weights", weights, "--out", tmp_path / "out"))
    assert main(["explain", *arguments, *GRID, *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("auralise: error: ")
    assert message in error
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--layers", "1,x"], "argument --layers: 'x' in '1,x' is neither a number nor a range"),
        (["--features", "5-3"], "the range 5-3 in '5-3' runs backwards"),
        (["--window", "-1"], "expected seconds, more than 0, got '-1'"),
        (["--window", "nan"], "expected seconds, more than 0, got 'nan'"),
        (["--n-fft", "0"], "expected a whole number above 0, got '0'"),
        (["--mode", "loud"], "invalid choice: 'loud'"),
        (["--colour", "red"], "unrecognized arguments"),
    ],
)
def test_options_that_make_no_sense(tmp_path, capsys, options, message):
    with pytest.raises(SystemExit) as status:
        explain("a.wav", "--weights", "w", "--out", tmp_path, *options)
    assert status.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("auralise: error: ")
    assert message in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("command", ["explain", "predict", "layers"])
def test_tensors_alone_are_refused_in_one_sentence(
    tmp_path, sound, state_dict, capsys, caplog, command
):
    """Nothing is said to be assumed that then is not."""
    songs = [] if command == "layers" else [str(sound())]
    out = ["--out", str(tmp_path / "out")] if command == "explain" else []
    caplog.set_level("INFO")
    assert main([command, *songs, "--weights", str(state_dict), *out]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "net.pt holds no architecture" in line and "--module" in line and "--assume" in line
    assert not caplog.records


def test_a_weights_file_that_is_none(tmp_path, sound, capsys):
    assert explain(sound(), "--weights", tmp_path / "w.pt", "--out", tmp_path / "out") == 2
    assert "w.pt: no such file; expected safetensors" in capsys.readouterr().err


def test_an_out_that_is_a_file_or_holds_something_else(tmp_path, sound, weights, capsys):
    song = sound("song.wav")
    assert explain(song, "--weights", weights, "--out", song) == 2
    assert "cannot be a folder for the results" in capsys.readouterr().err
    (tmp_path / "song").mkdir()
    (tmp_path / "song/diary.txt").write_text("mine")
    assert explain(song, "--weights", weights, "--out", tmp_path) == 2
    assert "holds something else ('diary.txt')" in capsys.readouterr().err
    assert (tmp_path / "song/diary.txt").read_text() == "mine"
    (tmp_path / "song/layer1").mkdir()
    (tmp_path / "song/diary.txt").rename(tmp_path / "song/layer1/notes.txt")
    assert explain(song, "--weights", weights, "--out", tmp_path) == 2
    assert "holds something else ('notes.txt')" in capsys.readouterr().err


def test_songs_of_one_name_are_refused(tmp_path, sound, weights, capsys):
    songs = sound("a/song.wav"), sound("b/song.wav")
    assert explain(*songs, "--weights", weights, "--out", tmp_path / "out") == 2
    assert "would both be written to 'song'" in capsys.readouterr().err


def test_a_song_named_as_the_maps_of_another_is_refused(tmp_path, sound, weights, capsys):
    songs = sound("song.wav"), sound("SONG.h5.wav")
    assert explain(*songs, "--weights", weights, "--out", tmp_path / "out") == 2
    assert "maps of 'song' and the sounds of 'SONG.h5' would both" in capsys.readouterr().err


def test_an_interruption_leaves_nothing_half_written(tmp_path, sound, weights, capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("auralise.explainers.songs.write_auralisations", interrupt)
    assert explain(sound(), "--weights", weights, "--out", tmp_path / "out") == 130
    assert "interrupted" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def test_a_full_disk_is_told(tmp_path, sound, weights, capsys, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("auralise.explainers.songs.write_auralisations", fail)
    assert explain(sound(), "--weights", weights, "--out", tmp_path / "out") == 2
    assert "is full" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def test_help_shows_an_example_without_importing_torch():
    code = (
        "import sys; from auralise.cli.main import main\n"
        "try: main(['explain', '--help'])\n"
        "finally: assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "auralise explain blues.wav metal.mp3 --weights network.pt" in result.stdout
    assert "how to read it" in result.stdout
    for option in ("--layers 1,3-5", "--features 0-63", "--window", "--no-biases", "--device"):
        assert option in result.stdout


def test_ranges():
    assert parse_ranges("1,3-5") == [1, 3, 4, 5]
    assert parse_ranges(" 4 , 2-3,3 ") == [2, 3, 4]
    for wrong in ("", "1,", "-1", "1-", "a-b", "1.5", "1 2", "²"):
        with pytest.raises(SettingsError, match="neither a number nor a range"):
            parse_ranges(wrong)


def test_a_feature_may_be_missing_in_some_layers():
    check_choice([4, 64])
    check_choice([4, 64], None, list(range(64)))
    with pytest.raises(SettingsError, match="no feature 64"):
        check_choice([4, 64], None, [0, 64])


class TestInputsAreSpared:
    def test_weights_named_like_a_song(self, tmp_path, sound, weights, capsys):
        own = tmp_path / "blues.h5"
        own.write_bytes(weights.read_bytes())
        assert explain(sound(), "--weights", own, "--out", tmp_path) == 2
        assert "blues.h5 would be replaced by the results" in capsys.readouterr().err
        assert own.read_bytes() == weights.read_bytes()

    @pytest.mark.parametrize("name", ["blues.h5", "blues/original.wav"])
    def test_a_file_that_is_no_result(self, tmp_path, sound, weights, capsys, name):
        own = tmp_path / "out" / name
        own.parent.mkdir(parents=True)
        own.write_text("mine")
        assert explain(sound(), "--weights", weights, "--out", tmp_path / "out") == 2
        assert "not written by an earlier explanation" in capsys.readouterr().err
        assert own.read_text() == "mine"

    @pytest.mark.slow
    def test_a_song_within_its_own_results(self, tmp_path, sound, weights, capsys):
        out = tmp_path / "out"
        assert explain(sound(), "--weights", weights, "--out", out) == 0
        original = out / "blues/original.wav"
        before = original.read_bytes()
        songs = sound(), original
        assert explain(*songs, "--weights", weights, "--out", out) == 2
        assert original.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sample-rate", "999999999"], "expected Hz, at most 768000"),
        ([*GRID, "--device", "meta"], "torch has no device 'meta' here"),
    ],
)
def test_what_no_machine_has_is_refused(tmp_path, sound, weights, capsys, arguments, message):
    with contextlib.suppress(SystemExit):
        main(
            ["explain", str(sound()), "--weights", str(weights), "--out", str(tmp_path), *arguments]
        )
    assert message in capsys.readouterr().err


def test_want_of_memory_is_told(tmp_path, sound, weights, capsys, monkeypatch):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr("auralise.explainers.songs.explain_song", fail)
    assert explain(sound(), "--weights", weights, "--out", tmp_path / "out") == 2
    assert "not enough memory; choose a smaller --window" in capsys.readouterr().err


@pytest.mark.slow
class TestSongsThatAreNotAsTheirFilesSay:
    """One song fails by name, or is read as what it is; the others are done."""

    def test_a_name_that_is_not_utf_8_fails_alone(self, tmp_path, sound, weights, capsys):
        good, bad = sound("a.wav"), sound("b.wav")
        bad = bad.rename(tmp_path / "caf\udce9.wav")
        out = tmp_path / "out"
        assert explain(bad, good, "--weights", weights, "--out", out, "--layers", "1") == 1
        assert "its name is not text in UTF-8" in capsys.readouterr().err
        assert (out / "a.h5").is_file()

    def test_a_name_as_long_as_can_be_is_done(self, tmp_path, sound, weights):
        song = sound("夜" * 80 + "abcd.wav")
        out = tmp_path / "out"
        assert explain(song, "--weights", weights, "--out", out, "--layers", "1") == 0
        assert (out / f"{song.stem}.h5").is_file()

    def test_channels_that_cancel_fail_and_one_of_them_is_done(
        self, tmp_path, write_sound, weights, capsys
    ):
        tone = np.random.default_rng(0).uniform(-0.4, 0.4, RATE)
        song = write_sound("a.wav", np.column_stack([tone, -tone]), RATE, subtype="FLOAT")
        what = [song, "--weights", weights, "--out", tmp_path / "out", "--layers", "1"]
        assert explain(*what) == 2
        assert "channels cancel" in capsys.readouterr().err
        for channel in CHANNELS:
            assert explain(*what, "--channel", channel) == (2 if channel == "mid" else 0)
        found, _ = soundfile.read(tmp_path / "out/a/original.wav")
        np.testing.assert_allclose(found, tone, atol=1e-3)  # of the last, the difference
        with h5py.File(tmp_path / "out/a.h5") as file:
            assert '"channel": "side"' in file.attrs["config"]

    def test_a_song_of_one_sample_and_one_that_is_too_slow_end_in_a_sentence_or_a_result(
        self, tmp_path, write_sound, sound, weights, capsys
    ):
        one = write_sound("one.wav", np.array([0.5]), RATE)
        slow = write_sound("slow.wav", np.full(100, 0.5), 8000)
        content = slow.read_bytes()
        slow.write_bytes(content[:24] + (1).to_bytes(4, "little") + content[28:])
        out = tmp_path / "out"
        status = explain(one, slow, sound(), "--weights", weights, "--out", out, "--layers", "1")
        assert status == 1
        assert "declares 1 samples per second" in capsys.readouterr().err
        assert (out / "blues.h5").is_file()

    def test_a_folder_of_every_format_is_done_whole(self, tmp_path, sound, weights):
        # MP3 does not know so low a rate.
        for number, suffix in enumerate(("wav", "flac", "ogg", "aiff", "caf")):
            sound(f"songs/{number}.{suffix}")
        out = tmp_path / "out"
        assert explain(tmp_path / "songs", "--weights", weights, "--out", out, "--layers", "1") == 0
        assert len(list(out.glob("*.h5"))) == 5

    def test_names_that_differ_by_case_only_are_refused(self, tmp_path, sound, weights, capsys):
        songs = sound("Song.wav"), sound("x/song.wav")
        assert explain(*songs, "--weights", weights, "--out", tmp_path / "out") == 2
        assert "would both be written to" in capsys.readouterr().err
