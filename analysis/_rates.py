"""Latency and goodput against the offered rate, with the knee and the capacity."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from analysis import words
from analysis._chart import Band, Chart, Line, Table, View
from analysis._drawing import Drawing
from analysis._figstyle import file_stem, light, new_figure, quiet, variant_style

if TYPE_CHECKING:  # types alone: it brings scipy
    from analysis.sweep import Capacity, Point, Sweep

HEIGHT_IN = 4.6


def rates(sweep: "Sweep", names: Mapping[str, str]) -> Drawing | None:
    """p95 above, the share of requests within the SLO below; None without a point.

    Dots are runs, filled where the run met the objective; a line joins the medians per rate. The
    band is the interval of the highest rate that meets the objective; a triangle marks the knee.
    """
    specs = [spec for spec in names if any(point.spec == spec for point in sweep.points)]
    if not specs:
        return None
    figure = new_figure(HEIGHT_IN)
    upper, lower = figure.subplots(
        2, 1, sharex=True,
        gridspec_kw={"left": 0.115, "right": 0.985, "top": 0.955, "bottom": 0.1, "hspace": 0.16,
                     "height_ratios": (1.5, 1)})  # fmt: skip
    for axes in (upper, lower):
        quiet(axes, grid="both")
    position = {spec: at for at, spec in enumerate(names)}
    for spec in specs:
        own = [point for point in sweep.points if point.spec == spec]
        _variant(upper, own, [1000 * p.summary.p95_s for p in own], position[spec])
        _variant(lower, own, [100 * p.summary.goodput_fraction for p in own], position[spec])
        _name(upper, own, names[spec], position[spec])
    limit_ms = objective_ms(sweep.objective)
    for one in sweep.capacities:
        if one.spec in position:
            _capacity((upper, lower), one, position[one.spec])
    upper.set_yscale("log")
    if limit_ms is not None:
        upper.axhline(limit_ms, color=light("muted"), linewidth=1, dashes=(4, 3))
    upper.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=20))
    upper.yaxis.set_major_formatter(FuncFormatter(lambda ms, _: words.milliseconds(ms)))
    upper.yaxis.set_minor_formatter(NullFormatter())
    lower.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:g}%"))
    lower.yaxis.set_major_locator(MaxNLocator(4))
    for axes, head in ((upper, "p95 latency"), (lower, "requests within the SLO")):
        axes.text(0, 1.03, head, transform=axes.transAxes, fontsize=8, color=light("muted"))
    lower.set_xlabel("offered, requests/s", loc="left")
    bottom, top = upper.get_ylim()
    upper.set_ylim(bottom, top * (top / bottom) ** 0.1)  # room for the names
    title = f"Against the offered rate, {sweep.scenario}"
    told = " ".join(f"{names.get(one.spec, one.spec)}: {one.words}." for one in sweep.capacities)
    return Drawing(
        name=file_stem("rates", sweep.scenario),
        title=title,
        label=f"{title}; objective {sweep.objective}. {told}",
        figure=figure,
        table=_table(sweep, specs, names),
        chart=_chart(sweep, specs, names, limit_ms),
    )


def objective_ms(objective: str) -> float | None:
    """The latency limit in an objective such as "p95 < 250 ms", in milliseconds."""
    found = re.search(r"p\d+\s*<=?\s*([\d.]+)\s*(ms|s)\b", objective)
    return float(found[1]) * {"ms": 1.0, "s": 1000.0}[found[2]] if found else None


def medians(points: Sequence["Point"], values: Sequence[float]) -> tuple[list[float], list[float]]:
    """The rates in order and the median of `values` (one per point) at each: two lists (m,)."""
    at = sorted({point.rate_rps for point in points})
    middle = [
        float(np.median([v for p, v in zip(points, values, strict=True) if p.rate_rps == rate]))
        for rate in at
    ]
    return at, middle


def _variant(axes: Axes, points: Sequence["Point"], values: Sequence[float], position: int) -> None:
    style = variant_style(position)
    axes.plot(*medians(points, values), linewidth=1.4, zorder=2, **style)
    for point, value in zip(points, values, strict=True):
        axes.plot([point.rate_rps], [value], "o", markersize=3.6, color=style["color"],
                  markerfacecolor=style["color"] if point.meets else light("surface"),
                  markeredgewidth=0.9, zorder=3)  # fmt: skip


def _capacity(both: tuple[Axes, Axes], one: "Capacity", position: int) -> None:
    colour = variant_style(position)["color"]
    if one.low_rps is not None and one.high_rps is not None:
        for axes in both:
            axes.axvspan(one.low_rps, one.high_rps, color=colour, alpha=0.13, linewidth=0, zorder=0)
    if one.knee_rps is not None:
        both[0].plot([one.knee_rps], [0.025], marker="^", markersize=6.5, color=colour,
                     transform=both[0].get_xaxis_transform(), zorder=4)  # fmt: skip


def _name(axes: Axes, points: Sequence["Point"], name: str, position: int) -> None:
    """The variant's name above its points at the highest rate."""
    last = max(point.rate_rps for point in points)
    top_ms = max(1000 * point.summary.p95_s for point in points if point.rate_rps == last)
    axes.annotate(name if len(name) <= 20 else f"{name[:19]}…", (last, top_ms), (0, 6),
                  textcoords="offset points", ha="right", va="bottom", fontsize=8.5,
                  fontweight="bold", color=variant_style(position)["color"])  # fmt: skip


def _table(sweep: "Sweep", specs: Sequence[str], names: Mapping[str, str]) -> Table:
    rows = []
    for spec in specs:
        own = [point for point in sweep.points if point.spec == spec]
        for rate in sorted({point.rate_rps for point in own}):
            here = [point for point in own if point.rate_rps == rate]
            p95 = float(np.median([point.summary.p95_s for point in here]))
            within = float(np.median([point.summary.goodput_fraction for point in here]))
            met = f"{sum(point.meets for point in here)}/{len(here)}"
            rows.append(
                (names[spec], words.factor(rate), words.duration(p95), words.percent(within), met)
            )
    head = ("variant", "offered, /s", "p95", "within the SLO", "runs that met it")
    return Table(head, tuple(rows))


def _chart(
    sweep: "Sweep", specs: Sequence[str], names: Mapping[str, str], limit_ms: float | None
) -> Chart:
    at = sorted({point.rate_rps for point in sweep.points})
    position = {spec: place for place, spec in enumerate(names)}
    latency: list[Line] = []
    within: list[Line] = []
    for spec in specs:
        own = [point for point in sweep.points if point.spec == spec]
        where, p95 = medians(own, [1000 * point.summary.p95_s for point in own])
        _, share = medians(own, [100 * point.summary.goodput_fraction for point in own])
        for lines, values in ((latency, p95), (within, share)):
            found = dict(zip(where, values, strict=True))
            lines.append(Line(names[spec], position[spec], tuple(found.get(rate) for rate in at)))
    views = (
        View("p95", "ms", tuple(latency), log=True, mark=limit_ms),
        View("within the SLO", "%", tuple(within)),
    )
    bands = tuple(
        Band(position[one.spec], one.low_rps, one.high_rps, one.knee_rps)
        for one in sweep.capacities
        if one.spec in specs
    )
    return Chart("offered, requests/s", tuple(at), views, bands=bands)
