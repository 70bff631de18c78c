from dataclasses import replace

import numpy as np
import pytest
from fake_runs import rows

from analysis.gates import Gate
from analysis.records import OK, UNAVAILABLE, Records
from analysis.steady import loosened, steady_gates


def ledger(latency_s: float = 0.02, n: int = 200) -> Records:
    """A request each 50 ms."""
    return rows([latency_s] * n, [OK] * n, gap_s=0.05)


def failed(records: Records, fault_s: float = 4.0, planned_s: float = 4.0) -> list[str]:
    gates = steady_gates(records, fault_s, planned_s, "p95", 0.25)
    return [gate.name for gate in gates if not gate.passed]


def test_a_steady_state() -> None:
    assert failed(ledger()) == []


def test_a_fault_that_comes_late() -> None:
    assert failed(ledger(), planned_s=2.9) == ["fault on time"]


def test_too_few_requests_to_judge() -> None:
    assert failed(ledger(), fault_s=1.0, planned_s=1.0) == ["requests before the fault"]


def test_slow_before_the_fault() -> None:
    assert failed(ledger(latency_s=0.3)) == ["steady p95"]


def test_a_queue_that_has_not_been_served_when_the_fault_comes_is_slow() -> None:
    assert failed(ledger(latency_s=60.0)) == ["steady p95"]


@pytest.mark.parametrize(("at", "expected"), [(10, ["failures before the fault"]), (90, [])])
def test_a_failure_counts_only_before_the_fault(at: int, expected: list[str]) -> None:
    records = ledger()
    outcome = records.outcome.copy()
    outcome[at] = UNAVAILABLE
    assert failed(replace(records, outcome=outcome)) == expected


def test_what_comes_after_the_fault_is_not_looked_at() -> None:
    records = ledger()
    after = records.planned_s >= 4.0
    done_s = np.where(after, records.planned_s + 5.0, records.done_s)
    assert failed(replace(records, done_s=done_s)) == []


@pytest.mark.parametrize(
    ("gate", "passed"),
    [
        (Gate("lateness p99", 0.02, 0.002, "s", False), True),
        (Gate("lateness p99", 0.03, 0.002, "s", False), False),
        (Gate("lateness p99", 0.03, 0.04, "s", True), True),
        (Gate("lateness p99", None, 0.04, "s", False), False),
        (Gate("arrivals accounted", 5.0, 6.0, "requests", False), False),
    ],
)
def test_lateness_up_to_a_tenth_of_the_objective_is_allowed(gate: Gate, passed: bool) -> None:
    assert loosened(gate, 0.25).passed == passed
