"""Bounds, estimate and knee from trials."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.capacity import MOST_CANDIDATES, Trial, bound, estimate, knee, risk, runs_needed


def trials(*shares: tuple[float, int, int]) -> list[Trial]:
    """From (rate, runs that met it, runs)."""
    return [
        Trial(rate, number < met, "climb", 0)
        for rate, met, runs in shares
        for number in range(runs)
    ]


def confirming(role: str, *candidates: tuple[float, str]) -> list[Trial]:
    """From (rate, outcomes as + and -), one candidate after the other."""
    return [
        Trial(rate, outcome == "+", role, number)
        for number, (rate, outcomes) in enumerate(candidates)
        for outcome in outcomes
    ]


@pytest.mark.parametrize(
    ("role", "candidates", "found"),
    [
        ("lower", [(70.0, "+++")], 70.0),
        ("lower", [(70.0, "++")], None),
        ("lower", [(70.0, "++-"), (66.0, "+++++")], 66.0),
        ("lower", [(70.0, "++-"), (66.0, "++++")], None),  # the second candidate needs two more
        ("lower", [(70.0, "-"), (66.0, "-"), (60.0, "++++++")], 60.0),
        ("upper", [(74.0, "---")], 74.0),
        ("upper", [(74.0, "--+"), (78.0, "-----")], 78.0),
        ("upper", [(74.0, "+++")], None),
    ],
)
def test_a_bound_is_what_enough_runs_in_a_row_confirm(
    role: str, candidates: list[tuple[float, str]], found: float | None
) -> None:
    assert bound(confirming(role, *candidates), role, repeats=3) == found


def test_the_runs_of_the_search_confirm_nothing() -> None:
    assert bound(trials((70.0, 20, 20)), "lower", repeats=3) is None


def test_the_risk_is_the_sum_over_the_candidates() -> None:
    assert [runs_needed(6, number) for number in range(4)] == [6, 8, 9, 10]
    assert risk(6) == sum(0.5 ** runs_needed(6, number) for number in range(MOST_CANDIDATES))
    assert 2 * risk(6) < 0.05 < 2 * risk(5)
    assert risk(4) <= 1.5 / 2**4


@pytest.mark.parametrize(
    ("shares", "found"),
    [
        ([(10.0, 3, 3), (40.0, 0, 3)], 20.0),  # halfway on the logarithm
        ([(10.0, 4, 4), (20.0, 3, 4), (40.0, 1, 4), (80.0, 0, 4)], 20 * 2**0.5),
        ([(10.0, 4, 4), (20.0, 2, 4), (80.0, 2, 4), (100.0, 0, 4)], 40.0),  # a plateau at 1/2
        ([(10.0, 2, 4), (20.0, 4, 4), (80.0, 0, 3)], 20 * 4 ** ((0.75 - 0.5) / 0.75)),  # pooled
        ([(10.0, 3, 3)], None),
        ([(10.0, 0, 3), (20.0, 0, 1)], None),
        ([], None),
    ],
)
def test_the_estimate_by_hand(shares: list[tuple[float, int, int]], found: float | None) -> None:
    middle = estimate(trials(*shares))
    assert middle == (None if found is None else pytest.approx(found))


outcomes = st.lists(
    st.tuples(st.sampled_from([5.0, 10.0, 20.0, 40.0, 80.0]), st.booleans()), max_size=30
)


@given(outcomes, st.randoms(use_true_random=False))
def test_the_order_of_the_runs_does_not_matter(
    found: list[tuple[float, bool]], random: object
) -> None:
    one = [Trial(rate, meets, "climb", 0) for rate, meets in found]
    other = list(one)
    random.shuffle(other)  # type: ignore[attr-defined]  # hypothesis's own Random
    assert estimate(one) == estimate(other)


@given(outcomes)
def test_an_estimate_lies_within_the_rates_that_were_visited(
    found: list[tuple[float, bool]],
) -> None:
    middle = estimate([Trial(rate, meets, "climb", 0) for rate, meets in found])
    if middle is not None:
        rates = [rate for rate, _ in found]
        assert min(rates) * (1 - 1e-9) <= middle <= max(rates) * (1 + 1e-9)


def test_the_knee_of_a_queue_is_at_half_its_capacity() -> None:
    rates = np.arange(5.0, 100.0, 5.0)  # M/M/1 with 100 served a second: power peaks at 50
    mean_s = 1 / (100 - rates)
    assert knee(list(rates), rates, mean_s) == 50.0


def test_the_knee_takes_the_median_of_the_runs_at_a_rate() -> None:
    rates = [10.0, 10.0, 10.0, 20.0, 40.0]
    throughput = np.array([10.0, 10.0, 10.0, 20.0, 40.0])
    mean_s = np.array([0.1, 1e-6, 0.1, 0.1, 0.5])
    assert knee(rates, throughput, mean_s) == 20.0


def test_two_rates_have_no_knee() -> None:
    assert knee([1.0, 1.0, 2.0], np.ones(3), np.ones(3)) is None
