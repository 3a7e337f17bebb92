"""Statistics by hand and against scipy: resampling, intervals, tests, verdicts."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from auralise import statistics
from auralise.statistics import (
    adjust_p,
    interval,
    judge,
    permutation_p,
    resample,
    sample_needed,
    smallest_p,
)


def normal(n, centre=0.4, seed=0):
    return np.random.default_rng(seed).normal(centre, 0.1, n)


class TestResample:
    def test_row_0_is_the_sample_and_every_other_draws_as_many_units(self):
        counts = resample([5])
        assert counts.shape == (1 + statistics.N_RESAMPLES, 5)
        assert (counts[0] == 1).all()
        assert (counts.sum(1) == 5).all()

    def test_every_unit_is_drawn_once_on_average(self):
        np.testing.assert_allclose(resample([5])[1:].mean(0), 1, atol=0.1)

    def test_counts_are_those_of_units_drawn_one_by_one(self):
        drawn = np.random.default_rng(7).integers(4, size=(statistics.N_RESAMPLES, 4))
        expected = [np.bincount(draw, minlength=4) for draw in drawn]
        np.testing.assert_array_equal(resample([4], 7)[1:], expected)

    def test_a_group_is_drawn_whole_as_often_as_chance_has_it(self):
        """Of two groups, of 2 and 3 units, one is missing in half of all resamples."""
        first, second = np.split(resample([2, 3])[1:], [2], axis=1)
        times, times_second = first.sum(1) / 2, second.sum(1) / 3
        assert set(times) == {0, 1, 2}
        np.testing.assert_array_equal(times + times_second, 2)
        assert (times == 1).mean() == pytest.approx(0.5, abs=0.05)

    def test_groups_of_one_unit_are_units_without_groups(self):
        variances = [resample(sizes)[1:].var() for sizes in ([4], [1] * 4)]
        assert variances[0] == pytest.approx(variances[1], rel=0.1)

    def test_repeats_itself_by_its_seed_and_a_generator_goes_on(self):
        np.testing.assert_array_equal(resample([9], 1), resample([9], 1))
        assert (resample([9], 1) != resample([9], 2)).any()
        rng = np.random.default_rng(1)
        assert (resample([9], rng) != resample([9], rng)).any()


class TestInterval:
    def test_its_ends_are_percentiles_of_the_resamples_alone(self):
        """Of 0 to 1000, 2.5 % lie below 25 and above 975; the sample itself does not count."""
        assert interval(np.array([1e9, *range(1001)])) == pytest.approx((25, 975))

    def test_a_resample_without_a_value_is_left_out(self):
        assert interval(np.array([0, np.nan, *range(1001)])) == pytest.approx((25, 975))
        assert np.isnan(interval(np.full(4, np.nan))).all()

    def test_of_a_mean_it_is_that_of_scipy(self):
        values = normal(60)
        expected = stats.bootstrap((values,), np.mean, method="percentile", random_state=0)
        found = interval(resample([60]) @ values / 60)
        np.testing.assert_allclose(found, expected.confidence_interval, atol=0.005)

    def test_of_a_ratio_it_is_that_of_scipy(self):
        rng = np.random.default_rng(0)
        hits, size = rng.integers(0, 8, 50), np.full(50, 9)
        expected = stats.bootstrap(
            (hits, size),
            lambda h, s, axis: h.sum(axis) / s.sum(axis),
            paired=True,
            method="percentile",
            random_state=0,
        )
        counts = resample([50])
        found = interval((counts @ hits) / (counts @ size))
        np.testing.assert_allclose(found, expected.confidence_interval, atol=0.01)

    @pytest.mark.slow
    def test_it_covers_the_truth_as_often_as_it_says(self):
        hits = 0
        for seed in range(200):
            low, high = interval(resample([40], seed) @ normal(40, seed=seed) / 40)
            hits += low <= 0.4 <= high
        assert 0.89 <= hits / 200 <= 0.99


class TestTests:
    def test_few_values_are_permuted_exactly(self):
        """By counting all 20 ways to choose three of six."""
        a, b = np.array([0.5, 0.6, 0.9]), np.array([0.1, 0.55, 0.2])
        both = np.concatenate([a, b])
        differences = [
            both[list(chosen)].mean() - np.delete(both, chosen).mean()
            for chosen in itertools.combinations(range(6), 3)
        ]
        observed = a.mean() - b.mean()
        expected = 2 * np.mean(np.array(differences) >= observed - 1e-12)
        assert permutation_p(a, b) == pytest.approx(expected)
        assert smallest_p(3, 3) == pytest.approx(0.1)
        assert permutation_p(a + 10, b) == pytest.approx(smallest_p(3, 3))

    def test_one_value_against_one_is_unknown(self):
        assert np.isnan(permutation_p(np.array([0.5]), np.array([0.1])))
        assert np.isnan(smallest_p(1, 3))

    def test_a_p_is_never_zero(self):
        values = np.linspace(0, 1, 30)
        assert permutation_p(values + 5, values) == pytest.approx(2 / 10000)

    def test_shuffled_labels_give_uniform_p(self, monkeypatch):
        monkeypatch.setattr(statistics, "N_PERMUTATIONS", 199)
        rng = np.random.default_rng(0)
        found = []
        for _ in range(200):
            values = rng.permutation(rng.normal(0.4, 0.1, 40))
            found.append(permutation_p(values[:20], values[20:]))
        assert stats.kstest(found, "uniform").pvalue > 0.01
        assert np.mean(np.array(found) < 0.05) < 0.1

    def test_p_is_adjusted_over_the_tests_that_were_made(self):
        """By hand: of n sorted p, the k-th times n/k, and never above a later one."""
        found = adjust_p(np.array([0.02, np.nan, 0.01, 0.03]))
        np.testing.assert_allclose(found, [0.03, np.nan, 0.03, 0.03])
        assert np.isnan(adjust_p(np.array([np.nan]))).all()


class TestVerdicts:
    def test_five_against_ten_can_reach_twenty_tests(self):
        """2 / 3,003 x 20 = .013, as 4 against 8 cannot: 2 / 495 x 20 = .08."""
        assert smallest_p(5, 10) == pytest.approx(0.000666, abs=1e-6)
        assert sample_needed(n_others=0, n_tests=20) == 5
        assert sample_needed(n_others=10, n_tests=20) == 4
        assert sample_needed(n_others=2, n_tests=1) == 3  # 2 / 84; 2 against 4: 2 / 15

    def test_a_family_by_hand(self):
        low, high = np.arange(10.0), np.arange(20.0, 25.0)
        middle = np.array([1.5, 3.5, 4.5, 5.5, 7.5])
        none = np.array([])
        found = judge([(high, low), (middle, low), (none, low), (-high, low)])
        p, q, words, needed = zip(*found, strict=True)
        assert words == ("higher", "not distinguishable", "unknown", "lower")
        assert (p[0], q[0]) == pytest.approx((2 / 3003, 2 / 3003 * 3 / 2))
        assert needed[2] is None

    def test_p_is_twice_the_smaller_tail_and_at_most_one(self):
        values, others = np.array([1.0, 2.0]), np.array([1.0, 2.0])
        assert permutation_p(values, others) == 1

    @pytest.mark.parametrize("n", [3, 12])
    def test_it_is_that_of_scipy(self, n):
        """Exact for 3 against 6; of 12 against 6, as many splits are drawn."""
        rng = np.random.default_rng(3)
        a, b = rng.normal(0.4, 1, n), rng.normal(size=6)
        expected = stats.permutation_test(
            (a, b), lambda x, y, axis: x.mean(axis) - y.mean(axis), vectorized=True, random_state=0
        )
        exact = math.comb(n + 6, n) <= statistics.N_PERMUTATIONS
        assert permutation_p(a, b) == pytest.approx(expected.pvalue, rel=1e-9 if exact else 0.1)

    @pytest.mark.slow
    def test_where_nothing_can_be_found_a_family_seldom_has_a_verdict(self):
        """Over 400 families of 8 tests, at most 5 % hold one, give or take three deviations."""
        rng = np.random.default_rng(0)
        found = []
        for _ in range(400):
            values = rng.normal(size=(8, 15)) + rng.normal(size=15)  # the tests go together
            words = [words for _, _, words, _ in judge([(v[:5], v[5:]) for v in values])]
            found.append(set(words) != {"not distinguishable"})
        assert np.mean(found) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
