"""Paired dots: every run of a scenario, the runs of one block joined by a line."""

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from analysis import words
from analysis._chart import Table
from analysis._drawing import Drawing
from analysis._figstyle import file_stem, light, new_figure, quiet, variant_style

ROW_IN = 0.42
MOST_BLOCKS_IN_TABLE = 12

Cells = Mapping[str, Mapping[int, float]]  # spec -> block -> p95 in seconds


def dots(scenario: str, cells: Cells, names: Mapping[str, str], limit_s: float) -> Drawing:
    """p95 of each run on a log scale, one row per variant; a bar marks the median of its blocks."""
    specs = [spec for spec in names if cells.get(spec)]
    height_in = ROW_IN * len(specs) + 0.55
    figure = new_figure(height_in)
    axes = figure.add_axes((0.275, 0.42 / height_in, 0.705, ROW_IN * len(specs) / height_in))
    quiet(axes)
    axes.set_xscale("log")
    position = {spec: at for at, spec in enumerate(names)}
    blocks = sorted({block for spec in specs for block in cells[spec]})
    for block in blocks:
        rows = [row for row, spec in enumerate(specs) if block in cells[spec]]
        values = [1000 * cells[specs[row]][block] for row in rows]
        axes.plot(values, rows, color=light("muted"), linewidth=0.6, alpha=0.75, zorder=1)
    for row, spec in enumerate(specs):
        values = [1000 * value for value in cells[spec].values()]
        colour = variant_style(position[spec])["color"]
        axes.plot(values, [row] * len(values), "o", markersize=4.2, color=colour, alpha=0.85,
                  markeredgecolor=light("surface"), markeredgewidth=0.5, zorder=3)  # fmt: skip
        middle = float(np.median(values))
        axes.plot([middle, middle], [row - 0.3, row + 0.3], color=colour, linewidth=2, zorder=2)
    left, right = axes.get_xlim()
    if left <= 1000 * limit_s <= right:
        axes.axvline(1000 * limit_s, color=light("muted"), linewidth=1, dashes=(4, 3), zorder=0)
    axes.set_ylim(len(specs) - 0.5, -0.5)
    axes.set_yticks(range(len(specs)), [fill(names[spec], 17) for spec in specs])
    axes.tick_params(axis="y", labelcolor=light("ink"), labelsize=9, pad=6)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda ms, _: words.milliseconds(ms)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("p95 of each run, log scale; a line joins one block", loc="left")
    title = f"Every run, {scenario}"
    told = "; ".join(f"{names[spec]} {_range(list(cells[spec].values()))}" for spec in specs)
    return Drawing(
        name=file_stem("blocks", scenario),
        title=title,
        label=f"{title}: p95 per block, median and range. {told}.",
        figure=figure,
        table=_table(specs, blocks, cells, names),
    )


def _range(values: Sequence[float]) -> str:
    low, middle, high = (
        words.duration(float(v)) for v in (min(values), np.median(values), max(values))
    )
    return f"{middle} ({words.same_unit(low, middle, high)})"


def _table(
    specs: Sequence[str], blocks: Sequence[int], cells: Cells, names: Mapping[str, str]
) -> Table:
    """One row per block: blocks are what is compared; one row per variant where they are many."""
    if len(blocks) > MOST_BLOCKS_IN_TABLE:
        rows = [(names[s], str(len(cells[s])), _range(list(cells[s].values()))) for s in specs]
        return Table(("variant", "blocks", "p95, median (range)"), tuple(rows))
    return Table(
        ("block", *(names[spec] for spec in specs)),
        tuple(
            (str(block), *(words.duration(cells[spec].get(block)) for spec in specs))
            for block in blocks
        ),
    )
