"""The search against servers whose capacity is known, with as much noise as real ones have."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from analysis.capacity import Trial, bound, estimate, risk
from builder.search import Grid, Outcome, Walk, expected_visits, grid

Server = Callable[[float], Outcome]
CAPACITY_RPS = 73.0


def walk(where: Grid, server: Server, repeats: int = 6) -> list[Trial]:
    """Every trial of a search, driven to its end."""
    trials: list[Trial] = []
    going = Walk(where, repeats)
    while (visit := going.next) is not None:
        rate = where.rate_rps(visit.step)
        outcome = server(rate)
        if outcome is not None:
            trials.append(Trial(rate, outcome, visit.role, visit.candidate))
        going.went(outcome)
        assert going.visits < 200
    return trials


def exact(rate_rps: float) -> bool:
    return rate_rps < CAPACITY_RPS


def noisy(rng: np.random.Generator, sd: float) -> Server:
    """A queue's p95 against 250 ms: 1 / (1 - utilization), times a speed that each run draws.

    The median run meets the objective exactly up to CAPACITY_RPS.
    """
    service_s = 0.25 * (1 - CAPACITY_RPS / 100)

    def meets(rate_rps: float) -> bool:
        if rate_rps >= 100:
            return False
        return bool(service_s / (1 - rate_rps / 100) * math.exp(rng.normal(0, sd)) < 0.25)

    return meets


@pytest.mark.parametrize("start_rps", [2.0, 20.0, 72.9, 73.1, 500.0])
def test_an_exact_server_is_bracketed_by_neighbours(start_rps: float) -> None:
    where = grid(start_rps, 0.05, 1.0, 1e5)
    trials = walk(where, exact)
    low, high = bound(trials, "lower", 6), bound(trials, "upper", 6)
    found = estimate(trials)
    assert low is not None and high is not None and found is not None
    assert low < CAPACITY_RPS < high
    assert high / low == pytest.approx(1.05, rel=1e-3)
    assert low < found < high


def test_the_climb_is_geometric_and_the_bisection_short() -> None:
    trials = walk(grid(10.0, 0.05, 1.0, 1e5), exact)
    rates = [one.rate_rps for one in trials if one.role == "climb"]
    assert rates[:3] == [10.0, 14.77, 21.83]
    assert sum(one.role == "bisect" for one in trials) == 3
    assert sum(one.role in ("lower", "upper") for one in trials) == 12
    assert len(trials) <= expected_visits(6) + 3


def test_both_bounds_are_confirmed_in_turn() -> None:
    trials = walk(grid(10.0, 0.05, 1.0, 1e5), exact)
    roles = [one.role for one in trials if one.role in ("lower", "upper")]
    assert roles == ["lower", "upper"] * 6


@pytest.mark.parametrize("sd", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("repeats", [3, 6])
def test_the_interval_covers_as_often_as_it_says(sd: float, repeats: int) -> None:
    rng = np.random.default_rng([repeats, round(100 * sd)])
    wrong = {"lower": 0, "upper": 0}
    experiments = 400
    for _ in range(experiments):
        trials = walk(grid(10.0, 0.05, 1.0, 1e5), noisy(rng, sd), repeats)
        low, high = bound(trials, "lower", repeats), bound(trials, "upper", repeats)
        wrong["lower"] += low is not None and low > CAPACITY_RPS
        wrong["upper"] += high is not None and high < CAPACITY_RPS
    allowed = risk(repeats) * experiments
    for role, count in wrong.items():
        assert count <= allowed + 3 * math.sqrt(allowed), role


def test_noise_neither_biases_the_estimate_nor_makes_the_search_long() -> None:
    rng = np.random.default_rng(7)
    found, visits = [], []
    for _ in range(200):
        trials = walk(grid(10.0, 0.05, 1.0, 1e5), noisy(rng, 0.15))
        middle = estimate(trials)
        assert middle is not None
        found.append(math.log(middle / CAPACITY_RPS))
        visits.append(len(trials))
    assert abs(np.median(found)) < 0.02
    assert np.quantile(np.abs(found), 0.9) < 0.08
    assert np.mean(visits) < 1.3 * expected_visits(6)


def test_one_unlucky_run_on_the_way_up_decides_nothing() -> None:
    unlucky = iter([True, False])

    def server(rate_rps: float) -> bool:
        return next(unlucky, exact(rate_rps)) and exact(rate_rps)

    trials = walk(grid(10.0, 0.05, 1.0, 1e5), server)
    low = bound(trials, "lower", 6)
    assert low is not None and low > 0.9 * CAPACITY_RPS


def test_a_server_that_always_meets_has_a_lower_bound_only() -> None:
    trials = walk(grid(10.0, 0.05, 5.0, 100.0), lambda rate: True)
    assert bound(trials, "lower", 6) == max(one.rate_rps for one in trials) <= 100
    assert bound(trials, "upper", 6) is None
    assert estimate(trials) is None


def test_a_server_that_never_meets_has_an_upper_bound_only() -> None:
    trials = walk(grid(10.0, 0.05, 5.0, 100.0), lambda rate: False)
    assert bound(trials, "upper", 6) == min(one.rate_rps for one in trials) >= 5
    assert bound(trials, "lower", 6) is None
    assert estimate(trials) is None


def test_the_generators_limit_is_not_taken_for_the_servers() -> None:
    trials = walk(grid(10.0, 0.05, 1.0, 1e5), lambda rate: True if rate < 50 else None)
    low = bound(trials, "lower", 6)
    assert low is not None and 45 < low < 50
    assert bound(trials, "upper", 6) is None
    assert all(one.rate_rps < 50 for one in trials)


def test_a_generator_that_can_offer_nothing_ends_the_search() -> None:
    assert walk(grid(10.0, 0.05, 5.0, 1e5), lambda rate: None) == []


def test_replaying_outcomes_leads_to_the_same_next_visit() -> None:
    where = grid(10.0, 0.05, 1.0, 1e5)
    first = Walk(where, 6)
    outcomes: list[bool] = []
    while first.next is not None:
        outcomes.append(exact(where.rate_rps(first.next.step)))
        again = Walk(where, 6)
        for outcome in outcomes[:-1]:
            again.went(outcome)
        assert again.next == first.next
        first.went(outcomes[-1])


@pytest.mark.parametrize(
    ("start", "lowest", "highest", "bottom", "top"),
    [(10.0, 10.0, 10.0, 0, 0), (10.0, 5.0, 21.0, -14, 15), (100.0, 1.0, 1000.0, -94, 47)],
)
def test_the_grid_stays_within_its_rates(
    start: float, lowest: float, highest: float, bottom: int, top: int
) -> None:
    where = grid(start, 0.05, lowest, highest)
    assert (where.bottom, where.top) == (bottom, top)
    assert where.rate_rps(bottom) >= lowest and where.rate_rps(top) <= highest
