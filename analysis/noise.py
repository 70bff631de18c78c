"""What an A/A says: how far two variants that are the same lie apart on this machine."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.compare import Metric
from analysis.findings import Findings


@dataclass(frozen=True)
class Noise:
    """The noise of one metric under one scenario, from the paired log ratios of `n` blocks.

    `sd` is their root mean square: their true mean is known to be zero. `shown` is the size of the
    Hodges-Lehmann estimate as a ratio - 1: the effect that this A/A would have reported.
    """

    scenario: str
    metric: Metric
    n: int
    sd: float
    shown: float

    def sd_interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Where the standard deviation may lie, for normal ratios (chi-squared, n degrees)."""
        tail = (1 - confidence) / 2
        high, low = stats.chi2.ppf([tail, 1 - tail], self.n)
        return self.sd * math.sqrt(self.n / low), self.sd * math.sqrt(self.n / high)


def noise_of(findings: Findings) -> tuple[Noise, ...]:
    """The noise of an A/A, by scenario and metric; left out without a pair, or among failures."""
    return tuple(
        Noise(
            scenario=one.scenario,
            metric=one.metric,
            n=one.n,
            sd=float(np.sqrt(np.mean(np.square(one.pairs.gains)))),
            shown=math.expm1(abs(one.gain)),
        )
        for one in findings.comparisons
        if one.gain is not None and one.bound is None
    )
