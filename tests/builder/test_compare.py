"""`optbuild compare` as somebody's CI calls it."""

import json
from pathlib import Path

import fake_runs
import pytest
from click.testing import CliRunner, Result

from builder.cli import cli


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    latency_s = fake_runs.planted({"baseline": 1.0, "onnx": 0.5}, noise=0.004)
    settings = fake_runs.Experiment(
        latency_s,
        specs=("baseline", "onnx"),
        scenarios=("steady", "bursty"),
        rates={"steady": 20.0, "bursty": 20.0},
        duration_s=5.0,
    )
    return fake_runs.write(tmp_path_factory.mktemp("runs"), settings)


def compare(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["compare", str(directory), *arguments])


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["baseline", "onnx"], 0, "improved"),
        (["onnx", "baseline"], 1, "regressed"),
        (["onnx", "baseline", "--margin", "100%"], 3, "inconclusive"),
        (["onnx", "baseline", "--scenario", "bursty"], 1, "regressed"),
        (["baseline", "onnx", "--metric", "goodput"], 0, "equivalent"),
    ],
)
def test_the_exit_code_is_the_verdict(
    directory: Path, arguments: list[str], code: int, said: str
) -> None:
    result = compare(directory, *arguments)
    assert result.exit_code == code
    verdict, line = result.stdout.splitlines()
    assert verdict == said
    assert "8 blocks in pairs" in line


def test_what_was_not_compared_is_named_on_stderr(directory: Path) -> None:
    result = compare(directory, "baseline", "onnx")
    assert "not compared: bursty (choose with --scenario)" in result.stderr


@pytest.mark.parametrize(("seed", "said"), [(1, "4 blocks"), (2, "4 and 4 runs")])
def test_few_runs_are_screening_in_pairs_or_not(tmp_path: Path, seed: int, said: str) -> None:
    """Four against four unpaired runs can decide, by 2 of the 70 ways to divide them."""
    directories = [tmp_path / "first", tmp_path / "second"]
    for directory, factor, seed_there in zip(directories, (0.5, 0.8), (1, seed), strict=True):
        latency_s = fake_runs.planted({"baseline": 1.0, "onnx": factor}, noise=0.004)
        settings = fake_runs.Experiment(
            latency_s, ("baseline", "onnx"), ("steady",), blocks=4, duration_s=5.0, seed=seed_there
        )
        fake_runs.write(directory, settings)
    for folder in (directories[1] / "runs").iterdir():
        fake_runs.edit_json(folder, lambda run: run.update(started_at="2026-11-25T10:00:00+00:00"))
    result = compare(directories[0], "onnx", f"{directories[1]}:onnx")
    assert result.exit_code == (3 if seed == 1 else 1)
    assert f"screening: {said}, fewer than 8" in result.stderr
    assert "apart: what changed for baseline alike cancels" in result.stderr
    assert "relative to baseline in its own directory" in result.stdout
    content = json.loads(compare(directories[0], "onnx", f"{directories[1]}:onnx", "--json").stdout)
    assert content["reference"] == "baseline"


def test_a_program_reads_json(directory: Path) -> None:
    result = compare(directory, "baseline", "onnx", "--json")
    content = json.loads(result.stdout)
    assert content["verdict"] == "improved"
    assert content["exit_code"] == result.exit_code == 0
    assert content["interval"]["low"] < content["ratio"] < content["interval"]["high"]
    assert content["ratio"] == pytest.approx(2.0, rel=0.05)
    assert content["reference"] is None
    assert content["old"] == {"directory": str(directory), "spec": "baseline", "runs": 8}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["baseline", "onx"], "it has baseline, onnx"),
        (["baseline"], "Missing argument"),
        (["baseline", "onnx", "--margin", "much"], "not like 10%"),
        (["baseline", "onnx", "--metric", "p42"], "p42"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    directory: Path, arguments: list[str], said: str
) -> None:
    result = compare(directory, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert said in result.stderr
