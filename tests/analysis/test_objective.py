"""Objectives in words, and which runs meet them."""

from dataclasses import replace

import fake_runs
import pytest

from analysis.objective import Objective, rate_words
from analysis.records import OK, TIMEOUT
from analysis.summary import Summary, summarize_records


def summary(latency_s: list[float], outcome: list[int] | None = None) -> Summary:
    records = fake_runs.rows(latency_s, outcome or [OK] * len(latency_s))
    return summarize_records(records, duration_s=10.0, timeout_s=5.0, slo_limit_s=0.25)


FAST = [0.1] * 100


@pytest.mark.parametrize(
    ("objective", "said", "fewest"),
    [
        (Objective("p95", 0.25), "p95 < 250 ms", 50),
        (Objective("p50", 1.5), "p50 < 1.5 s", 50),
        (Objective("p99", 0.0125), "p99 < 12.5 ms", 1000),
        (Objective("p95", 0.25, 0.99), "99% of requests right within 250 ms", 100),
        (Objective("p95", 0.25, 0.9), "90% of requests right within 250 ms", 50),
        (Objective("p95", 0.25, 1.0), "100% of requests right within 250 ms", 1000),
    ],
)
def test_an_objective_says_what_it_asks_and_from_how_many_requests(
    objective: Objective, said: str, fewest: int
) -> None:
    assert str(objective) == said
    assert objective.fewest_requests == fewest


@pytest.mark.parametrize(
    ("latency_s", "outcome", "objective", "met"),
    [
        (FAST, None, Objective("p95", 0.25), True),
        (FAST, None, Objective("p95", 0.1), False),  # below, not at most
        ([0.1] * 90 + [0.4] * 10, None, Objective("p95", 0.25), False),
        ([0.1] * 90 + [0.4] * 10, None, Objective("p50", 0.25), True),
        ([0.1] * 90 + [0.4] * 10, None, Objective("p95", 0.25, 0.9), True),
        ([0.1] * 90 + [0.4] * 10, None, Objective("p95", 0.25, 0.91), False),
        # Half of the requests are never answered: the fast other half does not hide it.
        ([0.1] * 100, [OK, TIMEOUT] * 50, Objective("p95", 0.25), False),
        (FAST, None, Objective("p99", 0.25), False),  # 100 requests have no p99
    ],
)
def test_a_run_meets_it_or_not(
    latency_s: list[float], outcome: list[int] | None, objective: Objective, met: bool
) -> None:
    assert objective.met(summary(latency_s, outcome)) is met


def test_a_p99_counts_where_it_exists() -> None:
    assert Objective("p99", 0.25).met(replace(summary(FAST), p99_s=0.2))


def test_rates_have_three_digits() -> None:
    assert [rate_words(rate) for rate in (7.123, 71.26, 712.6)] == ["7.12/s", "71.3/s", "713/s"]
