"""Mistakes in a call of `optbuild sweep`, found before anything is built."""

from pathlib import Path

import fake_runs
import pytest
from click.testing import CliRunner
from rich.console import Console

from analysis.objective import Objective
from analysis.records import OK
from analysis.summary import summarize_records
from analysis.sweep import Capacity, Point, Sweep
from builder.cli import cli
from builder.sweep_report import curve_of, note_of, report, table_of
from variants._errors import OptbuildError


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["onnx", "--from", "2"], "--duration 25 or more, or --from 5 or more"),
        (["onnx", "--from", "20", "--slo", "p99<1s"], "too few for p99 < 1 s"),
        (["onnx", "--from", "20", "--to", "10"], "below the lowest rate"),
        (["onnx", "--to", "1"], "below the lowest rate, 5/s"),
        (["onnx", "--from", "fast"], "auto"),
        (["onnx", "--scenario", "burst"], "known are bursty"),
        (["onnx", "--scenario", "trace"], "for a sweep"),
        (["onx"], "did you mean 'onnx'"),
        (["onnx", "--goodput", "101%"], "--goodput at most 100%"),
        (["onnx", "--slo", "p95"], "p95<250ms"),
        (["onnx", "--repeats", "1"], "2<=x<=20"),
        ([], "Missing argument"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    out = tmp_path / "out"
    result = CliRunner().invoke(cli, ["sweep", *arguments, "--out", str(out)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert said in result.stderr
    assert not out.exists()


def test_a_directory_without_a_sweep_is_no_sweep(tmp_path: Path) -> None:
    with pytest.raises(OptbuildError, match="holds no sweep"):
        report(tmp_path)


def test_the_table_says_what_is_not_known() -> None:
    found = Sweep(
        scenario="steady",
        objective=str(Objective("p95", 0.25)),
        points=(),
        capacities=(
            Capacity("onnx", 71.2, 65.0, 74.0, 0.954, 40.0, ""),
            Capacity("baseline", None, 20.0, None, 0.977, None, ""),
        ),
        problems=(),
        seed=1,
        command="",
    )
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        console.print(table_of(found))
    lines = capture.get().splitlines()
    assert lines[1].split() == ["onnx", "71.2/s", "65.0–74.0", "95.4%", "40.0/s", "0"]
    # At least 20 over at most 74; the levels of both add up.
    assert lines[2].split() == [
        "baseline",
        "?",
        "20.0–?",
        "97.7%",
        "?",
        "(0.27–?)",
        "93.1%",
        "?",
        "0",
    ]
    assert "p95 < 250 ms under steady load" in note_of(found)


def test_the_curve_has_a_row_for_each_rate_in_medians() -> None:
    def point(rate: float, p95_s: float, repeat: int, meets: bool) -> Point:
        records = fake_runs.rows([p95_s] * 60, [OK] * 60)
        return Point("", "onnx", rate, repeat, summarize_records(records, 6, 10, 0.25), meets)

    found = Sweep(
        scenario="steady",
        objective="p95 < 250 ms",
        points=(point(20, 0.1, 1, True), point(10, 0.05, 1, True), point(20, 0.3, 2, False)),
        capacities=(Capacity("onnx", None, None, None, None, None, ""),),
        problems=(),
        seed=1,
        command="",
    )
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        console.print(curve_of(found))
    rows = [line.split() for line in capture.get().splitlines()[1:]]
    assert rows == [
        ["onnx", "10.0/s", "50.0", "ms", "50.0", "ms", "10.0/s", "100.0%", "1/1"],
        ["20.0/s", "200", "ms", "200", "ms", "5.00/s", "50.0%", "1/2"],
    ]
