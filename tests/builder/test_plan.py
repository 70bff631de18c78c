import json
from dataclasses import replace
from pathlib import Path

import pytest

from builder import digests
from builder.ablate import announce
from builder.foresight import Foresight
from builder.plan import (
    Choices,
    Plan,
    Slo,
    load,
    parse_rate,
    parse_slo,
    rates,
    require_enough,
    require_same,
    save,
)
from variants._errors import OptbuildError

CHOICES = Choices(
    specs=("baseline", "onnx", "onnx+batching"),
    scenarios=("steady", "bursty", "high_intensity"),
    blocks=8,
    duration_s=20.0,
    rate_rps=None,
    slo=Slo("p95", 0.25),
    seed=1,
    timeout_s=10.0,
    margin=0.03,
    model=None,
    model_digest="d",
    texts_sha256="t",
)
PLAN = Plan(
    choices=CHOICES,
    tags=("a:1", "b:1", "c:1"),
    rates_rps={"steady": 10.0, "bursty": 10.0, "high_intensity": 18.0},
    capacity_rps=20.0,
    texts_source="test",
    command="optbuild ablate onnx+batching",
)


def test_a_plan_survives_the_disk(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    save(PLAN, tmp_path)
    kept = load(tmp_path)
    assert kept == PLAN
    assert kept.digest == PLAN.digest


def test_a_foresight_survives_the_disk_and_is_part_of_the_plan(tmp_path: Path) -> None:
    plan = replace(
        PLAN,
        choices=replace(CHOICES, detect=0.1, until_width=0.05),
        foresight=Foresight({"steady": 0.08}, "A/A of 2026-11-22", 0.04, {"steady": (0.05, 0.15)}),
    )
    save(plan, tmp_path)
    assert load(tmp_path) == plan
    digests = {PLAN.digest, plan.digest, replace(plan, foresight=None).digest}
    assert len(digests) == 3
    assert (PLAN.margin, plan.margin) == (0.03, 0.04)


def test_a_plan_of_before_noise_had_an_interval_keeps_its_digest(tmp_path: Path) -> None:
    plan = replace(PLAN, foresight=Foresight({"steady": 0.08}, "A/A of 2026-11-22", 0.04))
    save(plan, tmp_path)
    content = json.loads((tmp_path / "plan.json").read_text())
    del content["foresight"]["noise_interval"]
    (tmp_path / "plan.json").write_text(json.dumps(content))
    kept = load(tmp_path)
    assert kept == plan
    del content["format"]
    for name in ("design", "detect", "until_width", "target"):
        del content["choices"][name]
    assert plan.digest == digests.of_json(content)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}', '{"format": 2}'])
def test_a_broken_plan_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(OptbuildError, match="choose another --out"):
        load(tmp_path)


@pytest.mark.parametrize(
    "change", [{"blocks": 9}, {"specs": ("baseline",)}, {"seed": 2}, {"model_digest": "e"}]
)
def test_another_plan_is_refused_by_name(change: dict[str, object]) -> None:
    require_same(CHOICES, CHOICES)
    with pytest.raises(OptbuildError, match=next(iter(change))):
        require_same(replace(CHOICES, **change), CHOICES)  # type: ignore[arg-type]  # any field


def test_a_plan_of_before_there_were_these_choices_resumes_as_it_was(tmp_path: Path) -> None:
    save(PLAN, tmp_path)
    file = tmp_path / "plan.json"
    content = json.loads(file.read_text())
    del content["foresight"]
    for name in ("design", "detect", "until_width", "target"):
        del content["choices"][name]
    file.write_text(json.dumps(content))
    kept = load(tmp_path)
    assert kept == PLAN and kept.choices.design == "cumulative"
    require_same(CHOICES, kept.choices)
    # What its finished runs recorded: else they would no longer belong to the plan.
    assert kept.digest == PLAN.digest == digests.of_json(_without_format(content))
    other = replace(CHOICES, specs=(*CHOICES.specs, "batching"), design="shapley")
    with pytest.raises(OptbuildError, match=r"another design \(cumulative, not shapley\)"):
        require_same(other, kept.choices)


