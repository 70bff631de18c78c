"""Write the report of disruptions: a page, Markdown for a pull request, JSON for programs."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from analysis import words
from analysis._disruption_figure import draw_run
from analysis._drawing import Drawing
from analysis._figstyle import css_variables
from analysis.compare import blocks_needed
from analysis.disruption_compare import METRICS, Contrast, contrasts
from analysis.disruption_runs import DisruptedRun, DisruptedRuns
from analysis.disruption_terms import caveat, definitions, goal
from analysis.disruption_words import ContrastRow, ImpactRow, contrast_rows, headline, impact_rows
from analysis.files import write_text
from variants._errors import OptbuildError

TEMPLATES = Path(__file__).parent / "templates"
NAME = "disruptions.html"


@dataclass(frozen=True)
class Section:
    """One experiment on the page."""

    name: str
    summary: str
    goal: str
    caveat: str
    headline: str
    rows: tuple[ImpactRow, ...]
    contrasts: tuple[ContrastRow, ...]
    block: int
    drawings: tuple[Drawing, ...]


@dataclass(frozen=True)
class PagePaths:
    """What was written."""

    html: Path
    markdown: Path
    json: Path


def write_disruptions(runs: DisruptedRuns, html: Path) -> PagePaths:
    """Write the page, and beside it the same as .md and .json.

    Raises OptbuildError if a file cannot be written.
    """
    compared = {name: contrasts(runs, name) for name in runs.experiments}
    page = {
        "title": _title(runs),
        "subtitle": _subtitle(runs),
        "screening": _screening(runs, compared),
        "sections": [_section(runs, name, compared[name]) for name in runs.experiments],
        "invalid": runs.invalid,
        "problems": [text.replace(f"{runs.directory}/", "") for text in runs.problems],
        "command": runs.plan.command,
        "facts": _facts(runs),
        "definitions": definitions(runs),
    }
    paths = PagePaths(html, html.with_suffix(".md"), html.with_suffix(".json"))
    try:
        write_text(paths.html, _render("disruptions.html.j2", page, escape=True))
        write_text(paths.markdown, _render("disruptions.md.j2", page, escape=False))
        write_text(paths.json, _json(runs, compared))
    except OSError as error:
        raise OptbuildError(f"cannot write the report to {html}: {error.strerror}") from error
    return paths


def _section(runs: DisruptedRuns, name: str, compared: tuple[Contrast, ...]) -> Section:
    own = [run for run in runs.runs if run.fault.experiment == name]
    blocks = [run.facts.block for run in own]
    block = max(sorted(set(blocks)), key=blocks.count)
    return Section(
        name=name,
        summary=own[0].fault.summary,
        goal=goal(own[0]),
        caveat=caveat(own[0]),
        headline=headline(runs, name),
        rows=impact_rows(runs, name),
        contrasts=contrast_rows(compared),
        block=block,
        drawings=_drawings([run for run in own if run.facts.block == block]),
    )


def _drawings(shown: list[DisruptedRun]) -> tuple[Drawing, ...]:
    ledgers = [run.records() for run in shown]
    limit_s = max(run.facts.slo_limit_s for run in shown)
    slowest_s = max(float(np.nanmax(one.latency_s, initial=limit_s)) for one in ledgers)
    most_rps = max(float(np.bincount(ledger.planned_s.astype(int)).max()) for ledger in ledgers)
    return tuple(
        draw_run(run, ledger, slowest_s, most_rps)
        for run, ledger in zip(shown, ledgers, strict=True)
    )


def _title(runs: DisruptedRuns) -> str:
    model = runs.runs[0].facts.model
    named = "the bundled model" if model == "bundled" else model
    return f"What users of {named} notice of disruptions"


def _subtitle(runs: DisruptedRuns) -> str:
    facts = runs.runs[0].facts
    return (
        f"{words.plural(len(runs.plan.specs), 'variant')} on {runs.runs[0].fault.target}, "
        f"{words.plural(len(runs.runs), 'run')}, {facts.started_at[:10]}, "
        f"{facts.scenario} {words.factor(facts.rate)} requests/s for {facts.duration_s:g} s; "
        f"SLO {facts.slo_quantile} < {words.duration(facts.slo_limit_s)}"
    )


def _screening(runs: DisruptedRuns, compared: dict[str, tuple[Contrast, ...]]) -> str:
    short = [one for found in compared.values() for one in found if one.screening]
    if not short:
        return ""
    needed = max(blocks_needed(one.family) for one in short)
    fewest = min(one.n for one in short)
    return (
        f"{words.plural(fewest, 'block')} where a verdict at 5% needs {needed}: read direction and "
        f"counts, or repeat with --blocks {needed}"
    )


def _facts(runs: DisruptedRuns) -> list[tuple[str, str]]:
    facts = runs.runs[0].facts
    machine = facts.machine
    return [
        ("CPU", f"{machine.cpu_model}, {words.plural(machine.cores, 'core')}"),
        ("Memory", f"{machine.memory_bytes / 2**30:.1f} GiB"),
        ("Kernel", machine.kernel),
        ("Model", f"{facts.model} ({facts.model_digest[:12]})"),
        ("Libraries", ", ".join(f"{name} {version}" for name, version in machine.libraries)),
    ]


def _json(runs: DisruptedRuns, compared: dict[str, tuple[Contrast, ...]]) -> str:
    content: dict[str, Any] = {
        "format": 1,
        "command": runs.plan.command,
        "margin": runs.plan.margin,
        "metrics": list(METRICS),
        "runs": [
            {
                "id": run.facts.id,
                "experiment": run.fault.experiment,
                "goal": run.fault.goal,
                "target": run.fault.target,
                "spec": run.facts.spec,
                "block": run.facts.block,
                "rate": run.facts.rate,
                "repeats": run.repeats,
                "impact": {
                    **asdict(run.impact),
                    "outcomes": dict(run.impact.outcomes),
                    "phases": dict(run.impact.phases),
                    "availability": run.impact.availability,
                    "availability_during": run.impact.availability_during,
                    "lost_others": run.impact.lost_others,
                },
            }
            for run in runs.runs
        ],
        "comparisons": [asdict(one) for found in compared.values() for one in found],
        "invalid": [{"id": name, "why": why} for name, why in runs.invalid],
        "problems": list(runs.problems),
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _render(template: str, page: dict[str, Any], escape: bool) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=escape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["svg"] = lambda drawing: Markup(drawing.svg())  # labels are escaped there
    environment.filters["cell"] = lambda text: str(text).replace("|", "\\|")
    environment.globals["light"] = css_variables(dark=False)
    environment.globals["dark"] = css_variables(dark=True)
    return environment.get_template(template).render(page)
