"""What correlations come to by layer, and trained against untrained networks."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from auralise.attributes.comparison import (
    compare_with_controls,
    confidence_interval,
    rank_features,
    share_kept,
    summarise_correlation,
    summarise_variants,
)

CONTROLS = {"square": "untrained"}


def correlations(networks, layer=1, attribute="key", everything=0.1):
    """A table of correlations from ``{network: values}``; NaN is a dead feature."""
    parts = [
        pd.DataFrame(
            {
                "network": network,
                "layer": layer,
                "feature": range(len(values)),
                "attribute": attribute,
                "correlation": values,
                "correlation_all": np.where(np.isnan(values), np.nan, everything),
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

    def test_s_is_that_of_the_means_by_hand(self):
        table = correlations({"n-0": np.array([0.2, 0.4, 0.6, np.nan])})
        table["correlation_all"] = [0.0, 0.1, 0.5, np.nan]
        row = summarise_correlation(table).iloc[0]
        assert row["mean_all"] == pytest.approx(0.2)
        assert row["s"] == pytest.approx((0.4 - 0.2) / (1 - 0.2))

    @pytest.mark.parametrize(
        ("mean", "mean_all", "s"),
        [(1.0, 0.3, 1.0), (0.3, 0.3, 0.0), (0.0, 0.5, -1.0), (0.95, 0.9, 0.5)],
    )
    def test_s_by_hand(self, mean, mean_all, s):
        assert share_kept(mean, mean_all) == pytest.approx(s)

    @pytest.mark.parametrize("mean_all", [0.901, 1.0, np.nan])
    def test_where_nothing_is_left_to_change_there_is_no_s(self, mean_all):
        assert np.isnan(share_kept(0.95, mean_all))

    def test_a_single_feature_has_no_interval(self):
        row = summarise_correlation(correlations({"input": np.array([0.3])})).iloc[0]
        assert row["mean"] == 0.3
        assert np.isnan([row["std"], row["ci_low"], row["ci_high"]]).all()

    def test_a_variant_is_the_mean_of_its_networks_by_hand(self):
        networks = {"square-0": np.array([0.1, 0.3]), "square-1": np.array([0.5, 0.6, np.nan])}
        table = correlations(networks)
        table.loc[table["network"] == "square-1", "correlation_all"] = 0.3
        row = summarise_variants(table).iloc[0]
        assert row["variant"] == "square"
        assert row["mean"] == pytest.approx((0.2 + 0.55) / 2)
        assert row["mean_all"] == pytest.approx(0.2)
        assert row["s"] == pytest.approx((0.1 / 0.9 + 0.25 / 0.7) / 2)
        assert row["std_networks"] == pytest.approx(np.std([0.2, 0.55], ddof=1))
        assert row["std"] == pytest.approx(np.std([0.1, 0.3, 0.5, 0.6], ddof=1))
        assert (row["n_networks"], row["n_features"], row["n_live"]) == (2, 5, 4)
        assert row["resampled"] == "networks and features"

    def test_permuted_labels_are_shown_and_not_bounded(self):
        table = correlations({"permuted-0": np.array([0.1, 0.2, 0.3])})
        for summary in (summarise_correlation(table), summarise_variants(table)):
            row = summary.iloc[0]
            assert row["mean"] == pytest.approx(0.2)
            assert np.isnan([row["ci_low"], row["ci_high"]]).all()

    def test_features_that_lack_pairs_are_counted(self):
        table = correlations({"square-0": np.array([0.1, 0.3, 0.8, np.nan])})
        table.loc[2, "n_pairs"] = 1
        row = summarise_variants(table).iloc[0]
        assert row["share_of_pairs"] == pytest.approx((1 + 1 + 0.5) / 3)
        assert (row["mean_complete"], row["n_complete"]) == (pytest.approx(0.2), 2)
        assert row["mean"] == pytest.approx(0.4)

    def test_a_dead_layer_is_empty_not_zero(self):
        row = summarise_variants(correlations({"square-0": np.full(3, np.nan)})).iloc[0]
        assert np.isnan([row["mean"], row["s"]]).all()
        assert (row["n_networks"], row["n_live"]) == (1, 0)


class TestIntervals:
    def test_of_one_network_it_is_the_bootstrap_over_features(self):
        values = drawn(np.random.default_rng(0), 0.4, 60)
        expected = stats.bootstrap((values,), np.mean, method="percentile", random_state=0)
        np.testing.assert_allclose(
            confidence_interval([values]), expected.confidence_interval, atol=0.005
        )

    def test_networks_that_differ_widen_it(self):
        rng = np.random.default_rng(0)
        networks = [drawn(rng, centre, 50) for centre in (0.1, 0.4, 0.7)]
        low, high = confidence_interval(networks)
        pooled_low, pooled_high = confidence_interval([np.concatenate(networks)])
        assert high - low > 3 * (pooled_high - pooled_low)


def summary_of(n_trained, n_untrained, shifts=(0, 0.3), attributes=("key", "chord"), seed=0):
    """s of networks by layer; the trained ones are shifted, layer by layer."""
    rng = np.random.default_rng(seed)
    names = [f"square-{n}" for n in range(n_trained)]
    names += [f"untrained-{n}" for n in range(n_untrained)]
    rows = [
        (name, layer, attribute, rng.normal(0.4, 0.03) + shift * name.startswith("square"))
        for name in names
        for layer, shift in enumerate(shifts, start=1)
        for attribute in attributes
    ]
    return pd.DataFrame(rows, columns=["network", "layer", "attribute", "s"])


class TestComparison:
    def test_it_has_its_columns(self):
        assert list(compare_with_controls(summary_of(5, 10), CONTROLS)) == [
            "variant", "layer", "attribute", "s", "s_untrained", "p", "q", "verdict",
            "n_networks_needed",
        ]  # fmt: skip

    def test_five_against_ten_find_an_effect_where_it_is_and_only_there(self):
        rows = compare_with_controls(summary_of(5, 10, seed=1), CONTROLS)
        assert rows.query("layer == 2")["verdict"].tolist() == ["higher"] * 2
        assert rows.query("layer == 1")["verdict"].tolist() == ["not distinguishable"] * 2
        rows = compare_with_controls(summary_of(5, 10, shifts=(0, -0.3)), CONTROLS)
        assert rows.query("layer == 2")["verdict"].tolist() == ["lower"] * 2

    def test_p_and_q_by_hand(self):
        """All trained networks above all untrained ones: 2 of 3,003 splits are as far."""
        rows = compare_with_controls(summary_of(5, 10, shifts=(9,), attributes="abcd"), CONTROLS)
        np.testing.assert_allclose(rows["p"], 2 / math.comb(15, 5))
        np.testing.assert_allclose(rows["q"], rows["p"])
        table = summary_of(5, 10)
        rows = compare_with_controls(table, CONTROLS)
        np.testing.assert_allclose(rows["q"], stats.false_discovery_control(rows["p"]))
        for row in rows.itertuples():
            of = table[(table["layer"] == row.layer) & (table["attribute"] == row.attribute)]
            trained = of["network"].str.startswith("square")
            assert row.s == pytest.approx(of.loc[trained, "s"].mean())
            assert row.s_untrained == pytest.approx(of.loc[~trained, "s"].mean())

    @pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 3), (1, 10), (4, 4)])
    def test_too_few_networks_know_nothing_however_far_apart(self, n, m):
        rows = compare_with_controls(summary_of(n, m, shifts=(9,) * 5), CONTROLS)
        assert (rows["verdict"] == "unknown").all()
        assert rows["n_networks_needed"].between(4, 5).all()

    def test_how_many_it_takes_follows_from_the_number_of_tests(self):
        """4 against 10 have 1,001 splits: enough for 20 tests, of which none needs another."""
        few = summary_of(1, 10, shifts=(0,) * 5, attributes="abcd")
        assert (compare_with_controls(few, CONTROLS)["n_networks_needed"] == 4).all()
        none = summary_of(1, 1, shifts=(0,) * 5, attributes="abcd")
        assert (compare_with_controls(none, CONTROLS)["n_networks_needed"] == 5).all()

    def test_a_row_without_s_is_no_test(self):
        table = summary_of(5, 10, shifts=(9,))
        table.loc[table["attribute"] == "chord", "s"] = np.nan
        rows = compare_with_controls(table, CONTROLS).set_index("attribute")
        assert rows.loc["key", "q"] == rows.loc["key", "p"]
        assert rows.loc["chord", "verdict"] == "unknown"
        assert rows.loc["chord", ["s", "p", "q", "n_networks_needed"]].isna().all()

    def test_controls_of_permuted_labels_and_the_input_are_no_variants(self):
        table = summary_of(5, 10)
        others = [
            table[table["network"] == "square-0"].assign(network=n) for n in ("permuted-0", "input")
        ]
        rows = compare_with_controls(pd.concat([table, *others]), CONTROLS)
        pd.testing.assert_frame_equal(rows, compare_with_controls(table, CONTROLS))

    def test_a_variant_of_another_architecture_has_no_control(self):
        table = summary_of(5, 10)
        wide = table[table["network"].str.startswith("square")].copy()
        wide["network"] = wide["network"].str.replace("square", "wide")
        rows = compare_with_controls(pd.concat([table, wide]), CONTROLS)
        wide = rows[rows["variant"] == "wide"]
        assert wide["s"].notna().all()
        assert wide[["s_untrained", "p", "q"]].isna().all(axis=None)
        assert (wide["verdict"] == "unknown").all()


class TestRanks:
    @pytest.fixture
    def untrained(self):
        """Features of two networks lie evenly between 0 and 1."""
        values = np.linspace(0, 1, 11)
        return correlations({"untrained-0": values[:5], "untrained-1": values[5:]})

    def test_a_percentile_by_counting(self, untrained):
        table = correlations({"square-0": np.array([-1, 0.35, 0.5, 2, np.nan])})
        ranked = rank_features(table, untrained)
        np.testing.assert_allclose(
            ranked["percentile"], [0, 100 * 4 / 11, 100 * 5.5 / 11, 100, np.nan]
        )
        assert list(ranked) == [
            "network", "layer", "feature", "attribute", "correlation", "correlation_all",
            "percentile", "n_pairs", "live",
        ]  # fmt: skip

    def test_an_untrained_feature_lies_among_those_of_the_other_networks(self, untrained):
        own = untrained[untrained["network"] == "untrained-1"].reset_index(drop=True)
        assert (rank_features(own, untrained)["percentile"] == 100).all()

    def test_dead_features_and_other_layers_do_not_count(self, untrained):
        dead = untrained.assign(correlation=5.0, live=False)
        other = untrained.assign(correlation=5.0, layer=2)
        table = correlations({"square-0": np.array([0.35])})
        ranked = rank_features(table, pd.concat([untrained, dead, other], ignore_index=True))
        assert ranked["percentile"][0] == pytest.approx(100 * 4 / 11)

    def test_without_controls_it_is_empty(self, untrained):
        ranked = rank_features(untrained, untrained.iloc[:0])
        assert ranked["percentile"].isna().all()
