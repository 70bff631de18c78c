"""A service level objective, and whether a run meets it."""

import math
from dataclasses import dataclass

from analysis import words
from analysis.summary import MIN_BEYOND, QUANTILES, Summary

FEWEST_REQUESTS = 50  # of a run, on average: below that a p95 is little more than the maximum


@dataclass(frozen=True)
class Objective:
    """`quantile` of the latency below `limit_s`; or at least `goodput` of the requests within it.

    `goodput` is a fraction of the planned requests: 0.99 asks that 99% of them were answered
    rightly within the limit; the quantile then plays no part.
    """

    quantile: str
    limit_s: float
    goodput: float | None = None

    def __str__(self) -> str:
        limit = f"{1000 * self.limit_s:g} ms" if self.limit_s < 1 else f"{self.limit_s:g} s"
        if self.goodput is None:
            return f"{self.quantile} < {limit}"
        return f"{100 * self.goodput:g}% of requests right within {limit}"

    @property
    def fewest_requests(self) -> int:
        """How many requests a run must have on average, so that it can tell at all."""
        if self.goodput is not None:
            return max(FEWEST_REQUESTS, math.ceil(1 / max(1 - self.goodput, 1e-3) - 1e-9))
        beyond = 1 - QUANTILES[self.quantile]
        return round(MIN_BEYOND / beyond) if self.quantile == "p99" else FEWEST_REQUESTS

    def met(self, summary: Summary) -> bool:
        """Whether a run meets it; failures count as slow. A p99 that does not exist is missed."""
        if self.goodput is not None:
            return summary.goodput_fraction >= self.goodput
        value_s = {
            "p50": summary.p50_s,
            "p90": summary.p90_s,
            "p95": summary.p95_s,
            "p99": summary.p99_s,
        }[self.quantile]
        return value_s is not None and value_s < self.limit_s


def rate_words(rate_rps: float) -> str:
    """ "7.12/s", "71.3/s", "713/s"."""
    return f"{words.factor(rate_rps)}/s"
