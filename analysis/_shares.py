"""Shapley bars: what each layer is worth whatever the order, at each metric, with its range."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from analysis import words
from analysis._chart import Table
from analysis._drawing import Drawing
from analysis._figstyle import file_stem, light, new_figure, quiet
from analysis._waterfall import COLOUR, factor_ticks
from analysis.attribution import Attribution, Share
from analysis.compare import Metric
from analysis.worth import estimate

BAR_IN = 0.29
LABEL_SHARE = 0.46  # of the width, kept free on the right


def order_range(share: Share, metric: Metric) -> str:
    """ "1.10x slower to 1.30x faster": the least and the most the layer brings in any order."""
    if share.low_order is None or share.high_order is None or share.bound:
        return "–"
    orders = (share.low_order, share.high_order)
    ends = [words.headline(words.Estimate(metric, gain)) for gain in orders]
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def shares_figure(found: Sequence[Attribution]) -> Drawing | None:
    """All metrics of one scenario; None where no layer has a share."""
    scenario = found[0].scenario
    layers = [share.layer for share in found[0].shares]
    rows: list[tuple[float, str, Metric, Share]] = []
    heads = []
    at = 0.0
    for layer in layers:
        heads.append((at, layer))
        at += 1
        for one in found:
            for share in one.shares:
                if share.layer == layer and share.gain is not None:
                    rows.append((at, layer, one.metric, share))
                    at += 1
    if not rows:
        return None
    height_in = BAR_IN * at + 0.6
    figure = new_figure(height_in)
    axes = figure.add_axes((0.135, 0.5 / height_in, 0.85, BAR_IN * at / height_in))
    quiet(axes)
    ends = [0.0]
    for y, _, _, share in rows:
        ends += _bar(axes, y, share)
    left, right = min(ends), max(ends)
    width = max(right - left, math.log(1.3))
    for y, _, metric, share in rows:
        _label(axes, y, right + 0.02 * width, metric, share)
    axes.axvline(0, color=light("muted"), linewidth=0.8, zorder=1)
    for y, layer in heads:
        axes.annotate(f"+{layer}", (0, y), (-44, 0), va="center", fontsize=9, fontweight="bold",
                      xycoords=("axes fraction", "data"), textcoords="offset points")  # fmt: skip
    axes.set_xlim(left - 0.02 * width, left + width / (1 - LABEL_SHARE))
    axes.set_ylim(at - 0.4, -0.6)
    axes.set_yticks([y for y, *_ in rows], [metric for _, _, metric, _ in rows])
    factor_ticks(axes, left, left + width)
    axes.set_xlabel("factor, right is better, log scale; pale: over all orders", loc="left")
    title = f"What each layer is worth, {scenario}"
    told = "; ".join(
        f"{layer} on {metric}: {words.effect(estimate(share, metric))}, {share.verdict}"
        for _, layer, metric, share in rows
    )
    return Drawing(
        name=file_stem("shares", scenario),
        title=title,
        label=f"{title}, whatever the order of layers. {told}.",
        figure=figure,
        table=_table([(layer, metric, share) for _, layer, metric, share in rows]),
    )


def _bar(axes: Axes, y: float, share: Share) -> list[float]:
    """Draws one share; returns the ends of all that was drawn, in log units."""
    gain = share.gain or 0.0
    colour, hollow = light(COLOUR[share.verdict]), share.verdict == "inconclusive"
    ends = [gain]
    if share.low_order is not None and share.high_order is not None:
        ends += [share.low_order, share.high_order]
        axes.barh(y, share.high_order - share.low_order, left=share.low_order, height=0.86,
                  color=light("fill"), zorder=0)  # fmt: skip
    axes.barh(y, gain, height=0.5, linewidth=1, edgecolor=colour,
              facecolor="none" if hollow else colour, zorder=2)  # fmt: skip
    if share.interval is not None:
        low, high = share.interval.low, share.interval.high
        ends += [low, high]
        axes.plot([low, high], [y, y], color=light("ink"), linewidth=1.2, zorder=3)
        for end in (low, high):
            axes.plot([end, end], [y - 0.15, y + 0.15], color=light("ink"), lw=1.2, zorder=3)
    return ends


def _label(axes: Axes, y: float, at: float, metric: Metric, share: Share) -> None:
    decided = share.verdict in ("improved", "regressed")
    told = words.effect(estimate(share, metric))
    axes.annotate(told, (at, y), (3, 0), textcoords="offset points", va="center",
                  fontsize=8, fontweight="bold" if decided else "normal",
                  color=light(COLOUR[share.verdict] if decided else "muted"))  # fmt: skip


def _table(rows: Sequence[tuple[str, Metric, Share]]) -> Table:
    head = ("layer", "metric", "share (interval)", "over all orders", "p (Holm)", "verdict")
    return Table(
        head,
        tuple(
            (
                f"+{layer}",
                metric,
                words.effect(estimate(share, metric)),
                order_range(share, metric),
                words.p_value(share.p_holm),
                share.verdict,
            )
            for layer, metric, share in rows
        ),
    )
