"""Poisson arrivals whose rate varies over the run, by thinning.

Candidates arrive at the peak rate, and each is kept with probability rate(t)/peak (Lewis and
Shedler, Naval Research Logistics Quarterly 26, 1979). The profile is stretched to the duration, so
another rate with a duration of as many requests stretches the same arrivals; a shorter run is
another course of the rate and therefore no prefix.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from loadtests._law import Floats, Law
from loadtests._scenario import Settings
from loadtests._schedule import Schedule, check, payloads, streams

_CHUNK = 4096


@dataclass(frozen=True)
class Profile:
    """The rate over the run, as a multiple of its mean, at x = t/duration in [0, 1)."""

    rate: Callable[[Floats], Floats]
    integral: Callable[[Any], Any]  # of `rate` from 0 to x; 1 at x = 1, or the mean is not the mean
    peak: float  # at least the largest value of `rate`

    def plan(self, settings: Settings, texts: int) -> Schedule:
        """Arrivals in [0, duration_s) with `rate` per second on average.

        Raises OptbuildError for values that no load test can mean.
        """
        rate, duration_s = settings.rate, settings.duration_s
        check(rate, settings.cv, duration_s, settings.seed, texts)
        times, choice = streams(settings.seed)
        planned_s = self._arrivals(times, rate * duration_s) * duration_s
        return Schedule(
            planned_s,
            payloads(choice, len(planned_s), texts),
            Law(self._expected(rate, duration_s), self.peak * rate),
        )

    def _arrivals(self, rng: np.random.Generator, expected: float) -> Floats:
        """Arrivals at x in [0, 1)."""
        clock, chunks = 0.0, [np.empty(0)]
        while clock < 1:
            x = clock + np.cumsum(rng.exponential(size=_CHUNK)) / (expected * self.peak)
            clock = float(x[-1])
            kept = rng.random(_CHUNK) * self.peak < self.rate(x)
            chunks.append(x[kept & (x < 1)])
        return np.concatenate(chunks)

    def _expected(self, rate: float, duration_s: float) -> Callable[[Any], Any]:
        def expected(t: Any) -> Any:
            x = t / duration_s
            late = np.maximum(x - 1, 0)  # the last sends may come after the end: at the mean rate
            return rate * duration_s * (self.integral(np.minimum(x, 1)) + late)

        return expected
