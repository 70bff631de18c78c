"""The exact Wilcoxon signed-rank interval and the Hodges-Lehmann estimate.

Source: Hollander, Wolfe, Chicken, *Nonparametric Statistical Methods*, 3rd ed., sections 3.2-3.3.
What the interval captures: variation between blocks of one machine on one plan, no more.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """`low <= high`, in the unit of the data; `confidence` is the level really attained."""

    low: float
    high: float
    confidence: float


def walsh_averages(values: Floats) -> Floats:
    """Sorted means of all pairs i <= j, each value with itself too: (..., n) -> (..., n(n+1)/2)."""
    first, second = _pairs(values.shape[-1])
    return np.sort((values[..., first] + values[..., second]) / 2)


@cache
def _pairs(n: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    return np.triu_indices(n)


def hodges_lehmann(values: Floats) -> float:
    """Median of the Walsh averages of `values`, shape (n,), n >= 1."""
    return float(np.median(walsh_averages(values)))


@cache
def rank_sum_probabilities(n: int) -> Floats:
    """P(W+ = w) for w = 0..n(n+1)/2 under symmetry about zero, shape (n(n+1)/2 + 1,).

    Each rank 1..n is in the sum or not with probability one half: a product of polynomials.
    """
    mass = np.ones(1)
    for rank in range(1, n + 1):
        wider = np.zeros(len(mass) + rank)
        wider[: len(mass)] += mass / 2
        wider[rank:] += mass / 2
        mass = wider
    mass.flags.writeable = False  # whoever asks again gets the same array
    return mass


def signed_rank_cut(n: int, confidence: float) -> int:
    """Which Walsh average, counted from either end, bounds the interval of `n` values, n >= 2.

    The largest c with P(W+ <= c) <= (1 - confidence) / 2; 0, the very ends, where there is none.
    """
    below = np.cumsum(rank_sum_probabilities(n))
    return max(int(np.searchsorted(below, (1 - confidence) / 2 * (1 + 1e-12), side="right")) - 1, 0)


def signed_rank_interval(values: Floats, confidence: float = 0.95) -> Interval | None:
    """The narrowest exact interval of the centre whose level is at least `confidence`.

    With n < 6 values 95% cannot be attained: the answer is then the widest interval there is,
    from the smallest to the largest value, with its real level 1 - 2/2^n (n = 5: 93.75%,
    4: 87.5%, 3: 75%, 2: 50%). One value gives None. Ties and zeros make it conservative.
    """
    n = len(values)
    if n < 2:
        return None
    cut = signed_rank_cut(n, confidence)
    averages = walsh_averages(values)
    return Interval(
        low=float(averages[cut]),
        high=float(averages[-1 - cut]),
        confidence=float(1 - 2 * rank_sum_probabilities(n)[: cut + 1].sum()),
    )
