"""A sound generator passes, a wrong one fails and is told why."""

import json
from typing import Any

import numpy as np
import pytest

from analysis.gates import check_run
from analysis.records import OK, UNSENT, Floats, Records
from loadtests._bursts import bursts
from loadtests._certificate import certify
from loadtests._recorder import figures
from loadtests._rows import ending
from loadtests._schedule import Schedule, renewal

DURATION_S = 20.0
RATE = 50.0


def sent(schedule: Schedule, late_s: Floats) -> Records:
    """A run whose sends were so late and whose answers took 10 ms."""
    count = len(schedule)
    return Records(
        index=np.arange(count, dtype=np.int32),
        planned_s=schedule.planned_s,
        sent_s=schedule.planned_s + late_s,
        done_s=schedule.planned_s + late_s + 0.01,
        status=np.full(count, 200, dtype=np.int16),
        outcome=np.full(count, OK, dtype=np.int8),
        payload=schedule.payload,
    )


def ordinary(schedule: Schedule, seed: int = 1) -> Floats:
    """Lateness of 0.1 to 1.5 ms."""
    return np.random.default_rng(seed).uniform(0.0001, 0.0015, len(schedule))


def facts(records: Records, cpu: float = 0.3, duration_s: float = DURATION_S) -> dict[str, Any]:
    planned = {"planned": len(records), "duration_s": duration_s, "timeout_s": 10.0}
    return {**planned, "real_time": True, "generator_cpu": cpu, **figures(records)}


def certificate(
    records: Records, declared: Schedule, cpu: float = 0.3, duration_s: float = DURATION_S
) -> dict[str, Any]:
    return certify(records, declared.law, facts(records, cpu, duration_s))


def failed(of: dict[str, Any]) -> set[str]:
    assert of["passed"] == (not of["reasons"])
    assert not any("\n" in reason for reason in of["reasons"])
    return {gate["name"] for gate in of["gates"] if not gate["passed"]}


def test_it_says_what_was_declared_and_what_was_done() -> None:
    schedule = renewal(RATE, 3.0, DURATION_S, 1, 5)
    records = sent(schedule, ordinary(schedule))
    made = certificate(records, schedule)
    assert made["passed"]
    assert ending(made).endswith("\ncertificate: passed, the load was sent as declared")
    assert made["target_rate"] == RATE
    assert made["realised_rate"] == pytest.approx(len(schedule) / DURATION_S)
    assert made["target_cv"] == 3.0
    gaps = np.diff(np.sort(records.sent_s))
    assert made["realised_cv"] == pytest.approx(gaps.std() / gaps.mean())
    assert made["sent_fraction"] == 1.0
    assert made["lateness_s"] == figures(records)["lateness_s"]
    assert made["gaps_ks"]["p"] > 1e-3
    assert made["gaps_ks"]["n"] == len(schedule) - 1
    assert made["generator_cpu"] == 0.3
    json.dumps(made, allow_nan=False)


def test_its_table_ends_a_headless_run() -> None:
    schedule = renewal(RATE, 3.0, DURATION_S, 1, 5)
    made = certificate(sent(schedule, ordinary(schedule)), schedule)
    lines = ending(made).splitlines()[:-1]
    value_at = lines[0].index("Value")
    assert all(line[value_at - 1] == " " and line[value_at] != " " for line in lines), "aligned"
    table = {line[:value_at].strip(): line[value_at:].split() for line in lines}
    assert table["rate declared"] == ["50", "/s"]
    assert table["CV of the gaps declared"] == ["3"]
    assert float(table["CV of the gaps realised"][0]) == pytest.approx(made["realised_cv"], 1e-3)
    assert table["share of arrivals sent"] == ["100.00%"]
    assert table["generator CPU"][-1] == table["gaps off by"][-1] == "passed"
    assert {"rate realised", "lateness p50", "lateness p99", "lateness max"} <= set(table)


@pytest.mark.parametrize("rate", [4.0, 50.0, 1500.0])
@pytest.mark.parametrize("cv", [0.5, 1.0, 3.0])
def test_no_sound_run_fails(rate: float, cv: float) -> None:
    """A test at 5% would fail 5 of these 100; ours is made to fail one in a million."""
    chances = []
    for seed in range(100):
        schedule = renewal(rate, cv, 5.0, seed, 5)
        if len(schedule):
            records = sent(schedule, ordinary(schedule, seed))
            made = certificate(records, schedule, duration_s=5.0)
            assert made["passed"], (seed, made["reasons"])
            chances.append(made["gaps_ks"]["p"] if made["gaps_ks"] else 1.0)
    assert min(chances) > 1e-4


def test_no_sound_run_of_a_varying_rate_fails() -> None:
    for seed in range(50):
        schedule = bursts(RATE, 3.0, DURATION_S, seed, 5)
        made = certificate(sent(schedule, ordinary(schedule, seed)), schedule)
        assert made["passed"], (seed, made["reasons"])
        assert made["target_cv"] == 1.0, "of the gaps in expected arrivals"
        assert made["realised_cv"] == pytest.approx(1.0, abs=0.3)


def test_a_wrong_rate_fails() -> None:
    declared, other = renewal(RATE, 1.0, DURATION_S, 1, 5), renewal(65.0, 1.0, DURATION_S, 1, 5)
    made = certificate(sent(other, ordinary(other)), declared)
    assert "rate off by" in failed(made)
    assert any("the rate is 3" in reason for reason in made["reasons"])


