"""The verdict table: as rows of text for the report, and for the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis import words
from analysis.compare import Comparison, Metric, blocks_needed
from analysis.findings import Findings

SHOWN: tuple[Metric, ...] = ("p95", "goodput")
WITH_LEVEL = 90  # columns of a terminal from which on the table fits whole
ALL_ONE_WAY_BELOW = 6  # blocks; from there on, all on one side is rarer than 5%
STYLES = {"improved": "green", "regressed": "red", "equivalent": "cyan", "inconclusive": "dim"}


@dataclass(frozen=True)
class VerdictRow:
    """One comparison in words; `comparison` for whoever needs its numbers."""

    scenario: str
    step: str
    metric: str
    effect: str
    confidence: str
    better_in: str
    p: str
    verdict: str
    left_out: str
    total: bool
    comparison: Comparison


def verdict_rows(findings: Findings, metrics: Sequence[Metric] = SHOWN) -> tuple[VerdictRow, ...]:
    """The rows by scenario, step (the total last) and metric; metrics without data are skipped."""
    rows = []
    ablation = findings.ablation
    for scenario in findings.runs.scenarios:
        for step in ablation.steps:
            for metric in metrics:
                one = ablation.comparison(scenario, metric, step)
                if one is None:
                    continue
                left_out = one.pairs.left_out
                rows.append(
                    VerdictRow(
                        scenario=scenario,
                        step=step.name if step.total else f"+{step.name}",
                        metric=metric,
                        effect=words.effect(one),
                        confidence=words.confidence(one.interval),
                        better_in=words.better_in(one),
                        p=words.p_value(one.p_holm),
                        verdict=words.verdict(one),
                        left_out=words.block_list(left_out) if left_out else "",
                        total=step.total,
                        comparison=one,
                    )
                )
    return tuple(rows)


def screening_note(findings: Findings) -> str:
    """Why this is screening and what would end it; empty where it is not."""
    short = [one for one in findings.comparisons if one.screening]
    if not short:
        return ""
    fewest = min(one.n for one in short)
    needed = max(blocks_needed(one.family) for one in short)
    luck = ""
    if 2 <= fewest < ALL_ONE_WAY_BELOW:
        luck = (
            f"; with no effect at all, {fewest} blocks point all one way "
            f"1 time in {2 ** (fewest - 1)}, and there are many cells"
        )
    return (
        f"SCREENING: {words.plural(fewest, 'block')} where a verdict at 5% needs {needed}; "
        f"read direction and blocks, or repeat with --blocks {needed}{luck}"
    )


def left_out_note(findings: Findings) -> str:
    """Which comparisons lack blocks; empty where none does."""
    missing = [
        f"{scenario} {step.name}: without {words.block_list(one.pairs.left_out)}"
        for scenario in findings.runs.scenarios
        for step in findings.ablation.steps
        if (one := findings.ablation.comparison(scenario, "p95", step)) and one.pairs.left_out
    ]
    return "; ".join(missing)


def notes_of(findings: Findings) -> tuple[str, ...]:
    """What a reader of the table must know, one line each."""
    notes = (
        screening_note(findings),
        left_out_note(findings),
        "each step against the one before; blocks: better in; p: sign-flip test, Holm-corrected; "
        f"margin {words.percent(findings.runs.plan.margin, 0)} "
        "(--margin, or from p95 of the last A/A)",
    )
    return tuple(note for note in notes if note)


def table_of(findings: Findings, width: int) -> Table:
    """The verdicts of findings as a table for `rich.print`, in `width` columns.

    Where there are few, the level goes first: the report has it, and a verdict cannot be cut.
    """
    table = Table(box=None, pad_edge=False)
    widest = max(map(len, findings.runs.scenarios))
    table.add_column("layer", overflow="fold", min_width=widest, max_width=max(widest, 22))
    rows = verdict_rows(findings)
    level = width >= WITH_LEVEL
    for name in ("metric", "effect (interval)", *(["level"] * level), "blocks", "p", "verdict"):
        justify = "right" if name in ("level", "blocks", "p") else "left"
        # "at least" makes effects longer than a narrow terminal has room for.
        whole = name != "effect (interval)" or not any(row.comparison.bound for row in rows)
        table.add_column(name, justify=justify, no_wrap=whole)  # type: ignore[arg-type]
    scenario = step = ""
    for row in rows:
        if row.scenario != scenario:
            if scenario:
                table.add_section()
                table.add_row()
            scenario, step = row.scenario, ""
            table.add_row(Text(scenario, style="bold"))
        name = "" if row.step == step else row.step
        step = row.step
        table.add_row(
            Text(name, style="bold" if row.total else ""),
            row.metric,
            row.effect,
            *([row.confidence] * level),
            row.better_in,
            row.p,
            Text(row.verdict, style=STYLES[row.comparison.verdict]),
        )
    return table


def print_verdicts(console: Console, findings: Findings) -> None:
    """The table and its notes."""
    console.print(table_of(findings, console.width))
    console.print(*notes_of(findings), sep="\n", style="dim", markup=False)


def verdict_lines(findings: Findings, width: int = 100) -> tuple[str, ...]:
    """The same table as plain lines, for a pipe or a log."""
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        print_verdicts(console, findings)
    return tuple(line.rstrip() for line in capture.get().splitlines())
