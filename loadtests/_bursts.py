"""Poisson arrivals that switch between a quiet and a busy rate at random (2-state MMPP).

A tenth of the time is busy, at 5 times the mean rate, and brings half of the arrivals; the rest is
quiet, at 5/9 of it. Sojourns are exponential. Over long times the count of arrivals has the
variance-to-mean ratio cv^2, that of a renewal process whose gaps have coefficient of variation cv:
by 1 + 2 (l1 - l2)^2 r1 r2 / ((r1 + r2)^2 (l1 r2 + l2 r1)), with arrival rates l and rates r of
leaving a state (Fischer and Meier-Hellstern, Performance Evaluation 18, 1993), busy times last
5/16 (cv^2 - 1) mean gaps on average. For cv = 3 that is 12.5 requests at a time.

Time is drawn in mean gaps and in whole chunks: a shorter schedule is a prefix of a longer one, and
another rate stretches the same arrivals.
"""

import numpy as np

from loadtests._law import Floats, Law
from loadtests._schedule import Schedule, check, payloads
from variants._errors import OptbuildError

BUSY_SHARE = 0.1  # of the time
BUSY, QUIET = 5.0, 5 / 9  # times the mean rate
_CHUNK = 4096


def bursts(rate: float, cv: float, duration_s: float, seed: int, texts: int) -> Schedule:
    """Arrivals in [0, duration_s) at `rate` per second on average, as bursty as gaps of `cv`.

    Raises OptbuildError for values that no load test can mean.
    """
    check(rate, cv, duration_s, seed, texts)
    if cv <= 1:
        raise OptbuildError(f"--process mmpp is for bursts: give --cv more than 1, got {cv:g}")
    times, choice, states = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(3))
    at, expected = _path(states, cv, duration_s * rate)
    end = float(np.interp(duration_s * rate, at, expected))
    planned_s = np.interp(_unit_poisson(times, end), expected, at) / rate
    planned_s = planned_s[: np.searchsorted(planned_s, duration_s)]
    law = Law(lambda t: np.interp(t * rate, at, expected), BUSY * rate)
    return Schedule(planned_s, payloads(choice, len(planned_s), texts), law)


def _path(rng: np.random.Generator, cv: float, end: float) -> tuple[Floats, Floats]:
    """Times of the switches, in mean gaps, and the arrivals expected until each; past `end`."""
    busy = 5 / 16 * (cv**2 - 1)
    means = np.array([busy, busy * (1 - BUSY_SHARE) / BUSY_SHARE])
    rates = np.array([BUSY, QUIET])
    if rng.random() >= BUSY_SHARE:  # begins quiet
        means, rates = means[::-1], rates[::-1]
    sojourns, total = [np.zeros(1)], 0.0
    while total <= end:
        sojourns.append(rng.exponential(size=_CHUNK) * np.tile(means, _CHUNK // 2))
        total += float(sojourns[-1].sum())
    lengths = np.concatenate(sojourns)
    arrivals = lengths.copy()
    arrivals[1::2] *= rates[0]
    arrivals[2::2] *= rates[1]
    return np.cumsum(lengths), np.cumsum(arrivals)


def _unit_poisson(rng: np.random.Generator, end: float) -> Floats:
    """Arrivals at rate 1 until just past `end`."""
    clock, chunks = 0.0, [np.empty(0)]
    while clock < end:
        chunks.append(clock + np.cumsum(rng.exponential(size=_CHUNK)))
        clock = float(chunks[-1][-1])
    return np.concatenate(chunks)
