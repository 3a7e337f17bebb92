"""What correlations come to by layer, and trained against untrained networks."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from auralise.attributes.comparison import (
    compare_with_controls,
    confidence_interval,
    count_names,
    find_thresholds,
    name_features,
    summarise_correlation,
    summarise_variants,
)


def correlations(networks, layer=1, attribute="key"):
    """A table of correlations from ``{network: values}``; NaN is a dead feature."""
    parts = [
        pd.DataFrame(
            {
                "network": network,
                "layer": layer,
                "feature": range(len(values)),
                "attribute": attribute,
                "correlation": values,
                "n_pairs": np.where(np.isnan(values), 0, 2),
                "live": ~np.isnan(values),
            }
        )
        for network, values in networks.items()
    ]
    return pd.concat(parts, ignore_index=True)


def drawn(rng, centre, n=20):
    return np.clip(rng.normal(centre, 0.1, n), -1, 1)


class TestSummaries:
    def test_dead_features_are_left_out_and_counted(self):
        table = correlations({"n-0": np.array([0.2, 0.4, 0.6, np.nan])})
        row = summarise_correlation(table).iloc[0]
        assert row["mean"] == pytest.approx(0.4)
        assert row["std"] == pytest.approx(0.2)
        assert row["ci_low"] < 0.4 < row["ci_high"]
        assert (row["n_features"], row["n_live"]) == (4, 3)

    def test_a_single_feature_has_no_interval(self):
        row = summarise_correlation(correlations({"input": np.array([0.3])})).iloc[0]
        assert row["mean"] == 0.3
        assert np.isnan([row["std"], row["ci_low"], row["ci_high"]]).all()

    def test_a_variant_is_the_mean_of_its_networks_by_hand(self):
        networks = {"square-0": np.array([0.1, 0.3]), "square-1": np.array([0.5, 0.6, np.nan])}
        row = summarise_variants(correlations(networks)).iloc[0]
        assert row["variant"] == "square"
        assert row["mean"] == pytest.approx((0.2 + 0.55) / 2)
        assert row["std_networks"] == pytest.approx(np.std([0.2, 0.55], ddof=1))
        assert row["std"] == pytest.approx(np.std([0.1, 0.3, 0.5, 0.6], ddof=1))
        assert (row["n_networks"], row["n_features"], row["n_live"]) == (2, 5, 4)
        assert row["resampled"] == "networks and features"

    def test_features_that_lack_pairs_are_counted(self):
        table = correlations({"square-0": np.array([0.1, 0.3, 0.8, np.nan])})
        table.loc[2, "n_pairs"] = 1
        row = summarise_variants(table).iloc[0]
        assert row["share_of_pairs"] == pytest.approx((1 + 1 + 0.5) / 3)
        assert (row["mean_complete"], row["n_complete"]) == (pytest.approx(0.2), 2)
        assert row["mean"] == pytest.approx(0.4)

    def test_a_dead_layer_is_empty_not_zero(self):
        row = summarise_variants(correlations({"square-0": np.full(3, np.nan)})).iloc[0]
        assert np.isnan(row["mean"])
        assert (row["n_networks"], row["n_live"]) == (1, 0)


class TestIntervals:
    def test_of_one_network_it_is_the_bootstrap_over_features(self):
        values = drawn(np.random.default_rng(0), 0.4, 60)
        expected = stats.bootstrap((values,), np.mean, method="percentile", rng=0)
        np.testing.assert_allclose(
            confidence_interval([values]), expected.confidence_interval, atol=0.005
        )

    def test_networks_that_differ_widen_it(self):
        rng = np.random.default_rng(0)
        networks = [drawn(rng, centre, 50) for centre in (0.1, 0.4, 0.7)]
        low, high = confidence_interval(networks)
        pooled_low, pooled_high = confidence_interval([np.concatenate(networks)])
        assert high - low > 3 * (pooled_high - pooled_low)

    def test_of_a_difference_it_covers_the_difference(self):
        rng = np.random.default_rng(0)
        low, high = confidence_interval([drawn(rng, 0.6, 200)], [drawn(rng, 0.4, 200)])
        assert 0.15 < low < 0.2 < high < 0.25


class TestComparison:
    @pytest.fixture
    def table(self):
        """In layer 1 training changes nothing, in layer 2 it raises the correlation."""
        rng = np.random.default_rng(0)
        parts = []
        for layer, centre in ((1, 0.4), (2, 0.7)):
            networks = {f"square-{n}": drawn(rng, centre) for n in range(3)}
            networks |= {f"untrained-{n}": drawn(rng, 0.4) for n in range(3)}
            networks["square-0"][:5] = np.nan
            parts.append(correlations(networks, layer))
        parts.append(correlations({"input": np.array([0.3])}, 0))
        return pd.concat(parts, ignore_index=True)

    def test_an_effect_is_found_where_it_is_and_only_there(self, table):
        rows = compare_with_controls(table, ["square"]).set_index("layer")
        assert rows.loc[1, "p_features_adjusted"] > 0.05
        assert rows.loc[1, "ci_low"] < 0 < rows.loc[1, "ci_high"]
        assert rows.loc[2, "p_features_adjusted"] < 0.001
        assert rows.loc[2, "p_networks"] == pytest.approx(rows.loc[2, "p_networks_least"])
        assert rows.loc[2, "delta"] > 0.9
        assert rows.loc[2, "ci_low"] > 0.2
        assert (rows["input"] == 0.3).all()

    def test_everything_that_went_in_is_counted(self, table):
        row = compare_with_controls(table, ["square"]).iloc[0]
        counts = row.filter(like="n_").to_dict()
        assert counts == {
            "n_networks": 3,
            "n_untrained_networks": 3,
            "n_features": 60,
            "n_live": 55,
            "n_untrained_features": 60,
            "n_untrained_live": 60,
        }

    @pytest.mark.slow
    def test_shuffled_labels_have_no_effect(self, table, monkeypatch):
        """Which feature is called trained is drawn anew: no layer stands out for it."""
        monkeypatch.setattr("auralise.statistics.N_PERMUTATIONS", 499)
        rng = np.random.default_rng(1)
        rejected = []
        for _ in range(20):
            values = table.groupby("layer")["correlation"].transform(rng.permutation)
            shuffled = table.assign(correlation=values, live=values.notna())
            rows = compare_with_controls(shuffled, ["square"])
            rejected += (rows["p_features_adjusted"] < 0.05).tolist()
        assert np.mean(rejected) <= 0.1

    def test_a_variant_of_another_architecture_has_no_control(self, table):
        wide = table[table["network"].str.startswith("square")].copy()
        wide["network"] = wide["network"].str.replace("square", "wide")
        rows = compare_with_controls(pd.concat([table, wide]), ["square"])
        wide = rows[rows["variant"] == "wide"]
        assert wide["mean"].notna().all()
        unknown = [
            "untrained",
            "difference",
            "ci_low",
            "delta",
            "p_features_adjusted",
            "p_networks",
        ]
        assert wide[unknown].isna().all(axis=None)

    def test_one_network_on_each_side_is_compared_over_features_alone(self, table):
        few = table[table["network"].isin(["square-0", "untrained-0", "input"])]
        rows = compare_with_controls(few, ["square"]).set_index("layer")
        assert rows.loc[2, "p_features_adjusted"] < 0.001
        assert rows[["p_networks", "p_networks_least"]].isna().all(axis=None)

    def test_p_is_adjusted_over_all_layers_and_attributes(self, table):
        rows = compare_with_controls(table, ["square"])
        expected = stats.false_discovery_control(rows["p_features"])
        np.testing.assert_allclose(rows["p_features_adjusted"], expected)


class TestNames:
    @pytest.fixture
    def table(self):
        """Untrained features lie evenly between 0 and 1: the tails begin at 0.05 and 0.95."""
        untrained = np.linspace(0, 1, 101)
        trained = {"key": [0.99, 0.99, 0.5, np.nan], "instrument": [0.01, 0.5, 0.5, np.nan]}
        return pd.concat(
            [
                correlations({"square-0": np.array(values), "untrained-0": untrained}, 1, attribute)
                for attribute, values in trained.items()
            ]
            + [correlations({"input": np.array([0.3])}, 0, attribute) for attribute in trained],
            ignore_index=True,
        )

    def test_thresholds_are_the_tails_of_the_untrained(self, table):
        thresholds = find_thresholds(table)
        np.testing.assert_allclose(thresholds["low"], 0.05)
        np.testing.assert_allclose(thresholds["high"], 0.95)
        assert (thresholds["n_untrained_live"] == 101).all()

    def test_features_are_named_by_them(self, table):
        features = name_features(table, find_thresholds(table), ["square"])
        of_square = features[features["network"] == "square-0"]
        assert of_square["name"].tolist() == [
            "key-invariant instrument-sensitive",
            "key-invariant",
            "",
            "dead",
        ]
        assert of_square["live"].tolist() == [True, True, True, False]
        assert "input" not in set(features["network"])

    def test_names_stand_beside_what_chance_gives(self, table):
        counts = count_names(name_features(table, find_thresholds(table), ["square"]))
        row = counts.set_index("name").loc["key-invariant"]
        assert (row["n_features"], row["n_live"]) == (1, 3)
        # Both attributes of the untrained features are the same here, so none is invariant
        # to the key alone.
        assert row["n_expected"] == 0

    def test_without_a_control_a_name_is_unknown(self, table):
        few = table[~((table["network"] == "untrained-0") & (table["feature"] >= 10))]
        thresholds = find_thresholds(few)
        assert thresholds[["low", "high"]].isna().all(axis=None)
        features = name_features(few, thresholds, ["square"])
        assert features["name"].tolist()[:4] == ["unknown", "unknown", "unknown", "dead"]
        other = name_features(table, find_thresholds(table), [])
        assert other["name"].tolist()[0] == "unknown"
