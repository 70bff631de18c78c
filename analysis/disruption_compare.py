"""Variants compared by what one fault did to them, over blocks.

The pair is a block: both variants replayed the same schedule and met the fault at the same time.
As everywhere, the unit is a log-ratio of two runs, and positive is better for the second variant.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis._holm import holm
from analysis._permutation import sign_flip_p
from analysis._signedrank import Interval, hodges_lehmann, signed_rank_interval
from analysis.compare import ALPHA, Bound, Verdict, blocks_needed, bound_of, verdict
from analysis.disruption import Impact
from analysis.disruption_runs import DisruptedRuns

Metric = Literal["lost", "missing goodput", "back within the SLO"]


def _lost(impact: Impact) -> float:
    return impact.lost + 0.5


def _missing(impact: Impact) -> float:
    return impact.missing_goodput + 0.5


def _back(impact: Impact) -> float:
    return impact.back.value_s + impact.window_s / 2


METRICS: dict[Metric, Callable[[Impact], float]] = {
    "lost": _lost,
    "missing goodput": _missing,
    "back within the SLO": _back,
}


@dataclass(frozen=True)
class Contrast:
    """`new` against `old` on one metric of one experiment; logs, positive is better."""

    experiment: str
    metric: Metric
    old: str
    new: str
    gains: tuple[float, ...]  # (n,), one a block
    gain: float | None
    interval: Interval | None
    p: float | None
    p_holm: float | None
    family: int
    censored: int  # blocks in which either of the two had not recovered by the end
    verdict: Verdict
    bound: Bound | None = None  # None: every end was seen

    @property
    def n(self) -> int:
        """Blocks in the comparison."""
        return len(self.gains)

    @property
    def better(self) -> int:
        """Blocks in which `new` was better at all."""
        return sum(gain > 0 for gain in self.gains)

    @property
    def screening(self) -> bool:
        """Too few blocks for a verdict to be the last word."""
        return self.n < blocks_needed(self.family)


def log_gain(old: Impact, new: Impact, metric: Metric) -> float:
    """log(old / new) of a quantity of which less is better; each may be 0, so each gets a little.

    Half a request is added to counts (Haldane 1956, Anscombe 1956), half a window, which is the
    resolution, to the time to be back within the SLO. A time that is censored is taken as it is,
    a lower bound: where `old` is, the gain is a lower bound too; where `new` is, an upper one;
    where both are, it says nothing.
    """
    value = METRICS[metric]
    return math.log(value(old) / value(new))


def contrasts(runs: DisruptedRuns, experiment: str) -> tuple[Contrast, ...]:
    """Every variant against the first on every metric; Holm over all of them together."""
    specs = runs.specs(experiment)
    made = [
        _contrast(runs, experiment, metric, specs[0], spec)
        for spec in specs[1:]
        for metric in METRICS
    ]
    corrected = holm([one.p for one in made])
    family = sum(one.p is not None for one in made)
    return tuple(
        Contrast(
            **{
                **vars(one),
                "p_holm": p_holm,
                "family": family,
                "verdict": verdict(one.interval, p_holm, runs.plan.margin, one.bound),
            }
        )
        for one, p_holm in zip(made, corrected, strict=True)
    )


def _contrast(runs: DisruptedRuns, experiment: str, metric: Metric, old: str, new: str) -> Contrast:
    """Without its correction, which needs all of the family."""
    before = {run.facts.block: run.impact for run in runs.of(experiment, old)}
    after = {run.facts.block: run.impact for run in runs.of(experiment, new)}
    blocks = sorted(before.keys() & after.keys())
    gains = np.array([log_gain(before[b], after[b], metric) for b in blocks])
    unseen_old, unseen_new = (
        {b for b in blocks if metric == "back within the SLO" and not side[b].back.reached}
        for side in (before, after)
    )
    return Contrast(
        experiment=experiment,
        metric=metric,
        old=old,
        new=new,
        gains=tuple(map(float, gains)),
        gain=hodges_lehmann(gains) if len(gains) else None,
        interval=signed_rank_interval(gains, 1 - ALPHA),
        p=sign_flip_p(gains),
        p_holm=None,
        family=0,
        censored=len(unseen_old | unseen_new),
        verdict="inconclusive",
        bound=bound_of(bool(unseen_old), bool(unseen_new)),
    )
