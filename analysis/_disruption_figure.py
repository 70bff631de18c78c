"""One run drawn: every request's latency, the goodput, the replicas' lives, the fault's window."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from analysis import words
from analysis._drawing import Drawing
from analysis._figstyle import file_stem, light, new_figure, quiet
from analysis.disruption import is_good
from analysis.disruption_runs import DisruptedRun
from analysis.latency import is_ok
from analysis.records import OUTCOMES, Records

LANE_IN = 0.16
MOST_DOTS = 5000  # of answered requests; failures are all drawn
# Failures by what the client saw: a mark and a colour each, never the colour alone.
FAILED = {
    "reset": ("x", "bad"),
    "timeout": ("v", "v6"),
    "unavailable": ("+", "bad"),
    "rejected": ("^", "v4"),
    "wrong": ("X", "bad"),
    "unsent": ("|", "muted"),
}
STATES = {
    "starting": ("v5", 0.35),
    "ready": ("v3", 0.9),
    "unready": ("v5", 0.9),
    "leaving": ("v2", 0.45),
    "dead": ("bad", 0.9),
}


def draw_run(run: DisruptedRun, records: Records, slowest_s: float, most_rps: float) -> Drawing:
    """Latency dots (log), goodput a second, lifelines; axes as given, to compare variants by eye.

    `slowest_s` and `most_rps` are the upper ends of the first two axes.
    """
    facts, told, impact = run.facts, run.timeline, run.impact
    end_s = facts.duration_s
    lanes = list(dict.fromkeys(line.replica for line in told.lifelines(end_s)))
    lanes_in = LANE_IN * max(len(lanes), 1)
    height_in = 2.9 + lanes_in
    figure = new_figure(height_in)
    top, middle, bottom = figure.subplots(
        3, 1, sharex=True,
        gridspec_kw={"left": 0.105, "right": 0.985, "top": 1 - 0.4 / height_in,
                     "bottom": 0.36 / height_in, "hspace": 0.32,
                     "height_ratios": [1.25, 0.55, lanes_in]})  # fmt: skip
    for axes in (top, middle, bottom):
        quiet(axes, grid="y")
        axes.tick_params(labelsize=7.5, pad=2)
        fault_end_s = end_s if impact.ended_s is None else min(impact.ended_s, end_s)
        axes.axvspan(impact.injected_s, max(fault_end_s, impact.injected_s + end_s / 400),
                     color=light("fill"), zorder=0)  # fmt: skip
        axes.axvline(impact.injected_s, color=light("muted"), linewidth=0.8, zorder=1)
    _dots(top, records, facts.slo_limit_s, slowest_s, OUTCOMES)
    _goodput(middle, records, facts.slo_limit_s, end_s, most_rps)
    _lifelines(bottom, run, lanes, end_s)
    if impact.back.reached and impact.back.value_s > 0:
        back_s = impact.injected_s + impact.back.value_s
        top.axvline(back_s, color=light("good"), linewidth=0.9, linestyle=(0, (3, 2)))
        top.text(back_s, 1.01, " back", transform=top.get_xaxis_transform(), fontsize=7.5,
                 color=light("good"), va="bottom")  # fmt: skip
    top.text(impact.injected_s, 1.01, "fault ", transform=top.get_xaxis_transform(),
             fontsize=7.5, color=light("muted"), va="bottom", ha="right")  # fmt: skip
    bottom.set_xlim(0, end_s)
    bottom.set_xlabel("seconds", loc="left", fontsize=8)
    title = f"{facts.spec}, {run.fault.experiment}, block {facts.block}"
    return Drawing(
        name=file_stem("disruption", f"{run.fault.experiment}-{facts.spec}"),
        title=title,
        label=f"{title}: {impact.lost} of {impact.at_stake} requests lost, "
        f"{impact.lost_in_flight} of them in flight at a kill.",
        figure=figure,
    )


def _dots(
    axes: Axes, records: Records, limit_s: float, slowest_s: float, outcomes: Sequence[str]
) -> None:
    ok = is_ok(records)
    low_s = float(records.latency_s[ok].min(initial=slowest_s)) / 1.5
    axes.set_yscale("log")
    axes.set_ylim(low_s, slowest_s * 2.2)
    axes.yaxis.set_major_locator(LogLocator(10, numticks=5))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: words.duration(y)))
    thin = -(-int(ok.sum()) // MOST_DOTS) or 1
    axes.plot(records.planned_s[ok][::thin], records.latency_s[ok][::thin], ".", markersize=2.2,
              alpha=0.55, color=light("v2"), markeredgewidth=0)  # fmt: skip
    axes.axhline(limit_s, color=light("muted"), linewidth=0.8, linestyle=(0, (4, 3)))
    shown = [("ok" if thin == 1 else f"1 in {thin} of ok", "v2", int(ok.sum()))]
    for code, name in enumerate(outcomes):
        chosen = ~ok & (records.outcome == code)
        if name in FAILED and chosen.any():
            mark, colour = FAILED[name]
            # Along the top: how long a failure took matters less than that it was one.
            axes.plot(records.planned_s[chosen], np.full(int(chosen.sum()), slowest_s * 1.5), mark,
                      markersize=3.6, color=light(colour), markeredgewidth=0.8)  # fmt: skip
            shown.append((name, colour, int(chosen.sum())))
    _legend(axes, 1.13, [(f"{name} {count}", colour) for name, colour, count in shown])
    axes.text(0, 1.13, "latency", transform=axes.transAxes, fontsize=7.5, va="bottom",
              color=light("muted"))  # fmt: skip


def _goodput(axes: Axes, records: Records, limit_s: float, end_s: float, most_rps: float) -> None:
    edges = np.arange(0, np.ceil(end_s) + 1)
    planned, _ = np.histogram(records.planned_s, edges)
    good, _ = np.histogram(records.planned_s[is_good(records, limit_s)], edges)
    axes.stairs(planned, edges, baseline=None, color=light("muted"), linewidth=0.7)
    axes.stairs(good, edges, fill=True, color=light("v3"), alpha=0.25)
    axes.stairs(good, edges, baseline=None, color=light("v3"), linewidth=1.0)
    axes.set_ylim(0, most_rps * 1.08)
    axes.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    axes.text(0, 1.02, "good requests/s (thin line: planned)", transform=axes.transAxes,
              fontsize=7.5, va="bottom", color=light("muted"))  # fmt: skip


def _lifelines(axes: Axes, run: DisruptedRun, lanes: Sequence[str], end_s: float) -> None:
    for line in run.timeline.lifelines(end_s):
        colour, alpha = STATES[line.state]
        from_s = max(line.from_s, 0.0)
        if line.to_s > from_s:
            axes.barh(lanes.index(line.replica), line.to_s - from_s, left=from_s, height=0.55,
                      color=light(colour), alpha=alpha, linewidth=0)  # fmt: skip
    axes.set_yticks(range(len(lanes)), [_short(name) for name in lanes])
    axes.set_ylim(len(lanes) - 0.5, -0.5)
    axes.grid(visible=False)
    states = [
        name for name in STATES if any(x.state == name for x in run.timeline.lifelines(end_s))
    ]
    _legend(axes, 1.0, [(state, STATES[state][0]) for state in states])


def _legend(axes: Axes, height: float, entries: Sequence[tuple[str, str]]) -> None:
    """Words in their colours, from the right; `height` in axes' heights."""
    right = 1.0
    for text, colour in reversed(entries):
        axes.text(right, height, text, ha="right", va="bottom", transform=axes.transAxes,
                  fontsize=7.5, color=light(colour))  # fmt: skip
        right -= 0.016 * len(text) + 0.03


def _short(name: str) -> str:
    """A pod's name ends in what tells it apart."""
    return name if len(name) <= 6 else name[-5:]