def _without_format(content: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in content.items() if key != "format"}


def test_a_design_is_part_of_the_plan(tmp_path: Path) -> None:
    choices = replace(CHOICES, specs=(*CHOICES.specs, "batching"), design="shapley")
    chosen = replace(PLAN, choices=choices, tags=(*PLAN.tags, "d:1"))
    assert choices.chain == CHOICES.chain == CHOICES.specs
    assert chosen.digest != replace(chosen, choices=replace(choices, design="factorial")).digest
    save(chosen, tmp_path)
    assert load(tmp_path) == chosen
    assert chosen.runs() == 4 * 3 * 8


def test_a_design_tells_its_cost_before_it_builds() -> None:
    choices = replace(CHOICES, specs=(*CHOICES.specs, "batching"), design="shapley")
    assert announce(choices) == (
        "design shapley: every valid subset of 2 layers, 4 Bentos to build or look up, "
        "then about 40 min of measuring"
    )


def test_a_cost_that_depends_on_the_blocks_waits_for_them() -> None:
    choices = replace(CHOICES, specs=(*CHOICES.specs, "batching"), design="shapley", blocks=0)
    assert announce(choices).endswith("4 Bentos to build or look up")


def test_every_block_is_complete_and_the_order_is_random() -> None:
    orders = [tuple(PLAN.variant_order(block)) for block in range(1, 31)]
    assert all(sorted(order) == [0, 1, 2] for order in orders)
    assert len(set(orders)) == 6
    assert sorted(PLAN.scenario_order(1)) == sorted(CHOICES.scenarios)
    assert PLAN.variant_order(1) == PLAN.variant_order(1)


def test_schedules_differ_between_blocks_and_scenarios() -> None:
    seeds = {PLAN.schedule_seed(s, b) for s in CHOICES.scenarios for b in range(1, 9)}
    assert len(seeds) == 24
    other = replace(PLAN, choices=replace(CHOICES, seed=2))
    assert other.schedule_seed("steady", 1) != PLAN.schedule_seed("steady", 1)


def test_rates_follow_the_capacity_or_the_user() -> None:
    assert rates(CHOICES, 61.23) == {"steady": 30.6, "bursty": 30.6, "high_intensity": 55.1}
    assert set(rates(replace(CHOICES, rate_rps=7.0), None).values()) == {7.0}


def test_the_cost_is_told_before() -> None:
    assert PLAN.runs() == 72
    assert 72 * 20 < PLAN.estimated_s() < 72 * 30


def test_a_run_needs_enough_requests() -> None:
    require_enough({"steady": 5.0, "high_intensity": 9.0}, 10.0)
    with pytest.raises(OptbuildError, match=r"steady at 4\.9/s .* give --duration 11 or more"):
        require_enough({"steady": 4.9, "high_intensity": 9.0}, 10.0)


@pytest.mark.parametrize(
    ("text", "slo"),
    [
        ("p95<250ms", Slo("p95", 0.25)),
        (" p99 < 1.5s ", Slo("p99", 1.5)),
        ("p50<0.5ms", Slo("p50", 0.0005)),
    ],
)
def test_objectives(text: str, slo: Slo) -> None:
    assert parse_slo(text) == slo


@pytest.mark.parametrize("text", ["", "p95", "p95<250", "p96<1s", "p95<0ms", "p95>1s", "p95<-1s"])
def test_what_is_no_objective(text: str) -> None:
    with pytest.raises(OptbuildError, match="p95<250ms"):
        parse_slo(text)


def test_rate() -> None:
    assert parse_rate("auto") is None
    assert parse_rate("12.5") == 12.5
    for text in ("", "0", "-1", "inf", "nan", "fast", "1e9"):
        with pytest.raises(OptbuildError, match="auto"):
            parse_rate(text)
