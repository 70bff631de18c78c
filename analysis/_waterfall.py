"""The waterfall: what each layer multiplies; on a log scale equal factors are equally long."""

import math
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from analysis import words
from analysis._chart import Table
from analysis._drawing import Drawing
from analysis._figstyle import file_stem, light, new_figure, quiet
from analysis.ablation import Family, Step
from analysis.compare import Comparison, Metric

ROW_IN = 0.5
LABEL_SHARE = 0.43  # of the width, kept free on the right for the labels of the longest bar
TICKS = (1, 1.05, 1.1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
COLOUR = {"improved": "good", "regressed": "bad", "equivalent": "same", "inconclusive": "same"}


def waterfall(family: Family, steps: tuple[Step, ...], first: str, first_value: str) -> Drawing:
    """One scenario and metric; `first` is the starting variant, `first_value` its own figure.

    Each bar starts where the one before ended (the product of the estimates); the whisker is the
    interval of that step alone. The total is estimated by itself and starts at 1x.
    """
    count = len(steps) + 1
    height_in = ROW_IN * count + 0.6
    figure = new_figure(height_in)
    axes = figure.add_axes((0.275, 0.5 / height_in, 0.705, ROW_IN * count / height_in))
    quiet(axes)
    axes.plot([0], [0], marker="D", markersize=5, color=light("muted"))
    axes.annotate(first_value, (0, 0), (8, 0), textcoords="offset points", va="center",
                  fontsize=8.5, color=light("muted"))  # fmt: skip

    level, ends = 0.0, [0.0]
    for row, (step, one) in enumerate(zip(steps, family.comparisons, strict=True), start=1):
        start = 0.0 if step.total else level
        if not step.total:
            axes.plot([start, start], [row - 1, row - 0.3], color=light("muted"), lw=0.7, zorder=1)
        if one.gain is None:
            axes.annotate("no data", (start, row), (8, 0), textcoords="offset points", va="center")
            continue
        low, high = _bar(axes, row, start, one, step.total)
        ends += [low, high, start + one.gain]
        _label(axes, row, max(start, start + one.gain, high), one)
        level = level if step.total else start + one.gain

    left, right = min(ends), max(ends)
    width = max(right - left, math.log(1.3))
    axes.set_xlim(left - 0.04 * width, left + width / (1 - LABEL_SHARE))
    axes.set_ylim(count - 0.5, -0.5)
    names = [first] + [step.name if step.total else f"+{step.name}" for step in steps]
    axes.set_yticks(range(count), [fill(name, 17) for name in names])
    axes.tick_params(axis="y", labelcolor=light("ink"), labelsize=9, pad=6)
    factor_ticks(axes, left, left + width)
    axes.set_xlabel(f"{_what(family.metric)} {first}, log scale", loc="left")
    told = [f"{name}: {words.effect(one)}, {one.verdict}"
            for name, one in zip(names[1:], family.comparisons, strict=True)]  # fmt: skip
    title = f"{words.METRIC_NAMES[family.metric]}, {family.scenario}"
    rows = [(name, words.effect(one), words.confidence(one.interval), one.verdict)
            for name, one in zip(names[1:], family.comparisons, strict=True)]  # fmt: skip
    return Drawing(
        name=file_stem(f"waterfall-{family.metric}", family.scenario),
        title=title,
        label=f"{title}, layer by layer. {'; '.join(told)}.",
        figure=figure,
        table=Table(("layer", "effect (interval)", "level", "verdict"), tuple(rows)),
    )


def _what(metric: Metric) -> str:
    return "times the goodput of" if metric == "goodput" else "times faster than"


def _bar(axes: Axes, row: int, start: float, one: Comparison, total: bool) -> tuple[float, float]:
    """Draws the bar and its whisker; returns the whisker's ends in log units."""
    gain = one.gain or 0.0
    colour = light(COLOUR[one.verdict])
    hollow = one.verdict == "inconclusive"
    axes.barh(row, gain, left=start, height=0.42, linewidth=1.1, edgecolor=colour,
              facecolor="none" if hollow else colour, alpha=1.0 if total or hollow else 0.85,
              zorder=2)  # fmt: skip
    if one.interval is None:
        return start + gain, start + gain
    low, high = start + one.interval.low, start + one.interval.high
    axes.plot([low, high], [row, row], color=light("ink"), linewidth=1.3, zorder=3)
    for end in (low, high):
        axes.plot([end, end], [row - 0.09, row + 0.09], color=light("ink"), lw=1.3, zorder=3)
    return low, high


def _label(axes: Axes, row: int, at: float, one: Comparison) -> None:
    """Two lines right of the bar: the effect, then its interval and the verdict."""
    span = words.span(one)
    second = f"{span}, {words.verdict(one)}" if span else words.verdict(one)
    colour = light("ink" if one.verdict == "inconclusive" else COLOUR[one.verdict])
    axes.annotate(words.headline(one), (at, row), (7, 1.5), textcoords="offset points",
                  va="bottom", fontsize=9, fontweight="bold", color=colour)  # fmt: skip
    axes.annotate(second, (at, row), (7, -1.5), textcoords="offset points", va="top",
                  fontsize=7.5, color=light("muted"))  # fmt: skip


def factor_ticks(axes: Axes, left: float, right: float) -> None:
    """A few round factors, the slower ones as 1/2x; the longer their text, the further apart."""
    sides = [(-math.log(t), f"1/{t}x") for t in TICKS[1:]] + [(math.log(t), f"{t}x") for t in TICKS]
    slack = 0.02 * (right - left)
    inside = sorted(one for one in sides if left - slack <= one[0] <= right + slack)
    kept: list[tuple[float, str]] = [(0.0, "1x")]
    for at, text in sorted(inside, key=lambda one: abs(one[0])):
        if all(
            abs(at - other) >= max(0.13, 0.03 + 0.018 * len(text + near)) * (right - left)
            for other, near in kept
        ):
            kept.append((at, text))
    axes.set_xticks([at for at, _ in kept], [text for _, text in kept])
    axes.xaxis.set_minor_locator(NullLocator())
