import base64
import hashlib
import html.parser
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fake_runs
import independent
import independent_shares
import pytest
from fake_runs import Experiment, mark_invalid, planted, queue_latency_s

from analysis.answer import answer
from analysis.findings import find
from analysis.report import ReportPaths, write_report
from analysis.verdicts import verdict_lines, verdict_rows
from variants._errors import OptbuildError


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("full")
    experiment = Experiment(
        queue_latency_s, duration_s=8, rates={"steady": 30, "bursty": 30, "high-intensity": 130}
    )
    fake_runs.write(out, experiment)
    mark_invalid(out, "b003-bursty-onnx")
    return out


@pytest.fixture(scope="module")
def paths(full: Path) -> ReportPaths:
    return write_report(full, full / "page" / "report.html", figures=True)


@pytest.fixture(scope="module")
def screening(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("screening")
    factors = {"baseline": 1.0, "onnx": 0.5, "onnx+<b>odd<i>|spec": 1.5}
    fake_runs.write(
        out,
        Experiment(
            planted(factors), tuple(factors), ("steady",), blocks=2, planned_blocks=3, duration_s=5
        ),
    )
    (out / "runs" / "b002-steady-onnx" / "records.parquet").write_bytes(b"PAR1")
    return out


class Page(html.parser.HTMLParser):
    """Collects what a browser would load, ids, and whether tags close."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "br", "link", "img", "!doctype"):
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "data", "action", "srcset"):
                self.loads.append(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    assert page.open == []
    return page


def test_the_page_loads_nothing_and_is_well_formed(paths: ReportPaths) -> None:
    page = parsed(paths.html)
    assert all(load.startswith("#") for load in page.loads)
    assert {load[1:] for load in page.loads} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert not {"link", "img", "iframe"} & set(page.tags)
    text = paths.html.read_text(encoding="utf-8")
    without_script = text[: text.index("<script>/*")]
    assert "http://" not in without_script and "https://" not in without_script
    assert "url(" not in without_script.replace("url(#", "") and "@import" not in text
    assert page.tags.count("figure") >= 15
    assert "@media screen and (prefers-color-scheme: dark)" in text and "@media print" in text


def test_the_page_lets_its_own_script_run_and_nothing_else(paths: ReportPaths) -> None:
    text = paths.html.read_text(encoding="utf-8")
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in text
    assert "Permission is hereby granted" in script  # uPlot's licence travels with it


def test_every_figure_has_a_name_a_description_and_a_table(paths: ReportPaths) -> None:
    text = paths.html.read_text(encoding="utf-8")
    figures = re.findall(r"<figure.*?</figure>", text, re.DOTALL)
    assert len(figures) == len(paths.figures) / 2
    for figure in figures:
        assert re.search(r'<svg role="img" aria-label="[^"]{20,}"', figure)
        assert "<title>" in figure and "<table>" in figure
    charts = [json.loads(data) for data in re.findall(r'json">(.*?)</script>', text)]
    assert len(charts) == 6  # percentiles and over time, of three loads
    for chart in charts:
        for view in chart["views"]:
            assert [line["name"] for line in view["lines"]][:2] == ["baseline", "+onnx"]
            assert {len(line["values"]) for line in view["lines"]} == {len(chart["x"])}


def test_every_verdict_string_is_the_same_everywhere(full: Path, paths: ReportPaths) -> None:
    page = paths.html.read_text(encoding="utf-8")
    comment = paths.markdown.read_text(encoding="utf-8")
    terminal = "\n".join(verdict_lines(find(full)))
    rows = verdict_rows(find(full))
    assert len(rows) == 5 * 3 * 2
    for row in rows:
        for text in (page, comment, terminal):
            assert row.effect in text
        told = f"{row.effect}<br>(**)?{row.verdict}(**)?, {row.better_in}, p {row.p} |"
        assert re.search(re.escape(told).replace(r"\(\*\*\)\?", r"(\*\*)?"), comment)
    told = answer(find(full)).headline
    assert told in page and told in comment


def test_numbers_equal_an_independent_computation(full: Path, paths: ReportPaths) -> None:
    report = json.loads(paths.json.read_text())
    assert len(report["runs"]) == 120
    assert any(run["p99_s"] is not None for run in report["runs"])
    found, numbers = independent.check(full, report)
    assert found == [] and numbers > 2000
    # ... and it would see one wrong digit
    report["runs"][7]["p95_s"] *= 1 + 1e-9
    report["comparisons"][3]["printed"]["effect"] += " "
    found, _ = independent.check(full, report)
    assert len(found) == 2 and "p95_s" in found[0] and "printed.effect" in found[1]


def test_the_independent_script_imports_nothing_of_the_project() -> None:
    source = "\n".join(Path(one.__file__).read_text() for one in (independent, independent_shares))
    assert set(re.findall(r"^(?:import|from) (\w+)", source, re.MULTILINE)) == {
        "collections", "fractions", "independent_shares", "itertools", "json", "math", "numpy",
        "pathlib", "pyarrow", "sys", "typing",
    }  # fmt: skip


def test_the_independent_script_runs_by_hand(full: Path, paths: ReportPaths) -> None:
    command = [sys.executable, independent.__file__, str(full), str(paths.json)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.endswith("figures compared, 0 differ\n")


def test_figures_are_saved_and_stand_alone(paths: ReportPaths) -> None:
    assert len(paths.figures) == 2 * parsed(paths.html).tags.count("figure")
    stems = {path.stem.rpartition("-")[0] for path in paths.figures}
    assert stems >= {"waterfall-p95", "percentiles", "blocks", "overtime"}
    for path in paths.figures:
        if path.suffix == ".svg":
            root = ElementTree.parse(path).getroot()
            assert root.tag == "{http://www.w3.org/2000/svg}svg"
            assert root.find("{http://www.w3.org/2000/svg}title") is not None
            assert len(root.get("aria-label") or "") > 20
        else:
            assert path.read_bytes().startswith(b"\x89PNG")


def test_a_report_repeats_to_the_byte(screening: Path, tmp_path: Path) -> None:
    paths = write_report(screening)
    again = write_report(screening, tmp_path / "again.html")
    assert again.html.read_bytes() == paths.html.read_bytes()
    assert again.json.read_bytes() == paths.json.read_bytes()
    assert again.markdown.name == "again.md"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.html", "again.json", "again.md"]


def test_invalid_runs_are_shown_with_their_figures(paths: ReportPaths) -> None:
    text = paths.html.read_text()
    assert "lateness p99 9.30 ms of 2.00 ms" in text
    assert "120 of 120" in text


def test_screening_is_said_first_and_nothing_is_claimed(screening: Path) -> None:
    paths = write_report(screening)
    report = json.loads(paths.json.read_text())
    assert report["screening"] is True
    assert {one["verdict"] for one in report["comparisons"]} == {"inconclusive"}
    for text in (paths.html.read_text(), paths.markdown.read_text()):
        assert text.lower().index("screening") < text.index("p95 latency")
        assert "b002-steady-onnx/records.parquet" in text
        assert str(screening) not in text
        assert "2 of 3 planned blocks" in text
        assert "without block 2" in text
    assert paths.html == screening / "report.html"


def test_screening_shows_in_how_many_blocks_a_step_was_better(screening: Path) -> None:
    lines = verdict_lines(find(screening))
    total = next(line for line in lines if line.startswith("all layers"))
    assert "margin 3% (--margin, or from p95 of the last A/A)" in " ".join(lines)
    assert "1.51x slower" in total and "0/2" in total and "inconclusive ↓" in total
    assert any(
        line.startswith("SCREENING: 1 block where a verdict at 5% needs 8") for line in lines
    )


def test_hostile_names_stay_text(screening: Path) -> None:
    paths = write_report(screening)
    assert "<b>odd" not in paths.html.read_text()
    parsed(paths.html)
    lines = paths.markdown.read_text().replace("\\|", "").splitlines()
    at = lines.index("| p95 | steady |")
    assert [line.count("|") for line in lines[at : at + 5]] == [3] * 5
    assert "<b>" not in paths.markdown.read_text().partition("```")[0]


@pytest.mark.parametrize(
    "name", ["../../up", "a$b$c", "$\\frac$", 'quo"te', "new\nline", "a b", "é"]
)
def test_a_scenario_may_be_called_anything(tmp_path: Path, name: str) -> None:
    fake_runs.write(tmp_path / "out", one_block())
    for folder in (tmp_path / "out" / "runs").iterdir():
        fake_runs.edit_json(
            folder,
            lambda facts: facts.update(scenario=name, plan=facts["plan"] | {"scenarios": [name]}),
        )
    paths = write_report(tmp_path / "out", tmp_path / "page" / "r.html", figures=True)
    parsed(paths.html)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "page"]
    assert all(path.parent == tmp_path / "page" / "figures" for path in paths.figures)


def test_the_comment_fits_a_pull_request(paths: ReportPaths) -> None:
    assert len(paths.markdown.read_text(encoding="utf-8")) < 6_500  # GitHub takes 65,536


def test_a_comment_that_would_be_too_long_leaves_the_numbers_to_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_runs.write(tmp_path, one_block())
    assert "Absolute numbers" in write_report(tmp_path).markdown.read_text()
    monkeypatch.setattr("analysis.report.LONGEST_COMMENT", 100)
    comment = write_report(tmp_path).markdown.read_text()
    assert "Absolute numbers" not in comment and "| +onnx |" in comment


@pytest.mark.parametrize("width", [80, 100])
def test_the_terminal_table_fits(full: Path, width: int) -> None:
    lines = verdict_lines(find(full), width)
    assert max(map(len, lines)) <= width
    assert not any("…" in line or "\x1b" in line for line in lines)


def test_no_verdict_is_cut_on_a_narrow_terminal(screening: Path) -> None:
    found = find(screening)
    lines = verdict_lines(found, 80)
    assert max(map(len, lines)) <= 80
    for row in verdict_rows(found):
        assert any(row.effect in line and line.endswith(row.verdict) for line in lines)
    assert "point all one way" not in "\n".join(lines)  # one block only
    assert " ".join(lines[-4:]).count("margin 3%") == 1


def one_block(**changes: Any) -> Experiment:
    latency_s = changes.pop("latency_s", planted({"baseline": 1.0, "onnx": 0.5}))
    specs = changes.pop("specs", ("baseline", "onnx"))
    return Experiment(latency_s, specs, ("steady",), blocks=1, duration_s=3, **changes)


def edge_cases() -> Iterator[Any]:
    yield pytest.param(one_block(), id="one block")
    yield pytest.param(one_block(specs=("baseline",)), id="one variant")
    yield pytest.param(one_block(rates={"steady": 0.4}), id="one request")
    dead = planted({"baseline": 1.0, "onnx": 1e6})
    yield pytest.param(one_block(latency_s=dead), id="only timeouts")
    yield pytest.param(
        one_block(latency_s=planted({"baseline": 1e6, "onnx": 1e6})), id="all timeouts"
    )


@pytest.mark.parametrize("experiment", list(edge_cases()))
def test_thin_data_still_reports(tmp_path: Path, experiment: Experiment) -> None:
    fake_runs.write(tmp_path, experiment)
    paths = write_report(tmp_path)
    parsed(paths.html)
    text = (
        paths.html.read_text()
        + paths.markdown.read_text()
        + "\n".join(verdict_lines(find(tmp_path)))
    )
    assert "nan" not in text.lower().replace("nanum", "") and "inf" not in json.dumps(
        json.loads(paths.json.read_text(), parse_constant=pytest.fail)["runs"]
    )


def test_random_weights_have_no_accuracy(tmp_path: Path) -> None:
    fake_runs.write(tmp_path, one_block())
    for folder in (tmp_path / "runs").iterdir():
        fake_runs.edit_json(folder, lambda facts: facts["model"].update(accuracy_meaningful=False))
    assert "not meaningful: random weights" in write_report(tmp_path).html.read_text()


def test_out_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    fake_runs.write(tmp_path, one_block())
    (tmp_path / "file").write_text("")
    with pytest.raises(OptbuildError, match="cannot write the report"):
        write_report(tmp_path, tmp_path / "file" / "report.html")


def test_the_module_runs_alone(tmp_path: Path) -> None:
    fake_runs.write(tmp_path, one_block())
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "analysis", str(tmp_path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert str(tmp_path / "report.html") in done.stdout
    (tmp_path / "empty").mkdir()
    command[-1] = str(tmp_path / "empty")
    failed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert failed.returncode == 2 and failed.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("analysis.report", "bentoml builder deploy locust gevent torch transformers scipy"),
        ("analysis.gates", "matplotlib jinja2 rich bentoml locust gevent scipy"),
        ("analysis.findings", "matplotlib jinja2 rich bentoml locust gevent scipy"),
        ("analysis.verdicts", "matplotlib jinja2 bentoml locust gevent scipy"),
    ],
)
def test_what_a_module_imports(module: str, never: str) -> None:
    code = f"import sys, {module}; print(*(m for m in {never.split()} if m in sys.modules))"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
