"""The distribution that a scenario declares its arrivals to be drawn from.

Where the rate varies, time is rescaled by it: measured in expected arrivals, Lambda(t), the gaps of
a Poisson process of any rate are unit exponentials (Brown et al., Neural Computation 14, 2002). A
renewal process of constant rate has gamma gaps there. So one form serves every scenario.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammainc, gammaincc

Floats = npt.NDArray[np.float64]

_POINTS = 100_000
CHANCE = 1e-6  # with which a sound run may lie beyond a limit: a 5% test fails 5% of sound runs


@dataclass(frozen=True)
class Law:
    """Independent gaps of mean 1 and coefficient of variation `cv`, in expected arrivals."""

    expected: Callable[[Any], Any]  # Lambda(t): arrivals expected in [0, t), t a number or an array
    peak_rate: float  # largest derivative of `expected`, arrivals per second
    cv: float = 1.0

    def below(self, spans: Floats, gaps: int = 1) -> Floats:
        """Probability that a span of so many gaps is at most each of `spans` (any shape).

        Gamma of shape gaps/cv^2 and mean `gaps`.
        """
        shape = 1 / self.cv**2
        probability: Floats = gammainc(gaps * shape, np.maximum(spans, 0.0) * shape)
        return probability

    def fewest(self, duration_s: float) -> int:
        """Fewer arrivals than this come in [0, duration_s) with a probability of at most CHANCE.

        At most n arrivals come if the first, a forward recurrence time, and n gaps reach the end.
        That time is at most a length-biased gap, gamma(k + 1)/k, so a bound is the upper tail of
        gamma(n k + k + 1)/k at Lambda(duration). Rounded down by the bound, never up.
        """
        shape, end = 1 / self.cv**2, float(self.expected(duration_s))
        return _first(lambda n: gammaincc(n * shape + shape + 1, end * shape) > CHANCE, end)

    def most(self, duration_s: float) -> int:
        """More arrivals than this come in [0, duration_s) with a probability of at most CHANCE.

        For n arrivals at least n - 1 gaps must fit: the lower tail of gamma((n - 1) k)/k.
        """
        shape, end = 1 / self.cv**2, float(self.expected(duration_s))
        return _first(lambda n: gammainc(n * shape, end * shape) <= CHANCE, end) if end else 0


def constant(rate: float, cv: float) -> Law:
    """Renewal arrivals of `rate` per second whose gaps have coefficient of variation `cv`."""
    return Law(lambda t: t * rate, rate, cv)


def largest_distance(count: int) -> float:
    """Kolmogorov-Smirnov distance that `count` sound spans pass with a probability of CHANCE.

    P(D > d) <= 2 exp(-2 n d^2) for every n (Massart, Annals of Probability 18, 1990).
    """
    return float(np.sqrt(np.log(2 / CHANCE) / (2 * count)))


def chance_of(distance: float, count: int) -> float:
    """The same bound the other way round: how often `count` sound spans lie that far off."""
    return float(min(1.0, 2 * np.exp(-2 * count * distance**2)))


def distance(spans: Floats, gaps: int, law: Law, resolution: float) -> float:
    """Kolmogorov-Smirnov distance of spans from the law that timing errors cannot explain.

    `spans`, shape (n,), each of so many gaps, is sorted in place; `resolution` is how far each may
    be off, in its unit. What lies within the resolution r of spans that follow F has
    F(x - r) - D <= F_n(x) <= F(x + r) + D, where D is the distance of those from F. Of millions of
    spans 100,000 are looked at, which is exact to 1e-5.
    """
    spans.sort()
    count = len(spans)
    step = -(-count // _POINTS)
    points, rank = spans[::step], np.arange(0, count, step)
    above = (rank + 1) / count - law.below(points + resolution, gaps)
    below = law.below(points - resolution, gaps) - rank / count
    return max(0.0, float(above.max()), float(below.max()))


def _first(true: Callable[[int], Any], about: float) -> int:
    """The smallest n >= 0 for which `true`, which stays true once it is."""
    low, high = -1, max(1, int(about))
    while not true(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if true(middle) else (middle, high)
    return high
