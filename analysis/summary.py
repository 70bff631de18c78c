"""One run in a few numbers. The run, not the request, is the unit of every comparison."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.latency import among_failures, is_ok, ranked_latency_s
from analysis.records import Records
from analysis.runs import Run

MIN_BEYOND = 10
QUANTILES: Mapping[str, float] = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class Summary:
    """Latencies in seconds from the planned send time, failures as slow (analysis.latency)."""

    n: int
    p50_s: float
    p90_s: float
    p95_s: float
    p99_s: float | None  # None where fewer than MIN_BEYOND requests lie beyond it: n < 1000
    mean_s: float
    throughput_rps: (
        float  # ok answers per second until the last one, at least the schedule's length
    )
    goodput_rps: float  # ok answers within the SLO per second of the schedule
    goodput_fraction: float  # of the planned requests
    good: int  # ok answers within the SLO
    error_rate: float  # share of planned requests whose outcome is not ok
    outcomes: tuple[tuple[str, int], ...]  # every outcome with its count
    lateness_p50_s: float | None  # sent - planned over what was sent; None if nothing was
    lateness_p99_s: float | None
    lateness_max_s: float | None
    censored: tuple[str, ...] = ()  # quantiles among failures: "p95" is at least so large


def summarize(run: Run) -> Summary:
    """The summary of one run against its own SLO and timeout."""
    facts = run.facts
    return summarize_records(run.records, facts.duration_s, facts.timeout_s, facts.slo_limit_s)


def summarize_records(
    records: Records, duration_s: float, timeout_s: float, slo_limit_s: float
) -> Summary:
    """Reduce records of shape (n,), n >= 1, to one Summary.

    Quantiles are numpy's default (linear between order statistics; Hyndman & Fan 1996, type 7).
    p99 is given only where at least 10 requests are expected beyond it, n (1 - 0.99) >= 10: with
    k beyond, the count itself has a relative standard error of 1/sqrt(k), 32% at k = 10. p95 and
    below are always given; their spread over blocks is in the interval.
    """
    n = len(records)
    ok = is_ok(records)
    latency_s = ranked_latency_s(records, timeout_s)
    p50, p90, p95, p99 = (float(q) for q in np.quantile(latency_s, list(QUANTILES.values())))
    good = int(np.sum(ok & (latency_s <= slo_limit_s)))
    last_s = float(records.done_s[ok].max(initial=0.0))
    late50, late99, late_max = _lateness(records)
    return Summary(
        n=n,
        p50_s=p50,
        p90_s=p90,
        p95_s=p95,
        p99_s=p99 if has_quantile(n, 0.99) else None,
        mean_s=float(latency_s.mean()),
        throughput_rps=int(ok.sum()) / max(duration_s, last_s),
        goodput_rps=good / duration_s,
        goodput_fraction=good / n,
        good=good,
        error_rate=1 - int(ok.sum()) / n,
        outcomes=tuple(records.outcomes.items()),
        lateness_p50_s=late50,
        lateness_p99_s=late99,
        lateness_max_s=late_max,
        censored=tuple(
            name for name, q in QUANTILES.items() if among_failures(n, int(ok.sum()), q)
        ),
    )


def has_quantile(n: int, q: float) -> bool:
    """Whether `n` requests leave MIN_BEYOND beyond their quantile `q`."""
    return n * (1 - q) >= MIN_BEYOND - 1e-9


def _lateness(records: Records) -> tuple[float | None, float | None, float | None]:
    late = records.lateness_s
    late = late[np.isfinite(late)]
    if not len(late):
        return None, None, None
    p50, p99 = np.quantile(late, [0.5, 0.99])
    return float(p50), float(p99), float(late.max())
