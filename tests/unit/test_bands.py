"""The embedded data set: ten genres, told by the combination of cues and by no single one."""

import dataclasses
import hashlib
import re
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest

from auralise.datasets.bands import notation
from auralise.datasets.bands.composer import (
    Chord,
    compose_clip,
    parse_chord,
    parse_progression,
    plan_clip,
)
from auralise.datasets.bands.rendering import LEVEL_DB, render_clip
from auralise.datasets.bands.styles import GENRES, STYLES
from auralise.errors import AuraliseError
from auralise.instruments import DRUMS, PROGRAMS, Note, Part, render

pytestmark = pytest.mark.slow

RATE = 11025
N_PLANS = 300


@pytest.fixture(scope="module")
def plans():
    """Many plans of each genre."""
    return {
        genre: [plan_clip(genre, np.random.default_rng([7, n])) for n in range(N_PLANS)]
        for genre in GENRES
    }


# The data set


def test_genres_are_those_of_gtzan():
    gtzan = "blues classical country disco hiphop jazz metal pop reggae rock"
    assert " ".join(GENRES) == gtzan


def test_a_clip_depends_on_its_name_and_the_seed_alone():
    clip = render_clip("jazz", 3, seed=1, duration=2, sample_rate=RATE)
    render_clip("metal", 0, seed=1, duration=1, sample_rate=RATE)
    assert np.array_equal(clip, render_clip("jazz", 3, seed=1, duration=2, sample_rate=RATE))
    for genre, index, seed in (("jazz", 4, 1), ("jazz", 3, 2), ("blues", 3, 1)):
        assert not np.array_equal(clip, render_clip(genre, index, seed, 2, RATE))


