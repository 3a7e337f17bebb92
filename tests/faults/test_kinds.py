"""Kinds of fault as tables: each member, and what is right."""

import errno
import io
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import tracemalloc
import zipfile
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from auralise.audio import map_audio, read_audio, read_excerpt
from auralise.datasets.clips import find_clips
from auralise.datasets.gtzan.clips import find_genres
from auralise.datasets.listing import list_clips
from auralise.errors import AudioError, AuraliseError, SettingsError, WeightsError, message_of
from auralise.networks.front_ends import read_front_end
from auralise.songs import find_songs, is_list
from auralise.storage import storage_error
from auralise.weights import hdf5
from auralise.weights.own import safetensors_facts
from auralise.weights.reader import read_weights
from benchmarks.fuzz import targets
from tests.conftest import REPOSITORY, sine

RATE = 22050
TONE, OTHER = sine(220, 1.0, RATE), sine(330, 1.0, RATE)
SILENT = np.zeros(RATE, np.float32)

SETTINGS = {"name": "folder", "clips_per_class": None, "clip_duration": None, "seed": 0}
SETTINGS |= {"split": [0.6, 0.2, 0.2], "on_problem": "exclude"}

# Kind 2: what lies in a folder beside `good.wav`; whether it is a song, and what is told of it.
BESIDE = {
    "b.m4a": (False, "m4a is not read"),
    "b.WMA": (False, "wma is not read"),
    "b.dsf": (False, "dsf is not read"),
    "b.AIF": (True, ""),
    "b.Opus": (True, ""),
    "b.oga": (True, ""),
    "._good.wav": (False, ""),
    "Thumbs.db": (False, ""),
    "b": (False, ""),
    "b.wav.part": (False, ""),
    "desktop.ini": (False, ""),
    ".DS_Store": (False, ""),
    "a.wav~": (False, ""),
    "b.flac.crdownload": (False, ""),
    "album/b.wav": (False, "a folder, with sound in it"),
    "a/b/c.flac": (False, "a folder, with sound in it"),
    "notes/b.txt": (False, ""),
    "@eaDir/b.wav": (False, ""),
    "__MACOSX/b.wav": (False, ""),
    ".trash/b.wav": (False, ""),
    "b.wav/b.txt": (False, ""),
}


@pytest.mark.parametrize("name", BESIDE)
def test_2_left_out_with_a_reason_or_read(tmp_path, caplog, name):
    is_song, told = BESIDE[name]
    for file in ("good.wav", name):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    caplog.set_level("WARNING")
    songs, refused = find_songs(tmp_path)
    assert len(songs) == 1 + is_song and not refused
    assert told in caplog.text and bool(caplog.text) == bool(told)


# Kind 4: what the system answers when a result is written; what is told.
ANSWERS = {
    errno.ENOSPC: "is full",
    errno.EDQUOT: "your quota on the disk of",
    errno.EFBIG: "larger than a file may be here",
    errno.EACCES: "may not be written",
    errno.EPERM: "may not be written",
    errno.EROFS: "may not be written",
    errno.ENAMETOOLONG: "a name too long for the file system",
}


@pytest.mark.parametrize("number", ANSWERS, ids=errno.errorcode.get)
def test_4_the_machines_fault_is_named_with_its_place(tmp_path, number):
    path = tmp_path / "maps.h5"
    told = message_of(storage_error(OSError(number, os.strerror(number), str(path)), path))
    assert ANSWERS[number] in told
    assert "maps.h5" in told or str(tmp_path) in told


def saved(content, **options):
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def zipped(name, of=b"x"):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(name, of)
    return content.getvalue()


def state_of_an_optimiser():
    rows = torch.nn.Parameter(torch.ones(3))
    optimiser = torch.optim.Adam([rows])
    rows.sum().backward()
    optimiser.step()
    return saved({"epoch": 3, "optimizer": optimiser.state_dict()})


