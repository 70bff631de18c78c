"""The lines that the report and the README give to a notebook."""

import ast
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_designs
import fake_runs
import pytest
from fake_runs import Experiment, planted

from analysis.findings import find
from analysis.material import Material
from analysis.report import write_material, write_report
from analysis.reproduce import DUCKDB, PANDAS


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    factors = {"baseline": 1.0, "onnx": 0.5}
    experiment = Experiment(planted(factors), tuple(factors), ("steady",), 2, duration_s=5)
    return fake_runs.write(tmp_path_factory.mktemp("notebook"), experiment)


def value_of(lines: str, directory: Path) -> Any:
    """Runs a cell as a notebook does and returns its last line's value."""
    cell = ast.parse(lines.replace("DIR", str(directory)))
    *before, last = cell.body
    assert isinstance(last, ast.Expr) and len(lines.strip().splitlines()) == 3
    names: dict[str, Any] = {}
    exec(compile(ast.Module(before, []), "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def p95_s(runs: Path) -> dict[str, float]:
    report = json.loads(write_report(runs).json.read_text())
    return {run["id"]: run["p95_s"] for run in report["runs"]}


def test_three_lines_of_pandas_give_the_report_s_numbers(runs: Path) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    found = value_of(PANDAS, runs).to_dict()
    assert found == pytest.approx(p95_s(runs), rel=1e-12)


def test_three_lines_of_duckdb_give_the_report_s_numbers(runs: Path) -> None:
    pytest.importorskip("duckdb", reason="duckdb is not installed")
    found = {Path(file).parent.name: p95 for file, p95 in value_of(DUCKDB, runs).fetchall()}
    assert found == pytest.approx(p95_s(runs), rel=1e-12)


def test_the_page_shows_the_lines(runs: Path) -> None:
    page = write_report(runs).html.read_text()
    for line in (PANDAS + DUCKDB).splitlines():
        assert line.replace("&", "&amp;").replace('"', "&#34;").replace("'", "&#39;") in page


def test_the_page_of_a_sweep_tells_of_its_own_numbers_and_files(tmp_path: Path) -> None:
    found = fake_designs.sweep({"baseline": 60.0})
    page = write_material(Material(tmp_path, None, found), tmp_path / "report.html").html
    text = page.read_text()
    for name in ("highest rate", "interval of the highest rate", "knee", "goodput of a run"):
        assert f"<dt>{name}</dt>" in text
    assert "effect of a step" not in text and "p (Holm)" not in text
    assert "DIR/sweep/runs" in text and "DIR/runs" not in text


def test_the_page_of_a_shapley_design_tells_how_shares_are_made(runs: Path, tmp_path: Path) -> None:
    found = find(runs)
    assert "worth in any order</dt>" not in write_report(runs).html.read_text()
    found = replace(found, attributions=fake_designs.attributions(found.runs.scenarios))
    page = write_material(Material(tmp_path, found, None), tmp_path / "report.html").html
    assert "worth in any order</dt>" in page.read_text()
