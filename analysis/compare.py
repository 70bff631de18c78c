"""Paired comparison of two variants over blocks, and its verdict.

A pair is one block: both variants replayed the same schedule. The unit is the log-ratio of a
metric of two runs, signed so that **positive is better for the second variant** ("gain").
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from analysis._holm import holm
from analysis._permutation import sign_flip_p
from analysis._signedrank import Floats, Interval, hodges_lehmann, signed_rank_interval
from analysis._stepdown import step_down_p_by_block
from analysis.summary import Summary

Metric = Literal["p50", "p95", "p99", "goodput"]
METRICS: tuple[Metric, ...] = ("p50", "p95", "p99", "goodput")
Verdict = Literal["improved", "regressed", "equivalent", "inconclusive"]
Bound = Literal["at least", "at most", "unknown"]  # what is known of a gain

ALPHA = 0.05
SCREENING_BELOW = 8  # blocks; with fewer, Holm over four contrasts cannot reach 5%


def blocks_needed(family: int) -> int:
    """Blocks below which a comparison is screening: at least 8, and enough for its family.

    The smallest two-sided p of n blocks is 2/2^n; Holm multiplies it by up to `family`.
    """
    return max(SCREENING_BELOW, math.ceil(math.log2(2 * max(family, 1) / ALPHA)))


@dataclass(frozen=True)
class Pairs:
    """The gains of one contrast: `gains` (n,) log-ratios of the blocks `blocks` (n,).

    `left_out` are blocks where one of the two has no run or no such quantile, `censored_old` and
    `censored_new` those where the quantile of that side lies among failures.
    """

    blocks: tuple[int, ...]
    gains: tuple[float, ...]
    left_out: tuple[int, ...]
    censored_old: tuple[int, ...] = ()
    censored_new: tuple[int, ...] = ()

    @property
    def bound(self) -> Bound | None:
        """What the gains are worth where quantiles lie among failures."""
        return bound_of(bool(self.censored_old), bool(self.censored_new))


def bound_of(old: bool, new: bool) -> Bound | None:
    """What is known of a gain, by whether some latency of a side is only a lower bound.

    A latency of the old side may be larger than what is known of it, and so may the gain; one of
    the new side makes it smaller; where both happen nothing is known.
    """
    if old and new:
        return "unknown"
    return "at least" if old else "at most" if new else None


@dataclass(frozen=True)
class Comparison:
    """Variant `new` against `old` on one metric under one scenario; logs, positive is better."""

    scenario: str
    metric: Metric
    old: str
    new: str
    pairs: Pairs
    gain: float | None  # Hodges-Lehmann estimate; None without a pair
    interval: Interval | None  # None with fewer than two pairs
    p: float | None
    p_holm: float | None
    family: int  # how many tests Holm corrected for
    margin: float  # as a fraction: 0.03
    verdict: Verdict
    bound: Bound | None = None  # None: the gain is measured, no quantile lies among failures

    @property
    def n(self) -> int:
        """Blocks in the comparison."""
        return len(self.pairs.gains)

    @property
    def better(self) -> int:
        """Blocks in which `new` was better at all."""
        return sum(gain > 0 for gain in self.pairs.gains)

    @property
    def worse(self) -> int:
        """Blocks in which `new` was worse at all."""
        return sum(gain < 0 for gain in self.pairs.gains)

    @property
    def screening(self) -> bool:
        """Too few blocks for a verdict to be the last word."""
        return self.n < blocks_needed(self.family)

    @property
    def leaning(self) -> Literal["better", "worse"] | None:
        """For an inconclusive one: every block (at least two) was on one side of the margin.

        A description of the blocks that were run, not a claim about others.
        """
        bound = math.log1p(self.margin)
        if self.verdict != "inconclusive" or self.n < 2:
            return None
        if min(self.pairs.gains) > bound and self.bound in (None, "at least"):
            return "better"
        if max(self.pairs.gains) < -bound and self.bound in (None, "at most"):
            return "worse"
        return None


def pair(
    old: Mapping[int, Summary], new: Mapping[int, Summary], metric: Metric, blocks: Sequence[int]
) -> Pairs:
    """The gains in the blocks that both variants have, out of `blocks`, the planned ones."""
    used, gains, left_out = [], [], []
    censored: tuple[list[int], list[int]] = ([], [])
    for block in blocks:
        gain = None
        if block in old and block in new:
            gain = log_gain(old[block], new[block], metric)
        if gain is None:
            left_out.append(block)
        else:
            used.append(block)
            gains.append(gain)
            for side, found in zip((old, new), censored, strict=True):
                if metric in side[block].censored:
                    found.append(block)
    return Pairs(tuple(used), tuple(gains), tuple(left_out), tuple(censored[0]), tuple(censored[1]))


def log_gain(old: Summary, new: Summary, metric: Metric) -> float | None:
    """log(old/new) of a latency, log(new/old) of goodput: positive is better; None without p99.

    Goodput may be 0, so half a request is added to both counts, always: log((good_new + 1/2) /
    (good_old + 1/2)) (Haldane 1956, Anscombe 1956). Both runs planned the same requests, so the
    counts' ratio is the goodput's; at 500 good requests the correction is below 0.1%.
    """
    if metric == "goodput":
        return math.log((new.good + 0.5) / (old.good + 0.5))
    before, after = latency_s(old, metric), latency_s(new, metric)
    return None if before is None or after is None else math.log(before / after)


def latency_s(summary: Summary, metric: Metric) -> float | None:
    """The latency that `metric` names, in seconds."""
    return {"p50": summary.p50_s, "p95": summary.p95_s, "p99": summary.p99_s}[metric]


def verdict(
    interval: Interval | None, p_holm: float | None, margin: float, bound: Bound | None = None
) -> Verdict:
    """The four rules, in this order; the margin is symmetric in logs, +-log(1 + margin).

    1. `improved`: the whole interval is beyond +margin, and the Holm-corrected p is <= 5%.
    2. `regressed`: the whole interval is beyond -margin, and the Holm-corrected p is <= 5%.
    3. `equivalent`: the whole interval lies within the margin, at an attained level of >= 95%
       (stricter than two one-sided tests at 5%, which need 90%).
    4. `inconclusive`: everything else. More blocks or a quieter machine may decide it.

    So `improved` claims "better by more than the margin", not only "not zero". With fewer than
    six blocks neither a p of 5% nor an interval of 95% exists: every verdict is inconclusive.

    Where a quantile lies among failures the gain has only a `bound`: one that is "at least" so
    large may prove `improved`, one "at most" `regressed`, and none that two variants are alike.
    """
    if interval is None or p_holm is None:
        return "inconclusive"
    edge = math.log1p(margin)
    if interval.low > edge and p_holm <= ALPHA and bound in (None, "at least"):
        return "improved"
    if interval.high < -edge and p_holm <= ALPHA and bound in (None, "at most"):
        return "regressed"
    within = -edge <= interval.low and interval.high <= edge
    if within and interval.confidence >= 1 - ALPHA and bound is None:
        return "equivalent"
    return "inconclusive"


@dataclass(frozen=True)
class Contrast:
    """Two variants to compare."""

    old: str
    new: str


def compare_family(
    scenario: str,
    metric: Metric,
    contrasts: Mapping[Contrast, Pairs],
    margin: float,
) -> tuple[Comparison, ...]:
    """One Comparison per contrast; Holm over all of them together (the declared family)."""
    gains: list[Floats] = [np.array(pairs.gains) for pairs in contrasts.values()]
    p_values = [sign_flip_p(one) for one in gains]
    corrected = holm(p_values)
    family = sum(p is not None for p in p_values)
    comparisons = []
    for (contrast, pairs), one, p, p_holm in zip(
        contrasts.items(), gains, p_values, corrected, strict=True
    ):
        interval = signed_rank_interval(one, 1 - ALPHA)
        comparisons.append(
            Comparison(
                scenario=scenario,
                metric=metric,
                old=contrast.old,
                new=contrast.new,
                pairs=pairs,
                gain=hodges_lehmann(one) if len(one) else None,
                interval=interval,
                p=p,
                p_holm=p_holm,
                family=family,
                margin=margin,
                verdict=verdict(interval, p_holm, margin, pairs.bound),
                bound=pairs.bound,
            )
        )
    return tuple(comparisons)


def as_one_family(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The same comparisons for a claim that picks from all of them: step-down maxT over all.

    `p_holm` then holds that p. A verdict that only its own family carries becomes inconclusive.
    `equivalent` has no p that could be corrected: claim it of all of them, as intersection-union
    tests do, not of some.
    """
    corrected = step_down_p_by_block(
        [dict(zip(one.pairs.blocks, one.pairs.gains, strict=True)) for one in comparisons]
    )
    family = sum(one.p is not None for one in comparisons)
    return tuple(
        replace(
            one,
            p_holm=None if one.p is None else p,
            family=family,
            verdict=verdict(one.interval, None if one.p is None else p, one.margin, one.bound),
        )
        for one, p in zip(comparisons, corrected, strict=True)
    )
