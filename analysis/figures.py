"""All figures of a report, and how they are saved as files beside it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analysis import words
from analysis._dots import dots
from analysis._drawing import Drawing
from analysis._drift import drift
from analysis._overtime import overtime
from analysis._percentiles import percentiles
from analysis._rates import rates
from analysis._shares import shares_figure
from analysis._waterfall import waterfall
from analysis.compare import Metric
from analysis.findings import Findings
from analysis.views import ScenarioView, scenario_view, shown_specs

if TYPE_CHECKING:  # types alone: it brings scipy
    from analysis.sweep import Sweep

VISIBLE = np.log(1.005)  # a goodput that moves less than 0.5% everywhere needs no figure
PNG_DPI = 220


@dataclass(frozen=True)
class Figures:
    """The drawings by kind, each by scenario."""

    latency: tuple[Drawing, ...] = ()  # waterfalls of p95
    goodput: tuple[Drawing, ...] = ()  # waterfalls of goodput, where it moves
    shares: tuple[Drawing, ...] = ()
    percentiles: tuple[Drawing, ...] = ()
    blocks: tuple[Drawing, ...] = ()
    overtime: tuple[Drawing, ...] = ()
    rates: tuple[Drawing, ...] = ()
    drift: tuple[Drawing, ...] = ()

    @property
    def all(self) -> tuple[Drawing, ...]:
        """Every drawing, in the order of the report."""
        return (
            *self.latency, *self.goodput, *self.shares, *self.percentiles,
            *self.blocks, *self.overtime, *self.rates, *self.drift,
        )  # fmt: skip


def draw(findings: Findings | None, sweep: "Sweep | None" = None) -> Figures:
    """Draw whatever there is data for; each run's records are read once."""
    swept = _present([rates(sweep, sweep_names(findings, sweep))] if sweep else [])
    if findings is None:
        return Figures(rates=swept)
    scenarios = findings.runs.scenarios
    views = {scenario: scenario_view(findings, scenario) for scenario in scenarios}
    found = findings.attributions
    by_scenario = [[one for one in found if one.scenario == scenario] for scenario in scenarios]
    names = findings.names
    return Figures(
        latency=_present(_waterfall(findings, scenario, "p95") for scenario in scenarios),
        goodput=_present(_goodput(findings, scenario) for scenario in scenarios),
        shares=_present(shares_figure(own) for own in by_scenario if own),
        percentiles=_present(_percentiles(findings, s, view) for s, view in views.items()),
        blocks=_present(_dots(findings, scenario) for scenario in scenarios),
        overtime=tuple(overtime(s, v.block, v.lines, names) for s, v in views.items()),
        rates=swept,
        drift=_present([drift(findings, names)]),
    )


def save(figures: Sequence[Drawing], folder: Path) -> tuple[Path, ...]:
    """Write each drawing as <name>.svg (light and dark) and <name>.png (light) into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for drawing in figures:
        vector, pixels = folder / f"{drawing.name}.svg", folder / f"{drawing.name}.png"
        vector.write_text(drawing.svg(standalone=True), encoding="utf-8")
        drawing.figure.savefig(pixels, dpi=PNG_DPI)
        paths += [vector, pixels]
    return tuple(paths)


def sweep_names(findings: Findings | None, sweep: "Sweep") -> Mapping[str, str]:
    """The names, and so the colours, that the variants have in the rest of the page."""
    names = dict(findings.names) if findings else {}
    specs = [one.spec for one in sweep.capacities] + [one.spec for one in sweep.points]
    for spec in specs:
        names.setdefault(spec, spec)
    return names


def _waterfall(findings: Findings, scenario: str, metric: Metric) -> Drawing | None:
    family = findings.ablation.family(scenario, metric)
    if family is None:
        return None
    first = findings.ablation.steps[0].old
    summaries = [one.summary for one in findings.of(scenario, first)]
    if not summaries:
        value = ""
    elif metric == "goodput":
        value = f"{words.factor(float(np.median([s.goodput_rps for s in summaries])))} requests/s"
    else:
        value = words.duration(float(np.median([s.p95_s for s in summaries])))
    return waterfall(family, findings.ablation.steps, first, value)


def _goodput(findings: Findings, scenario: str) -> Drawing | None:
    family = findings.ablation.family(scenario, "goodput")
    if family is None or all(abs(one.gain or 0.0) < VISIBLE for one in family.comparisons):
        return None
    return _waterfall(findings, scenario, "goodput")


def _percentiles(findings: Findings, scenario: str, view: ScenarioView) -> Drawing | None:
    limit_s = findings.summaries[0].facts.slo_limit_s
    return percentiles(scenario, view.curves, findings.names, limit_s) if view.curves else None


def _dots(findings: Findings, scenario: str) -> Drawing | None:
    shown = shown_specs(findings)
    cells = {
        spec: {one.facts.block: one.summary.p95_s for one in findings.of(scenario, spec)}
        for spec in shown
    }
    names = {spec: findings.names[spec] for spec in shown}
    return dots(scenario, cells, names, findings.summaries[0].facts.slo_limit_s)


def _present(drawings: Iterable[Drawing | None]) -> tuple[Drawing, ...]:
    return tuple(drawing for drawing in drawings if drawing is not None)