@pytest.mark.parametrize(
    ("rate", "declared_cv", "cv"),
    [(RATE, 1.0, 3.0), (RATE, 3.0, 1.0), (1000.0, 1.0, 0.1), (1000.0, 1.0, 3.0)],
)
def test_wrong_burstiness_fails(rate: float, declared_cv: float, cv: float) -> None:
    declared = renewal(rate, declared_cv, DURATION_S, 3, 5)
    other = renewal(rate, cv, DURATION_S, 3, 5)
    made = certificate(sent(other, ordinary(other)), declared)
    assert "gaps off by" in failed(made)
    assert any("do not follow the declared distribution" in reason for reason in made["reasons"])


def test_a_closed_loop_fails() -> None:
    """One connection: each request waits for the answer to the one before, 25 ms."""
    schedule = renewal(RATE, 1.0, DURATION_S, 1, 5)
    sent_s, free_s = np.empty(len(schedule)), 0.0
    for index, planned_s in enumerate(schedule.planned_s):
        sent_s[index] = max(planned_s, free_s)
        free_s = sent_s[index] + 0.025
    made = certificate(sent(schedule, sent_s - schedule.planned_s), schedule)
    assert failed(made) >= {"lateness p99", "gaps off by"}
    assert made["reasons"][0].startswith("sends were late: p99")


def test_a_stall_fails() -> None:
    """Nothing is sent for a second, then all that was due."""
    schedule = renewal(RATE, 1.0, DURATION_S, 1, 5)
    planned_s = schedule.planned_s
    held = (planned_s > 7) & (planned_s < 8)
    made = certificate(sent(schedule, np.where(held, 8 - planned_s, 0.0)), schedule)
    assert "lateness p99" in failed(made)


def test_a_generator_that_gets_slower_and_slower_fails_by_its_rate_too() -> None:
    schedule = renewal(RATE, 1.0, DURATION_S, 1, 5)
    made = certificate(sent(schedule, schedule.planned_s), schedule)  # at half the speed
    assert failed(made) >= {"lateness p99", "rate off by"}
    assert made["realised_rate"] == pytest.approx(RATE / 2, rel=0.1)


def test_what_was_not_sent_fails() -> None:
    schedule = renewal(RATE, 1.0, DURATION_S, 1, 5)
    records = sent(schedule, ordinary(schedule))
    records.sent_s[-3:] = records.done_s[-3:] = np.nan
    records.outcome[-3:] = UNSENT
    made = certificate(records, schedule)
    assert failed(made) == {"arrivals accounted"}
    assert made["reasons"] == [
        f"{len(schedule) - 3} of {len(schedule)} planned requests were seen through"
    ]
    assert made["sent_fraction"] == 1 - 3 / len(schedule)


def test_a_saturated_generator_fails() -> None:
    schedule = renewal(RATE, 1.0, DURATION_S, 1, 5)
    made = certificate(sent(schedule, ordinary(schedule)), schedule, cpu=0.97)
    assert failed(made) == {"generator CPU"}
    assert ending(made).splitlines()[-2:] == [
        "certificate: FAILED",
        "  the generator was saturated: 97% of a core, at most 95%",
    ]


def test_nothing_sent_at_all_is_no_crash() -> None:
    schedule = renewal(RATE, 1.0, DURATION_S, 1, 5)
    records = sent(schedule, np.full(len(schedule), np.nan))
    records.outcome[:] = UNSENT
    made = certificate(records, schedule)
    assert failed(made) >= {"lateness p99", "arrivals accounted", "rate off by"}
    assert (made["realised_rate"], made["realised_cv"], made["gaps_ks"]) == (None, None, None)
    json.dumps(made, allow_nan=False)


def test_a_trace_is_compared_with_itself() -> None:
    times = np.array([0.0, 1.0, 1.5, 4.0])
    trace = Schedule(times, np.zeros(4, dtype=np.int32))
    made = certificate(sent(trace, np.full(4, 0.0001)), trace)
    assert made["passed"]
    assert (made["target_cv"], made["gaps_ks"], made["target_rate"]) == (None, None, 1.0)
    late = certificate(sent(trace, np.array([0, 0.4, 0.4, 0])), trace)
    assert failed(late) == {"lateness p99"}


def test_troubles_fail_whatever_the_figures_say() -> None:
    schedule = renewal(RATE, 1.0, DURATION_S, 1, 5)
    records = sent(schedule, ordinary(schedule))
    made = certify(records, schedule.law, facts(records), ["worker 1 of 2 was lost"])
    assert (made["passed"], made["reasons"]) == (False, ["worker 1 of 2 was lost"])


def test_the_gates_of_a_run_are_those_of_its_certificate() -> None:
    schedule = renewal(RATE, 1.0, DURATION_S, 1, 5)
    records = sent(schedule, ordinary(schedule))
    of = facts(records, cpu=0.99)
    made = certify(records, schedule.law, of)
    gates = check_run({**of, "certificate": made}, records)
    assert [vars(gate) for gate in gates] == made["gates"]
    assert [gate.passed for gate in gates] == [True, True, True, True, False]