def test_same_bits_in_another_process():
    program = (
        "import hashlib; from auralise.datasets.bands.rendering import render_clip\n"
        f"print(hashlib.sha256(render_clip('pop', 1, 2, 1.5, {RATE})).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    here = hashlib.sha256(render_clip("pop", 1, 2, 1.5, RATE)).hexdigest()
    assert other.stdout.strip() == here


@pytest.mark.parametrize("genre", GENRES)
def test_clips_have_the_asked_length_and_level(genre):
    for index in range(2):
        samples = render_clip(genre, index, seed=0, duration=3, sample_rate=RATE)
        assert samples.shape == (3 * RATE,)
        assert samples.dtype == np.float32
        assert np.abs(samples).max() <= 1
        level = 10 * np.log10(np.mean(samples**2))
        assert LEVEL_DB[0] - 0.1 <= level <= LEVEL_DB[1] + 0.1


def test_unknown_genre_names_the_known_ones():
    for ask in (
        lambda: render_clip("polka", 0, 0, 1, RATE),
        lambda: compose_clip("polka", np.random.default_rng(0), 1),
    ):
        with pytest.raises(AuraliseError, match="'polka' .* blues, classical"):
            ask()


# The music


@pytest.mark.parametrize("genre", GENRES)
def test_every_genre_composes_playable_music(genre):
    for seed in range(25):
        parts = compose_clip(genre, np.random.default_rng(seed), 8.0)
        assert 2 <= len(parts) <= 16
        assert sum(part.is_drum for part in parts) <= 1
        assert sum(len(part.notes) for part in parts) >= 12
        for part in parts:
            for note in part.notes:
                assert 1 <= note.velocity <= 127
                assert note.start < 8.0 and note.start + note.duration > 0
                if part.is_drum:
                    assert note.pitch in DRUMS.values()
                else:
                    assert 21 <= note.pitch <= 108, "outside the piano's keys"


@pytest.mark.parametrize("genre", GENRES)
def test_music_never_stops(genre):
    """No clip has two silent seconds, and most sound in every second."""
    for index in range(2):
        samples = render_clip(genre, index, seed=5, duration=6, sample_rate=RATE)
        seconds = np.sqrt(np.mean(samples.reshape(6, RATE) ** 2, axis=1))
        assert (seconds[:-1] + seconds[1:] > 0.02 * seconds.max()).all()


def test_composing_draws_on_the_given_generator_alone():
    first, again = (compose_clip("rock", np.random.default_rng(4), 6) for _ in range(2))
    assert first == again


def test_clips_are_cut_out_of_pieces():
    """Few begin on a downbeat; some begin within a note."""
    starts, within = [], 0
    for seed in range(40):
        plan = plan_clip("reggae", np.random.default_rng(seed))
        starts.append(plan.start / plan.bar_seconds % 1)
        parts = compose_clip("reggae", np.random.default_rng(seed), 4)
        within += any(note.start < 0 for part in parts for note in part.notes)
    assert np.ptp(starts) > 0.8 and 0.3 < np.mean(starts) < 0.7
    assert within > 20


def test_swing_delays_the_offbeat():
    plan = next(
        plan
        for plan in (plan_clip("jazz", np.random.default_rng(n)) for n in range(50))
        if plan.style.swung_steps == 4 and plan.swing > 0.6 and not plan.style.rubato
    )
    beat = 60 / plan.tempo
    offbeat = plan.time(3, 2) - plan.time(3, 0)
    assert offbeat == pytest.approx(plan.swing * beat)
    assert plan.time(3, 4) - plan.time(3, 0) == pytest.approx(beat)


def test_chords_are_read_from_roman_numerals():
    assert parse_chord("I", 0) == Chord(0, (0, 4, 7))
    assert parse_chord("ii7", 0) == Chord(2, (0, 3, 7, 10))
    assert parse_chord("bVII9", 2) == Chord(0, (0, 4, 7, 10, 14))
    assert parse_chord("#ivo7", 0) == Chord(6, (0, 3, 6, 9))
    assert parse_chord("V7sus4", 0) == Chord(7, (0, 5, 7, 10))
    assert [len(bar) for bar in parse_progression("I,VI7 ii7,V7 I", 0)] == [2, 2, 1]
    for typo in ("VX", "I13", "H7"):
        with pytest.raises(AuraliseError, match=f"'{typo}' is not a chord"):
            parse_chord(typo, 0)


# The tables


@pytest.mark.parametrize("genre", GENRES)
def test_tables_name_only_what_exists(genre):
    style = STYLES[genre]
    assert set(style.kin.split()) <= set(GENRES) - {genre}
    for names, table in (
        (style.grooves, notation.GROOVES),
        (style.bass_lines, notation.BASS_LINES),
        (style.rhythms, notation.RHYTHMS),
    ):
        assert set(names.split()) <= set(table)
    for scales, progression in style.harmonies:
        assert set(scales.split()) <= set(notation.SCALES)
        assert parse_progression(progression, 0)
    for ensemble in style.ensembles:
        assert set(ensemble.kits.split()) <= set(notation.KITS)
        players = [*ensemble.players, *ensemble.leads]
        named = {ensemble.bass, *(player.instruments for player in players)}
        assert set(" ".join(named).split()) <= set(PROGRAMS) & set(notation.NATIVE_LEVEL_DB)
        for player in ensemble.players:
            assert set(player.figures.split()) <= set(notation.FIGURES)


@pytest.mark.parametrize(
    "name", ["piano", "saxophone", "finger_bass", "distortion_guitar", "flute"]
)
def test_native_levels_are_those_of_the_soundfont(name):
    low = 36 if name.endswith("bass") else 60
    notes = [[Note(0, 0.5, low + step, 90)] for step in (0, 4, 7, 12)]
    power = [np.mean(render([Part(PROGRAMS[name], note)], 0.5, 22050) ** 2) for note in notes]
    assert 10 * np.log10(np.mean(power)) == pytest.approx(notation.NATIVE_LEVEL_DB[name], abs=0.6)


def test_figures_are_whole_bars_of_known_symbols():
    for table, symbols in (
        (notation.BASS_LINES, "R35678a"),
        (notation.FIGURES, "Cc12345BFPpQ"),
        (notation.RHYTHMS, "x"),
    ):
        for name, figure in table.items():
            assert all(len(bar) == 16 for bar in figure.split("|")), name
            assert re.fullmatch(f"[{symbols}.|-]+", figure), name


def test_grooves_agree_on_their_metre():
    for name, groove in notation.GROOVES.items():
        lengths = {len(bar) for figure in groove.values() for bar in figure.split("|")}
        assert lengths in ({16}, {12}), name
        assert set(groove) <= set(DRUMS)
        assert set("".join(groove.values())) <= set("Xxo.|")


def test_every_table_is_used():
    """A groove or figure that no style plays is dead data."""
    styles = STYLES.values()
    used = {
        "GROOVES": " ".join(style.grooves for style in styles),
        "BASS_LINES": " ".join(style.bass_lines for style in styles),
        "RHYTHMS": " ".join(style.rhythms for style in styles),
        "FIGURES": " ".join(p.figures for s in styles for e in s.ensembles for p in e.players),
    }
    for table, names in used.items():
        assert set(getattr(notation, table)) == set(names.split()), table


# No single cue decides


def test_tempo_ranges_overlap():
    for one, other in combinations(STYLES.values(), 2):
        overlap = min(one.tempo[1], other.tempo[1]) - max(one.tempo[0], other.tempo[0])
        assert overlap > 20


def test_tempo_alone_does_not_tell_the_genre(plans):
    tempo = np.array([[plan.tempo for plan in plans[genre]] for genre in GENRES])
    assert guess(tempo, np.arange(50, 200, 10)) < 0.25


def test_velocity_alone_does_not_tell_the_genre(plans):
    velocity = np.array([[plan.velocity for plan in plans[genre]] for genre in GENRES])
    assert guess(velocity, np.arange(40, 128, 8)) < 0.25


def test_drums_alone_do_not_tell_the_genre(plans):
    share = {genre: np.mean([bool(p.ensemble.kits) for p in plans[genre]]) for genre in GENRES}
    assert all(0 < drums for drums in share.values())
    assert sum(drums < 1 for drums in share.values()) >= 8
    assert (
        guess(
            np.array([[bool(p.ensemble.kits) for p in plans[genre]] for genre in GENRES], float),
            np.array([0.5]),
        )
        < 0.25
    )


def test_metre_and_key_are_shared(plans):
    for genre in GENRES:
        assert {plan.tonic for plan in plans[genre]} == set(range(12))
    waltzing = [genre for genre in GENRES if any(plan.metre == 3 for plan in plans[genre])]
    assert len(waltzing) >= 5


@pytest.mark.parametrize("instrument", ["piano", "saxophone", "electric_guitar", "strings"])
def test_instruments_are_shared(instrument):
    genres = {
        genre
        for genre, style in STYLES.items()
        for ensemble in style.ensembles
        for player in (*ensemble.players, *ensemble.leads)
        if instrument in player.instruments.split()
    }
    assert len(genres) >= 3


def test_genres_differ_all_the_same():
    for one, other in combinations(STYLES.values(), 2):
        differing = [
            field.name
            for field in dataclasses.fields(one)
            if getattr(one, field.name) != getattr(other, field.name)
        ]
        assert {"grooves", "harmonies", "ensembles", "rhythms"} <= set(differing)


def guess(cue: np.ndarray, edges: np.ndarray) -> float:
    """Share of clips whose genre is the most frequent one of their cue's bin.

    Learnt and scored on different halves; `cue` has shape ``(n_genres, n_clips)``.
    """
    bins = np.digitize(cue, edges)
    counts = np.stack([(bins[:, ::2] == b).sum(axis=1) for b in range(len(edges) + 1)])
    guesses = counts.argmax(axis=1)[bins[:, 1::2]]
    return float(np.mean(guesses == np.arange(len(cue))[:, None]))
