"""The end of a comparison: two lines for people, or JSON, and the exit code."""

import json
import math
from pathlib import Path
from typing import Any

from analysis import words
from analysis.across import Across, compare_sides, why
from analysis.compare import SCREENING_BELOW, Metric
from analysis.sides import Side, find_sides
from builder.terminal import notes, out


def compare(
    directory: Path,
    old: str,
    new: str,
    scenario: str | None,
    metric: Metric,
    margin: float | None,
    as_json: bool,
) -> int:
    """Compare, print, and return the exit code: 0, 1 or 3 (`Across.exit_code`)."""
    across = compare_sides(find_sides(directory, old, new, scenario), metric, margin)
    console = notes()
    for note in _notes(across):
        console.print(note, markup=False, soft_wrap=True)
    if as_json:
        print(json.dumps(_content(across), indent=1, allow_nan=False))
    else:
        out().print(across.comparison.verdict, why(across), sep="\n", markup=False, soft_wrap=True)
    return across.exit_code


def _notes(across: Across) -> list[str]:
    found = [f"warning: {problem}" for problem in across.sides.problems]
    if across.sides.others:
        found.append(f"not compared: {', '.join(across.sides.others)} (choose with --scenario)")
    changed = [str(one) for one in across.differs if one.kind in ("software", "model")]
    software = [one for one in changed if one not in across.confounded]
    if software:
        also = f" (what it did to {across.reference} too cancels)" if across.reference else ""
        found.append(f"changed between the two: {'; '.join(software)}{also}")
    if across.days is not None:
        found.append(f"measured {_apart(across.days)} apart{_meant(across)}")
    if not across.confounded and across.screening:
        counts = words.plural(across.n_old, "block")
        if across.method == "unpaired runs":
            counts = f"{across.n_old} and {across.n_new} runs"
        found.append(f"screening: {counts}, fewer than {SCREENING_BELOW}")
    return found


def _meant(across: Across) -> str:
    """What the time between two directories does to their comparison."""
    if across.reference:
        return f": what changed for {across.reference} alike cancels"
    return ": the interval covers the variation between runs, not that between days"


def _apart(days: float) -> str:
    return f"{days:.1f} days" if days >= 1 else f"{24 * days:.1f} hours"


def _content(across: Across) -> dict[str, Any]:
    comparison, interval = across.comparison, across.comparison.interval
    assert comparison.gain is not None
    return {
        "format": 1,
        "verdict": comparison.verdict,
        "exit_code": across.exit_code,
        "why": why(across),
        "scenario": comparison.scenario,
        "metric": comparison.metric,
        "old": _side(across.sides.old, across.n_old),
        "new": _side(across.sides.new, across.n_new),
        "method": across.method,
        "reference": across.reference,
        # Old against new for latencies, new against old for goodput: above 1 is better.
        "ratio": math.exp(comparison.gain),
        "interval": None
        if interval is None
        else {
            "low": math.exp(interval.low),
            "high": math.exp(interval.high),
            "confidence": interval.confidence,
        },
        "bound": comparison.bound,
        "p": comparison.p,
        "margin": comparison.margin,
        "differs": [vars(one) for one in across.differs],
        "confounded": across.confounded or None,
        "days_apart": across.days,
        "notes": _notes(across),
    }


def _side(side: Side, runs: int) -> dict[str, Any]:
    return {"directory": str(side.directory), "spec": side.spec, "runs": runs}
