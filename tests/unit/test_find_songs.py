"""The songs of a folder."""

import logging
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from auralise.audio import read_audio
from auralise.errors import SettingsError, printable
from auralise.songs import AUDIO_SUFFIXES, SUFFIXES_OF_FORMATS, AskedSongs, find_songs
from tests.conftest import sine


def touch(folder, *names):
    for name in names:
        (folder / name).touch()


def test_finds_every_format_by_stem(tmp_path):
    touch(
        tmp_path, "b.wav", "a.FLAC", "c.ogg", "d.mp3", "e.au", "notes.csv", "README.md", "._f.wav"
    )
    assert list(find_songs(tmp_path)[0]) == ["a", "b", "c", "d", "e"]


def test_names_may_hold_spaces_umlauts_and_quotes(tmp_path):
    touch(tmp_path, "mein Lied.wav", "Größe.wav", "it's.wav", 'so "so".wav')
    assert set(find_songs(tmp_path)[0]) == {"mein Lied", "Größe", "it's", 'so "so"'}


def test_two_songs_of_one_stem_are_refused(tmp_path):
    touch(tmp_path, "a.wav", "a.flac")
    with pytest.raises(SettingsError, match=r"a\.flac and .*a\.wav have the same stem"):
        find_songs(tmp_path)


def test_no_songs_are_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"no sound file in .*; put at least one there"):
        find_songs(tmp_path)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="is not a folder"):
        find_songs(tmp_path / "nowhere")


def test_every_format_that_is_read_counts(tmp_path):
    for number, suffix in enumerate(AUDIO_SUFFIXES):
        touch(tmp_path, f"{number:02d}{suffix}")
    assert len(find_songs(tmp_path)[0]) == len(AUDIO_SUFFIXES)


@pytest.mark.parametrize("suffix", AUDIO_SUFFIXES)
def test_soundfile_reads_each_of_them(write_sound, suffix):
    format = next(name for name, endings in SUFFIXES_OF_FORMATS.items() if suffix in endings)
    rate, options = 11025, {"format": format}
    if suffix == ".opus":
        rate, options = 48000, options | {"subtype": "OPUS"}
    path = write_sound(f"a{suffix}", sine(440, 1.0, rate), rate, **options)
    assert len(read_audio(path, rate)) == pytest.approx(rate, rel=0.01)


def test_lost_sound_is_warned_of_and_the_rest_noted_each_once(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    touch(tmp_path, "a.wav", "b.m4a", "c.WMA", "d.m4a", "notes.txt", "._a.wav", ".hidden.flac")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    assert list(find_songs(tmp_path)[0]) == ["a"]
    warned = "\n".join(record.message for record in caplog.records if record.levelno > 20)
    for name in ("b.m4a, d.m4a", "c.WMA", "gone.wav", "pipe.wav"):
        assert warned.count(name) == 1
    for name in ("notes.txt", "._a.wav", ".hidden.flac", "folder.wav"):
        assert caplog.text.count(f" {name}") + caplog.text.count(f", {name}") >= 1
        assert name not in warned


@pytest.mark.parametrize(
    ("one", "other"), [("Song", "song"), ("STRASSE", "straße"), ("Mot\u00f6r", "Moto\u0308r")]
)
def test_names_that_would_share_their_results_elsewhere_are_refused(tmp_path, one, other):
    touch(tmp_path, f"{one}.wav", f"{other}.flac")
    with pytest.raises(SettingsError, match="differ by nothing but"):
        find_songs(tmp_path)


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(SettingsError, match="cannot be read .Permission denied.; change its perm"):
        find_songs(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "caf\udce9",
        "\udcff\udcfe",
        "a{b}",
        "live <b>",
        "first line\nsecond",
        "{",
        "é" * 121,
        "la " * 7 + "l" * 20,
    ],
)
def test_a_name_that_the_workflow_cannot_take_costs_that_song_alone(tmp_path, name):
    touch(tmp_path, f"{name}.wav", "good.wav")
    songs, ((path, told),) = find_songs(tmp_path)[0], find_songs(tmp_path)[1].items()
    assert list(songs) == ["good"] and path == tmp_path / f"{name}.wav"
    assert printable(path) in told and "rename it" in told


class TestAskedSongs:
    def test_a_folder_alone_begins_at_the_start(self):
        asked = AskedSongs.from_settings("here")
        assert asked == AskedSongs("here", 0.0, {})
        assert asked.start_of("any") == 0.0

    def test_a_song_may_have_a_start_of_its_own(self):
        asked = AskedSongs.from_settings({"folder": "here", "start": 10, "starts": {"b": 2.5}})
        assert [asked.start_of(song) for song in "ab"] == [10.0, 2.5]

    def test_a_start_of_no_song_is_refused(self, write_sound, tmp_path):
        write_sound("a.wav", np.zeros(10))
        assert list(AskedSongs(str(tmp_path), 0, {"a": 1}).find()[0]) == ["a"]
        with pytest.raises(SettingsError, match=r"songs.starts.b: no such song .* there are a"):
            AskedSongs(str(tmp_path), 0, {"b": 1}).find()


def test_names_that_look_alike_are_told_in_ascii(tmp_path):
    for form in ("NFC", "NFD"):
        (tmp_path / unicodedata.normalize(form, "café.wav")).write_bytes(b"")
    with pytest.raises(SettingsError, match=r"cafe\\u0301\.wav.* and .*caf\\xe9\.wav.* differ"):
        find_songs(tmp_path)
