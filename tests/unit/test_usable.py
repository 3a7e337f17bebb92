"""Songs that cannot be used are found before a run, once, and cost that song alone."""

import numpy as np
import pytest

from auralise.errors import SettingsError
from auralise.experiment import usable
from auralise.experiment.usable import usable_songs
from auralise.songs import AskedSongs
from tests.conftest import sine


@pytest.fixture
def look(tmp_path, monkeypatch, write_sound):
    """Look at the folder's songs, and say which files were read."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "c{1}"):
        write_sound(f"songs/{name}.wav", sine(seconds=2.0))
    write_sound("songs/silent.wav", np.zeros(11025))
    was_read = []
    read_excerpt = usable.read_excerpt

    def noting(path, *excerpt):
        was_read.append(path.stem)
        return read_excerpt(path, *excerpt)

    monkeypatch.setattr(usable, "read_excerpt", noting)

    def look(start=0.0, **options):
        was_read.clear()
        songs, problems = usable_songs(
            AskedSongs("songs", start), "experiment", 11025, 1.0, **options
        )
        return list(songs), problems, sorted(was_read)

    return look


def test_bad_songs_are_left_out_and_named_and_read_once(look):
    songs, problems, was_read = look()
    assert songs == ["a", "b"] and was_read == ["a", "b", "silent"]
    assert [problem.partition(":")[0] for problem in problems] == [
        "songs/c{1}.wav",
        "songs/silent.wav",
    ]
    assert look() == (songs, problems, []) == look(read=False)


def test_a_song_is_read_again_when_it_or_its_excerpt_changes(look, write_sound):
    look()
    write_sound("songs/silent.wav", sine(seconds=3.0))
    assert look() == (["a", "b", "silent"], look()[1], ["silent"])
    songs, problems, was_read = look(start=2.5)
    assert songs == ["silent"] and len(was_read) == 3
    assert "the excerpt begins at 2.5 s" in problems[1]


def test_where_nothing_is_read_unknown_songs_count_as_usable(look):
    assert look(read=False)[0] == ["a", "b", "silent"]


@pytest.mark.parametrize(
    "note", ["", "[]", '{"a": 1}', "{", pytest.param("[" * 100_000, id="deep")]
)
@pytest.mark.slow
def test_a_damaged_note_is_no_note(look, tmp_path, note):
    before = look()
    (tmp_path / usable.RECORDS / "songs/experiment.json").write_text(note)
    assert look() == before


def test_no_usable_song_is_refused(look):
    with pytest.raises(SettingsError, match=r"none can be used: .* braces.* \(and 3 more\)"):
        look(start=10.0)
