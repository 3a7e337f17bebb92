"""The findings in words: what is said follows from the numbers, and no more is said."""

import numpy as np
import pandas as pd
import pytest

from auralise.attributes.comparison import (
    compare_with_controls,
    count_names,
    find_thresholds,
    name_features,
    summarise_variants,
)
from auralise.attributes.designs import describe_design
from auralise.attributes.feature_page import link_sounds, write_feature_page
from auralise.attributes.findings import (
    caption_attributes,
    caption_comparison,
    caption_distribution,
    caption_features,
    describe_protocol,
    judge,
    write_findings,
)


@pytest.fixture(autouse=True)
def few_permutations(monkeypatch):
    monkeypatch.setattr("auralise.statistics.N_PERMUTATIONS", 999)


def row(**changes):
    return {
        "p_features_adjusted": 0.001,
        "difference": 0.2,
        "ci_low": 0.1,
        "ci_high": 0.3,
    } | changes


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (row(), "higher"),
        (row(difference=-0.2, ci_low=-0.3, ci_high=-0.1), "lower"),
        (row(p_features_adjusted=0.05), "not distinguishable"),
        (row(p_features_adjusted=np.nan), "unknown"),
        (row(ci_low=-0.1), "higher over features, not over networks"),
    ],
)
def test_a_verdict_follows_from_test_and_interval(found, verdict):
    assert judge(found) == verdict


@pytest.fixture
def design():
    signals = pd.DataFrame(
        [(key, chord) for key in "CDE" for chord in ("major", "minor")], columns=["key", "chord"]
    )
    return describe_design(signals)


def experiment(n_networks, untrained=True, seed=0):
    """Layer 1 of trained networks is like that of untrained ones, layer 2 keeps more of the key."""
    rng = np.random.default_rng(seed)
    parts = []
    names = [f"square-{n}" for n in range(n_networks)]
    names += [f"untrained-{n}" for n in range(n_networks)] if untrained else []
    for name in names:
        for layer in (1, 2):
            for attribute in ("key", "chord"):
                centre = 0.8 if (name[0], layer, attribute) == ("s", 2, "key") else 0.4
                values = np.clip(rng.normal(centre, 0.05, 24), -1, 1)
                parts.append(table_of(name, layer, attribute, values))
    for attribute in ("key", "chord"):
        parts.append(table_of("input", 0, attribute, np.array([0.6])))
    table = pd.concat(parts, ignore_index=True)
    dead = (table["network"] == "square-0") & (table["layer"] == 1) & (table["feature"] == 7)
    table.loc[dead, ["correlation", "live", "n_pairs"]] = [np.nan, False, 0]
    return table


def table_of(network, layer, attribute, values):
    return pd.DataFrame(
        {
            "network": network,
            "layer": layer,
            "feature": range(len(values)),
            "attribute": attribute,
            "correlation": values,
            "n_pairs": 3,
            "live": True,
        }
    )


def tables_of(table, design, controlled=("square",)):
    features = name_features(table, find_thresholds(table), controlled)
    return {
        "design": design,
        "variants": summarise_variants(table),
        "comparison": compare_with_controls(table, controlled),
        "features": link_sounds(features, ["a song"], None, None),
        "names": count_names(features),
    }


