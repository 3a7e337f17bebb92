"""The findings in words: what is said follows from the numbers, and no more is said."""

import numpy as np
import pandas as pd
import pytest

from auralise.attributes.comparison import (
    compare_with_controls,
    summarise_correlation,
    summarise_variants,
)
from auralise.attributes.designs import describe_design
from auralise.attributes.findings import (
    Protocol,
    caption_attributes,
    caption_comparison,
    caption_distribution,
    caption_features,
    write_findings,
)

CONTROLS = {"square": "untrained"}


@pytest.fixture
def design():
    signals = pd.DataFrame(
        [(key, chord) for key in "CDE" for chord in ("major", "minor")], columns=["key", "chord"]
    )
    return describe_design(signals)


def experiment(n_networks, n_untrained, seed=0):
    """Layer 1 of trained networks is like that of untrained ones, layer 2 keeps more of the key."""
    rng = np.random.default_rng(seed)
    parts = []
    names = [f"square-{n}" for n in range(n_networks)]
    names += [f"untrained-{n}" for n in range(n_untrained)]
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
    table.loc[dead, ["correlation", "correlation_all", "live", "n_pairs"]] = [
        np.nan, np.nan, False, 0,
    ]  # fmt: skip
    return table


def table_of(network, layer, attribute, values):
    return pd.DataFrame(
        {
            "network": network,
            "layer": layer,
            "feature": range(len(values)),
            "attribute": attribute,
            "correlation": values,
            "correlation_all": 0.2,
            "n_pairs": 3,
            "live": True,
        }
    )


def tables_of(table, controls=CONTROLS):
    return {
        "variants": summarise_variants(table),
        "comparison": compare_with_controls(summarise_correlation(table), controls),
    }


def findings(table, design, compare="maps", **given):
    return write_findings("e", Protocol(design, compare), **tables_of(table, **given))


class TestFindings:
    @pytest.mark.slow
    def test_what_training_changed_is_said_with_its_numbers(self, design):
        tables = tables_of(experiment(5, 10))
        text = write_findings("e", Protocol(design, "maps"), **tables)
        (key,) = [line for line in text.splitlines() if line.startswith("**key, square.**")]
        assert "The input itself correlates with r_a = 0.60 (r_all = 0.20)" in key
        row = tables["comparison"].query("layer == 2 and attribute == 'key'").iloc[0]
        assert (
            f"In layer 2 s is higher than in untrained networks ({row['s']:+.2f} against "
            f"{row['s_untrained']:+.2f}, q ≤ {row['q']:.2g})"
        ) in key
        assert "in layer 1 s is not distinguishable from that of untrained networks" in key
        (chord,) = [line for line in text.splitlines() if line.startswith("**chord, square.**")]
        assert "In all layers s is not distinguishable" in chord

    @pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 3)])
    def test_too_few_networks_prove_nothing(self, design, n, m):
        text = findings(experiment(n, m), design)
        assert f"square: {n} trained against {m} untrained, 4 tests: unknown" in text
        assert "it takes 4 trained networks against 8 untrained ones" in text
        assert "In all layers it is unknown whether training makes a difference" in text
        assert "higher" not in text.replace("as high", "")
        assert "lower" not in text

    @pytest.mark.slow
    def test_without_a_control_nothing_is_claimed(self, design):
        text = findings(experiment(5, 10), design, controls={})
        assert "square: 5 trained against 0 untrained, 4 tests: unknown" in text
        assert "higher than" not in text

    @pytest.mark.slow
    def test_an_attribute_that_varies_alone_has_no_s(self, design):
        table = experiment(5, 10).assign(correlation_all=np.nan)
        text = findings(table, design)
        assert "In all layers there is no s: nothing else varies beside the key" in text
        assert "higher than" not in text

    @pytest.mark.slow
    def test_permuted_labels_are_told(self, design):
        table = experiment(5, 10)
        permuted = table[table["network"] == "square-1"].assign(network="permuted-0")
        text = findings(pd.concat([table, permuted], ignore_index=True), design)
        assert "1 network trained on permuted labels" in text
        assert "neither bounded nor tested" in text

    @pytest.mark.slow
    def test_no_feature_is_named(self, design):
        text = findings(experiment(5, 10), design)
        assert "invariant" not in text
        assert "sensitive" not in text
        assert "No feature is named by this experiment" in text

    def test_what_the_networks_know_stands_before_everything_else(self, design):
        text = write_findings(
            "e", Protocol(design, "maps"), **tables_of(experiment(1, 1)), accuracy="A."
        )
        assert text.splitlines()[0] == "A."

    def test_pairs_that_were_left_out_are_told(self, design):
        tables = tables_of(experiment(2, 2))
        text = write_findings("e", Protocol(design, "maps"), **tables)
        assert "live trained features have 100% to 100% of an attribute's pairs" in text
        variants = tables["variants"]
        chosen = (variants["variant"] == "square") & (variants["layer"] == 2)
        chosen &= variants["attribute"] == "key"
        mean = variants.loc[chosen, "mean"].item()
        changes = {"share_of_pairs": 0.25, "mean_complete": mean - 0.3, "n_complete": 4}
        variants.loc[chosen, list(changes)] = list(changes.values())
        text = write_findings("e", Protocol(design, "maps"), **tables)
        assert "live trained features have 25% to 100% of an attribute's pairs" in text
        assert "the means differ by up to 0.30 (layer 2, key: " in text

    def test_everything_is_counted(self, design):
        text = findings(experiment(2, 2), design, compare="activations")
        assert "6 signals, pairs: 6 in key, 3 in chord" in text
        assert "activations over time" in text
        assert "live features by layer 47, 48, of 96 in all" in text

    @pytest.mark.slow
    def test_every_number_of_the_table_is_there(self, design):
        tables = tables_of(experiment(5, 10))
        text = write_findings("e", Protocol(design, "maps"), **tables)
        rows = [line for line in text.splitlines() if line.startswith("| square | key |")]
        assert len(rows) == 2
        found = tables["comparison"].query("attribute == 'key'").iloc[1]
        assert f"| {found['s']:+.2f} | {found['s_untrained']:+.2f} | {found['p']:.2g} |" in rows[1]
        assert rows[1].endswith("| higher |")


def test_a_protocol_says_what_it_is():
    signals = pd.DataFrame({"key": ["C", "C", "D"], "chord": ["major", "minor", "major"]})
    text = str(Protocol(describe_design(signals), "auralised", "own", 16))
    assert "3 signals, pairs: 1 in key, 1 in chord; every signal has random onsets of" in text
    assert "(what is heard)" in text
    assert "16 features of each layer" in text
    assert "Of the 4 combinations key x chord, 1 are missing" in text
    assert "onsets" not in str(Protocol(describe_design(signals), "maps"))


def test_captions_say_protocol_and_counts(design):
    table = experiment(2, 2)
    tables, protocol = tables_of(table), Protocol(design, "maps")
    captions = [
        caption_attributes(tables["variants"], protocol),
        caption_distribution(tables["variants"], protocol),
        caption_comparison(tables["comparison"], tables["variants"], protocol),
        caption_features(table.query("network == 'square-0'"), protocol),
    ]
    for caption in captions:
        assert "6 signals, pairs: 6 in key, 3 in chord" in caption
        assert caption.endswith(".\n")
    assert "95 % bootstrap interval" in captions[0]
    assert (
        "2 networks 'square', trained, live features by layer 47, 48, of 96 in all" in captions[1]
    )
    assert "2 trained against 2 untrained" in captions[2]
    assert "the 47 live features of 48" in captions[3]
