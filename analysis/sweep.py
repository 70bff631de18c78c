"""A sweep: latency against offered rate, and each variant's highest rate within the objective."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis import words
from analysis.capacity import bound, estimate, knee, risk
from analysis.objective import rate_words
from analysis.summary import Summary
from analysis.visits import SweepPlan, Visits, read_plan, read_visits


@dataclass(frozen=True)
class Point:
    """One run of the sweep; `repeat` 1, 2... counts the runs of its variant at its rate."""

    id: str
    spec: str
    rate_rps: float
    repeat: int
    summary: Summary
    meets: bool


@dataclass(frozen=True)
class Capacity:
    """The highest rate within the objective (`analysis.capacity`), requests/s.

    `low_rps` and `high_rps` are confirmed: each run at them met, or missed, the objective; None
    where there is no such rate. `confidence` is the level of what is there of the two.
    """

    spec: str
    rate_rps: float | None
    low_rps: float | None
    high_rps: float | None
    confidence: float | None
    knee_rps: float | None
    words: str

    def over(self, first: "Capacity") -> "Ratio":
        """How many times the rate of `first` this one reaches."""
        low, high = _divided(self.low_rps, first.high_rps), _divided(self.high_rps, first.low_rps)
        # Either interval may be wrong: both levels are spent (Bonferroni).
        spent = sum(1 - (one.confidence or 1.0) for one in (self, first))
        known = low is not None or high is not None
        return Ratio(
            _divided(self.rate_rps, first.rate_rps), low, high, 1 - spent if known else None
        )


@dataclass(frozen=True)
class Ratio:
    """One highest rate over another. The bounds are those of the two rates at their worst.

    Each is None where a rate that it needs is. `confidence` is the level of what is there.
    """

    value: float | None
    low: float | None
    high: float | None
    confidence: float | None

    def __str__(self) -> str:
        """ "2.91 (2.70–3.14)", with a question mark for what is not known."""
        value, low, high = (
            "?" if one is None else words.factor(one) for one in (self.value, self.low, self.high)
        )
        return f"{value} ({low}–{high})"


@dataclass(frozen=True)
class Sweep:
    """All that a sweep says; `problems` are one-line warnings."""

    scenario: str
    objective: str
    points: tuple[Point, ...]  # by variant, then in the order in which they were run
    capacities: tuple[Capacity, ...]  # one for each variant, in the order asked for
    problems: tuple[str, ...]
    seed: int
    command: str


def find_sweep(directory: Path) -> Sweep | None:
    """The sweep in DIRECTORY/sweep, as far as it got; None if there is none.

    Raises OptbuildError that names the file where the sweep's plan is damaged.
    """
    folder = directory / "sweep"
    plan = read_plan(folder)
    if plan is None:
        return None
    visits = read_visits(folder, plan)
    return Sweep(
        scenario=plan.scenario,
        objective=str(plan.objective),
        points=_points(visits),
        capacities=tuple(_capacity(plan, visits, spec) for spec in plan.specs),
        problems=(*visits.problems, *_limits(visits)),
        seed=plan.seed,
        command=plan.command,
    )


def _points(visits: Visits) -> tuple[Point, ...]:
    seen: Counter[tuple[str, float]] = Counter()
    points = []
    for one in visits.made:
        rate = one.trial.rate_rps
        seen[one.spec, rate] += 1
        repeat = seen[one.spec, rate]
        points.append(Point(one.id, one.spec, rate, repeat, one.summary, one.trial.meets))
    return tuple(points)


def _limits(visits: Visits) -> list[str]:
    return [
        f"{one.spec} at {rate_words(one.rate_rps)}: the load generator failed its gates in every "
        "attempt; that is its limit, not the server's"
        for one in visits.not_offered
    ]


def _capacity(plan: SweepPlan, visits: Visits, spec: str) -> Capacity:
    made = visits.of(spec)
    trials = [one.trial for one in made]
    low, high = (bound(trials, role, plan.repeats) for role in ("lower", "upper"))
    middle = estimate(trials)
    if middle is not None:  # a confirmed bound is stronger than the fit
        middle = min(max(middle, low or 0.0), high or np.inf)
    bounds = sum(one is not None for one in (low, high))
    limited = [one.rate_rps for one in visits.not_offered if one.spec == spec]
    return Capacity(
        spec=spec,
        rate_rps=middle,
        low_rps=low,
        high_rps=high,
        confidence=1 - bounds * risk(plan.repeats) if bounds else None,
        knee_rps=knee(
            [one.trial.rate_rps for one in made],
            np.array([one.summary.throughput_rps for one in made]),
            np.array([one.summary.mean_s for one in made]),
        ),
        words=_told(str(plan.objective), middle, low, high, min(limited, default=None)),
    )


def _divided(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one / other


def _told(
    objective: str,
    middle: float | None,
    low: float | None,
    high: float | None,
    limited: float | None,
) -> str:
    """One sentence, for every way in which a search can end or stand."""
    if middle is not None and low is not None and high is not None:
        bounds = f"{words.factor(low)} to {words.factor(high)}"
        return f"meets {objective} up to {rate_words(middle)} ({bounds})"
    if low is not None and middle is None:
        if limited is not None:
            return (
                f"meets {objective} at {rate_words(low)}; whether it does above is not known: the "
                f"load generator's own limit is below {rate_words(limited)}"
            )
        return f"meets {objective} at {rate_words(low)}, the highest rate that was offered"
    if high is not None and middle is None:
        return f"misses {objective} even at {rate_words(high)}, the lowest rate that was offered"
    if middle is None:
        return f"not known yet where it meets {objective}: the search is not finished"
    known = [
        *([f"it does at {rate_words(low)}"] if low is not None else []),
        *([f"it does not at {rate_words(high)}"] if high is not None else []),
    ]
    sure = f"confirmed is: {words.listed(known)}" if known else "neither bound is confirmed"
    return f"meets {objective} up to about {rate_words(middle)}; {sure}"
