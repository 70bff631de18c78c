"""The end of a sweep: the table of capacities, and the report's page where there can be one."""

from pathlib import Path
from statistics import median

from rich.table import Table
from rich.text import Text

from analysis import words
from analysis.objective import rate_words
from analysis.report import write_report
from analysis.sweep import Capacity, Sweep, find_sweep
from builder.terminal import notes, out
from variants._errors import OptbuildError


def report(directory: Path) -> None:
    """Print what the sweep found, and write the report of the directory."""
    found = find_sweep(directory)
    if found is None:
        raise OptbuildError(f"{directory} holds no sweep: give the --out of an `optbuild sweep`")
    for problem in found.problems:
        notes().print(f"warning: {problem}", markup=False, soft_wrap=True)
    console = out()
    console.print(curve_of(found))
    console.print()
    console.print(table_of(found))
    console.print(note_of(found), markup=False, soft_wrap=True)
    for capacity in found.capacities:
        console.print(f"{capacity.spec}: {capacity.words}", markup=False, soft_wrap=True)
    try:
        paths = write_report(directory)
    except OptbuildError as error:  # the figures are said; a page is more than was asked for
        notes().print(f"no page was written: {error}", markup=False, soft_wrap=True)
        return
    console.print(f"report: {paths.html}", markup=False, soft_wrap=True)


def curve_of(sweep: Sweep) -> Table:
    """Latency and goodput against the offered rate: one row for each rate of a variant.

    Medians over the runs at a rate; the objective counts the runs that met it.
    """
    table = Table(box=None, pad_edge=False)
    table.add_column("variant", overflow="fold")
    for name in ("offered", "p50", "p95", "goodput", "in time", "meets it"):
        table.add_column(name, justify="right", no_wrap=True)
    for capacity in sweep.capacities:
        points = [point for point in sweep.points if point.spec == capacity.spec]
        name = capacity.spec
        for rate in sorted({point.rate_rps for point in points}):
            runs = [point for point in points if point.rate_rps == rate]
            summaries = [point.summary for point in runs]
            table.add_row(
                Text(name),
                rate_words(rate),
                words.duration(median(one.p50_s for one in summaries)),
                words.duration(median(one.p95_s for one in summaries)),
                rate_words(median(one.goodput_rps for one in summaries)),
                words.percent(median(one.goodput_fraction for one in summaries)),
                f"{sum(point.meets for point in runs)}/{len(runs)}",
            )
            name = ""
    return table


def table_of(sweep: Sweep) -> Table:
    """One row for each variant."""
    table = Table(box=None, pad_edge=False)
    table.add_column("variant", overflow="fold")
    headings = ("up to", "interval", "level", "times the first", "level", "knee", "runs")
    for name in headings:
        table.add_column(name, justify="right", no_wrap=True)
    for capacity in sweep.capacities:
        table.add_row(Text(capacity.spec), *_cells(sweep, capacity))
    return table


def note_of(sweep: Sweep) -> str:
    """What the columns mean."""
    return (
        f"up to: the highest rate that meets {sweep.objective} under {sweep.scenario} load; its\n"
        "interval covers runs of this length on this machine; times the first: that rate over the\n"
        "first variant's, from bound to opposite bound; knee: most throughput per latency"
    )


def _cells(sweep: Sweep, capacity: Capacity) -> tuple[str, ...]:
    ratio = capacity.over(sweep.capacities[0])
    first = capacity is sweep.capacities[0]
    return (
        _rate(capacity.rate_rps),
        f"{_bound(capacity.low_rps)}–{_bound(capacity.high_rps)}",
        _level(capacity.confidence),
        "" if first else str(ratio),
        "" if first else _level(ratio.confidence),
        _rate(capacity.knee_rps),
        str(sum(point.spec == capacity.spec for point in sweep.points)),
    )


def _rate(value: float | None) -> str:
    return "?" if value is None else rate_words(value)


def _level(value: float | None) -> str:
    return "–" if value is None else words.percent(value)


def _bound(value: float | None) -> str:
    return "?" if value is None else words.factor(value)
