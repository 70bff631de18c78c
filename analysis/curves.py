"""Latency percentile curves on an axis of 1/(1-p), which gives every tail decade equal room."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.latency import ranked_latency_s
from analysis.records import Records

DRAWN_BEYOND = 5  # a curve ends where fewer requests of the smallest run lie beyond
REACH = 10 ** (np.arange(9 * 20 + 1) / 20)  # 1 to 10^9: the same places for every run

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """`latency_s[i]` at percentile `1 - 1/reach[i]`: the median over blocks, shapes (m,).

    Blocks are never pooled: each point is the median of the runs' own quantiles.
    """

    spec: str
    reach: Floats
    latency_s: Floats
    blocks: int


def run_quantiles(records: Records, timeout_s: float) -> Floats:
    """The latencies of one run at REACH, shape (m,), as far out as it has DRAWN_BEYOND requests."""
    within = REACH[len(records) / DRAWN_BEYOND * (1 + 1e-12) >= REACH]
    values: Floats = np.quantile(ranked_latency_s(records, timeout_s), 1 - 1 / within)
    return values


def median_curve(spec: str, quantiles: Sequence[Floats]) -> Curve | None:
    """One curve from the `run_quantiles` of a variant's runs; None without runs or tiny ones."""
    shortest = min(map(len, quantiles), default=0)
    if shortest < 2 or REACH[shortest - 1] < 1.99:  # not even a median
        return None
    inside = np.array([one[:shortest] for one in quantiles])
    return Curve(spec, REACH[:shortest], np.median(inside, axis=0), len(quantiles))


def latency_at(curve: Curve, reach: float) -> float | None:
    """The curve at `reach`, in seconds; None beyond its end."""
    if reach > curve.reach[-1] * (1 + 1e-9):
        return None
    return float(np.interp(reach, curve.reach, curve.latency_s))
