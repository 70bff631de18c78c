from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder.disruption_plan import Choices, Plan, load, require_same, require_steady, save
from builder.plan import Slo
from variants._errors import OptbuildError


def plan(**changes: Any) -> Plan:
    choices = Choices(
        specs=("onnx", "onnx+replicas=2", "onnx+replicas=3"),
        experiments=("pod-kill", "rolling-update"),
        scenario="steady",
        target="local",
        blocks=3,
        duration_s=60.0,
        rate_rps=None,
        slo=Slo("p95", 0.25),
        seed=1,
        timeout_s=10.0,
        margin=0.03,
        model=None,
        model_digest="d",
        texts_sha256="t",
    )
    return Plan(replace(choices, **changes), ("a", "b", "c"), 20.0, 40.0, "test", "optbuild")


def test_every_variant_of_a_block_meets_the_fault_at_the_same_time() -> None:
    chosen = plan()
    times = [chosen.fault_s(block, "pod-kill") for block in range(1, 100)]
    assert all(15 <= time <= 21 for time in times)
    assert len(set(times)) > 90
    assert times == [plan().fault_s(block, "pod-kill") for block in range(1, 100)]
    assert times[0] != chosen.fault_s(1, "rolling-update")
    assert times[0] != plan(seed=2).fault_s(1, "pod-kill")


def test_blocks_are_in_random_order_and_complete() -> None:
    chosen = plan()
    orders = [tuple(chosen.variant_order(block, "pod-kill")) for block in range(1, 50)]
    assert {tuple(sorted(order)) for order in orders} == {(0, 1, 2)}
    assert len(set(orders)) > 3
    assert len({tuple(chosen.experiment_order(block)) for block in range(1, 50)}) == 2


def test_each_block_and_experiment_has_a_schedule_of_its_own() -> None:
    chosen = plan()
    seeds = {
        chosen.schedule_seed(block, name)
        for block in range(9)
        for name in chosen.choices.experiments
    }
    assert len(seeds) == 18


def test_the_victim_is_drawn_alike_for_every_variant() -> None:
    draws = [plan().victim_rng(1, "pod-kill").integers(1000) for _ in range(3)]
    assert len(set(draws)) == 1


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    save(plan(), tmp_path)
    assert load(tmp_path) == plan()
    assert plan().runs() == 18


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1}', '{"format": 2}'])
def test_a_damaged_plan_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(OptbuildError, match="choose another --out"):
        load(tmp_path)


def test_a_resumed_plan_must_be_the_same() -> None:
    require_same(plan().choices, plan().choices)
    with pytest.raises(OptbuildError, match="another target"):
        require_same(plan(target="docker").choices, plan().choices)


def test_a_run_too_short_to_see_a_steady_state_is_refused() -> None:
    require_steady(20.0, 10.0, Slo("p95", 0.25))
    with pytest.raises(OptbuildError, match="--duration 7 or more"):
        require_steady(20.0, 6.0, Slo("p95", 0.25))
