"""The plan of a comparison of servers, and the table that its runs give."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder import _peers_plan
from builder._peers_limit import Way
from builder._peers_plan import LIMIT, LOADS, Choices, Plan
from builder._peers_script import Best
from builder._peers_table import read_table
from builder._peers_words import markdown, to_json
from builder.files import write_json
from variants._errors import OptbuildError

OURS, OTHER = "onnx+lean", "onnx"


def choices(**changes: Any) -> Choices:
    chosen = Choices(
        specs=(OURS, OTHER),
        peers=("good",),
        loads=("saturated16", "steady50"),
        blocks=2,
        seconds=0.5,
        seed=1,
        timeout_s=5.0,
        model=None,
        model_digest="d",
        texts_sha256="t",
    )
    return replace(chosen, **changes)


def plan(**changes: Any) -> Plan:
    return Plan(
        choices=choices(**changes),
        limit_way=Way(2, 1, 4),
        limit_probes={str(Way(2, 1, 4)): 100.0, str(Way(2, 1, 1)): 90.0},
        graph_sha256="g",
        tags=("a", "b"),
        machine="2 x Slow CPU (avx2)",
        requirements={"good": ("good==1.0",)},
        settings={"good": Best({"batch": 8}, {"batch": 1})},
        probes={},
        absent={"bad": "does not install: ERROR: none"},
        taken_over=(),
        command="python -m builder.peers",
    )


# --- the plan -----------------------------------------------------------------------------------


def test_a_plan_survives_the_disk_and_refuses_other_options(tmp_path: Path) -> None:
    _peers_plan.save(plan(), tmp_path)
    kept = _peers_plan.load(tmp_path)
    assert kept == plan()
    with pytest.raises(OptbuildError, match="another blocks"):
        _peers_plan.require_same(choices(blocks=3), kept.choices)


def test_rates_are_shares_of_the_limit_and_low_load_is_low_for_a_large_model_too() -> None:
    fast = replace(plan(), limit_probes={str(Way(2, 1, 4)): 960.0})
    rates = {load: fast.rate_rps(load) for load in LOADS if LOADS[load].connections is None}
    assert rates == {"low": 50, "steady50": 480, "bursty50": 480, "steady80": 768, "bursty80": 768}
    assert fast.seconds_of("low") == 23
    assert plan().rate_rps("low") == 25


def test_each_block_has_an_order_of_its_own() -> None:
    orders = {tuple(plan().order(block)) for block in range(1, 20)}
    assert len(orders) > 5
    assert all(sorted(order) == sorted([LIMIT, OURS, OTHER, "good"]) for order in orders)


# --- the table ----------------------------------------------------------------------------------


def finished(directory: Path, block: int, load: str, contender: str, **content: Any) -> None:
    where = {"block": block, "scenario": load, "contender": contender}
    write_json(
        directory / "runs" / f"b{block:03d}-{load}-{contender}" / "run.json", where | content
    )


def test_ratios_pair_the_runs_of_a_block_and_failures_are_told(tmp_path: Path) -> None:
    for block, noise in ((1, 1.0), (2, 0.5)):
        for load, contender, rps in (
            ("direct", LIMIT, 1000),
            ("saturated16", OURS, 900),
            ("saturated16", OTHER, 450),
        ):
            result = {"rps": rps * noise, "errors": 2 * (contender == OTHER)}
            result |= {} if contender == LIMIT else {"client_cpu_s": 2e-5}
            finished(tmp_path, block, load, contender, result=result)
    finished(tmp_path, 1, "saturated16", "good", failed="no answer in 180 s")
    chosen = plan(loads=("saturated16",))
    table = read_table(chosen, tmp_path)
    content = to_json(chosen, table)
    rows = {row["contender"]: row for row in content["rows"]}
    assert set(rows) == {LIMIT, OURS, OTHER}
    assert rows[OTHER]["ratio"] == pytest.approx(2.0)  # whatever the noise that both share
    assert (rows[OTHER]["low"], rows[OTHER]["high"]) == (pytest.approx(2.0), pytest.approx(2.0))
    assert (rows[OTHER]["n"], rows[OTHER]["errors"]) == (2, 4)
    assert rows[LIMIT]["ratio"] == pytest.approx(0.9)
    assert rows[OURS]["of_limit"] == pytest.approx(0.9)
    assert "ratio" not in rows[OURS]
    text = markdown(chosen, table)
    assert "| onnx | texts/s | 338 (225 to 450) | 0.450 | 2.000 (2.000 to 2.000) [50.0%] |" in text
    assert "- good: 1 run of saturated16 without a result: no answer in 180 s" in text
    assert "| bad | | not measured: does not install: ERROR: none |" in text
    assert "| good | | not measured: no answer in 180 s |" in text
    assert "- good: batch=8, when nearly idle batch=1; good==1.0" in text
    assert "2 x Slow CPU (avx2)" in text
    assert "20 us a request" in text
    offered = markdown(plan(loads=("steady80",)), read_table(plan(loads=("steady80",)), tmp_path))
    assert "steady at 80 requests/s for 15 s, 10.7% of the limit in these blocks" in offered
