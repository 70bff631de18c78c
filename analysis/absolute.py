"""The absolute numbers of each variant: medians over blocks with their range, as text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis import words
from analysis.compare import Metric, latency_s
from analysis.findings import Findings
from analysis.summary import Summary


@dataclass(frozen=True)
class AbsoluteRow:
    """One variant under one scenario: medians over blocks, each with its range."""

    name: str
    spec: str
    blocks: int
    p50: str
    p95: str
    p99: str
    goodput: str
    within: str  # goodput as a share of the planned requests, and in how many blocks it is enough
    errors: str
    throughput: str


def absolute_rows(findings: Findings, scenario: str) -> tuple[AbsoluteRow, ...]:
    """One row per variant that has runs, in the order of the ablation."""
    names = findings.names
    rows = []
    for spec in findings.runs.specs:
        found = findings.of(scenario, spec)
        runs = [one.summary for one in found]
        if not runs:
            continue
        quantile = found[0].facts.slo_quantile
        met = sum(run.goodput_fraction >= float(quantile[1:]) / 100 for run in runs)
        rows.append(
            AbsoluteRow(
                name=names[spec],
                spec=spec,
                blocks=len(runs),
                p50=_latency(runs, "p50"),
                p95=_latency(runs, "p95"),
                p99=_latency(runs, "p99"),
                goodput=_median(runs, lambda s: s.goodput_rps, words.factor),
                within=_median(runs, lambda s: s.goodput_fraction, words.percent)
                + f", {quantile} met in {met}/{len(runs)}",
                errors=_median(runs, lambda s: s.error_rate, words.percent),
                throughput=_median(runs, lambda s: s.throughput_rps, words.factor),
            )
        )
    return tuple(rows)


def _latency(runs: Sequence[Summary], metric: Metric) -> str:
    """The median; "at least" it where the quantile of some run lies among failures."""
    text = _median(runs, lambda summary: latency_s(summary, metric), words.duration)
    bounded = any(metric in run.censored and latency_s(run, metric) is not None for run in runs)
    return f"at least {text}" if bounded else text


def _median(
    runs: Sequence[Summary],
    value: Callable[[Summary], float | None],
    text: Callable[[float], str],
) -> str:
    """ "12.3 ms (11.9–13.0)"; a dash where no block has the value; no range for one block."""
    values = [one for run in runs if (one := value(run)) is not None]
    if not values:
        return "–"
    low, middle, high = (text(float(v)) for v in (min(values), np.median(values), max(values)))
    if low == high:
        return middle
    return f"{middle} ({words.same_unit(low, middle, high)})"
