"""What serving took: CPU and memory of the server's processes, as rows of text."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis import words
from analysis.findings import Findings, RunSummary
from analysis.server_use import ServerUse


@dataclass(frozen=True)
class ResourceRow:
    """One variant under one scenario: medians over blocks."""

    scenario: str
    name: str
    cpu_per_answer: str
    cpu_share: str
    memory: str
    processes: str
    throttled: str


def resource_rows(findings: Findings) -> tuple[ResourceRow, ...]:
    """By scenario and variant; empty where no server was watched."""
    names = findings.names
    rows = []
    for scenario in findings.runs.scenarios:
        for spec in findings.runs.specs:
            watched = [
                (one, one.facts.server)
                for one in findings.of(scenario, spec)
                if one.facts.server is not None
            ]
            if watched:
                rows.append(_row(scenario, names[spec], watched))
    return tuple(rows)


def _row(scenario: str, name: str, watched: Sequence[tuple[RunSummary, ServerUse]]) -> ResourceRow:
    used = [one for _, one in watched]
    each = [
        one.cpu_s / answers
        for run, one in watched
        if one.cpu_s is not None and (answers := dict(run.summary.outcomes).get("ok", 0))
    ]
    share = _median([one.cpu_fraction_of_machine for one in used])
    memory = _median([one.rss_max_bytes for one in used])
    processes = _median([one.processes for one in used])
    throttled = _median([one.throttled_s for one in used])
    return ResourceRow(
        scenario=scenario,
        name=name,
        cpu_per_answer=words.duration(float(np.median(each)) if each else None),
        cpu_share="–" if share is None else words.percent(share),
        memory="–" if memory is None else f"{memory / 1e6:.0f} MB",
        processes="–" if processes is None else f"{processes:g}",
        throttled="–" if throttled is None else words.duration(throttled),
    )


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None
