"""Concepts: stems that sum to the clip, and masks that are where the notes are."""

import numpy as np
import pytest

from auralise.datasets.bands.composer import Chord
from auralise.datasets.bands.rendering import render_clip
from auralise.dissection.concepts import (
    CONCEPTS,
    REGISTER_NAMES,
    by_level,
    chords_at,
    mask_concepts,
)
from auralise.dissection.exam import Exam, write_exam
from auralise.dissection.pieces import (
    FIRST_INDEX,
    GENRES,
    STUDIES,
    Piece,
    bands_piece,
    compose_pieces,
    compose_study,
)
from auralise.dissection.stems import render_stems, sum_of
from auralise.instruments import DRUMS, PROGRAMS, Note, Part
from auralise.stft import Stft

STFT = Stft()
RATE = STFT.sample_rate


@pytest.fixture(scope="module")
def kick_and_bass():
    """Kicks at .5 and 1.5 s, a bass note from 1 to 2 s, a piano note as low from 2.5 to 3.5 s."""
    kicks = [Note(0.5, 0.2, DRUMS["kick"], 110), Note(1.5, 0.2, DRUMS["kick"], 110)]
    parts = (
        ("drums", Part(0, kicks, is_drum=True)),
        ("bass", Part(PROGRAMS["finger_bass"], [Note(1.0, 1.0, 33, 100)])),
        ("chords", Part(PROGRAMS["piano"], [Note(2.5, 1.0, 33, 100)])),
    )
    piece = Piece("study", parts, ((2.4, Chord(9, (0, 3, 7))),), -24.0, 4.0)
    clip = mask_concepts(piece, render_stems(piece, RATE), STFT)
    return clip.magnitude, dict(zip(CONCEPTS, clip.masks, strict=True))


def frames(seconds):
    return round(seconds * RATE / STFT.hop_length)


def test_there_are_twenty_concepts_and_more():
    assert len(CONCEPTS) == len(set(CONCEPTS)) >= 20


@pytest.mark.parametrize("genre", ["rock", "classical", "hiphop"])
def test_stems_sum_to_the_clip(genre):
    stems = render_stems(bands_piece(genre, 3, 7, 2.0), RATE)
    clip = render_clip(genre, 3, 7, 2.0, RATE)
    assert len(stems) > 1
    assert np.abs(sum_of(stems) - clip).max() < 1e-6


def test_onsets_are_the_frames_within_50_ms(kick_and_bass):
    _, masks = kick_and_bass
    times = STFT.times(masks["onsets"].shape[1])
    starts = np.array([0.5, 1.0, 1.5, 2.5])
    wanted = (np.abs(times[:, None] - starts) <= 0.05).any(axis=1)
    assert (masks["onsets"] == wanted).all()
    ends = (np.abs(times[:, None] - [2.0, 3.5]) <= 0.05).any(axis=1)
    assert (masks["note ends"] == ends).all()  # a drum has none


def test_each_sound_is_where_it_plays(kick_and_bass):
    _, masks = kick_and_bass
    assert masks["kick"][:, frames(0.5) : frames(0.6)].mean() > 0.2
    assert not masks["kick"][:, frames(2.4) :].any()
    assert masks["bass"][2:4, frames(1.1) : frames(1.4)].all()
    assert not masks["bass"][:, : frames(0.9)].any()
    # Low sound of another instrument is not the bass, but lies in its register.
    assert not masks["bass"][:, frames(2.5) + 1 :].any()
    assert masks["keyboards"][2:4, frames(2.6) : frames(3.4)].any()
    assert masks[REGISTER_NAMES[0]][2:4].all()
    assert masks["minor chords"][2:6, frames(2.6) : frames(3.4)].any()
    assert not masks["major chords"].any()


def test_sustained_sound_is_not_near_the_ends_of_its_own_notes(kick_and_bass):
    magnitude, masks = kick_and_bass
    sustained = masks["sustained sound"]
    assert sustained[2:4, frames(1.2) : frames(1.4)].all()
    times = STFT.times(sustained.shape[1])
    ends = (np.abs(times[:, None] - [1.0, 2.0, 2.5, 3.5]) <= 0.05).any(axis=1)
    assert not sustained[:, ends].any()
    assert not sustained[:, : frames(0.9)].any()  # a kick alone is none
    # What the kick lets stand of the bass goes on through it.
    assert (sustained & masks["onsets"]).any()
    assert (magnitude[sustained] > 1e-4 * magnitude.max()).all()


def test_silence_is_where_nothing_sounds(kick_and_bass):
    _, masks = kick_and_bass
    assert masks["silence"][:, : frames(0.4)].all()
    assert not masks["silence"][:, frames(1.05) : frames(1.9)].any()
    assert not (masks["silence"] & (masks["loud"] | masks["soft"])).any()


def test_loud_and_soft_are_thirds_of_the_frames_that_sound():
    loud, soft, silent = by_level(np.array([0.0, 1, 2, 3, 4, 5, 6, 1e-7, 0]))
    assert loud.nonzero()[0].tolist() == [5, 6]
    assert soft.nonzero()[0].tolist() == [1, 2]
    assert silent.nonzero()[0].tolist() == [0, 7, 8]


def test_chords_last_until_the_next():
    chords = [
        (0.0, Chord(0, (0, 4, 7))),
        (1.0, Chord(7, (0, 4, 7, 10))),
        (2.0, Chord(2, (0, 5, 7))),
    ]
    kinds = chords_at(np.array([0.5, 1.5, 2.5]), chords)
    assert kinds.tolist() == ["major chords", "seventh chords", ""]


@pytest.mark.parametrize("number", range(len(STUDIES)))
def test_onsets_of_studies_are_sparse(number):
    piece = compose_study(number, 0, 4.0)
    starts = np.array([note.start for _, part in piece.parts for note in part.notes])
    times = STFT.times(STFT.n_frames(4 * RATE))
    assert (np.abs(times[:, None] - starts) <= 0.05).any(axis=1).mean() < 0.2


def test_low_notes_of_others_than_the_bass_belong_to_the_set():
    low = [number for number, kinds in enumerate(STUDIES) if "low" in kinds]
    for number in low:
        roles = dict(compose_study(number, 0, 4.0).parts)
        assert min(note.pitch for note in roles["chords"].notes) < 45


def test_every_genre_and_study_is_held_out_now_and_then():
    pieces, held_out = compose_pieces(60, 4.0, 0)
    kinds = [piece.name.split(".")[0] for piece in pieces]
    for half in (held_out, ~held_out):
        assert {kind for kind, own in zip(kinds, half, strict=True) if own} == {*GENRES, "study"}
    assert len({piece.name for piece in pieces}) == 60
    assert 1_000_000 <= FIRST_INDEX  # no clip of a data set


@pytest.mark.slow
def test_an_exam_comes_back_as_it_was_written(tmp_path):
    write_exam(tmp_path / "a", 4, 1.0, STFT, seed=1)
    write_exam(tmp_path / "b", 4, 1.0, STFT, seed=1, n_processes=2)
    exam = Exam.read(tmp_path / "a")
    assert exam.masks.shape == (4, len(CONCEPTS), *exam.magnitudes.shape[1:])
    assert exam.held_out.tolist() == [False, False, True, True]
    assert len(list((tmp_path / "a").glob("*.flac"))) == 4
    again = Exam.read(tmp_path / "b")
    assert np.array_equal(exam.masks, again.masks)
    assert np.array_equal(exam.magnitudes, again.magnitudes)
