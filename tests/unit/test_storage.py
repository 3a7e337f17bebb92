"""A full disk, a folder that may not be written and a name too long are each told in a sentence."""

import errno
import os
import subprocess
import sys
from contextlib import contextmanager

import h5py
import numpy as np
import pytest

from auralise.audio import map_audio, write_audio
from auralise.datasets.segments import write_segments
from auralise.errors import StorageError, message_of
from auralise.files import whole_file, whole_folder
from auralise.hdf5 import create_hdf5
from auralise.maps import Origin, create_maps
from auralise.storage import (
    PatientFile,
    require_space,
    reserve_temporarily,
    storage_error,
    temporary_file,
)
from auralise.weights.own import write_weights


@contextmanager
def mounted(folder, size):
    """A folder on a disk of its own, as small as that; needs root."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or subprocess.run(command).returncode:
        pytest.skip("a small disk needs root, who may mount one")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path):
    with mounted(tmp_path / "small", "300k") as folder:
        yield folder


def left_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_patient_file_takes_all_writes_and_tells_the_first_that_failed(monkeypatch, tmp_path):
    class Full:
        n_writes = 0

        def write(self, data):
            self.n_writes += 1
            if self.n_writes == 2:
                raise OSError(errno.ENOSPC, "No space left on device")
            return 3  # a raw file may write less than it is given

        def __getattr__(self, name):
            return lambda *_: 0

    file = PatientFile(tmp_path / "any")
    file._file.close()
    file._file = Full()
    assert file.write(b"123") == 3
    assert file.write(b"123456") == 6
    assert file.write(b"123") == 3 and file._file.n_writes == 2
    with pytest.raises(OSError, match="No space"):
        file.raise_failure()


def test_a_patient_file_holds_what_a_plain_one_would(tmp_path):
    samples = np.sin(np.arange(5000)).astype(np.float32) / 2
    write_audio(tmp_path / "a.wav", samples, 11025)
    with create_hdf5(tmp_path / "a.h5") as file:
        file["x"] = samples
    import soundfile

    found, rate = soundfile.read(tmp_path / "a.wav", dtype="float32")
    assert rate == 11025 and np.abs(found - samples).max() < 1e-4
    with h5py.File(tmp_path / "a.h5") as file:
        assert (file["x"][:] == samples).all()


def test_maps_on_a_full_disk(small_disk, stft, monkeypatch):
    monkeypatch.setattr("auralise.maps.require_space", lambda *_: None)
    origin = Origin("song", "network", "0" * 64, {})
    maps = np.ones((8, stft.n_bins, 100), np.float32)
    with (
        pytest.raises(StorageError, match="the disk of .*small is full .*no room for song.h5"),
        create_maps(
            small_disk / "song.h5", stft, 99 * 256, {1: range(8)}, origin, np.ones(stft.n_bins)
        ) as writer,
    ):
        writer.write_maps(1, maps)
    assert left_in(small_disk) == []


def test_maps_that_will_not_fit_are_not_begun(small_disk, stft):
    origin = Origin("song", "network", "0" * 64, {})
    # 10 maps and the spectrum of 257 bins and 1,001 frames, of 4 and 8 bytes: 12.3 MB
    with (
        pytest.raises(StorageError, match="10 maps of song need 12.3 MB"),
        create_maps(
            small_disk / "song.h5", stft, 256_000, {1: range(10)}, origin, np.ones(stft.n_bins)
        ),
    ):
        raise AssertionError("begun")


@pytest.mark.parametrize("kind", ["sound", "hdf5", "text", "weights", "folder", "segments"])
def test_other_files_on_a_full_disk(small_disk, kind, small_network, small_architecture, stft):
    noise = np.random.default_rng(0).uniform(-1, 1, 400_000).astype(np.float32)
    path = small_disk / "file.wav"
    with pytest.raises(StorageError, match="the disk of .*/small is full"):
        if kind == "sound":
            write_audio(path, noise, 11025)
        elif kind == "hdf5":
            with whole_file(path) as partial, create_hdf5(partial) as file:
                file["x"] = noise
        elif kind == "text":
            with whole_file(path) as partial:
                partial.write_bytes(noise.tobytes())
        elif kind == "folder":
            with whole_folder(path) as partial:
                write_audio(partial / "a.wav", noise, 11025)
        elif kind == "weights":
            (small_disk / "ballast").write_bytes(bytes(250_000))
            write_weights(
                path, small_network, small_architecture, n_bins=257, n_frames=173, classes=["a"] * 3
            )
        else:
            import pandas as pd

            clip = path.parent.parent / "clip.wav"
            write_audio(clip, noise[:22050], 11025)
            clips = pd.DataFrame(
                {
                    "clip": ["a"],
                    "path": [str(clip)],
                    "genre": ["g"],
                    "split": ["train"],
                    "seconds": [2.0],
                    "sha256": [""],
                }
            )
            (small_disk / "ballast").write_bytes(bytes(200_000))
            write_segments(path, clips, stft, 2.0, 1)
    assert not path.exists()


@pytest.mark.slow
def test_a_limit_on_the_size_of_files_is_told(tmp_path):
    """Without root: the system refuses what is larger than RLIMIT_FSIZE, as a full disk does."""
    code = (
        "import resource, sys, numpy as np\n"
        "from auralise.files import whole_file\n"
        "from auralise.hdf5 import create_hdf5\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "try:\n"
        "    with whole_file('a.h5') as path, create_hdf5(path) as file:\n"
        "        for name in 'abcdefgh': file[name] = np.zeros(50_000)\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert done.returncode == 0 and done.stdout.startswith("StorageError .: a.h5 is larger than")
    assert list(tmp_path.iterdir()) == []


def test_a_full_temporary_folder_is_not_taken_for_the_results(tmp_path, write_sound, monkeypatch):
    song = write_sound("song.wav", np.sin(np.arange(200_000)) / 2)
    with mounted(tmp_path / "tmp", "100k") as folder:
        monkeypatch.setattr("tempfile.tempdir", str(folder))
        with (
            pytest.raises(StorageError, match="temporary files, .*tmp, is full.*TMPDIR"),
            map_audio(song, 11025),
        ):
            pass


def test_a_limit_on_the_size_of_files_is_not_taken_for_a_full_folder(monkeypatch):
    def refuse(*_):
        raise OSError(errno.EFBIG, "File too large")

    monkeypatch.setattr("os.posix_fallocate", refuse)
    told = "a temporary file of 1.0 MB is larger than a file may be here; raise the limit"
    with temporary_file() as file, pytest.raises(StorageError, match=told):
        reserve_temporarily(file, 10**6)


def test_no_temporary_folder(write_sound, monkeypatch, tmp_path):
    song = write_sound("song.wav", np.sin(np.arange(20_000)) / 2)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(StorageError, match="TMPDIR"), map_audio(song, 11025):
        pass


def test_too_little_space_is_told_with_both_sizes(tmp_path):
    with pytest.raises(StorageError, match=r"\(.* free\): the maps need 1000.0 TB"):
        require_space(tmp_path, 10**15, "the maps")


def test_a_name_that_is_too_long(tmp_path):
    with pytest.raises(StorageError, match="too long for the file system .304 bytes."):
        with whole_file(tmp_path / ("a" * 300 + ".wav")) as path:
            path.touch()


def test_a_folder_that_may_not_be_written(tmp_path):
    error = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "results"))
    told = storage_error(error, tmp_path / "results/a.wav")
    assert "may not be written (Permission denied)" in str(told)
    of_another_file = PermissionError(errno.EACCES, "Permission denied", "/etc/shadow")
    assert storage_error(of_another_file, tmp_path / "results/a.wav") is None


def test_a_file_in_the_way_of_a_folder(tmp_path):
    (tmp_path / "results").write_text("")
    with (
        pytest.raises(StorageError, match="may not be written"),
        whole_file(tmp_path / "results/a"),
    ):
        pass


def test_other_mistakes_stay_what_they_are(tmp_path):
    with pytest.raises(ValueError, match="mine"), whole_file(tmp_path / "a"):
        raise ValueError("mine")
    with pytest.raises(FileNotFoundError), whole_folder(tmp_path / "b"):
        open(tmp_path / "missing")


def test_messages_are_short_and_keep_their_remedy():
    text = message_of(ValueError(f"{'x' * 100_000}; delete \udce9\x1b it"))
    assert len(text) <= 500 and text.endswith("delete \\udce9\\x1b it")
