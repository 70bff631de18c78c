"""One verdict on two variants of one directory, or on runs of two directories.

Within a directory the runs of a block replayed one schedule: they are compared in pairs. Across
directories they are paired only if the blocks replayed the same schedules (equal seeds and
hashes); otherwise whole runs are compared unpaired (`analysis._ranksum`), with wider intervals.

What a comparison can say depends on what differs. Where exactly one of variant, model and software
(kernel, Python, libraries) differs, an effect is that one's, and there is a verdict. Where two of
them differ, or the hardware does, their effects are confounded: no number of runs tells them apart,
and the verdict is `inconclusive` whatever the interval says.

Two directories always differ in their date, and a machine is not equally fast on any two days: no
interval over runs covers that. So across directories each side is taken relative to a third variant
that both directories measured, the reference, block by block: what slows all variants of a day
alike cancels in the difference of the two log ratios. Without a reference there is no verdict.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from analysis import words
from analysis._ranksum import rank_sum_interval, rank_sum_p, shift
from analysis._signedrank import Floats, Interval
from analysis.compare import (
    ALPHA,
    Comparison,
    Contrast,
    Metric,
    Pairs,
    blocks_needed,
    bound_of,
    compare_family,
    latency_s,
    pair,
    verdict,
)
from analysis.differs import Difference, days_apart, differences, require_same_load
from analysis.sides import Side, Sides
from analysis.summary import Summary
from variants._errors import OptbuildError

Method = Literal["paired blocks", "unpaired runs"]


@dataclass(frozen=True)
class Across:
    """The new side against the old one; `comparison` is in logs, positive is better.

    Its verdict is inconclusive where `confounded` says why nothing else can be said. `reference` is
    the variant that each side was taken relative to in its own directory.
    """

    sides: Sides
    method: Method
    n_old: int
    n_new: int
    comparison: Comparison
    differs: tuple[Difference, ...]
    confounded: str
    days: float | None
    reference: str | None

    @property
    def screening(self) -> bool:
        """Too few blocks, or runs on one side, for a verdict to be the last word."""
        return min(self.n_old, self.n_new) < blocks_needed(1)

    @property
    def exit_code(self) -> int:
        """0 improved or equivalent, 1 regressed, 3 inconclusive."""
        return {"improved": 0, "equivalent": 0, "regressed": 1, "inconclusive": 3}[
            self.comparison.verdict
        ]


def compare_sides(sides: Sides, metric: Metric, margin: float | None = None) -> Across:
    """The one comparison, declared beforehand: nothing to correct for (a family of one).

    `margin` as a fraction; that of the old side's plan if left out. Raises OptbuildError where the
    loads differ or no run has the quantile.
    """
    require_same_load(sides, metric)
    margin = sides.margin if margin is None else margin
    blocks = _common_blocks(sides)
    if blocks:
        comparison, n_old, n_new = _paired(sides, metric, margin, blocks)
    else:
        comparison, n_old, n_new = _unpaired(sides, metric, margin)
    if comparison.gain is None:
        raise OptbuildError(
            f"no runs with a {metric} on both sides: p99 takes 1000 requests in a run, give a "
            "longer --duration or choose --metric p95"
        )
    differs = differences(sides)
    days = None if sides.one_directory else days_apart(sides)
    confounded = _confounded(differs) or _of_two_days(sides, days)
    if confounded:
        comparison = replace(comparison, verdict="inconclusive")
    return Across(
        sides=sides,
        method="paired blocks" if blocks else "unpaired runs",
        n_old=n_old,
        n_new=n_new,
        comparison=comparison,
        differs=differs,
        confounded=confounded,
        days=days,
        reference=sides.reference[0].spec if sides.reference else None,
    )


def why(across: Across) -> str:
    """One line: the effect with its interval, from what, and what decides or forbids a verdict."""
    comparison = across.comparison
    counts = words.plural(across.n_old, "block") + " in pairs"
    if across.method == "unpaired runs":
        counts = f"{across.n_old} and {across.n_new} runs, unpaired"
    if across.reference:
        counts += f", each relative to {across.reference} in its own directory"
    level = f" at {words.confidence(comparison.interval)}" if comparison.interval else ""
    measured = (
        f"{_named(across.sides.new, across)} against {_named(across.sides.old, across)}, "
        f"{words.METRIC_NAMES[comparison.metric]} under {across.sides.scenario} load: "
        f"{words.effect(comparison)}{level}, {counts}, p {words.p_value(comparison.p)}"
    )
    return f"{measured}; {across.confounded or _decides(across)}"


def _common_blocks(sides: Sides) -> tuple[int, ...]:
    """Blocks in which both sides replayed the same schedule, if there are no others; else ()."""
    schedules = [
        {one.facts.block: (one.facts.seed, one.facts.schedule_sha256) for one in side.runs}
        for side in (sides.old, sides.new)
    ]
    shared = sorted(schedules[0].keys() & schedules[1].keys())
    alike = all(schedules[0][block] == schedules[1][block] for block in shared)
    return tuple(shared) if alike else ()


def _paired(
    sides: Sides, metric: Metric, margin: float, blocks: tuple[int, ...]
) -> tuple[Comparison, int, int]:
    if sides.reference is None:
        pairs = pair(sides.old.by_block, sides.new.by_block, metric, blocks)
    else:
        pairs = _change(*_gains(sides, metric), blocks)
    contrast = Contrast(sides.old.spec, sides.new.spec)
    (comparison,) = compare_family(sides.scenario, metric, {contrast: pairs}, margin)
    return comparison, comparison.n, comparison.n


def _unpaired(sides: Sides, metric: Metric, margin: float) -> tuple[Comparison, int, int]:
    if sides.reference is None:
        old, new = _values(sides.old, metric), _values(sides.new, metric)
    else:
        old, new = (np.array(one.gains) for one in _gains(sides, metric))
    gain: float | None = None
    interval: Interval | None = None
    if len(old) and len(new):
        gain, interval = shift(old, new), rank_sum_interval(old, new, 1 - ALPHA)
    p = rank_sum_p(old, new)
    bound = bound_of(
        *(
            any(metric in one.summary.censored for one in side.runs)
            for side in (sides.old, sides.new)
        )
    )
    comparison = Comparison(
        scenario=sides.scenario,
        metric=metric,
        old=sides.old.spec,
        new=sides.new.spec,
        pairs=Pairs((), (), ()),
        gain=gain,
        interval=interval,
        p=p,
        p_holm=p,
        family=1,
        margin=margin,
        verdict=verdict(interval, p, margin, bound),
        bound=bound,
    )
    return comparison, len(old), len(new)


def _gains(sides: Sides, metric: Metric) -> tuple[Pairs, Pairs]:
    """What each side gains over the reference in its own directory, by block."""
    assert sides.reference is not None
    old, new = (
        pair(base.by_block, side.by_block, metric, sorted(side.blocks))
        for base, side in zip(sides.reference, (sides.old, sides.new), strict=True)
    )
    return old, new


def _change(old: Pairs, new: Pairs, blocks: tuple[int, ...]) -> Pairs:
    """The differences of the gains in the blocks that have both."""
    before, after = (dict(zip(one.blocks, one.gains, strict=True)) for one in (old, new))
    used = tuple(block for block in blocks if block in before and block in after)
    left_out = tuple(block for block in blocks if block not in used)
    return Pairs(used, tuple(after[block] - before[block] for block in used), left_out)


def _values(side: Side, metric: Metric) -> Floats:
    """Log of the metric for each run that has it, signed so that more is better."""
    found = (_value(one.summary, metric) for one in side.runs)
    return np.array([value for value in found if value is not None])


def _value(summary: Summary, metric: Metric) -> float | None:
    if metric == "goodput":  # a share, since the schedules differ; half a request as in log_gain
        return float(np.log((summary.good + 0.5) / (summary.n + 0.5)))
    latency = latency_s(summary, metric)
    return None if latency is None else -float(np.log(latency))


def _confounded(differs: tuple[Difference, ...]) -> str:
    kinds = {one.kind for one in differs}
    if "hardware" not in kinds and len(kinds) <= 1:
        return ""
    what = "; ".join(str(one) for one in differs if one.kind != "variant")
    if "hardware" in kinds:
        return (
            f"the machines differ ({what}), so nothing follows about the variant: "
            "measure both on one machine"
        )
    changed = words.listed([kind for kind in ("variant", "model", "software") if kind in kinds])
    return (
        f"{changed} changed together ({what}), and their effects cannot be told apart: "
        "change one of them at a time"
    )


def _of_two_days(sides: Sides, days: float | None) -> str:
    """Why two directories without a reference have no verdict; empty where that is not so."""
    if sides.one_directory or sides.reference:
        return ""
    when = "at different times" if days is not None and days < 0.5 else "on different days"
    return (
        f"measured {when} without a common variant: measure both in one run, "
        "or measure a common variant in both"
    )


def _decides(across: Across) -> str:
    """What the verdict rests on."""
    comparison = across.comparison
    margin = words.percent(comparison.margin, 0)
    if comparison.verdict in ("improved", "regressed"):
        return f"the whole interval is beyond the margin of {margin}"
    if comparison.verdict == "equivalent":
        return f"the whole interval is within the margin of {margin}"
    if comparison.bound:
        return words.among_failures([comparison.metric])
    interval = comparison.interval
    if interval is None or interval.confidence < 1 - ALPHA:
        least = "6 blocks" if across.method == "paired blocks" else "4 runs on each side"
        return f"a level of 95% takes at least {least}"
    bound = math.log1p(comparison.margin)
    if interval.low > bound or interval.high < -bound:
        return "the test does not reach 5%: more blocks may decide"
    return f"the interval does not clear the margin of {margin}: more blocks may decide"


def _named(side: Side, across: Across) -> str:
    return side.spec if across.sides.one_directory else f"{side.directory}:{side.spec}"
