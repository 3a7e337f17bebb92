"""Names on songs whose notes nobody knows: descriptors, and what follows them."""

import numpy as np
import pandas as pd
import pytest

from auralise.dissection.concepts import CONCEPTS, FAMILIES
from auralise.dissection.own_songs import (
    DESCRIPTORS,
    OWN_SONGS,
    agreement,
    change,
    check_names,
    describe_names,
    describe_song,
    find_melody,
    likeness,
    separate,
)
from auralise.files import read_table, write_table
from auralise.stft import Stft

pytestmark = pytest.mark.slow

STFT = Stft()
RATE, HOP = STFT.sample_rate, STFT.hop_length
SECONDS = 4
TIMES = np.arange(SECONDS * RATE) / RATE


def tone(frequency, start, stop):
    return np.sin(2 * np.pi * frequency * TIMES) * ((TIMES >= start) & (TIMES < stop))


@pytest.fixture(scope="module")
def described():
    """A tone of 110 Hz from 1 to 2 s, a chord of C major from 2 to 3 s, clicks at .5 and 3.5 s."""
    samples = tone(110, 1, 2)
    for frequency in (523.25, 659.26, 783.99):
        samples += tone(frequency, 2, 3)
    samples[[RATE // 2, 7 * RATE // 2]] += 20
    return describe_song(samples.astype("f4"), STFT)


def mean_of(values, start, stop):
    return values[round(start * RATE / HOP) : round(stop * RATE / HOP)].mean()


def test_every_concept_has_a_descriptor_but_the_families_of_instruments(described):
    assert set(CONCEPTS) - set(DESCRIPTORS) == set(FAMILIES)
    assert set(DESCRIPTORS.values()) <= set(described)
    assert {values.shape for values in described.values()} == {(1 + SECONDS * RATE // HOP,)}


def test_onset_strength_is_largest_where_something_begins(described):
    strength = described["onset strength"]
    strongest = np.argsort(strength)[-4:] * HOP / RATE
    assert all(np.abs(strongest - onset).min() < 0.06 for onset in (0.5, 3.5))
    assert mean_of(strength, 1.3, 1.7) < 0.1 * strength.max()


def test_levels_are_those_of_their_part_of_the_sound(described):
    low, kicks = described["harmonic level below 250 Hz"], described["percussive level"]
    assert mean_of(low, 1.2, 1.8) > mean_of(low, 2.2, 2.8) + 20
    assert mean_of(kicks, 0.48, 0.53) > mean_of(kicks, 1.4, 1.6) + 20
    assert mean_of(described["level below 130 Hz"], 1.2, 1.8) > -6
    assert mean_of(described["level 520 to 1040 Hz"], 2.2, 2.8) > -6
    assert np.array_equal(described["softness"], -described["level"])


def test_a_melody_is_where_its_pitch_is():
    samples = (tone(440, 0.5, 3.5) + 0.5 * tone(880, 0.5, 3.5)).astype("f4")
    described = describe_song(samples, STFT)
    for name in ("fundamentals of the melody", "overtones of the melody"):
        values = described[f"level of the {name}"]
        assert mean_of(values, 1, 3) > mean_of(values, 0, 0.3) + 40


def test_a_melody_is_found_above_a_louder_bass():
    bass = sum(tone(55 * n, 0, 4) / n for n in range(1, 5))
    tune = sum(tone(660 * n, 1, 3) / n for n in range(1, 4))
    fundamentals, overtones = find_melody((2 * bass + tune).astype("f4"), STFT)
    playing = slice(round(1.2 * RATE / HOP), round(2.8 * RATE / HOP))
    for mask, frequency in (fundamentals, 660), (overtones, 1320), (overtones, 1980):
        assert mask[np.abs(STFT.frequencies - frequency).argmin(), playing].all()


def test_nothing_is_called_that_a_shared_cache_of_numba_can_break(monkeypatch):
    """Its generalised ufuncs crash when two processes compiled them at once (numba issue 10128)."""
    monkeypatch.delattr("numba.np.ufunc.gufunc.GUFunc.__call__")
    describe_song(tone(220, 1, 2).astype("f4"), STFT)


def test_lines_along_time_are_harmonic_and_lines_along_frequency_percussive():
    magnitude = np.zeros((257, 172))
    magnitude[40], magnitude[:, 90] = 1, 1
    harmonic, percussive = separate(magnitude, STFT)
    assert harmonic[40, 50] == 1 and percussive[200, 90] == 1
    assert harmonic[40, 90] == percussive[40, 90] == 0.5
    assert np.array_equal(harmonic + percussive, magnitude)


def test_change_is_in_decibels():
    assert change(np.array([[1.0, 10.0, 1.0, 1.0]])).tolist() == [[0, 20, -20, 0]]


def test_a_chord_is_likest_to_itself_whatever_its_root():
    frequencies = 440 * 2 ** (np.arange(12) / 12)
    chord = np.zeros((12, 2))
    chord[[2, 6, 9], 0] = 1  # B, D sharp, F sharp
    assert likeness(chord, frequencies, (0, 4, 7)) == pytest.approx([1, 0])
    # Two of the three tones of a minor triad.
    assert likeness(chord, frequencies, (0, 3, 7)) == pytest.approx([2 / 3, 0])


def test_agreement_by_hand():
    own = np.array([1.0, 0, 0, 0])
    other = np.array([0.0, 1, 1, 0])
    # Its shifts have r = ±1/√3, two of each.
    activations = np.array([own, [0, 0, 0, 0]])
    r, p, n_nulls = agreement(activations, own, [other])
    assert r == pytest.approx([1, np.nan], nan_ok=True) and n_nulls == 4
    assert p == pytest.approx([1 / 5, np.nan], nan_ok=True)
    r, p, n_nulls = agreement(np.array([[1.0, 1, 0, 0]]), own, [own, np.ones(4)])
    assert (r[0], p[0], n_nulls) == (pytest.approx(1 / np.sqrt(3)), 3 / 5, 4)
    # Of one song alone, its own three shifts.
    r, p, n_nulls = agreement(activations[:1], own, [])
    assert (r[0], p[0], n_nulls) == (pytest.approx(1), 1 / 4, 3)


@pytest.fixture
def checked():
    """Three songs: 1-0 follows the level, 1-1 nothing, 1-2 has no descriptor; unnamed, 1-3 follows
    the level, 1-4 nothing, and 1-5 does not vary."""
    rng = np.random.default_rng(0)
    descriptors, levels = {}, {}
    for song in "abc":
        level, onsets = rng.random((2, 401))
        descriptors[song] = {"level": level, "onset strength": onsets}
        mean = level[:400].reshape(200, 2).mean(axis=1)
        others = rng.random((3, 200))
        levels[song] = [np.stack([mean, *others[:2], mean, others[2], np.ones(200)])]
    columns = {"layer": 1, "feature": range(6), "name": ["loud", "onsets", "strings", "", "", ""]}
    return check_names(pd.DataFrame(columns), levels, descriptors)


def test_names_hold_where_the_feature_follows_what_belongs_to_them(checked):
    assert tuple(checked) == OWN_SONGS
    assert len(checked) == 9  # what has no name is left out
    assert checked["agrees"].tolist() == [True] * 3 + [False] * 6
    assert checked["r"][:3].tolist() == pytest.approx([1] * 3)
    assert (checked["best_descriptor"][:3] == "level").all()
    assert (checked["p"][:3] == 1 / 401).all()
    assert checked["unnamed_hold"].tolist() == pytest.approx(
        [0.5] * 3 + [0] * 3 + [np.nan] * 3, nan_ok=True
    )
    assert checked["r"][6:].isna().all() and (checked["descriptor"][6:] == "").all()


def test_what_holds_is_said_in_a_sentence(checked, tmp_path):
    write_table(tmp_path / "own_songs.csv", checked)
    text = describe_names({"square-0": read_table(tmp_path / "own_songs.csv")})
    assert "square-0: loud 1 of 1 (50%); onsets 0 of 1 (0%)" in text
    assert "no descriptor belongs to strings" in text
    empty = check_names(pd.DataFrame({"layer": [1], "feature": [0], "name": [""]}), {}, {})
    write_table(tmp_path / "own_songs.csv", empty)
    assert "there are none" in describe_names({"a": read_table(tmp_path / "own_songs.csv")})
    assert describe_names({}) == ""
