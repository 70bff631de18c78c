import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis._permutation import sign_flip_p

values = st.lists(st.integers(-30, 30), min_size=1, max_size=9).map(
    lambda v: np.array(v, dtype=float) / 10
)


def enumerated(differences: np.ndarray) -> float:
    observed = abs(differences.sum()) - 1e-9
    patterns = itertools.product((1, -1), repeat=len(differences))
    return float(np.mean([abs(np.dot(signs, differences)) >= observed for signs in patterns]))


@given(values)
def test_equals_the_enumeration_of_all_sign_patterns(differences: np.ndarray) -> None:
    assert sign_flip_p(differences) == pytest.approx(enumerated(differences))


@given(values, st.floats(0.01, 100))
def test_scaling_and_swapping_change_nothing(differences: np.ndarray, scale: float) -> None:
    assert sign_flip_p(differences * scale) == pytest.approx(sign_flip_p(differences))
    assert sign_flip_p(-differences) == sign_flip_p(differences)


def test_agrees_with_scipy() -> None:
    differences = np.random.default_rng(3).normal(0.4, 1, 11)
    reference = stats.permutation_test(
        (differences,), np.sum, permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_p(differences) == pytest.approx(reference.pvalue)


def test_darwins_plants_as_fisher_counted_them() -> None:
    """Fisher, The Design of Experiments, section 21: 1,726 of 32,768 sums are as large as 314."""
    eighths_of_an_inch = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    assert sum(eighths_of_an_inch) == 314
    assert sign_flip_p(np.array(eighths_of_an_inch, dtype=float)) == 1726 / 32768


@pytest.mark.parametrize("n", [1, 2, 5, 8, 20])
def test_smallest_p_is_two_in_two_to_the_n(n: int) -> None:
    assert sign_flip_p(np.linspace(1, 2, n)) == 2 / 2**n


def test_nothing_differs_and_nothing_is_there() -> None:
    assert sign_flip_p(np.zeros(8)) == 1.0
    assert sign_flip_p(np.array([])) is None


def test_above_twenty_a_seeded_sample_near_the_normal_limit() -> None:
    differences = np.random.default_rng(8).normal(0.35, 1, 40)
    p = sign_flip_p(differences)
    z = differences.sum() / np.sqrt((differences**2).sum())
    assert p == pytest.approx(2 * stats.norm.sf(abs(z)), abs=0.01)
    assert p == sign_flip_p(differences)
    assert p == pytest.approx(sign_flip_p(differences, np.random.default_rng(99)), abs=0.005)
    assert sign_flip_p(np.ones(30)) == pytest.approx(1e-5)  # never zero
