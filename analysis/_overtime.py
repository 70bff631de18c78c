"""Offered and completed load and requests in flight over one block: one row per variant."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from analysis import words
from analysis._chart import Chart, Line, Table, View
from analysis._drawing import Drawing
from analysis._figstyle import file_stem, light, new_figure, quiet, variant_style
from analysis.timeline import Floats, Timeline

ROW_IN = 0.84
PARTS = (1.0, 0.12, 0.38)  # heights of a row: panels, lateness strip, room
IN_FLIGHT_TICKS = (1, 10, 100, 1000, 10_000)


def overtime(
    scenario: str, block: int, lines: Sequence[Timeline], names: Mapping[str, str]
) -> Drawing:
    """Left: offered (grey area) and completed (line); right: in flight, on a log-like scale.

    The strip below the left panel is the latest send of each bin against the gate's limit.
    """
    rows, height_in = len(lines), ROW_IN * len(lines) + 0.85
    figure = new_figure(height_in)
    grid = figure.subplots(
        len(PARTS) * rows, 2, squeeze=False, sharex=True,
        gridspec_kw={"left": 0.075, "right": 0.985, "hspace": 0.1, "wspace": 0.17,
                     "bottom": 0.18 / height_in, "top": 1 - 0.47 / height_in,
                     "height_ratios": PARTS * rows})  # fmt: skip
    position = {spec: at for at, spec in enumerate(names)}
    most = max(float(one.in_flight.max()) for one in lines)
    top_rps = max(float(max(one.offered_rps.max(), one.completed_rps.max())) for one in lines)
    for row, one in enumerate(lines):
        (load, flight), (below, unused), room = grid[len(PARTS) * row : len(PARTS) * (row + 1)]
        for axes in (unused, *room):
            axes.set_axis_off()
        style = variant_style(position[one.spec])
        for axes in (load, flight):
            quiet(axes, grid="y")
            axes.tick_params(labelsize=7.5, pad=2, labelbottom=False)
        load.stairs(one.offered_rps, one.edges_s, fill=True, color=light("fill"))
        load.stairs(one.completed_rps, one.edges_s, baseline=None, linewidth=1.1, **style)
        load.yaxis.set_major_locator(MaxNLocator(2, integer=True))
        load.set_ylim(0, max(top_rps, 1e-6) * 1.05)
        load.set_xlim(0, max(line.edges_s[-1] for line in lines))
        load.text(0, 1.05, names[one.spec], transform=load.transAxes, fontsize=8.5,
                  color=style["color"], fontweight="bold")  # fmt: skip
        _in_flight(flight, one, most, style)
        _strip(below, one)
        for axes in (below, flight) if row == rows - 1 else ():
            axes.tick_params(labelsize=7.5, pad=2, labelbottom=True)
    heads = ("requests/s: grey offered, line completed", "in flight, mean")
    for axes, head in zip(grid[0], heads, strict=True):
        axes.text(0, 1.36, head, transform=axes.transAxes, fontsize=8, color=light("muted"))
    figure.text(0.075, 0.07 / height_in, "seconds; strip: latest send, dark above half its limit, "
                "orange above it", fontsize=7.5, color=light("muted"))  # fmt: skip
    title = f"Load over time, {scenario}, block {block}"
    peaks = "; ".join(f"{names[o.spec]} at most {o.in_flight.max():.0f} in flight" for o in lines)
    return Drawing(
        name=file_stem("overtime", scenario),
        title=title,
        label=f"{title}. {peaks}.",
        figure=figure,
        table=_table(lines, names),
        chart=_chart(lines, names),
    )


def _in_flight(flight: Axes, one: Timeline, most: float, style: dict[str, str]) -> None:
    flight.stairs(one.in_flight, one.edges_s, fill=True, color=style["color"], alpha=0.16)
    flight.stairs(one.in_flight, one.edges_s, baseline=None, linewidth=1.1, **style)  # type: ignore[arg-type]  # a line style
    flight.set_yscale("symlog", linthresh=1)
    flight.yaxis.set_major_locator(FixedLocator([t for t in IN_FLIGHT_TICKS if t <= most * 2]))
    flight.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    flight.yaxis.set_minor_locator(FixedLocator([]))
    flight.set_ylim(0, max(most * 1.3, 2))


def _strip(axes: Axes, one: Timeline) -> None:
    quiet(axes, grid="y")
    axes.set_yticks([])
    axes.set_ylim(0, 1)
    axes.tick_params(labelbottom=False)
    limit_s = one.lateness_limit_s or 0.0
    late = np.nan_to_num(one.lateness_s, nan=0.0)
    width_s = float(one.edges_s[1])
    levels = (("grid", late >= 0), ("same", late > limit_s / 2), ("bad", late > limit_s))
    for colour, where in levels if limit_s else levels[:1]:
        spans = [(float(at), width_s) for at in one.edges_s[:-1][where]]
        axes.broken_barh(spans, (0, 1), facecolor=light(colour), linewidth=0)


def _table(lines: Sequence[Timeline], names: Mapping[str, str]) -> Table:
    rows = []
    for one in lines:
        late = one.lateness_s[np.isfinite(one.lateness_s)]
        rows.append(
            (
                names[one.spec],
                words.factor(float(one.offered_rps.max())),
                words.factor(float(one.completed_rps.max())),
                words.factor(float(one.in_flight.max())),
                words.duration(float(late.max()) if len(late) else None),
            )
        )
    head = ("variant", "most offered, /s", "most completed, /s", "most in flight", "latest send")
    return Table(head, tuple(rows))


def _chart(lines: Sequence[Timeline], names: Mapping[str, str]) -> Chart:
    longest = max(lines, key=lambda one: len(one.edges_s))
    bins = len(longest.edges_s) - 1
    position = {spec: at for at, spec in enumerate(names)}

    def drawn(values: Sequence[Floats]) -> tuple[Line, ...]:
        drawn_lines = []
        for one, own in zip(lines, values, strict=True):
            missing = [None] * (bins - len(own))
            drawn_lines.append(Line(names[one.spec], position[one.spec], (*own.tolist(), *missing)))
        return tuple(drawn_lines)

    views = (
        View("in flight", "requests", drawn([one.in_flight for one in lines]), log=True),
        View("completed", "requests/s", drawn([one.completed_rps for one in lines])),
        View("lateness", "ms", drawn([1000 * one.lateness_s for one in lines])),
    )
    return Chart("seconds", tuple(longest.edges_s[:-1].tolist()), views, stepped=True, first=False)
