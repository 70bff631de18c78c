"""The verdicts as the pull-request comment shows them: layers down, loads across."""

from collections.abc import Sequence

from analysis import words
from analysis.findings import Findings
from analysis.verdicts import VerdictRow

WARNINGS_SHOWN = 6  # the page has them all

Matrix = list[tuple[str, bool, list[VerdictRow | None]]]


def matrices(findings: Findings, rows: Sequence[VerdictRow]) -> dict[str, Matrix]:
    """For each metric of `rows` one line per step: its name, whether it is the total, its cells.

    A cell is None where that load has no such comparison.
    """
    found: dict[str, Matrix] = {}
    for metric in dict.fromkeys(row.metric for row in rows):
        own = [row for row in rows if row.metric == metric]
        steps = dict.fromkeys((row.step, row.total) for row in own)
        found[metric] = [
            (
                step,
                total,
                [
                    next((r for r in own if (r.step, r.scenario) == (step, scenario)), None)
                    for scenario in findings.runs.scenarios
                ],
            )
            for step, total in steps
        ]
    return found


def levels(rows: Sequence[VerdictRow]) -> str:
    """The levels that the intervals attain: "96.1%"."""
    found = sorted({row.confidence for row in rows if row.confidence != "–"})
    return words.listed(found) if found else "no"
