"""`--until-width`: stop when the intervals are narrow enough, never because of a p.

An experiment that stops by its width makes fixed-width intervals in the sense of Chow & Robbins
(Ann. Math. Statist. 36, 1965, 457-462): asymptotically their coverage is the nominal one, because a
width says nothing of the centre. With few blocks an interval also gets narrow by luck, and covers
less. Simons (Ann. Math. Statist. 39, 1968, 1946-1952) showed that a fixed number of further
observations after the stop mends that under normal noise; here it is EXTRA_BLOCKS, and what remains
is in `analysis/validation.md`.
"""

import math
from collections.abc import Iterable, Mapping

from analysis._signedrank import Interval
from analysis.ablation import ablate
from analysis.attribution import attribute
from analysis.compare import ALPHA, SCREENING_BELOW
from analysis.runs import Run, Runs
from analysis.summary import Summary, summarize

FEWEST_BLOCKS = SCREENING_BELOW
EXTRA_BLOCKS = 2  # run after the width was reached


def half_width(interval: Interval) -> float:
    """Half of the interval as a ratio - 1: (-0.1, 0.1) in logs gives 0.105."""
    return math.expm1((interval.high - interval.low) / 2)


def narrow(intervals: Iterable[Interval | None], width: float) -> bool:
    """Whether each interval attains 95% and its half-width is at most `width`; False for none."""
    found = list(intervals)
    return bool(found) and all(
        one is not None and one.confidence >= 1 - ALPHA and half_width(one) <= width
        for one in found
    )


class WidthRule:
    """Looks at the finished runs of one experiment after each block; summarizes each run once."""

    def __init__(self, width: float) -> None:
        self.width = width
        self._summaries: dict[str, Summary] = {}

    @property
    def first_block(self) -> int:
        """The first after which it can stop."""
        return FEWEST_BLOCKS + EXTRA_BLOCKS

    def enough(self, runs: Runs, block: int) -> bool:
        """Whether to stop after `block`: EXTRA_BLOCKS before it, all intervals were narrow.

        All are those of every contrast on p95 under every scenario. Later blocks are not looked
        at, so that a resumed experiment decides as it did before.
        """
        looked_at = block - EXTRA_BLOCKS
        by_block: dict[tuple[str, str], dict[int, Summary]] = {}
        for run in runs.runs:
            if run.facts.block <= looked_at:
                cell = by_block.setdefault((run.facts.scenario, run.facts.spec), {})
                cell[run.facts.block] = self._summary(run)
        return enough_of(runs, by_block, self.width)

    def _summary(self, run: Run) -> Summary:
        if run.facts.id not in self._summaries:
            self._summaries[run.facts.id] = summarize(run)
        return self._summaries[run.facts.id]


def enough_of(
    runs: Runs,
    summaries: Mapping[tuple[str, str], Mapping[int, Summary]],
    width: float,
) -> bool:
    """The rule on summaries by (scenario, spec) and block; at least FEWEST_BLOCKS blocks each.

    Where the design attributes the total to its layers, their shares count as well.
    """
    steps = [
        (one.n, one.interval)
        for family in ablate(runs, summaries).families
        if family.metric == "p95"
        for one in family.comparisons
    ]
    shares = [
        (one.n, one.interval)
        for attribution in attribute(runs, summaries)
        if attribution.metric == "p95"
        for one in attribution.shares
    ]
    found = steps + shares
    return all(n >= FEWEST_BLOCKS for n, _ in found) and narrow(
        (interval for _, interval in found), width
    )
