"""Simulated experiments put before the judges that real ones have: rates of right and wrong.

Nothing here computes a statistic of its own: p, interval, verdict and stopping rule are those of
`analysis.compare` and `analysis.sequential`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis._holm import holm
from analysis._permutation import sign_flip_p
from analysis._signedrank import Floats, Interval, signed_rank_interval
from analysis.compare import ALPHA, Comparison, Contrast, Pairs, compare_family, verdict
from analysis.sequential import EXTRA_BLOCKS, FEWEST_BLOCKS, narrow

# Four layers one after the other, and all together: the family of a cumulative ablation.
CUMULATIVE = ((0, 1), (1, 2), (2, 3), (3, 4), (0, 4))
PAIR = ((0, 1),)
DECIDED = ("improved", "regressed")


def gains(logs: Floats, contrasts: Sequence[tuple[int, int]]) -> Floats:
    """Log ratios, positive where the second is better: (e, blocks, variants) -> (e, c, blocks)."""
    return np.stack([logs[:, :, old] - logs[:, :, new] for old, new in contrasts], axis=1)


def judged(sample: Floats, margin: float) -> tuple[Comparison, ...]:
    """The comparisons of one experiment, from its gains of shape (contrasts, blocks)."""
    blocks = tuple(range(1, sample.shape[1] + 1))
    pairs = {
        Contrast(str(at), "new"): Pairs(blocks, tuple(map(float, row)), ())
        for at, row in enumerate(sample)
    }
    return compare_family("simulated", "p95", pairs, margin)


@dataclass(frozen=True)
class Rates:
    """Shares over experiments; `comparison` and `coverage` also over their contrasts."""

    experiments: int
    comparison: float  # decided (improved or regressed)
    family: float  # at least one of its comparisons is decided
    test: float  # at least one Holm-corrected p is at most 5%, whatever its interval
    coverage: float  # intervals that hold the truth
    improved: float  # of the first contrast


def rates(sample: Floats, truth: Floats, margin: float) -> Rates:
    """Judge experiments: gains (e, c, blocks), true log ratios (c,)."""
    decided, rejected, covered, improved = [], [], [], []
    for one in sample:
        compared = judged(one, margin)
        decided.append([c.verdict in DECIDED for c in compared])
        rejected.append(any(c.p_holm is not None and c.p_holm <= ALPHA for c in compared))
        covered.append([_holds(c.interval, t) for c, t in zip(compared, truth, strict=True)])
        improved.append(compared[0].verdict == "improved")
    return Rates(
        experiments=len(sample),
        comparison=float(np.mean(decided)),
        family=float(np.mean(np.any(decided, axis=1))),
        test=float(np.mean(rejected)),
        coverage=float(np.mean(covered)),
        improved=float(np.mean(improved)),
    )


def equivalent(sample: Floats, margin: float) -> float:
    """The share of comparisons that are called `equivalent`: gains (e, c, blocks)."""
    # That rule looks at the interval alone, and p is slow.
    return float(np.mean([
        verdict(signed_rank_interval(row, 1 - ALPHA), 1.0, margin) == "equivalent"
        for one in sample
        for row in one
    ]))  # fmt: skip


@dataclass(frozen=True)
class Stopped:
    """What `--until-width` came to, over experiments whose truth is no effect."""

    blocks: float  # mean
    narrow: float  # share whose intervals are as narrow as asked in the end
    coverage: float
    family: float  # as in Rates


def until_width(sample: Floats, width: float, margin: float) -> Stopped:
    """Stop each experiment by its width, at the latest with all its blocks.

    Gains have shape (e, c, blocks).
    """
    lengths, covered, decided = [], [], []
    reached = 0
    for one in sample:
        n, intervals = _stop(one, width)
        reached += narrow(intervals, width)
        lengths.append(n)
        covered.append([_holds(interval, 0.0) for interval in intervals])
        decided.append(_decides(one[:, :n], intervals, margin))
    return Stopped(
        blocks=float(np.mean(lengths)),
        narrow=reached / len(sample),
        coverage=float(np.mean(covered)),
        family=float(np.mean(decided)),
    )


def _stop(one: Floats, width: float) -> tuple[int, list[Interval | None]]:
    last = one.shape[1]
    for n in range(FEWEST_BLOCKS, last + 1):
        if narrow(_intervals(one, n), width):
            last = min(last, n + EXTRA_BLOCKS)
            break
    return last, _intervals(one, last)


def _intervals(one: Floats, n: int) -> list[Interval | None]:
    return [signed_rank_interval(row[:n], 1 - ALPHA) for row in one]


def _decides(one: Floats, intervals: Sequence[Interval | None], margin: float) -> bool:
    # Without p first: an interval that reaches into the margin decides nothing, and p is slow.
    if not any(verdict(interval, 0.0, margin) in DECIDED for interval in intervals):
        return False
    corrected = holm([sign_flip_p(row) for row in one])
    return any(
        verdict(interval, p, margin) in DECIDED
        for interval, p in zip(intervals, corrected, strict=True)
    )


def _holds(interval: Interval | None, truth: float) -> bool:
    return interval is not None and interval.low <= truth <= interval.high


def centre(sample: Floats) -> Floats:
    """What the Hodges-Lehmann estimate estimates, per contrast: gains (e, c, b) -> (c,).

    The median of the mean of two independent gains, from consecutive experiments.
    """
    values = sample.transpose(1, 0, 2).reshape(sample.shape[1], -1)
    return np.array([np.median((row + np.roll(row, len(row) // 2)) / 2) for row in values])


def binomial_limit(experiments: int, rate: float = ALPHA, band: float = 0.99) -> float:
    """Upper end of the central `band` of the share that is expected at `rate`."""
    return float(stats.binom.ppf(1 - (1 - band) / 2, experiments, rate)) / experiments


def median_half_width(sample: Floats, blocks: int) -> float:
    """Median over experiments of the widest contrast's half-width (ratio - 1) at `blocks`."""
    widest = []
    for one in sample:
        found = (signed_rank_interval(row[:blocks], 1 - ALPHA) for row in one)
        widest.append(max(one.high - one.low for one in found if one is not None))
    return float(np.expm1(np.median(widest) / 2))
