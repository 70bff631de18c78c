"""Write the report: one self-contained page, one pull-request comment, one file for programs."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.absolute import absolute_rows
from analysis.answer import answer
from analysis.comment import WARNINGS_SHOWN, levels, matrices
from analysis.context import context
from analysis.fidelity import fidelity
from analysis.figures import Figures, draw, save, sweep_names
from analysis.files import write_text
from analysis.findings import Findings
from analysis.interactions import interaction_rows, pairs_note, sum_rows
from analysis.material import Material, gather
from analysis.render import render
from analysis.report_json import report_json, sweep_only_json
from analysis.reproduce import DUCKDB, PANDAS, of_sweep, sources
from analysis.resources import resource_rows
from analysis.tables import check_rows, gate_rows, invalid_rows, schedule_rows
from analysis.verdicts import screening_note, verdict_rows
from analysis.worth import sentences, worth_rows
from variants._errors import OptbuildError

LONGEST_COMMENT = 60_000  # characters; GitHub takes 65,536


@dataclass(frozen=True)
class ReportPaths:
    """What was written; `figures` are empty unless asked for."""

    html: Path
    markdown: Path
    json: Path
    figures: tuple[Path, ...] = ()


def write_report(directory: Path, out: Path | None = None, figures: bool = False) -> ReportPaths:
    """Report on the runs in `directory` alone, into `out` (default: DIRECTORY/report.html).

    report.md and report.json stand beside it under the same stem; with `figures`, every figure
    also as SVG and PNG in `figures/` beside it. Raises OptbuildError where there is nothing to
    report on or `out` cannot be written.
    """
    return write_material(gather(directory), out or directory / "report.html", figures)


def write_material(material: Material, html: Path, figures: bool = False) -> ReportPaths:
    """`write_report` for what was gathered already."""
    drawn = draw(material.findings, material.sweep)
    if material.findings is None:
        texts = _sweep_only(material, drawn)
    else:
        texts = _ablation(material, material.findings, drawn)
    paths = ReportPaths(html, html.with_suffix(".md"), html.with_suffix(".json"))
    try:
        for path, text in zip((paths.html, paths.markdown, paths.json), texts, strict=True):
            write_text(path, text)
        saved = save(drawn.all, html.parent / "figures") if figures else ()
    except OSError as error:
        raise OptbuildError(f"cannot write the report to {html}: {error.strerror}") from error
    return ReportPaths(paths.html, paths.markdown, paths.json, saved)


def _ablation(material: Material, findings: Findings, drawn: Figures) -> tuple[str, str, str]:
    """The page, the comment, the JSON."""
    told, around = answer(findings), context(material, findings)
    found = findings.attributions
    rows = verdict_rows(findings)
    page = _shared(material, drawn) | {
        "title": around.title,
        "subtitle": around.subtitle,
        "matrices": matrices(findings, rows),
        "levels": levels(rows),
        "warnings_shown": WARNINGS_SHOWN,
        "absolute_shown": True,
        "answer": told,
        "context": around,
        "screening": screening_note(findings),
        "rows": rows,
        "more_rows": verdict_rows(findings, ("p50", "p99")),
        "absolute": [(name, absolute_rows(findings, name)) for name in findings.runs.scenarios],
        "worth": worth_rows(found),
        "worth_method": found[0].method if found else "",
        "worth_sentences": sentences(found, findings.runs.plan.margin),
        "interactions": interaction_rows(found),
        "pairs_note": pairs_note(found),
        "sums": sum_rows(found),
        "resources": resource_rows(findings),
        "fidelity": fidelity(findings),
        "checks": check_rows(findings),
        "gates": gate_rows(findings),
        "invalid": invalid_rows(findings),
        "schedules": schedule_rows(findings),
    }
    page["contents"] = _contents(page, drawn)
    cells = [p95 for layer in told.layers for _, p95, _ in layer.cells]
    return (
        render("report.html.j2", page, escape=True, shown=cells),
        _comment(page),
        _json(report_json(material, findings, told, around)),
    )


def _comment(page: dict[str, Any]) -> str:
    """What GitHub takes: with many variants the absolute numbers are left to the page."""
    text = render("report.md.j2", page, escape=False)
    if len(text) > LONGEST_COMMENT:
        text = render("report.md.j2", page | {"absolute_shown": False}, escape=False)
    return text


def _sweep_only(material: Material, drawn: Figures) -> tuple[str, str, str]:
    sweep = material.sweep
    assert sweep is not None, "gather gives one of the two"
    page = _shared(material, drawn) | {
        "title": "How much load each variant takes",
        "subtitle": f"{sweep.scenario} load, {len(sweep.points)} runs; objective {sweep.objective}",
        "contents": [("rates", "Against the rate"), ("numbers", "Each number")],
    }
    return (
        render("sweep.html.j2", page, escape=True),
        render("sweep.md.j2", page, escape=False),
        _json(sweep_only_json(material, page["title"])),
    )


def _shared(material: Material, drawn: Figures) -> dict[str, Any]:
    found = material.findings
    cells = {"pandas": PANDAS.strip(), "duckdb": DUCKDB.strip()}
    if found is None:
        cells = {name: of_sweep(cell) for name, cell in cells.items()}
    return cells | {
        "figures": drawn,
        "sweep": material.sweep,
        "names": sweep_names(material.findings, material.sweep) if material.sweep else {},
        "sources": sources(
            steps=found is not None,
            shares=found is not None and bool(found.attributions),
            sweep=material.sweep is not None,
        ),
    }


def _contents(page: dict[str, Any], drawn: Figures) -> list[tuple[str, str]]:
    """The sections that this page has: (id, name)."""
    sections = (
        ("waterfall", "Step by step", drawn.latency),
        ("shares", "In any order", drawn.shares),
        ("verdicts", "Verdicts", page["rows"]),
        ("percentiles", "Percentiles", drawn.percentiles),
        ("blocks", "Blocks", drawn.blocks),
        ("overtime", "Over time", drawn.overtime),
        ("rates", "Against the rate", drawn.rates),
        ("absolute", "Absolute", page["absolute"]),
        ("resources", "CPU and memory", page["resources"]),
        ("checks", "Same answers?", page["checks"]),
        ("validity", "Measured properly?", True),
        ("reproduce", "Where", True),
        ("numbers", "Each number", True),
        ("method", "Method", True),
    )
    return [(place, name) for place, name, there in sections if there]


def _json(content: dict[str, Any]) -> str:
    # allow_nan=False: whatever reads JSON must be able to read this.
    return json.dumps(content, indent=1, allow_nan=False) + "\n"
