"""Latency percentile curves of all variants under one scenario."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from analysis import words
from analysis._chart import Chart, Line, Table, View
from analysis._drawing import Drawing
from analysis._figstyle import file_stem, light, new_figure, quiet, spread, variant_style
from analysis.curves import Curve, latency_at

TICKS = {1: "min", 2: "p50", 10: "p90", 20: "p95", 100: "p99", 1000: "p99.9", 10_000: "p99.99"}
HEIGHT_IN = 3.5


def percentiles(
    scenario: str, curves: Sequence[Curve], names: Mapping[str, str], limit_s: float
) -> Drawing:
    """Latency over 1/(1-p), both logarithmic; a dashed line at the SLO's limit."""
    figure = new_figure(HEIGHT_IN)
    axes = figure.add_axes((0.115, 0.125, 0.635, 0.84))
    quiet(axes, grid="both")
    axes.set_xscale("log")
    axes.set_yscale("log")
    position = {spec: at for at, spec in enumerate(names)}
    for curve in curves:
        axes.plot(
            curve.reach, 1000 * curve.latency_s, lw=1.7, **variant_style(position[curve.spec])
        )
    last = max(curve.reach[-1] for curve in curves)
    axes.set_xlim(1, last)
    axes.axhline(1000 * limit_s, color=light("muted"), linewidth=1, dashes=(4, 3))
    axes.annotate(f"limit {words.duration(limit_s)}", (1, 1000 * limit_s), (3, 3),
                  textcoords="offset points", fontsize=8, color=light("muted"))  # fmt: skip

    low, high = (np.log10(y) for y in axes.get_ylim())
    gap = 11.5 / (HEIGHT_IN * 72 * 0.84)
    at = [float((np.log10(1000 * curve.latency_s[-1]) - low) / (high - low)) for curve in curves]
    for curve, y, end in zip(curves, spread(at, gap), at, strict=True):
        style = variant_style(position[curve.spec])
        axes.annotate(_short(names[curve.spec]), (1, end), (1.045, y), xycoords="axes fraction",
                      textcoords="axes fraction", va="center", fontsize=8.5, color=style["color"],
                      arrowprops={"arrowstyle": "-", "color": style["color"], "lw": 0.6,
                                  "shrinkA": 0, "shrinkB": 1})  # fmt: skip

    shown = {tick: text for tick, text in TICKS.items() if tick <= last * 1.001}
    axes.set_xticks(list(shown), list(shown.values()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=20))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda ms, _: words.milliseconds(ms)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    title = f"Latency percentiles, {scenario}"
    told = "; ".join(f"{names[c.spec]} {words.duration(latency_at(c, 20))}" for c in curves)
    return Drawing(
        name=file_stem("percentiles", scenario),
        title=title,
        label=f"{title}. At p95: {told}.",
        figure=figure,
        table=_table(curves, names, shown),
        chart=_chart(curves, names, shown, limit_s),
    )


def _table(curves: Sequence[Curve], names: Mapping[str, str], shown: Mapping[int, str]) -> Table:
    rows = [
        (names[one.spec], *(words.duration(latency_at(one, reach)) for reach in shown))
        for one in curves
    ]
    return Table(("variant", *shown.values()), tuple(rows))


def _chart(
    curves: Sequence[Curve], names: Mapping[str, str], shown: Mapping[int, str], limit_s: float
) -> Chart:
    longest = max(curves, key=lambda one: len(one.reach)).reach
    position = {spec: at for at, spec in enumerate(names)}
    lines = []
    for one in curves:
        values = (1000 * one.latency_s).tolist()
        missing = [None] * (len(longest) - len(values))
        lines.append(Line(names[one.spec], position[one.spec], (*values, *missing)))
    return Chart(
        x_name="percentile",
        x=tuple(longest.tolist()),
        views=(View("latency", "ms", tuple(lines), log=True, mark=1000 * limit_s),),
        x_log=True,
        ticks=tuple((float(at), text) for at, text in shown.items()),
    )


def _short(name: str) -> str:
    return name if len(name) <= 15 else f"{name[:14]}…"
