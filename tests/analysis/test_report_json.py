import json
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import fake_designs
import fake_runs
import pytest
from fake_runs import Experiment, planted
from jsonschema import Draft202012Validator, ValidationError

from analysis.findings import find
from analysis.material import Material
from analysis.report import write_material, write_report

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "analysis" / "templates" / "report.schema.json").read_text()
)
SPECS = {"baseline": 1.0, "onnx": 0.5, "onnx+quantized": 0.4}
CAPACITY_RPS = {"baseline": 60.0, "onnx": 110.0}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("json")
    experiment = Experiment(planted(SPECS), tuple(SPECS), ("steady",), blocks=2, duration_s=5)
    fake_runs.write(out, experiment)
    fake_runs.mark_invalid(out, "b001-steady-onnx")
    return out


def material(runs: Path, kind: str) -> Material:
    found = find(runs)
    shares = fake_designs.attributions(found.runs.scenarios)
    with_shares = replace(found, attributions=shares)
    sweep = fake_designs.sweep(CAPACITY_RPS)
    return {
        "ablation": Material(runs, found, None),
        "shapley": Material(runs, with_shares, None),
        "both": Material(runs, with_shares, sweep),
        "sweep": Material(runs, None, sweep),
    }[kind]


@cache
def text_of(runs: Path, kind: str) -> str:
    """What was written, once for each kind: drawing takes its time."""
    return write_material(material(runs, kind), runs / f"{kind}.html").json.read_text()


def written(runs: Path, kind: str) -> Any:
    return json.loads(text_of(runs, kind), parse_constant=pytest.fail)


@pytest.mark.parametrize("kind", ["ablation", "shapley", "both", "sweep"])
def test_report_json_keeps_its_schema(runs: Path, kind: str) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    report = written(runs, kind)
    Draft202012Validator(SCHEMA).validate(report)
    assert set(report) == set(SCHEMA["properties"])


@pytest.mark.parametrize(
    "damage",
    [
        lambda report: report.pop("runs"),
        lambda report: report.update(format=2),
        lambda report: report["comparisons"][0].update(verdict="faster"),
        lambda report: report["comparisons"][0].pop("p_holm"),
        lambda report: report["runs"][0].update(p95_s=None),
        lambda report: report["sweep"]["points"][0].pop("rate_rps"),
        lambda report: report["attributions"][0].update(additivity_p="0.2"),
        lambda report: report["attributions"][0]["shares"][0].update(gain="2x"),
    ],
)
def test_the_schema_is_no_rubber_stamp(runs: Path, damage: Any) -> None:
    report = written(runs, "both")
    damage(report)
    with pytest.raises(ValidationError):
        Draft202012Validator(SCHEMA).validate(report)


def test_every_run_carries_its_certificate_and_its_server(runs: Path) -> None:
    for run in written(runs, "ablation")["runs"]:
        assert run["certificate"]["passed"] is True
        assert run["server"]["rss_max_bytes"] > 4e8


def test_old_runs_have_neither(tmp_path: Path) -> None:
    fake_runs.write(
        tmp_path, Experiment(planted(SPECS), tuple(SPECS), ("steady",), 1, duration_s=4)
    )
    for folder in (tmp_path / "runs").iterdir():
        fake_runs.edit_json(
            folder, lambda facts: (facts.pop("server"), facts["generator"].pop("certificate"))
        )
    paths = write_report(tmp_path)
    report = json.loads(paths.json.read_text())
    Draft202012Validator(SCHEMA).validate(report)
    assert {run["certificate"] for run in report["runs"]} == {None}
    assert "These runs carry no certificate" in paths.html.read_text()
    assert "What serving takes" not in paths.html.read_text()


def test_the_page_shows_shares_with_their_range_and_interactions(runs: Path) -> None:
    text_of(runs, "both")
    text = (runs / "both.html").read_text()
    assert "2.10x faster (1.86–2.37)" in text  # a share
    assert "1.90x faster to 2.30x faster" in text  # over the orders
    assert "quantized with batching" in text and "1.12x slower" in text
    assert "meets p95 &lt; 250 ms up to 54/s (51 to 57)" in text
    assert text.index('id="waterfall"') < text.index('id="shares"') < text.index('id="verdicts"')


def test_a_sweep_alone_is_a_report(runs: Path, tmp_path: Path) -> None:
    paths = write_material(material(runs, "sweep"), tmp_path / "page.html", figures=True)
    for text in (paths.html.read_text(), paths.markdown.read_text()):
        assert "How much load each variant takes" in text and "99.0/s" in text
    assert [path.name for path in paths.figures] == ["rates-steady.svg", "rates-steady.png"]


def test_a_failed_certificate_comes_first_with_its_reason(runs: Path, tmp_path: Path) -> None:
    out = fake_runs.write(
        tmp_path / "out", Experiment(planted(SPECS), tuple(SPECS), ("steady",), 2, duration_s=4)
    )

    def fail(facts: dict[str, Any]) -> None:
        reason = "the gaps are not exponential (p 2e-09)"
        facts["generator"]["certificate"].update(passed=False, reasons=[reason])

    fake_runs.edit_json(out / "runs" / "b002-steady-onnx", fail)
    text = write_report(out).html.read_text()
    assert "5 of 6 runs passed" in text
    rows = text[text.index("The worst certificates") :]
    assert rows.index("b002-steady-onnx") < rows.index("passed<")
    assert "failed: the gaps are not exponential (p 2e-09)" in rows


def test_a_folder_with_a_broken_sweep_still_reports_its_runs(tmp_path: Path) -> None:
    factors = {"baseline": 1.0, "onnx": 0.5}
    experiment = Experiment(planted(factors), tuple(factors), ("steady",), 1, duration_s=3)
    out = fake_runs.write(tmp_path, experiment)
    (out / "sweep").mkdir()
    (out / "sweep" / "plan.json").write_text('{"format": 1')
    command = [sys.executable, "-m", "analysis", str(out)]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (warning,) = done.stderr.splitlines()
    assert warning.startswith("warning: ") and "plan.json" in warning
    page = (out / "report.html").read_text()
    assert "sweep/plan.json" in page and str(out) not in page
