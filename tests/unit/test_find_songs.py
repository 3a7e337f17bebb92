"""The songs of a folder."""

import pytest

from auralise.errors import SettingsError
from auralise.songs import find_songs


def touch(folder, *names):
    for name in names:
        (folder / name).touch()


def test_finds_every_format_by_stem(tmp_path):
    touch(
        tmp_path, "b.wav", "a.FLAC", "c.ogg", "d.mp3", "e.au", "notes.csv", "README.md", "._f.wav"
    )
    assert list(find_songs(tmp_path)) == ["a", "b", "c", "d", "e"]


def test_names_may_hold_spaces_umlauts_and_quotes(tmp_path):
    touch(tmp_path, "mein Lied.wav", "Größe.wav", "it's.wav", 'so "so".wav')
    assert set(find_songs(tmp_path)) == {"mein Lied", "Größe", "it's", 'so "so"'}


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


def test_braces_are_refused(tmp_path):
    for name in ("a{b}.wav", "live <b>.wav"):
        (tmp_path / name[0]).mkdir()
        touch(tmp_path / name[0], name)
        with pytest.raises(SettingsError, match="rename"):
            find_songs(tmp_path / name[0])
