"""Variants that fail: latencies among failures are bounds, and nothing is claimed beyond them."""

import json
from pathlib import Path

import fake_runs
import independent
import numpy as np
import pytest
from fake_runs import Experiment, Floats
from jsonschema import Draft202012Validator
from test_report_json import SCHEMA

from analysis.across import compare_sides, why
from analysis.answer import answer
from analysis.compare import Comparison, Metric
from analysis.findings import Findings, find
from analysis.noise import noise_of
from analysis.report import ReportPaths, write_report
from analysis.sides import find_sides
from analysis.verdicts import verdict_lines

REJECTED = {"baseline": 0.07, "a": 0.48, "a+b": 0.0, "a+b+c": 0.2}  # shares of the requests


def latency_s(
    rng: np.random.Generator, planned_s: Floats, spec: str, scenario: str, block: int
) -> Floats:
    """Above the limit, and so answered 503, at equal distances; the others alike."""
    fails = np.floor(np.arange(1, len(planned_s) + 1) * REJECTED[spec]) > np.floor(
        np.arange(len(planned_s)) * REJECTED[spec]
    )
    values: Floats = np.where(fails, 1.0, 0.05 + 0.001 * rng.random(len(planned_s)))
    return values


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    experiment = Experiment(
        latency_s, tuple(REJECTED), ("steady",), 8, duration_s=10, limit_s=0.5, fail_share=1.0
    )
    return fake_runs.write(tmp_path_factory.mktemp("failing"), experiment)


@pytest.fixture(scope="module")
def findings(runs: Path) -> Findings:
    return find(runs)


@pytest.fixture(scope="module")
def paths(runs: Path) -> ReportPaths:
    return write_report(runs)


def of(findings: Findings, metric: Metric, step: int) -> Comparison:
    family = findings.ablation.family("steady", metric)
    assert family is not None
    return family.comparisons[step]


def test_two_variants_that_fail_are_not_alike(findings: Findings, runs: Path) -> None:
    one = of(findings, "p95", 0)
    assert set(one.pairs.gains) == {0.0}  # both at the timeout, which says nothing
    assert (one.verdict, one.bound) == ("inconclusive", "unknown")
    assert of(findings, "goodput", 0).verdict == "regressed"
    assert of(findings, "p50", 0).verdict == "equivalent"  # of 52% that succeed it is measured
    across = compare_sides(find_sides(runs, "baseline", "a"), "p95")
    assert across.exit_code == 3
    assert why(across).endswith("; p95 lies among failures; see goodput")


def test_unpaired_runs_that_fail_are_not_alike_either(runs: Path, tmp_path: Path) -> None:
    other = Experiment(
        latency_s, tuple(REJECTED), ("steady",), 4, duration_s=10, limit_s=0.5, fail_share=1.0,
        seed=2,
    )  # fmt: skip
    second = fake_runs.write(tmp_path / "second", other)
    across = compare_sides(find_sides(runs, "a", f"{second}:a"), "p95")
    assert across.method == "unpaired runs"
    assert (across.comparison.bound, across.exit_code) == ("unknown", 3)


def test_one_that_fails_bounds_what_the_other_is_worth(findings: Findings) -> None:
    better, worse = of(findings, "p95", 1), of(findings, "p95", 2)
    assert (better.verdict, better.bound) == ("improved", "at least")
    assert (worse.verdict, worse.bound) == ("regressed", "at most")


def test_every_page_says_so(findings: Findings, paths: ReportPaths) -> None:
    told = answer(findings)
    assert "p95 latency among failures (see goodput)" in told.headline
    for text in (paths.html.read_text(), paths.markdown.read_text()):
        assert "p95 lies among failures; see goodput" in text
        assert "at least 1" in text and "x faster" in text
        assert "at least 10.0 s" in text  # the absolute p95
    for width in (80, 100):
        lines = verdict_lines(findings, width)
        assert max(map(len, lines)) <= width and not any("…" in line for line in lines)
    assert "p95 lies among" in "\n".join(verdict_lines(findings, 80))  # and goes on below


def test_the_numbers_are_those_of_the_independent_computation(
    runs: Path, paths: ReportPaths
) -> None:
    report = json.loads(paths.json.read_text())
    Draft202012Validator(SCHEMA).validate(report)
    censored = {run["spec"]: tuple(run["censored"]) for run in report["runs"]}
    assert censored == {
        "baseline": ("p95", "p99"),
        "a": ("p90", "p95", "p99"),
        "a+b": (),
        "a+b+c": ("p90", "p95", "p99"),
    }
    found, numbers = independent.check(runs, report)
    assert found == [] and numbers > 500


def test_an_a_a_among_failures_shows_no_noise(findings: Findings) -> None:
    assert {(one.metric, one.n) for one in noise_of(findings)} == {("p50", 8), ("goodput", 8)}
