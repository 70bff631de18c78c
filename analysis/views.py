"""What the figures need of the records, reduced run by run: one run's rows are held at a time."""

from dataclasses import dataclass

from analysis.curves import Curve, median_curve, run_quantiles
from analysis.findings import Findings
from analysis.timeline import Timeline, timeline


@dataclass(frozen=True)
class ScenarioView:
    """Curves of the variants shown, and the timelines of one block."""

    curves: tuple[Curve, ...]
    block: int
    lines: tuple[Timeline, ...]


def shown_specs(findings: Findings) -> tuple[str, ...]:
    """The variants that figures of many lines show: those of the steps, or all without steps.

    A factorial plan has up to 2^N variants; the table of absolute numbers has them all.
    """
    stepped = {spec for step in findings.ablation.steps for spec in (step.old, step.new)}
    return tuple(spec for spec in findings.runs.specs if spec in stepped or not stepped)


def scenario_view(findings: Findings, scenario: str) -> ScenarioView:
    """Reads each run of a scenario once; the block is the first that most variants have."""
    shown = shown_specs(findings)
    runs = [
        run
        for run in findings.runs.runs
        if run.facts.scenario == scenario and run.facts.spec in shown
    ]
    blocks = [run.facts.block for run in runs]
    block = max(sorted(set(blocks)), key=blocks.count)
    curves, lines = [], []
    for spec in shown:
        quantiles = []
        for run in (run for run in runs if run.facts.spec == spec):
            records = run.records
            quantiles.append(run_quantiles(records, run.facts.timeout_s))
            if run.facts.block == block:
                lines.append(timeline(run.facts, records))
        curves.append(median_curve(spec, quantiles))
    return ScenarioView(tuple(c for c in curves if c is not None), block, tuple(lines))
