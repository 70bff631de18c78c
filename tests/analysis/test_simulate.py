import heapq
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.simulate import (
    Queue,
    arrival_times,
    latencies,
    log_quantiles,
    row_quantiles,
    service_times,
    window,
)


def one_by_one(arrivals: np.ndarray, services: np.ndarray, servers: int) -> list[float]:
    """The same queue as a clerk would keep it: a heap of the times at which servers get free."""
    free_at = [0.0] * servers
    found = []
    for arrival, service in zip(arrivals, services, strict=True):
        begins = max(arrival, heapq.heappop(free_at))
        heapq.heappush(free_at, begins + service)
        found.append(begins + service - arrival)
    return found


times = st.lists(st.tuples(st.floats(0, 3), st.floats(0, 4)), min_size=1, max_size=30)


@given(times, st.integers(1, 4))
def test_latencies_are_those_of_a_queue_played_one_by_one(
    pairs: list[tuple[float, float]], servers: int
) -> None:
    gaps, services = np.array(pairs).T
    arrivals = np.cumsum(gaps)
    found = latencies(arrivals[None], services[None], servers)[0]
    assert found == pytest.approx(one_by_one(arrivals, services, servers), abs=1e-9)


def test_mm1_has_exponential_latencies() -> None:
    """Kleinrock, Queueing Systems I, 5.118: with load r the latency is exponential, rate 1 - r."""
    rng = np.random.default_rng(1)
    arrivals = np.cumsum(rng.exponential(1 / 0.7, (20, 40_000)), axis=1)
    found = latencies(arrivals, rng.exponential(1, arrivals.shape))
    for q in (0.5, 0.95):
        assert np.quantile(found, q) == pytest.approx(-math.log(1 - q) / 0.3, rel=0.04)


def test_mm2_waits_as_erlang_says() -> None:
    """Erlang C with two servers: P(wait) = 2 r^2 / (1 + r), mean wait P / (2 (1 - r))."""
    rng = np.random.default_rng(2)
    arrivals = np.cumsum(rng.exponential(1 / 1.4, (40, 10_000)), axis=1)
    services = rng.exponential(1, arrivals.shape)
    waits = latencies(arrivals, services, servers=2) - services
    expected = 2 * 0.7**2 / 1.7
    assert np.mean(waits > 1e-12) == pytest.approx(expected, rel=0.03)
    assert waits.mean() == pytest.approx(expected / 0.6, rel=0.06)


def test_lognormal_service_waits_as_pollaczek_and_khinchine_say() -> None:
    rng = np.random.default_rng(3)
    arrivals = np.cumsum(rng.exponential(1 / 0.6, (20, 20_000)), axis=1)
    services = service_times(rng, 0.8, arrivals.shape)
    assert services.mean() == pytest.approx(1, abs=0.01)
    assert services.std() == pytest.approx(0.8, rel=0.03)
    waits = latencies(arrivals, services) - services
    assert waits.mean() == pytest.approx(0.6 * (1 + 0.8**2) / (2 * 0.4), rel=0.06)


@pytest.mark.parametrize("cv", [0.5, 1.0, 3.0])
def test_arrivals_are_stationary_with_the_cv_asked(cv: float) -> None:
    queue = Queue(0.5, cv, requests=200)
    arrivals = arrival_times(np.random.default_rng(4), queue, 4000)
    inside = arrivals < window(queue)
    assert inside.sum(axis=1).mean() == pytest.approx(200, rel=0.02)
    assert np.all(np.diff(arrivals, axis=1) >= 0)
    gaps = np.diff(arrivals, axis=1)[:, :50]  # further on, a run in which they are short has ended
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.05)


def test_a_burst_may_leave_a_window_nearly_empty_but_never_empty() -> None:
    queue = Queue(0.5, 6.0, requests=3)
    arrivals = arrival_times(np.random.default_rng(5), queue, 2000)
    assert (arrivals < window(queue)).any(axis=1).all()
    assert np.isfinite(log_quantiles(np.random.default_rng(5), queue, 100, 2, (1.0, 1.0))).all()


@given(st.lists(st.lists(st.floats(0, 9), min_size=1, max_size=8), min_size=1, max_size=5),
       st.floats(0, 1))  # fmt: skip
def test_row_quantiles_are_numpys_over_what_was_sent(rows: list[list[float]], q: float) -> None:
    widest = max(map(len, rows))
    padded = np.array([row + [np.inf] * (widest - len(row)) for row in rows])
    expected = [np.quantile(row, q) for row in rows]
    assert row_quantiles(padded, q) == pytest.approx(expected)


def test_at_next_to_no_load_speed_is_latency_and_equal_variants_differ_by_luck_only() -> None:
    queue = Queue(0.01, requests=300, start_sd=0.02)
    logs = log_quantiles(np.random.default_rng(6), queue, 200, 3, (1.0, 1.0, 1.2))
    assert logs.shape == (200, 3, 3)
    assert np.mean(logs[..., 0] - logs[..., 1]) == pytest.approx(0, abs=0.006)
    assert np.mean(logs[..., 0] - logs[..., 2]) == pytest.approx(math.log(1.2), abs=0.006)


def test_replayed_arrivals_cancel_in_a_block() -> None:
    logs = log_quantiles(np.random.default_rng(7), Queue(0.5, 3.0), 300, 1, (1.0, 1.0))
    paired = np.std(logs[:, 0, 0] - logs[:, 0, 1])
    unpaired = np.std(logs[:-1, 0, 0] - logs[1:, 0, 1])
    assert paired < 0.6 * unpaired


def test_equal_seeds_give_equal_experiments() -> None:
    one, other = (
        log_quantiles(np.random.default_rng(8), Queue(0.5, requests=50), 4, 2, (1.0, 1.0))
        for _ in range(2)
    )
    assert np.array_equal(one, other)


def test_given_schedules_are_replayed() -> None:
    """Two requests at once, then one: the second waits for the first."""
    queue = Queue(0.5, requests=3, service_cv=0.0, start_sd=0.0)
    schedules = np.array([[0.1, 0.1, 0.9], [0.2, np.inf, np.inf], [np.inf] * 3])
    rng = np.random.default_rng(9)
    logs = log_quantiles(rng, queue, 1, 3, (1.0,), q=1.0, schedules=schedules)
    assert np.exp(logs[0, :, 0]) == pytest.approx([2.0, 1.0, 1.0])
