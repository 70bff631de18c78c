import math
from pathlib import Path

import fake_runs
import pytest
from fake_runs import Experiment, planted

from analysis.ablation import Step
from analysis.findings import Findings, find

SPECS = ("baseline", "onnx", "onnx+quantized", "onnx+quantized+threads=2")
FACTORS = {
    "baseline": 1.0,
    "onnx": 0.5,
    "onnx+quantized": {"steady": 0.625, "bursty": 0.25},
    "onnx+quantized+threads=2": {"steady": 0.625, "bursty": 0.25},
}


def experiment(tmp_path: Path, **changes: object) -> Findings:
    settings = {"specs": SPECS, "scenarios": ("steady", "bursty"), "blocks": 8, "duration_s": 10.0}
    latency_s = planted(FACTORS, noise=0.004)
    fake_runs.write(tmp_path, Experiment(latency_s, **(settings | changes)))  # type: ignore[arg-type]
    return find(tmp_path)


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    return experiment(tmp_path_factory.mktemp("planted"))


ONNX, QUANTIZED, THREADS, TOTAL = range(4)


@pytest.mark.parametrize(
    ("scenario", "step", "factor", "verdict"),
    [
        ("steady", ONNX, 2.0, "improved"),
        ("steady", QUANTIZED, 0.8, "regressed"),
        ("steady", THREADS, 1.0, "equivalent"),
        ("steady", TOTAL, 1.6, "improved"),
        ("bursty", ONNX, 2.0, "improved"),
        ("bursty", QUANTIZED, 2.0, "improved"),
        ("bursty", THREADS, 1.0, "equivalent"),
        ("bursty", TOTAL, 4.0, "improved"),
    ],
)
def test_planted_effects_are_found(
    findings: Findings, scenario: str, step: int, factor: float, verdict: str
) -> None:
    for metric in ("p50", "p95"):
        family = findings.ablation.family(scenario, metric)  # type: ignore[arg-type]
        assert family is not None and len(family.comparisons) == 4
        one = family.comparisons[step]
        assert one.verdict == verdict
        assert one.gain == pytest.approx(math.log(factor), abs=0.02)
        assert one.interval is not None and one.n == 8 and one.family == 4
        assert one.interval.low <= math.log(factor) <= one.interval.high


def test_steps_follow_the_plan_and_the_total_comes_last(findings: Findings) -> None:
    assert findings.ablation.steps == (
        Step("onnx", "baseline", "onnx"),
        Step("quantized", "onnx", "onnx+quantized"),
        Step("threads=2", "onnx+quantized", "onnx+quantized+threads=2"),
        Step("all layers", "baseline", "onnx+quantized+threads=2", total=True),
    )
    assert not findings.screening
    assert findings.ablation.family("steady", "p99") is None  # 300 requests a run


def test_one_step_has_no_total(tmp_path: Path) -> None:
    findings = experiment(tmp_path, specs=SPECS[:2], blocks=2, scenarios=("steady",))
    assert [step.name for step in findings.ablation.steps] == ["onnx"]


def test_one_variant_has_nothing_to_compare(tmp_path: Path) -> None:
    findings = experiment(tmp_path, specs=SPECS[:1], blocks=2)
    assert findings.ablation.steps == () and findings.comparisons == ()


def test_a_run_missing_in_one_block_costs_that_block_of_that_pair(tmp_path: Path) -> None:
    experiment(tmp_path, blocks=4)
    for file in (tmp_path / "runs" / "b003-steady-onnx").iterdir():
        file.unlink()
    (tmp_path / "runs" / "b003-steady-onnx").rmdir()
    ablation = find(tmp_path).ablation
    family = ablation.family("steady", "p95")
    assert family is not None
    left_out = [(one.n, one.pairs.left_out) for one in family.comparisons]
    assert left_out == [(3, (3,)), (3, (3,)), (4, ()), (4, ())]


def test_a_variant_without_any_run_joins_two_steps_by_name(tmp_path: Path) -> None:
    experiment(tmp_path, blocks=2)
    for folder in (tmp_path / "runs").glob("*-onnx+quantized"):
        (folder / "run.json").unlink()
    findings = find(tmp_path)
    names = [step.name for step in findings.ablation.steps]
    assert names == ["onnx", "onnx to onnx+quantized+threads=2", "all layers"]
    assert len(findings.runs.problems) == 4


def test_p99_appears_where_there_are_enough_requests(tmp_path: Path) -> None:
    findings = experiment(
        tmp_path, specs=SPECS[:2], blocks=2, scenarios=("steady",), rates={"steady": 150.0}
    )
    family = findings.ablation.family("steady", "p99")
    assert family is not None
    assert family.comparisons[0].gain == pytest.approx(math.log(2), abs=0.03)


def test_a_variant_that_only_times_out_regresses_with_finite_numbers(tmp_path: Path) -> None:
    dead = planted({"baseline": 1.0, "onnx": 1e4}, noise=0.001)
    fake_runs.write(
        tmp_path, Experiment(dead, specs=SPECS[:2], scenarios=("steady",), duration_s=5)
    )
    findings = find(tmp_path)
    for metric in ("p50", "p95", "goodput"):
        family = findings.ablation.family("steady", metric)  # type: ignore[arg-type]
        assert family is not None
        (one,) = family.comparisons
        assert one.verdict == "regressed"
        assert one.gain is not None and math.isfinite(one.gain)
    assert all(one.summary.goodput_rps == 0 for one in findings.of("steady", "onnx"))
