"""Drift: did the machine change while the runs went by? Runs in the order they were started."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from analysis import words
from analysis._chart import Table
from analysis._drawing import Drawing
from analysis._figstyle import light, new_figure, quiet, variant_style
from analysis.findings import Findings, RunSummary

HEIGHT_IN = 3.6
WORST = 8  # rows of the table
FACTORS = (1.0, 1.25, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0)  # and what is as far below 1


@dataclass(frozen=True)
class Drifting:
    """One run and its p95 as a factor of the median p95 of its own variant and scenario."""

    run: RunSummary
    factor: float


def drifting(findings: Findings) -> tuple[Drifting, ...]:
    """Every valid run in the order of its start."""
    cells: dict[tuple[str, str], list[float]] = {}
    for one in findings.summaries:
        cells.setdefault((one.facts.scenario, one.facts.spec), []).append(one.summary.p95_s)
    medians = {key: float(np.median(values)) for key, values in cells.items()}
    ordered = sorted(findings.summaries, key=lambda one: (one.facts.started_at, one.facts.id))
    return tuple(
        Drifting(one, one.summary.p95_s / medians[one.facts.scenario, one.facts.spec])
        for one in ordered
    )


def drift(findings: Findings, names: Mapping[str, str]) -> Drawing | None:
    """Three strips over the run's number: relative p95, steal, pressure; None for a few runs."""
    runs = drifting(findings)
    if len(runs) < 4:
        return None
    steal = [one.run.facts.steal_fraction for one in runs]
    pressure = [one.run.facts.cpu_pressure_avg10 for one in runs]
    figure = new_figure(HEIGHT_IN)
    top, middle, bottom = figure.subplots(
        3, 1, sharex=True,
        gridspec_kw={"left": 0.1, "right": 0.985, "top": 0.93, "bottom": 0.115, "hspace": 0.42,
                     "height_ratios": (2, 1, 1)})  # fmt: skip
    position = {spec: at for at, spec in enumerate(names)}
    for axes in (top, middle, bottom):
        quiet(axes, grid="y")
    for number, one in enumerate(runs, start=1):
        colour = variant_style(position[one.run.facts.spec])["color"]
        top.plot([number], [one.factor], "o", markersize=3.4, color=colour, alpha=0.9)
    top.set_yscale("log")
    reach = max(1.3, *(max(one.factor, 1 / one.factor) for one in runs)) ** 1.1
    top.set_ylim(1 / reach, reach)
    top.yaxis.set_major_locator(FixedLocator(_marks(reach)))
    top.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}x"))
    top.yaxis.set_minor_locator(FixedLocator([]))
    top.axhline(1, color=light("muted"), linewidth=0.8, zorder=0)
    _strip(middle, [None if one is None else 100 * one for one in steal])
    _strip(bottom, pressure)
    heads = (
        (top, "p95 relative to the median of the same variant and load"),
        (middle, "CPU steal, %"),
        (bottom, "CPU pressure, % of the last 10 s"),
    )
    for axes, head in heads:
        axes.text(0, 1.04, head, transform=axes.transAxes, fontsize=8, color=light("muted"))
    bottom.set_xlabel("runs in the order they were started", loc="left")
    title = "Drift over the experiment"
    return Drawing(
        name="drift",
        title=title,
        label=f"{title}: {drift_words(runs)}",
        figure=figure,
        table=_table(runs, names),
    )


def _marks(reach: float) -> list[float]:
    """The FACTORS from 1 / reach to reach that leave each other room, 1 first."""
    above = [1.0]
    for factor in FACTORS:
        if factor < reach and math.log(factor / above[-1]) > 0.24 * math.log(reach):
            above.append(factor)
    return sorted({1 / factor for factor in above} | set(above))


def drift_words(runs: Sequence[Drifting]) -> str:
    """The first half against the second, in plain words; description, not a test."""
    half = len(runs) // 2
    first, second = (
        float(np.median([one.factor for one in part])) for part in (runs[:half], runs[half:])
    )
    return (
        f"median relative p95 of the first half of the runs {words.factor(first)}x, "
        f"of the second {words.factor(second)}x."
    )


def _strip(axes: Axes, values: Sequence[float | None]) -> None:
    heights = [0.0 if value is None else value for value in values]
    axes.bar(range(1, len(heights) + 1), heights, width=0.8, color=light("same"), linewidth=0)
    axes.set_ylim(0, max(*heights, 1.0) * 1.05)
    axes.yaxis.set_major_locator(MaxNLocator(2))
    if all(value is None for value in values):
        axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", va="center",
                  fontsize=8, color=light("muted"))  # fmt: skip


def _table(runs: Sequence[Drifting], names: Mapping[str, str]) -> Table:
    """The runs that stand out most, the largest deviation first."""
    numbered = sorted(enumerate(runs, start=1), key=lambda one: -abs(np.log(one[1].factor)))
    rows = []
    for number, one in numbered[:WORST]:
        facts = one.run.facts
        steal = "–" if facts.steal_fraction is None else words.percent(facts.steal_fraction)
        pressure = "–" if facts.cpu_pressure_avg10 is None else f"{facts.cpu_pressure_avg10:.1f}%"
        where = (str(number), facts.scenario, str(facts.block), names[facts.spec])
        rows.append((*where, f"{words.factor(one.factor)}x", steal, pressure))
    head = ("run", "load", "block", "variant", "relative p95", "steal", "pressure")
    return Table(head, tuple(rows))
