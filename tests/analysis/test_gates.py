import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from analysis.gates import check_run
from analysis.records import OK, UNSENT, Records


def run(n: int = 1000, late_s: float = 0.0005, latency_s: float = 0.01) -> Records:
    planned_s = np.arange(n) * 0.01
    return Records(
        index=np.arange(n, dtype=np.int32),
        planned_s=planned_s,
        sent_s=planned_s + late_s,
        done_s=planned_s + latency_s,
        status=np.full(n, 200, dtype=np.int16),
        outcome=np.full(n, OK, dtype=np.int8),
        payload=np.zeros(n, dtype=np.int32),
    )


def passed(records: Records, planned: int = 1000) -> tuple[bool, bool]:
    gates = check_run({"planned": planned, "timeout_s": 10.0, "real_time": True}, records)
    assert [gate.name for gate in gates] == ["lateness p99", "arrivals accounted"]
    json.dumps([asdict(gate) for gate in gates], allow_nan=False)  # goes into run.json
    return gates[0].passed, gates[1].passed


def test_a_punctual_complete_run_passes() -> None:
    assert passed(run()) == (True, True)


@pytest.mark.parametrize(
    ("late_s", "latency_s", "ok"),
    [
        (0.0019, 0.010, True),
        (0.0021, 0.010, False),  # 5% of 10 ms is less than the floor of 2 ms
        (0.0090, 0.200, True),  # 5% of 200 ms
        (0.0110, 0.200, False),
    ],
)
def test_lateness_limit(late_s: float, latency_s: float, ok: bool) -> None:
    assert passed(run(late_s=late_s, latency_s=latency_s)) == (ok, True)


def test_one_late_request_in_a_thousand_is_not_the_99th_percentile() -> None:
    records = run()
    records.sent_s[7] += 0.5
    assert passed(records) == (True, True)


@pytest.mark.parametrize(("late", "of", "ok"), [(4, 96, True), (5, 96, False), (18, 1000, True),
                                                (19, 1000, False)])  # fmt: skip
def test_so_many_late_sends_are_more_than_one_in_a_hundred(late: int, of: int, ok: bool) -> None:
    records = run(of)
    records.sent_s[:late] += 0.5
    assert passed(records, of) == (ok, True)


def test_a_missing_row_an_extra_row_and_an_unsent_row_fail() -> None:
    assert passed(run(999)) == (True, False)
    assert passed(run(1001)) == (True, False)
    records = run()
    records.outcome[3] = UNSENT
    records.sent_s[3] = records.done_s[3] = np.nan
    assert passed(records) == (True, False)


def test_a_row_twice_does_not_stand_in_for_a_missing_one() -> None:
    index = np.arange(1000, dtype=np.int32)
    index[5] = 4
    assert passed(replace(run(), index=index)) == (True, False)


def test_nothing_sent_fails_both_without_a_number() -> None:
    records = run()
    records.outcome[:] = UNSENT
    records.sent_s[:] = np.nan
    gate = check_run({"planned": 1000, "timeout_s": 10.0, "real_time": True}, records)[0]
    assert gate.value is None
    assert passed(records) == (False, False)


def test_further_gates_come_from_the_certificate_and_do_not_replace_the_own_ones() -> None:
    facts = {"planned": 1000, "timeout_s": 10.0, "real_time": True}
    own = [asdict(gate) for gate in check_run(facts, run())]
    cpu = {"name": "generator CPU", "value": 0.99, "limit": 0.95, "unit": "", "passed": False}
    untrue = {**own[1], "value": 3.0, "passed": False}
    certified = facts | {"certificate": {"gates": [own[0], untrue, cpu]}}
    assert [asdict(gate) for gate in check_run(certified, run())] == [*own, cpu]


@pytest.mark.parametrize(
    ("late_s", "strict", "screening"),
    [(0.001, True, True), (0.004, False, True), (0.006, False, False)],
)
def test_a_screening_may_be_as_late_as_an_ordinary_user(
    late_s: float, strict: bool, screening: bool
) -> None:
    facts = {"planned": 1000, "timeout_s": 10.0, "real_time": True}
    assert check_run(facts, run(late_s=late_s))[0].passed == strict
    assert check_run(facts, run(late_s=late_s), screening=True)[0].passed == screening


def test_a_slow_server_does_not_fail_a_gate() -> None:
    assert passed(run(latency_s=9.5)) == (True, True)
