import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis._signedrank import (
    hodges_lehmann,
    rank_sum_probabilities,
    signed_rank_cut,
    signed_rank_interval,
    walsh_averages,
)

finite = st.floats(-50, 50, allow_nan=False).map(lambda x: round(x, 6))
samples = st.lists(finite, min_size=2, max_size=14).map(np.array)


@pytest.mark.parametrize("n", range(1, 12))
def test_null_distribution_is_that_of_all_sign_patterns(n: int) -> None:
    ranks = np.arange(1, n + 1)
    sums = [int(np.dot(signs, ranks)) for signs in itertools.product((0, 1), repeat=n)]
    counted = np.bincount(sums, minlength=n * (n + 1) // 2 + 1) / 2**n
    np.testing.assert_allclose(rank_sum_probabilities(n), counted, rtol=1e-12)


def test_hodges_lehmann_by_hand() -> None:
    # Walsh averages of 1, 4, 10: 1, 2.5, 4, 5.5, 7, 10 -> median (4 + 5.5) / 2
    assert walsh_averages(np.array([10.0, 1.0, 4.0])).tolist() == [1, 2.5, 4, 5.5, 7, 10]
    assert hodges_lehmann(np.array([10.0, 1.0, 4.0])) == 4.75
    assert hodges_lehmann(np.array([3.0])) == 3.0


def test_published_example_of_hollander_wolfe() -> None:
    """Hollander & Wolfe, example 3.1 (depression scale, n = 9): estimate -0.46, 96.1% interval."""
    before = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
    after = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
    change = np.array(after) - np.array(before)
    assert hodges_lehmann(change) == pytest.approx(-0.46, abs=0.001)
    interval = signed_rank_interval(change)
    assert interval is not None
    assert interval.confidence == pytest.approx(1 - 0.0390625)
    assert (interval.low, interval.high) == pytest.approx((-0.786, -0.010), abs=0.001)


@pytest.mark.parametrize(
    ("n", "level"),
    [(2, 0.5), (3, 0.75), (4, 0.875), (5, 0.9375), (6, 0.96875), (7, 0.953125), (8, 0.9609375)],
)
def test_attained_level(n: int, level: float) -> None:
    values = np.arange(n, dtype=float) ** 2
    interval = signed_rank_interval(values)
    assert interval is not None
    assert interval.confidence == pytest.approx(level)
    if n < 6:
        assert (interval.low, interval.high) == (values.min(), values.max())


@pytest.mark.parametrize(
    ("n", "critical"),
    [(6, 0), (7, 2), (8, 3), (9, 5), (10, 8), (12, 13), (15, 25), (20, 52), (25, 89), (30, 137)],
)
def test_cuts_are_the_critical_values_of_wilcoxons_table(n: int, critical: int) -> None:
    """Wilcoxon & Wilcox (1964), table 2: two-sided 5%."""
    assert signed_rank_cut(n, 0.95) == critical


def test_many_samples_at_once_give_what_each_gives_alone() -> None:
    samples = np.random.default_rng(2).normal(size=(4, 5, 7))
    assert walsh_averages(samples).shape == (4, 5, 28)
    assert np.array_equal(walsh_averages(samples)[2, 3], walsh_averages(samples[2, 3]))


def test_one_value_has_no_interval() -> None:
    assert signed_rank_interval(np.array([1.0])) is None
    assert signed_rank_interval(np.array([])) is None


@pytest.mark.parametrize("n", [6, 8, 10, 15, 25])
def test_interval_holds_exactly_the_centres_that_wilcoxon_does_not_reject(n: int) -> None:
    values = np.random.default_rng(n).normal(0.3, 1, n)
    interval = signed_rank_interval(values)
    assert interval is not None and 0.95 <= interval.confidence < 0.99
    edge = 1e-9
    for centre, inside in [
        (interval.low + edge, True),
        (interval.high - edge, True),
        (interval.low - edge, False),
        (interval.high + edge, False),
    ]:
        p = stats.wilcoxon(values - centre, method="exact").pvalue
        assert (p > 1 - interval.confidence + 1e-12) == inside


def test_covers_at_least_at_its_level() -> None:
    rng = np.random.default_rng(5)
    for n in (3, 5, 8):
        samples = rng.standard_t(3, size=(2000, n))
        found = [signed_rank_interval(one) for one in samples]
        share = np.mean([i is not None and i.low <= 0 <= i.high for i in found])
        assert found[0] is not None
        noise = 3 * np.sqrt(0.25 / 2000)
        assert share >= found[0].confidence - noise


@given(samples)
def test_swapping_flips_the_sign(values: np.ndarray) -> None:
    one, other = signed_rank_interval(values), signed_rank_interval(-values)
    assert one is not None and other is not None
    assert (one.low, one.high) == (-other.high, -other.low)
    assert hodges_lehmann(values) == -hodges_lehmann(-values)
    assert one.low <= hodges_lehmann(values) <= one.high


@given(samples, finite)
def test_shifting_shifts(values: np.ndarray, shift: float) -> None:
    one, other = signed_rank_interval(values), signed_rank_interval(values + shift)
    assert one is not None and other is not None
    assert other.low == pytest.approx(one.low + shift, abs=1e-9)
    assert hodges_lehmann(values + shift) == pytest.approx(hodges_lehmann(values) + shift, abs=1e-9)
