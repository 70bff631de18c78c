import numpy as np
import pytest
from fake_runs import rows

from analysis.latency import among_failures, ranked_latency_s
from analysis.records import OK, OUTCOMES, REJECTED, RESET, TIMEOUT, UNSENT
from analysis.summary import has_quantile, summarize_records

NEVER = float("nan")


@pytest.mark.parametrize(
    ("latency_s", "outcome", "ranked"),
    [
        ([0.1, 0.2], [OK, OK], [0.1, 0.2]),
        ([0.1, NEVER], [OK, TIMEOUT], [0.1, 10]),
        ([0.1, 0.001], [OK, REJECTED], [0.1, 10]),  # a quick refusal is slow
        ([0.1, 10.4], [OK, TIMEOUT], [0.1, 10.4]),
        ([11.0, 0.002, 12.0], [OK, RESET, TIMEOUT], [11.0, 11.0, 12.0]),  # above every success
        ([NEVER, NEVER], [UNSENT, UNSENT], [10, 10]),
        ([NEVER], [OK], [10]),  # an answer that never came cannot count
    ],
)
def test_failures_rank_above_successes(
    latency_s: list[float], outcome: list[int], ranked: list[float]
) -> None:
    found = ranked_latency_s(rows(latency_s, outcome), timeout_s=10)
    np.testing.assert_allclose(found, ranked)


def test_every_figure_by_hand() -> None:
    latency_s = [0.1, 0.2, 0.3, 0.4, 0.01, NEVER]
    records = rows(latency_s, [OK, OK, OK, OK, REJECTED, UNSENT], gap_s=1.0)
    s = summarize_records(records, duration_s=6.0, timeout_s=10, slo_limit_s=0.3)
    assert (s.n, s.good) == (6, 3)
    assert s.p50_s == pytest.approx(0.35)  # of 0.1 0.2 0.3 0.4 10 10
    assert s.mean_s == pytest.approx(21 / 6)
    assert s.goodput_rps == pytest.approx(0.5)
    assert s.goodput_fraction == pytest.approx(0.5)
    assert s.throughput_rps == pytest.approx(4 / 6)
    assert s.error_rate == pytest.approx(2 / 6)
    assert dict(s.outcomes) == dict.fromkeys(OUTCOMES, 0) | {"ok": 4, "rejected": 1, "unsent": 1}
    assert s.lateness_max_s == pytest.approx(0.001)
    assert s.p99_s is None


def test_completed_throughput_counts_the_time_it_took_to_drain() -> None:
    records = rows([20.0] * 10, [OK] * 10, gap_s=0.1)
    s = summarize_records(records, duration_s=1.0, timeout_s=60, slo_limit_s=0.3)
    assert s.throughput_rps == pytest.approx(10 / 20.9)
    assert s.goodput_rps == 0


@pytest.mark.parametrize(("n", "given"), [(1, False), (999, False), (1000, True), (5000, True)])
def test_p99_needs_ten_requests_beyond(n: int, given: bool) -> None:
    s = summarize_records(rows([0.1] * n, [OK] * n), 10, 10, 0.3)
    assert (s.p99_s is not None) == given == has_quantile(n, 0.99)


def test_all_timeouts_are_finite_and_nothing_is_good() -> None:
    s = summarize_records(rows([NEVER] * 50, [TIMEOUT] * 50), 5, 10, 0.3)
    assert (s.p50_s, s.p95_s, s.mean_s) == (10, 10, 10)
    assert (s.goodput_rps, s.throughput_rps, s.error_rate) == (0, 0, 1)


@pytest.mark.parametrize(
    ("n", "ok", "q", "among"),
    [
        (21, 20, 0.95, False),  # the 20th of 21 values, the last one that succeeded
        (21, 19, 0.95, True),
        (22, 21, 0.95, False),
        (22, 20, 0.95, True),  # between the 20th and the 21st: half a failure
        (100, 96, 0.95, False),
        (100, 95, 0.95, True),
        (1, 1, 0.5, False),
        (1, 0, 0.5, True),
    ],
)
def test_which_quantiles_lie_among_failures(n: int, ok: int, q: float, among: bool) -> None:
    assert among_failures(n, ok, q) is among
    # What a notebook gets that counts failures as endless.
    assert (np.quantile(np.where(np.arange(n) < ok, 0.1, 1e9), q) > 1) == among


def test_a_run_names_its_quantiles_among_failures() -> None:
    half = [OK] * 92 + [REJECTED] * 8
    s = summarize_records(rows([0.1] * 100, half), 10, 10, 0.3)
    assert s.censored == ("p95", "p99") and s.p95_s == 10
    assert summarize_records(rows([0.1] * 100, [OK] * 100), 10, 10, 0.3).censored == ()


def test_nothing_sent_has_no_lateness() -> None:
    s = summarize_records(rows([NEVER] * 3, [UNSENT] * 3), 5, 10, 0.3)
    assert (s.lateness_p50_s, s.lateness_p99_s, s.lateness_max_s) == (None, None, None)
