"""Numbers to words, once: the terminal, the page, Markdown and figures say the same."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from analysis._signedrank import Interval
from analysis.compare import Bound, Comparison, Metric

METRIC_NAMES: dict[Metric, str] = {
    "p50": "p50 latency",
    "p95": "p95 latency",
    "p99": "p99 latency",
    "goodput": "goodput",
}


class Effect(Protocol):
    """Whatever has an estimate: a comparison of two variants, the share of a layer."""

    @property
    def metric(self) -> Metric:
        """What was measured."""

    @property
    def gain(self) -> float | None:
        """Log ratio, positive is better."""

    @property
    def interval(self) -> Interval | None:
        """Of the gain."""

    @property
    def bound(self) -> Bound | None:
        """What is known of the gain where quantiles lie among failures."""


@dataclass(frozen=True)
class Estimate:
    """An effect that is no comparison of two variants: a share, an interaction, a total."""

    metric: Metric
    gain: float | None
    interval: Interval | None = None
    bound: Bound | None = None


def factor(value: float) -> str:
    """Three significant digits, two decimals at most: 1.03, 12.4, 151."""
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def effect(comparison: Effect) -> str:
    """ "2.31x faster (1.90–2.80)"; the interval is on the same scale as the factor.

    A bound below 1 in "1.05x faster (0.97–1.12)" is the other direction: slower is possible.
    """
    if comparison.gain is not None and comparison.bound == "unknown":
        return among_failures([comparison.metric])
    low_high = span(comparison)
    return f"{headline(comparison)} ({low_high})" if low_high else headline(comparison)


def headline(comparison: Effect) -> str:
    """The estimate alone: "2.31x faster", "1.10x less", "1.00x" where it rounds to no change.

    "at least 2.31x faster" where the old side has quantiles among failures.
    """
    gain = comparison.gain
    if gain is None:
        return "no data"
    if comparison.bound == "unknown":
        return "among failures"
    size = factor(math.exp(abs(gain)))
    told = f"{size}x" if size == "1.00" else f"{size}x {_direction(comparison)}"
    return f"{known(gain, comparison.bound)} {told}" if comparison.bound else told


def among_failures(metrics: Sequence[Metric]) -> str:
    """Why there is no effect on latencies, and what to look at instead."""
    return f"{listed(metrics)} {'lie' if metrics[1:] else 'lies'} among failures; see goodput"


def known(gain: float, bound: Bound) -> str:
    """A bound in the direction of its gain: a gain of at least 1/1.2 is "at most 1.2x slower"."""
    if _up(gain):
        return bound
    return "at most" if bound == "at least" else "at least"


def span(comparison: Effect) -> str:
    """The interval in the direction of the estimate: "1.90–2.80"; empty where there is none."""
    interval, gain = comparison.interval, comparison.gain
    if interval is None or gain is None or comparison.bound == "unknown":
        return ""
    low, high = (interval.low, interval.high) if _up(gain) else (-interval.high, -interval.low)
    return f"{factor(math.exp(low))}–{factor(math.exp(high))}"


def _up(gain: float) -> bool:
    return gain >= 0 or factor(math.exp(-gain)) == "1.00"


def _direction(comparison: Effect) -> str:
    up = (comparison.gain or 0.0) >= 0
    if comparison.metric == "goodput":
        return "more" if up else "less"
    return "faster" if up else "slower"


def confidence(interval: Interval | None) -> str:
    """The attained level: "96.1%"; a dash where there is no interval."""
    return "–" if interval is None else f"{100 * interval.confidence:.1f}%"


def p_value(p: float | None) -> str:
    """ "0.039", "<0.001", "1"; a dash where there was no test."""
    if p is None:
        return "–"
    if p < 0.001:
        return "<0.001"
    return f"{p:.3f}" if p < 0.9995 else "1"


def better_in(comparison: Comparison) -> str:
    """In how many blocks of n the step was better: "8/8"; "same" where no block differs."""
    moved = comparison.better or comparison.worse or comparison.bound
    if comparison.n and not moved:
        return "same"
    return f"{comparison.better}/{comparison.n}"


def verdict(comparison: Comparison) -> str:
    """The verdict; an arrow where all blocks of an undecided one were on one side."""
    arrow = {"better": " ↑", "worse": " ↓", None: ""}[comparison.leaning]
    return comparison.verdict + arrow


def duration(value_s: float | None) -> str:
    """ "4.21 ms", "38.0 ms", "1.25 s"; a dash for None."""
    if value_s is None:
        return "–"
    return f"{factor(value_s)} s" if value_s >= 0.9995 else f"{factor(1000 * value_s)} ms"


def percent(value: float, decimals: int = 1) -> str:
    """ "99.7%"; a share that is not quite 100% or 0% is never printed as that."""
    text = f"{100 * value:.{decimals}f}"
    if value < 1 and float(text) == 100:
        return f">{100 - 10**-decimals:.{decimals}f}%"
    if value > 0 and float(text) == 0:
        return f"<{10**-decimals:.{decimals}f}%"
    return f"{text}%"


def listed(parts: Sequence[str]) -> str:
    """ "a, b and c"."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def plural(count: int, noun: str) -> str:
    """ "1 block", "3 blocks"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def block_list(blocks: Sequence[int]) -> str:
    """ "block 2", "blocks 2, 5"."""
    return f"block{'s' if len(blocks) > 1 else ''} {', '.join(map(str, blocks))}"


def same_unit(low: str, middle: str, high: str) -> str:
    """The range without its unit where all three have the same: "11.9–13.0"."""
    for unit in (" ms", " s", "%"):
        if all(text.endswith(unit) for text in (low, middle, high)):
            return f"{low.removesuffix(unit)}–{high.removesuffix(unit)}"
    return f"{low}–{high}"


def milliseconds(value_ms: float) -> str:
    """A tick of an axis in milliseconds: "50 ms", "2 s"."""
    return f"{value_ms / 1000:g} s" if value_ms >= 1000 else f"{value_ms:g} ms"
