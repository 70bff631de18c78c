import numpy as np
import pytest
from scipy import stats

from loadtests._law import CHANCE, chance_of, constant, distance, largest_distance
from loadtests._schedule import renewal


@pytest.mark.parametrize("cv", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("gaps", [1, 20])
def test_spans_are_gamma(cv: float, gaps: int) -> None:
    shape = gaps / cv**2
    spans = np.array([-1.0, 0.0, 0.01, 0.5, 1.0, 3.0, 30.0])
    expected = stats.gamma(shape, scale=gaps / shape).cdf(spans)
    np.testing.assert_allclose(constant(7.0, cv).below(spans, gaps), expected, atol=1e-12)


def test_the_limits_of_a_poisson_count_enclose_the_exact_ones() -> None:
    """For a Poisson process the exact quantiles are known; ours must not be narrower."""
    for expected in (3.0, 50.0, 1000.0):
        law, exact = constant(expected, 1.0), stats.poisson(expected)
        fewest, most = law.fewest(1.0), law.most(1.0)
        assert exact.cdf(fewest - 1) <= CHANCE
        assert exact.sf(most) <= CHANCE
        assert exact.ppf(CHANCE) - fewest <= 2, "nor much wider"
        assert most - exact.isf(CHANCE) <= 2


@pytest.mark.parametrize("cv", [0.5, 1.0, 3.0, 8.0])
@pytest.mark.parametrize("rate", [2.0, 20.0])
def test_sound_counts_keep_far_within_the_limits(cv: float, rate: float) -> None:
    law = constant(rate, cv)
    counts = [len(renewal(rate, cv, 5.0, seed, 1)) for seed in range(500)]
    assert law.fewest(5.0) <= min(counts)
    assert max(counts) <= law.most(5.0)


def test_the_distance_is_that_of_kolmogorov_and_smirnov() -> None:
    gaps = np.random.default_rng(1).exponential(size=2000)
    assert distance(gaps, 1, constant(1.0, 1.0), 0.0) == pytest.approx(
        stats.kstest(gaps, "expon").statistic
    )


def test_the_bound_of_the_distance_is_the_two_sided_one() -> None:
    for count in (20, 1000, 100_000):
        limit = largest_distance(count)
        assert chance_of(limit, count) == pytest.approx(CHANCE)
        assert stats.kstwo(count).sf(limit) <= CHANCE


def test_errors_within_the_resolution_explain_everything() -> None:
    """However the errors conspire, they add nothing to the distance of the true gaps."""
    rng = np.random.default_rng(3)
    true = rng.gamma(1 / 9, 9, size=3000)
    law = constant(1.0, 3.0)
    bare = distance(true.copy(), 1, law, 0.0)
    for errors in (rng.uniform(-0.05, 0.05, 3000), np.full(3000, 0.05), np.full(3000, -0.05)):
        seen = np.maximum(true + errors, 0.0)
        assert distance(seen, 1, law, 0.05) <= bare + 1e-12
    assert distance(true + 0.05, 1, law, 0.0) > 0.4, "which without it would look all wrong"
