"""Against scipy, an enumeration and a published table."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from analysis._ranksum import (
    differences,
    rank_sum_interval,
    rank_sum_p,
    rank_sum_probabilities,
    shift,
)


@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 5), (3, 3), (2, 7), (5, 4)])
def test_the_null_distribution_is_that_of_all_orders(m: int, n: int) -> None:
    counts = np.zeros(m * n + 1)
    for ranks in combinations(range(m + n), n):  # places of the second sample
        counts[sum(ranks) - n * (n - 1) // 2] += 1
    np.testing.assert_allclose(rank_sum_probabilities(m, n), counts / comb(m + n, m))


@pytest.mark.parametrize(("m", "n"), [(4, 4), (8, 8), (8, 10), (5, 20)])
def test_p_is_scipys_exact_one(m: int, n: int) -> None:
    rng = np.random.default_rng(m * n)
    for _ in range(20):
        old, new = rng.normal(size=m), rng.normal(0.7, size=n)
        expected = mannwhitneyu(new, old, alternative="two-sided", method="exact").pvalue
        assert rank_sum_p(old, new) == pytest.approx(float(expected))


# Critical values of U, two-sided 5%: Mann and Whitney's table as in Siegel, Nonparametric
# Statistics (1956), table K.
@pytest.mark.parametrize(
    ("m", "n", "critical"), [(4, 4, 0), (5, 5, 2), (6, 6, 5), (8, 8, 13), (8, 10, 17), (10, 10, 23)]
)
def test_the_published_critical_values(m: int, n: int, critical: int) -> None:
    below = np.cumsum(rank_sum_probabilities(m, n))
    assert 2 * below[critical] <= 0.05 < 2 * below[critical + 1]


def test_an_interval_by_hand() -> None:
    old, new = np.array([1.0, 2.0, 4.0]), np.array([5.0, 9.0, 10.0])
    assert differences(old, new).tolist() == [1, 3, 4, 5, 6, 7, 8, 8, 9]
    assert shift(old, new) == 6
    interval = rank_sum_interval(old, new)
    assert interval is not None
    assert (interval.low, interval.high) == (1, 9)
    assert interval.confidence == pytest.approx(0.9)


def test_the_interval_excludes_zero_exactly_where_p_is_below_its_level() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        old, new = rng.normal(size=8), rng.normal(1.0, size=8)
        interval, p = rank_sum_interval(old, new), rank_sum_p(old, new)
        assert interval is not None and p is not None
        assert (interval.low > 0 or interval.high < 0) == (p <= 1 - interval.confidence + 1e-12)


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    hits, level = 0, 0.0
    for _ in range(2000):
        interval = rank_sum_interval(rng.gumbel(size=6), 0.5 + rng.gumbel(size=7))
        assert interval is not None
        hits += interval.low <= 0.5 <= interval.high
        level = interval.confidence
    assert abs(hits / 2000 - level) < 4 * (level * (1 - level) / 2000) ** 0.5


def test_ties_weigh_against_a_finding() -> None:
    same = np.ones(8)
    assert rank_sum_p(same, same) == 1.0
    interval = rank_sum_interval(same, same)
    assert interval is not None and (interval.low, interval.high) == (0.0, 0.0)


def test_too_few_runs_say_nothing() -> None:
    one = np.array([1.0])
    assert rank_sum_interval(one, one) is None
    assert rank_sum_p(one, np.array([])) is None


samples = st.lists(st.floats(-50, 50), min_size=2, max_size=7)


@given(samples, samples)
def test_swapping_the_two_flips_the_sign(first: list[float], second: list[float]) -> None:
    old, new = np.array(first), np.array(second)
    assert shift(old, new) == pytest.approx(-shift(new, old))
    assert rank_sum_p(old, new) == pytest.approx(rank_sum_p(new, old))
    one, other = rank_sum_interval(old, new), rank_sum_interval(new, old)
    assert one is not None and other is not None
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
