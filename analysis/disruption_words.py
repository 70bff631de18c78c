"""The impact of faults in words: rows of the page's tables, and the sentences above them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis import words
from analysis.disruption import Impact, Span
from analysis.disruption_compare import Contrast
from analysis.disruption_runs import DisruptedRun, DisruptedRuns

NEVER_FEWER = "never fewer"


@dataclass(frozen=True)
class ImpactRow:
    """One variant under one experiment: medians over blocks, and the range where it is one."""

    spec: str
    availability: str
    availability_during: str
    lost: str
    in_flight: str
    others: str
    how: str  # which outcomes, summed over blocks
    detect: str
    ready: str
    back: str
    excess: str
    missing: str
    goal: str
    goal_met: bool | None  # None where none is set
    blocks: int


@dataclass(frozen=True)
class ContrastRow:
    """One comparison in words."""

    spec: str
    metric: str
    effect: str
    level: str
    better_in: str
    p: str
    verdict: str
    kind: str  # the verdict without its arrow


def impact_rows(runs: DisruptedRuns, experiment: str) -> tuple[ImpactRow, ...]:
    """A row for each variant that has runs."""
    return tuple(_impact_row(runs.of(experiment, spec)) for spec in runs.specs(experiment))


def contrast_rows(contrasts: Sequence[Contrast]) -> tuple[ContrastRow, ...]:
    """A row for each comparison."""
    return tuple(
        ContrastRow(
            spec=one.new,
            metric=one.metric,
            effect=effect(one),
            level=words.confidence(one.interval),
            better_in="same" if one.n and not any(one.gains) else f"{one.better}/{one.n}",
            p=words.p_value(one.p_holm),
            verdict=one.verdict,
            kind=one.verdict,
        )
        for one in contrasts
    )


def effect(contrast: Contrast) -> str:
    """ "12.3x less (4.0–31)"; less is better for all of these metrics."""
    if contrast.gain is None:
        return "no data"
    unseen = words.plural(contrast.censored, "block")
    if contrast.bound == "unknown":
        return f"unknown: not recovered by the end in {unseen}"
    up = contrast.gain >= 0
    size = words.factor(float(np.exp(abs(contrast.gain))))
    text = "1.00x" if size == "1.00" else f"{size}x {'less' if up else 'more'}"
    if contrast.interval is not None:
        bounds = (contrast.interval.low, contrast.interval.high)
        low, high = bounds if up else (-bounds[1], -bounds[0])
        text += f" ({words.factor(float(np.exp(low)))}–{words.factor(float(np.exp(high)))})"
    if contrast.bound:
        text = f"{words.known(contrast.gain, contrast.bound)} {text}, {unseen} not recovered"
    return text


def headline(runs: DisruptedRuns, experiment: str) -> str:
    """One sentence about each variant: what its users lost, and for how long it was not itself."""
    parts = []
    for row in impact_rows(runs, experiment):
        told = runs.of(experiment, row.spec)
        lost = [run.impact.lost for run in told]
        if not any(lost):
            what = f"lost no request in {words.plural(len(lost), 'block')}"
        else:
            what = f"lost {row.lost} of {_middle([run.impact.at_stake for run in told])} requests"
        back = (
            "never left its SLO" if row.back == "0 s" else f"was back within its SLO in {row.back}"
        )
        twice = sum(run.repeats for run in told)
        hidden = f" ({twice} sent twice, which may hide losses)" if twice else ""
        stuck = [run.timeline.failure for run in told if run.timeline.failure]
        never = f" (not over in {len(stuck)}/{len(told)}: {stuck[-1]})" if stuck else ""
        parts.append(f"{row.spec} {what}{hidden} and {back}{never}")
    return "; ".join(parts) + "."


def span(value: Span) -> str:
    """ "1.25 s"; "> 12.0 s" where the run ended first; "0 s"."""
    text = "0 s" if value.value_s == 0 else words.duration(value.value_s)
    return text if value.reached else f"> {text}"


def median_span(spans: Sequence[Span]) -> Span:
    """The middle one, the longer of two; one that was not reached is longer than one that was."""
    ordered = sorted(spans, key=lambda one: (one.value_s if one.reached else np.inf, one.value_s))
    return ordered[len(ordered) // 2]


def met_goal(run: DisruptedRun) -> bool | None:
    """Whether this run did what the product promises; None where it promises nothing.

    It promises nothing to a single replica: whatever takes it away takes the service away.
    """
    if run.timeline.wanted < 2:
        return None
    if run.fault.goal == "none lost":
        return run.impact.lost == 0
    if run.fault.goal == "only those in flight":
        return run.impact.lost_others == 0
    return None


def _impact_row(told: Sequence[DisruptedRun]) -> ImpactRow:
    impacts = [run.impact for run in told]
    met = [met_goal(run) for run in told]
    during = [i.availability_during for i in impacts if i.availability_during is not None]
    return ImpactRow(
        spec=told[0].facts.spec,
        availability=_ranged([i.availability for i in impacts], words.percent),
        availability_during=_ranged(during, words.percent) if during else "–",
        lost=_counts([i.lost for i in impacts]),
        in_flight=_counts([i.lost_in_flight for i in impacts]),
        others=_counts([i.lost_others for i in impacts]),
        how=_how(impacts),
        detect=_detect(impacts),
        ready=_ready(impacts),
        back=_spans([i.back for i in impacts]),
        excess=_ranged([i.excess_latency_s for i in impacts], lambda value: f"{value:.2f}"),
        missing=_ranged([i.missing_goodput for i in impacts], lambda value: f"{value:.0f}"),
        goal=_goal(told, met),
        goal_met=None if met[0] is None else all(met),
        blocks=len(told),
    )


def _goal(told: Sequence[DisruptedRun], met: Sequence[bool | None]) -> str:
    if met[0] is not None:
        return f"{sum(map(bool, met))}/{len(met)}"
    return "none set" if told[0].fault.goal == "no goal" else "needs 2 replicas"


def _how(impacts: Sequence[Impact]) -> str:
    total: dict[str, int] = {}
    for impact in impacts:
        for name, count in impact.outcomes:
            total[name] = total.get(name, 0) + count
    return ", ".join(f"{name} {count}" for name, count in total.items() if count) or "–"


def _detect(impacts: Sequence[Impact]) -> str:
    found = [i.detect_s for i in impacts if i.detect_s is not None]
    if not found:
        return "nothing"
    text = _ranged(found, words.duration)
    return text if len(found) == len(impacts) else f"{text}, in {len(found)}/{len(impacts)}"


def _ready(impacts: Sequence[Impact]) -> str:
    found = [i.ready for i in impacts if i.ready is not None]
    return _spans(found) if found else NEVER_FEWER


def _spans(spans: Sequence[Span]) -> str:
    middle = span(median_span(spans))
    low = span(min(spans, key=lambda one: one.value_s))
    high = span(median_span([s for s in spans if not s.reached] or [max(spans, key=_length)]))
    return middle if low == high else f"{middle} ({words.same_unit(low, middle, high)})"


def _length(one: Span) -> float:
    return one.value_s


def _counts(values: Sequence[int]) -> str:
    return _ranged([float(value) for value in values], lambda value: f"{value:.0f}")


def _middle(values: Sequence[int]) -> str:
    return f"{float(np.median(values)):.0f}"


def _ranged(values: Sequence[float], tell: Callable[[float], str]) -> str:
    """ "12 (3–40)": the median and the range; the median alone where all are told alike."""
    middle, low, high = (tell(float(f(values))) for f in (np.median, np.min, np.max))
    return middle if low == high else f"{middle} ({words.same_unit(low, middle, high)})"