@contextmanager
def another_user():
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(12345)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.fixture
def shelf():
    """Classes and songs of which some may not be read; where others may look."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o755)
        for genre in ("disco", "jazz", "rock"):
            (folder / "genres" / genre).mkdir(parents=True)
            for number in range(5):
                path = folder / "genres" / genre / f"{genre}.{number:05d}.wav"
                soundfile.write(path, sine(200 + 30 * number + ord(genre[0])), 11025)
        (folder / "network.pt").write_bytes(b"PK\3\4")
        (folder / "lost+found").mkdir()
        closed = [folder / "network.pt", folder / "genres/jazz/jazz.00003.wav"]
        closed += [folder / "lost+found", folder / "genres/rock"]
        for path in closed:
            path.chmod(0)
        yield folder
        for path in closed:
            path.chmod(0o700)


CLIP, ROCK = "genres/jazz/jazz.00003.wav", "genres/rock"
# What is looked at, how, and what is told: nothing if it is read.
LOOKS = {
    "song": (CLIP, lambda path: read_audio(path, RATE), "may not be read; change its permissions"),
    "folder of songs": (ROCK, find_songs, "cannot be read \\(Permission denied\\)"),
    "folder of a song": (
        f"{ROCK}/rock.00000.wav", lambda path: read_audio(path, RATE), "may not be read"),
    "class": ("genres", find_clips, "genres/rock cannot be read"),
    "network": ("network.pt", read_weights, "it cannot be read \\(Permission denied\\)"),
    "disk beside which a system keeps lost files": (".", find_genres, "genres/rock cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOKS)
def test_4_what_may_not_be_read_is_told(shelf, name):
    place, look, told = LOOKS[name]
    with another_user(), pytest.raises(AuraliseError, match=told) as error:
        look(shelf / place)
    assert place in str(error.value)


def test_4_lost_files_that_may_not_be_read_hide_no_genres_and_a_clip_fails_alone(shelf):
    (shelf / ROCK).chmod(0o755)
    with another_user():
        assert find_genres(shelf) == shelf / "genres"
        clips = list_clips(shelf / "genres", SETTINGS | {"split": [0.5, 0.25, 0.25]})
    assert clips.loc[clips["problem"] != "", "clip"].tolist() == ["jazz.00003"]


WITHOUT_LOCKS = "#include <errno.h>\nint flock(int f, int o) { errno = ENOLCK; return -1; }\n"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="a library is compiled")
def test_4_a_file_system_without_locks_is_written_and_read(tmp_path):
    (tmp_path / "locks.c").write_text(WITHOUT_LOCKS)
    library = tmp_path / "locks.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, tmp_path / "locks.c"], check=True)
    code = """if True:
        import h5py
        from auralise.hdf5 import create_hdf5, open_hdf5
        try:
            h5py.File("any.h5", "w")
        except OSError:
            with create_hdf5("a.h5") as file:
                file["x"] = 3
            with open_hdf5("a.h5") as file:
                print(file["x"][()])
    """
    environment = os.environ | {"LD_PRELOAD": str(library), "PYTHONPATH": str(REPOSITORY)}
    environment.pop("HDF5_USE_FILE_LOCKING", None)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, text=True, capture_output=True
    )
    assert done.stdout == "3\n", done.stderr


# Kind 6: what is given for a network; what is told.
GIVEN = {
    "pointer of Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
        "git lfs pull",
    ),
    "page with a byte order mark": (b"\xef\xbb\xbf<!DOCTYPE html><title>Sign in", "a web page"),
    "error of a store": (b"<Error><Code>AccessDenied</Code>", "a web page"),
    "answer of an interface": (b'{"error": "Repository not found"}', "text in JSON"),
    "architecture of Keras": (b'{\r\n "class_name": "Sequential"}', "text in JSON, which holds no"),
    "index of shards": (b'{\n  "metadata": {}, "weight_map": {}}', "network's parts;.*one file"),
    "page without a type": (b"<head><meta charset", "a web page"),
    "refusal": (b"Access denied", "an error that a server answered"),
    "pointer of git-annex": (b"../.git/annex/objects/a/b/MD5E-s1--a.pt", "git annex get"),
    "xz": (b"\xfd7zXZ\0" + bytes(40), "an xz archive.*[Uu]npack it first"),
    "bzip2": (b"BZh91AY&SY" + bytes(40), "a bzip2 archive"),
    "tar": (bytes(257) + b"ustar\0" + bytes(400), "a tar archive.*[Uu]npack it first"),
    "zip of a network": (zipped("a/network.pt"), "a zip archive of other things.*[Uu]npack"),
    "text in UTF-16": ("version".encode("utf-16"), "begins with"),
    "plain answer": (b"404: Not Found", "an error that a server answered"),
    "gzip": (b"\x1f\x8b\x08" + bytes(40), "a gzip archive.*[Uu]npack it first"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(40), "a zstd archive"),
    "language model": (b"GGUF" + bytes(60), "a GGUF file"),
    "picture": (b"\xff\xd8\xff\xe0" + bytes(40), "a picture"),
    "paper": (b"%PDF-1.5" + bytes(40), "a PDF"),
    "sound": (b"RIFF" + bytes(60), "a WAV file, a sound"),
    "array": (b"\x93NUMPY\1\0" + bytes(60), "a single array of NumPy"),
    "MATLAB": (b"MATLAB 5.0 MAT-file" + bytes(200), "a MATLAB file"),
    "TensorFlow Lite": (b"\x1c\0\0\0TFL3" + bytes(60), "Lite file; .*as .keras or ONNX"),
    "film": (b"\0\0\0\x20ftypmp42" + bytes(60), "MPEG-4, a sound that is not read"),
    "pickle of a later protocol": (
        saved({"0.weight": torch.zeros(4, 1, 3, 3)}, pickle_protocol=5), "a later protocol"),
    "pickle of another library": (pickle.dumps(Decimal(1)), "it asks for decimal.Decimal"),
    "graph of OpenVINO": (b'<?xml version="1.0"?>\n<net name="x">', "text in XML.*of the weights"),
    "pickle of arrays": (pickle.dumps({"a": np.zeros(3)}), "a later protocol"),
    "state of an optimiser": (state_of_an_optimiser(), "the state of an optimiser, no network"),
    "nothing": (b"", "an empty file"),
    "zeros": (bytes(4096), "begins with"),
}  # fmt: skip


@pytest.mark.parametrize("ending", ["pt", "h5", "safetensors", "npz"])
@pytest.mark.parametrize("name", GIVEN)
def test_6_a_file_is_named_for_what_it_is(tmp_path, name, ending):
    content, told = GIVEN[name]
    path = tmp_path / f"network.{ending}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=told) as error:
        read_weights(path)
    assert str(path) in str(error.value) and "damaged" not in str(error.value)


@pytest.mark.parametrize("name", ["model-00002-of-00003.safetensors", "pytorch_model-1-of-2.bin"])
def test_6_one_of_several_files_is_no_network(tmp_path, name):
    """Its layers would be explained as if there were no others."""
    state = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3)).state_dict()
    whole = "model-00001-of-00001.bin", "fold-1-of-5.pt"
    for called in (name, *whole):
        torch.save(state, tmp_path / called)
    with pytest.raises(WeightsError, match="one of the [23] parts of a network.*as one file"):
        read_weights(tmp_path / name)
    for called in whole:
        read_weights(tmp_path / called)


def test_6_weights_are_read_whatever_they_are_called(tmp_path):
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.ReLU())
    for ending in ("pt", "pth.tar", "ckpt", "bin", "h5", "wav", "safetensors", "onnx"):
        torch.save(net.state_dict(), tmp_path / f"a.{ending}")
        assert read_weights(tmp_path / f"a.{ending}").layer1.convolution.weight.equal(net[0].weight)


in_memory = io.BytesIO()
soundfile.write(in_memory, TONE, RATE, format="WAV")
AS_WAV = in_memory.getvalue()
# What is given for a sound; what is told.
NO_SOUNDS = {
    "MPEG-4": (b"\0\0\0\x20ftypM4A " + bytes(3000), "it is MPEG-4, a sound that is not read"),
    "AAC": (b"\xff\xf1\x50\x80" + bytes(3000), "it is AAC, a sound that is not read"),
    "AAC behind a tag": (b"ID3\3\0\0\0\0\0\0\xff\xf1\x50\x80" + bytes(300), "cannot be read"),
    "layer II": (b"\xff\xfd\x84\x04" + bytes(3000), "it is MPEG layer II"),
    "Windows Media": (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + bytes(300), "it is Windows Media"),
    "film": (b"\x1a\x45\xdf\xa3" + bytes(300), "it is Matroska or WebM"),
    "notes": (b"MThd\0\0\0\6" + bytes(300), "it is MIDI, which holds notes"),
    "web page": (b"<!DOCTYPE html><html>", "it is a web page"),
    "pointer of Git LFS": (b"version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS"),
    "zip": (b"PK\3\4" + bytes(60), "cannot be read"),
    "zip of a sound": (zipped("a.wav", AS_WAV), "it is a zip archive"),
    "page in front of a sound": (b"<html>" + AS_WAV, "Download the file itself."),
    "damaged WAV": (b"RIFF" + bytes(60), "cannot be read"),
    "WAV without a kind": (AS_WAV.replace(b"fmt ", b"junk"), "chunk 'fmt ' or 'data' is missing"),
    "noise": (b"\1" + bytes(3000), "). Convert it (ffmpeg -i FILE out.wav)"),
}


@pytest.mark.parametrize("ending", ["wav", "mp3", "au"])
@pytest.mark.parametrize("name", NO_SOUNDS)
def test_6_what_is_no_sound_is_named_for_what_it_is(tmp_path, name, ending):
    content, told = NO_SOUNDS[name]
    path = tmp_path / f"song.{ending}"
    path.write_bytes(content)
    with pytest.raises(AudioError, match="cannot be read as audio") as error:
        read_audio(path, RATE)
    assert told in str(error.value) and "a pipe" not in str(error.value)


# Kinds 7 and 9: channels, rate of the file (Hz), what of it is used, and what is told: nothing if
# it is read.
CANCELS, NOT_SOUND = "channels cancel", "samples per second; expected"
SOUNDS = {
    "opposite channels": ([TONE, -TONE], RATE, None, CANCELS),
    "nearly opposite channels": ([TONE, -0.99 * TONE], RATE, None, CANCELS),
    "three that cancel together": ([TONE, OTHER, -TONE - OTHER], RATE, None, CANCELS),
    "two pairs that cancel": ([TONE, -TONE, OTHER, -OTHER], RATE, None, CANCELS),
    "one of opposite channels": ([TONE, -TONE], RATE, "right", ""),
    "their difference": ([TONE, -TONE], RATE, "side", ""),
    "their sum": ([TONE, -TONE], RATE, "mid", "silent"),
    "sound in one of six channels": ([TONE] + [SILENT] * 5, RATE, None, ""),
    "silence in the one that is used": ([TONE, SILENT], RATE, "right", "silent in its channel"),
    "opposite channels, one with an offset": ([TONE, 0.3 - TONE], RATE, None, CANCELS),
    "an offset beside a soft sound": ([0.1 * TONE, SILENT + 0.9], RATE, None, ""),
    "a front pair that cancels, of six": ([TONE, -TONE] + [SILENT] * 4, RATE, None, CANCELS),
    "wide stereo": ([TONE, OTHER - 0.5 * TONE], RATE, None, ""),
    "silence": ([SILENT], RATE, None, "silent"),
    "16-bit noise of a silent recording": ([SILENT + 1e-6], RATE, None, "silent"),
    "an offset": ([SILENT + 0.5], RATE, None, "silent"),
    "an offset beside silence": ([SILENT + 0.5, SILENT], RATE, "left", "silent in its channel"),
    "a soft sound on an offset": ([0.001 * TONE + 0.5], RATE, None, ""),
    "32-bit whole numbers": ([2.0**31 * TONE], RATE, None, ""),
    "damaged numbers": ([1e37 * TONE], RATE, None, "5e\\+36 times full scale; export it again"),
    "one sample": ([TONE[50:51]], RATE, None, ""),
    "a slow rate": ([TONE], 1000, None, ""),
    "too slow a rate": ([TONE], 999, None, NOT_SOUND),
    "a fast rate": ([TONE], 768_000, None, ""),
    "too fast a rate": ([TONE], 768_001, None, NOT_SOUND),
    "a rate that no machine has": ([TONE], 2**31 - 1, None, NOT_SOUND),
    "many channels": ([TONE] * 255, RATE, None, ""),
}


@pytest.mark.parametrize("name", SOUNDS)
@pytest.mark.slow
def test_7_and_9_is_read_or_told(tmp_path, write_sound, name):
    channels, rate, channel, told = SOUNDS[name]
    path = write_sound("a.wav", np.column_stack(channels), 8000, subtype="FLOAT")
    content = path.read_bytes()
    place = content.index(b"fmt ") + 12
    path.write_bytes(content[:place] + rate.to_bytes(4, "little") + content[place + 4 :])
    if not told:
        assert len(read_audio(path, rate, channel)) == len(channels[0])
        return
    with pytest.raises(AudioError, match=told) as error:
        read_audio(path, RATE, channel)
    assert str(path) in str(error.value)


# Kind 8: a file beside the clip `a.au` of the class `ska`; what clips.csv says of it.
COPIES = {
    "a.au.wav": "passed over: a copy of a.au",
    "a.au.flac": "passed over: a copy of a.au",
    "again.au": "replica of a",
    "another.flac": "",
    "another.m4a": "passed over: .m4a is not read",
    "converted": "passed over: a folder, with sound in it",
}


@pytest.mark.parametrize("name", COPIES)
def test_8_a_copy_counts_once(tmp_path, write_sound, name):
    for number in range(5):
        write_sound(f"dub/dub{number}.wav", sine(200 + 50 * number))
        write_sound(f"ska/ska{number}.wav", sine(225 + 50 * number))
    clip = write_sound("ska/a.au", sine(700))
    beside = tmp_path / "ska" / name
    if name == "another.flac":
        write_sound(f"ska/{name}", sine(800))
    elif name == "converted":
        write_sound(f"ska/{name}/more.wav", sine(900))
    else:
        beside.write_bytes(clip.read_bytes())
    clips = list_clips(tmp_path, SETTINGS).set_index("path")
    assert clips.loc[str(beside), "problem"].startswith(COPIES[name])
    assert bool(clips.loc[str(beside), "problem"]) == bool(COPIES[name])
    assert clips.loc[str(clip), "problem"] == ""


def test_8_a_class_of_nothing_but_copies_is_refused(tmp_path, write_sound):
    for number in range(5):
        clip = write_sound(f"dub/dub{number}.wav", sine(200 + 50 * number))
        (tmp_path / "ska").mkdir(exist_ok=True)
        (tmp_path / f"ska/ska{number}.wav").write_bytes(clip.read_bytes())
    with pytest.raises(
        SettingsError, match="class 'ska' has 0 usable clips.*5 × replica; such as ska0: replica of"
    ):
        list_clips(tmp_path, SETTINGS)


@pytest.mark.slow
def test_6_a_file_with_which_the_hdf5_library_comes_to_no_end_is_refused(tmp_path, monkeypatch):
    (of_weights,) = [target for target in targets(tmp_path) if target.name == "weights"]
    path = tmp_path / "network.h5"
    path.write_bytes(of_weights.seeds[".h5"])
    read_weights(path)
    monkeypatch.setattr(hdf5, "LOOK", hdf5.LOOK.replace("(5, 5)", "(1, 1)") + "while True: pass")
    with pytest.raises(WeightsError, match="comes to no end with it"):
        read_weights(path)


@pytest.mark.slow
def test_9_ten_hours_are_read_in_the_memory_of_minutes(tmp_path, write_sound):
    rate, seconds = 1000, 36_000
    path = write_sound("long.wav", TONE[: 10 * rate], rate)
    content = path.read_bytes()
    place = content.index(b"data") + 4
    size = 2 * rate * seconds
    path.write_bytes(content[:place] + size.to_bytes(4, "little"))
    with path.open("r+b") as file:  # nothing but its end takes room on the disk
        file.truncate(place + 4 + size)
        file.seek(-2 * len(TONE), os.SEEK_END)
        file.write((32767 * TONE).astype("<i2").tobytes())
    tracemalloc.start()
    excerpt = read_excerpt(path, rate, seconds - 10.0, 10.0)
    with map_audio(path, rate) as samples:
        n_samples, last = len(samples), samples[-len(excerpt) :]
        np.testing.assert_array_equal(excerpt, last)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_samples == rate * seconds
    assert peak < 0.5 * 4 * n_samples  # bytes; half of what its samples take


@pytest.mark.parametrize(
    "read",
    [read_weights, safetensors_facts, read_front_end, is_list, lambda pipe: read_audio(pipe, RATE)],
)
def test_9_a_pipe_is_not_waited_for(tmp_path, read):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    try:
        assert not read(pipe)
    except AuraliseError as error:
        assert "plain file" in message_of(error)