class TestFindings:
    def test_what_training_changed_is_said_with_its_numbers(self, design):
        tables = tables_of(experiment(3), design)
        text = write_findings("e", "maps", **tables)
        (key,) = [line for line in text.splitlines() if line.startswith("**key, square.**")]
        assert "correlate with 0.60 when the key alone changes" in key
        assert "In layer 2 it is higher than in untrained networks" in key
        assert "in layer 1 it is not distinguishable from untrained networks" in key
        difference = tables["comparison"].query("layer == 2 and attribute == 'key'")["difference"]
        assert f"differences {difference.item():+.2f}" in key
        assert "layer 1 lies below and" not in key
        assert "layer 2 lies above it" in key
        (chord,) = [line for line in text.splitlines() if line.startswith("**chord, square.**")]
        assert "In all layers it is not distinguishable" in chord
        assert "all layers lie below it" in chord

    def test_three_networks_cannot_prove_that_training_does_it(self, design):
        text = write_findings("e", "maps", **tables_of(experiment(3), design))
        assert "(3 trained against 3 untrained) the exact test can yield no p below 0.1" in text
        assert "not enough to say that training in general does it" in text

    def test_five_networks_can(self, design):
        text = write_findings("e", "maps", **tables_of(experiment(5), design))
        assert "can yield no p below 0.0079; 1 of 4 comparisons reach it" in text
        assert "not enough" not in text

    def test_with_one_network_what_training_does_is_unknown(self, design):
        text = write_findings("e", "maps", **tables_of(experiment(1), design))
        assert "Whether training in general makes the difference is unknown" in text
        assert "In layer 2 it is higher" in text

    def test_without_a_control_nothing_is_claimed(self, design):
        text = write_findings("e", "maps", **tables_of(experiment(2), design, controlled=()))
        assert "In all layers whether training matters is unknown, for want of a control" in text
        assert "higher than" not in text
        assert "no control to name it by" in text

    def test_pairs_that_were_left_out_are_told(self, design):
        tables = tables_of(experiment(2), design)
        text = write_findings("e", "maps", **tables)
        assert "live trained features have 100% to 100% of an attribute's pairs" in text
        variants = tables["variants"]
        chosen = (variants["variant"] == "square") & (variants["layer"] == 2)
        chosen &= variants["attribute"] == "key"
        mean = variants.loc[chosen, "mean"].item()
        changes = {"share_of_pairs": 0.25, "mean_complete": mean - 0.3, "n_complete": 4}
        variants.loc[chosen, list(changes)] = list(changes.values())
        text = write_findings("e", "maps", **tables)
        assert "live trained features have 25% to 100% of an attribute's pairs" in text
        assert "the means differ by up to 0.30 (layer 2, key: " in text

    def test_everything_is_counted(self, design):
        text = write_findings("e", "activations", **tables_of(experiment(2), design))
        assert "6 signals, pairs: 6 in key, 3 in chord" in text
        assert "activations over time" in text
        assert "live features by layer 47, 48, of 96 in all" in text
        assert "1 of 96 trained features fired on no pair at all" in text

    def test_every_number_of_the_table_is_there(self, design):
        tables = tables_of(experiment(2), design)
        text = write_findings("e", "maps", **tables)
        rows = [line for line in text.splitlines() if line.startswith("| square | key |")]
        assert len(rows) == 2
        found = tables["comparison"].query("attribute == 'key'").iloc[1]
        assert f"{found['mean']:.2f} [" in rows[1]
        assert f"| {found['delta']:+.2f} |" in rows[1]
        assert rows[1].endswith("| higher |")

    def test_names_stand_beside_chance(self, design):
        text = write_findings("e", "maps", **tables_of(experiment(2), design))
        (line,) = [r for r in text.splitlines() if r.startswith("| square | key-invariant |")]
        n_features, n_live, expected = (float(cell) for cell in line.split("|")[3:6])
        assert n_features > 30
        assert n_live == 95
        assert expected < 6


def test_missing_cells_are_told():
    signals = pd.DataFrame({"key": ["C", "C", "D"], "chord": ["major", "minor", "major"]})
    text = describe_protocol(describe_design(signals), "maps")
    assert "3 signals, pairs: 1 in key, 1 in chord" in text
    assert "Of the 4 combinations key x chord, 1 are missing" in text


def test_captions_say_protocol_counts_and_intervals(design):
    table = experiment(2)
    tables = tables_of(table, design)
    captions = [
        caption_attributes(tables["variants"], design, "maps"),
        caption_distribution(tables["variants"], design, "maps"),
        caption_comparison(tables["comparison"], design, "maps"),
        caption_features(
            tables["features"].query("network == 'square-0'"),
            find_thresholds(table),
            design,
            "maps",
        ),
    ]
    for caption in captions:
        assert "6 signals, pairs: 6 in key, 3 in chord" in caption
        assert caption.endswith(".\n")
    assert "95 % bootstrap interval" in captions[0]
    assert (
        "2 networks 'square', trained, live features by layer 47, 48, of 96 in all" in captions[1]
    )
    assert "(2 trained against 2 untrained)" in captions[2]
    assert "the 47 live features of 48" in captions[3]
    assert "untrained features by layer: 48, 48" in captions[3]


class TestFeaturePage:
    def test_every_feature_is_linked_to_its_sounds(self, design):
        features = tables_of(experiment(1), design)["features"]
        first = features.iloc[0]
        assert first["sound of a song"] == "auralisation/square-0/a song/layer1/feature00.wav"

    def test_features_that_are_not_auralised_have_no_sound(self, design):
        features = tables_of(experiment(1), design)["features"]
        some = link_sounds(features, ["a song"], [2], [0, 1])
        has_sound = some[some["sound of a song"] != ""]
        assert set(has_sound["layer"]) == {2}
        assert set(has_sound["feature"]) == {0, 1}

    def test_the_page_plays_them_and_leads_to_the_listening_page(self, design):
        features = tables_of(experiment(1), design)["features"]
        page = write_feature_page(features, ["a song"])
        sound = "../auralisation/square-0/a%20song/layer1/feature00.wav"
        assert f'<a href="{sound}" target="player">' in page
        assert 'href="../listening/index.html#square-0/a%20song/1/0"' in page
        body = page.split("<tbody>")[1]
        assert body.count("<tr>") == features["live"].sum()
        assert body.index("invariant") < body.index("<td></td>")  # those with a name come first

    def test_names_of_songs_cannot_break_the_page(self, design):
        features = tables_of(experiment(1), design)["features"].drop(columns="sound of a song")
        song = '<b>"it\'s"</b>'
        page = write_feature_page(link_sounds(features, [song], None, None), [song])
        assert "<b>" not in page
        assert "%3Cb%3E%22it" in page
