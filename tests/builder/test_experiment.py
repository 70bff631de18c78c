"""Blocks, repeats and resuming, with the real load generator against a server that is no model."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from analysis.findings import find
from analysis.gates import Gate
from analysis.records import Records
from analysis.runs import Runs
from analysis.sequential import WidthRule
from builder import experiment
from builder.build import Build
from builder.check import Check
from builder.experiment import Experiment, steps_of
from builder.model import Model
from builder.plan import MOST_ATTEMPTS, Choices, Plan, Slo
from builder.progress import Progress
from deploy.fake import FakeTarget
from loadtests._texts import Texts
from variants._design import Design, designed
from variants._errors import OptbuildError

pytestmark = pytest.mark.slow

TEXTS = Texts("test", ("a film", "another film"))
CHECK = Check("test", 2, 0, 0.0, None, None)
MODEL = Model("fake", "synthetic", "d", None)


def builds(spec: str = "onnx", design: Design = "cumulative") -> list[Build]:
    return [
        Build(variant, MODEL, f"fake:{variant.spec}", Path(), CHECK, {}, True, 0.0)
        for variant in designed(spec, design)
    ]


def plan(**changes: Any) -> Plan:
    choices = Choices(
        specs=("baseline", "onnx"),
        scenarios=("steady",),
        blocks=1,
        duration_s=0.5,
        rate_rps=None,
        slo=Slo("p95", 0.25),
        seed=1,
        timeout_s=5.0,
        margin=0.03,
        model=None,
        model_digest="d",
        texts_sha256=TEXTS.sha256,
    )
    rates = {"steady": 20.0, "bursty": 20.0}
    return Plan(replace(choices, **changes), ("a", "b"), rates, None, "test", "optbuild ablate")


@pytest.fixture(autouse=True)
def short_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "WARM_UP_S", 0.05)


def run(directory: Path, chosen: Plan) -> None:
    directory.mkdir(exist_ok=True)
    console = Console(quiet=True)
    with Progress(console, chosen.runs(), 1.0) as progress:
        Experiment(
            chosen,
            builds(chosen.choices.chain[-1], chosen.choices.design),
            TEXTS,
            directory,
            progress,
            lambda build, log: FakeTarget(),
        ).run()


def gates(
    monkeypatch: pytest.MonkeyPatch, verdicts: Sequence[bool], after: bool = True
) -> list[str]:
    """Let the gate of each run pass or fail in turn, then all as `after`; returns what ran."""
    seen: list[str] = []

    def check(facts: Mapping[str, Any], records: Records, *, screening: bool) -> tuple[Gate, ...]:
        assert screening  # all of these are short
        passed = verdicts[len(seen)] if len(seen) < len(verdicts) else after
        seen.append(facts["schedule_sha256"])
        return (Gate("lateness p99", 1.0, 0.5, "s", passed),)

    monkeypatch.setattr(experiment, "check_run", check)
    return seen


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*")}


def test_every_variant_of_a_block_replays_one_schedule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gates(monkeypatch, [])  # whether this machine is quiet is another question
    run(tmp_path / "out", plan(scenarios=("steady", "bursty")))
    runs = [json.loads(path.read_text()) for path in tmp_path.glob("out/runs/*/run.json")]
    assert len(runs) == 4
    for scenario in ("steady", "bursty"):
        block = [content for content in runs if content["scenario"] == scenario]
        assert len({content["schedule_sha256"] for content in block}) == 1
        assert {content["variant"]["added"] for content in block} == {None, "onnx"}
        assert {content["order"] for content in block} == {0, 1}
        assert all(content["valid"] and content["attempt"] == 1 for content in block)


def test_a_run_that_fails_a_gate_repeats_its_whole_block_on_the_same_schedule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = gates(monkeypatch, [True, False])
    run(tmp_path, plan())
    assert len(seen) == 4
    assert len(set(seen)) == 1
    assert names(tmp_path / "runs") == {"b001-steady-baseline", "b001-steady-onnx"}
    assert names(tmp_path / "invalid") == {
        "b001-steady-baseline-attempt1",
        "b001-steady-onnx-attempt1",
    }
    kept = json.loads((tmp_path / "runs" / "b001-steady-onnx" / "run.json").read_text())
    assert (kept["valid"], kept["attempt"]) == (True, 2)


def test_a_failed_run_spares_the_rest_of_its_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = gates(monkeypatch, [False])
    run(tmp_path, plan())
    assert len(seen) == 3  # the first fails, the second is not run, then both


def test_a_block_that_keeps_failing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = gates(monkeypatch, [], after=False)
    run(tmp_path, plan())
    assert len(seen) == MOST_ATTEMPTS
    assert names(tmp_path / "runs") == set()
    assert len(names(tmp_path / "invalid")) == MOST_ATTEMPTS
    run(tmp_path, plan())
    assert len(seen) == MOST_ATTEMPTS


def test_what_is_finished_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = gates(monkeypatch, [])
    run(tmp_path, plan())
    run(tmp_path, plan())
    assert len(seen) == 2
    victim = tmp_path / "runs" / "b001-steady-onnx"
    victim.rename(tmp_path / "elsewhere")
    run(tmp_path, plan())
    assert len(seen) == 3
    assert victim.exists()


def test_a_damaged_run_is_named_before_anything_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = gates(monkeypatch, [])
    run(tmp_path, plan())
    victim = tmp_path / "runs" / "b001-steady-onnx"
    text = (victim / "run.json").read_text()
    (victim / "run.json").write_text(text[:100])
    with pytest.raises(OptbuildError, match=r"onnx/run\.json: cannot be read.*out of .*runs"):
        run(tmp_path, plan())
    assert len(seen) == 2
    victim.rename(tmp_path / "elsewhere")
    run(tmp_path, plan())
    assert len(seen) == 3


def test_an_experiment_that_is_narrow_enough_stops_and_stays_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = gates(monkeypatch, [])
    asked: list[int] = []

    def enough(self: WidthRule, runs: Runs, block: int) -> bool:
        asked.append(block)
        assert {run.facts.plan.until_width for run in runs.runs} == {0.05}
        return True

    monkeypatch.setattr(WidthRule, "enough", enough)
    monkeypatch.setattr(WidthRule, "first_block", 1)
    chosen = plan(blocks=4, until_width=0.05)
    run(tmp_path, chosen)
    assert (asked, len(seen)) == ([1], 2)
    run(tmp_path, chosen)
    assert (asked, len(seen)) == ([1, 1], 2)


def test_steps_name_the_layer_that_each_adds() -> None:
    assert [(step.number, step.spec, step.added) for step in steps_of(builds())] == [
        (0, "baseline", None),
        (1, "onnx", "onnx"),
    ]


def test_a_variant_beside_the_chain_adds_to_no_other() -> None:
    found = steps_of(builds("onnx+quantized+batching=8", "factorial"))
    assert [(step.number, step.spec, step.added) for step in found] == [
        (0, "baseline", None),
        (1, "onnx", "onnx"),
        (2, "onnx+quantized", "quantized"),
        (3, "onnx+quantized+batching=8", "batching=8"),
        (4, "batching=8", None),
        (5, "onnx+batching=8", None),
    ]


def test_what_a_design_ran_is_what_the_analysis_attributes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gates(monkeypatch, [])
    specs = ("baseline", "onnx", "onnx+batching=8", "batching=8")
    run(tmp_path, plan(specs=specs, design="factorial"))
    found = find(tmp_path)
    assert (found.runs.plan.design, found.runs.plan.chain) == ("factorial", specs[:3])
    assert len(found.summaries) == 4
    assert [step.name for step in found.ablation.steps] == ["onnx", "batching=8", "all layers"]
    p50 = found.attributions[0]
    assert [share.layer for share in p50.shares] == ["onnx", "batching=8"]
    assert sum(share.gain or 0 for share in p50.shares) == pytest.approx(p50.total)
    assert [pair.layers for pair in p50.interactions] == [("onnx", "batching=8")]
