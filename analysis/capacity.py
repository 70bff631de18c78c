"""The highest rate within an objective, from the runs of a search.

A run at some rate meets the objective or misses it, with a probability that does not grow with the
rate. The capacity r* is the rate up to which a run more likely meets it than not: the median of
that response curve, as in dose finding and psychophysics.

Bounds, without any model of the curve: if r* were below a rate, n runs at that rate would all meet
the objective with probability at most 2^-n, whatever was run before. A rate that all of its n runs
meet is therefore a lower bound, one that all miss an upper bound. A candidate that fails costs:
the next one, further out, needs more runs in a row (`runs_needed`), so that the chance of a wrong
bound stays within `risk` over all candidates (Bonferroni; the sum of 2^-n over what each needs).

Estimate: isotonic regression of the share of runs that meet the objective (pool adjacent
violators; for this use: Stylianou and Flournoy 2002, Biometrics 58), and where it
crosses one half, on the logarithm of the rate. It uses every run.

What the interval captures: the variation between runs of this length, each with a fresh schedule
and a fresh server, on this machine during this sweep; no other days, machines or durations.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

MOST_CANDIDATES = 6  # for each of the two bounds

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Trial:
    """One run as the search sees it. `role` says what it was for, `candidate` which of a bound's.

    Roles: `climb` and `bisect` look for the place, `lower` and `upper` confirm a bound.
    """

    rate_rps: float
    meets: bool
    role: str
    candidate: int


def runs_needed(repeats: int, candidate: int) -> int:
    """Runs in a row that confirm the bound's candidate number 0, 1...: n, n + 2, n + 3..."""
    return repeats if candidate == 0 else repeats + 1 + candidate


def risk(repeats: int) -> float:
    """The largest probability that one bound is wrong: at most 1.5 x 2^-repeats."""
    return sum(2.0 ** -runs_needed(repeats, number) for number in range(MOST_CANDIDATES))


def bound(trials: Sequence[Trial], role: str, repeats: int) -> float | None:
    """The confirmed bound of `role`, requests/s; None if no candidate was confirmed."""
    wanted = role == "lower"
    for candidate in range(MOST_CANDIDATES):
        runs = [one for one in trials if (one.role, one.candidate) == (role, candidate)]
        if len(runs) >= runs_needed(repeats, candidate) and all(
            one.meets is wanted for one in runs
        ):
            return runs[0].rate_rps
    return None


def estimate(trials: Sequence[Trial]) -> float | None:
    """Where the isotonic share of runs that meet the objective falls to one half, requests/s.

    None unless it is above one half at some rate and below it at another.
    """
    rates = sorted({one.rate_rps for one in trials})
    outcomes = [[one.meets for one in trials if one.rate_rps == rate] for rate in rates]
    weights = np.array([len(found) for found in outcomes], dtype=np.float64)
    shares = np.array([np.mean(found) for found in outcomes])
    if not rates:
        return None
    fitted = isotonic_regression(shares, weights=weights, increasing=False).x
    inside, outside = np.flatnonzero(fitted > 0.5), np.flatnonzero(fitted < 0.5)
    if not len(inside) or not len(outside):
        return None
    last, first = int(inside[-1]), int(outside[0])
    if first > last + 1:  # a plateau at one half: its middle
        return math.sqrt(rates[last + 1] * rates[first - 1])
    place = (fitted[last] - 0.5) / (fitted[last] - fitted[first])
    return float(rates[last] * (rates[first] / rates[last]) ** place)


def knee(rates_rps: Sequence[float], throughput_rps: Floats, mean_s: Floats) -> float | None:
    """The visited rate with the most throughput for its latency; None with fewer than three.

    Kleinrock's power, throughput over mean latency (Power and deterministic rules of thumb, ICC
    1979): below its maximum more load costs little latency, above it latency grows faster than
    throughput. Shapes (k,): one value for each run, the median counts where a rate has several.
    """
    rates = sorted(set(rates_rps))
    if len(rates) < 3:
        return None
    power = throughput_rps / mean_s
    at = np.asarray(rates_rps)
    return max(rates, key=lambda rate: float(np.median(power[at == rate])))
