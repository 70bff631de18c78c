"""The end of `optbuild disrupt`: the page, and the tables on the terminal."""

from pathlib import Path

from rich.table import Table

from analysis.disruption_compare import contrasts
from analysis.disruption_page import NAME, write_disruptions
from analysis.disruption_runs import DisruptedRuns, load_disrupted
from analysis.disruption_words import contrast_rows, impact_rows
from builder.disrupt import FOLDER
from builder.terminal import notes, out


def report(directory: Path) -> None:
    """Write DIRECTORY/disruptions.html of the runs in there, print what matters and where it is."""
    runs = load_disrupted(directory / FOLDER)
    for problem in runs.problems:
        notes().print(f"warning: {problem}", markup=False, soft_wrap=True)
    paths = write_disruptions(runs, directory / NAME)
    console = out()
    for experiment in runs.experiments:
        console.print(impact_table(runs, experiment))
        if len(runs.specs(experiment)) > 1:
            console.print(contrast_table(runs, experiment))
    beside = f"{paths.markdown.name}, {paths.json.name}"
    console.print(f"report: {paths.html} (and {beside})", markup=False, soft_wrap=True)


def impact_table(runs: DisruptedRuns, experiment: str) -> Table:
    """What users of each variant noticed, medians over blocks."""
    table = Table(title=experiment, title_justify="left", box=None, pad_edge=False)
    table.add_column("variant", overflow="fold")
    for name in ("availability", "lost", "in flight", "others", "ready", "back within SLO"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("goal met", no_wrap=True)
    for row in impact_rows(runs, experiment):
        cells = (row.availability, row.lost, row.in_flight, row.others, row.ready, row.back)
        # The ranges are on the page: with them the table is wider than a terminal.
        table.add_row(row.spec, *(cell.partition(" (")[0] for cell in cells), row.goal)
    return table


def contrast_table(runs: DisruptedRuns, experiment: str) -> Table:
    """The verdicts against the first variant."""
    compared = contrasts(runs, experiment)
    short = " (screening: too few blocks for a verdict)" if compared[0].screening else ""
    table = Table(
        box=None,
        pad_edge=False,
        caption_justify="left",
        caption=f"against {compared[0].old}{short}",
    )
    table.add_column("variant", overflow="fold")
    for name in ("metric", "effect (interval)", "blocks", "p", "verdict"):
        table.add_column(name, no_wrap=True)
    for row in contrast_rows(compared):
        table.add_row(row.spec, row.metric, row.effect, row.better_in, row.p, row.verdict)
    return table
