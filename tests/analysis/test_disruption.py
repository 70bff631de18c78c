"""Ledgers made by hand: every figure of an impact can be counted on one's fingers."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from analysis.disruption import (
    Span,
    back_within,
    measure,
    time_to_ready,
    window_length_s,
)
from analysis.disruption_ledger import join, phases_of, read_replicas, write_ledger
from analysis.fault_timeline import Event, FaultTimeline
from analysis.records import OK, RESET, TIMEOUT, UNAVAILABLE, UNSENT, WRONG, Records
from variants._errors import OptbuildError

GAP_S, LIMIT_S = 0.05, 0.25


def ledger(seconds: float = 10.0, latency_s: float = 0.02) -> Records:
    """A request each 50 ms, all answered."""
    planned_s = np.arange(round(seconds / GAP_S)) * GAP_S
    n = len(planned_s)
    return Records(
        index=np.arange(n, dtype=np.int32),
        planned_s=planned_s,
        sent_s=planned_s.copy(),
        done_s=planned_s + latency_s,
        status=np.full(n, 200, dtype=np.int16),
        outcome=np.full(n, OK, dtype=np.int8),
        payload=np.zeros(n, dtype=np.int32),
    )


def lose(records: Records, from_s: float, to_s: float, outcome: int = UNAVAILABLE) -> Records:
    chosen = (records.planned_s >= from_s - 1e-9) & (records.planned_s < to_s - 1e-9)
    return replace(
        records,
        outcome=np.where(chosen, outcome, records.outcome).astype(np.int8),
        done_s=np.where(chosen, records.planned_s + 0.001, records.done_s),
    )


def delay(records: Records, from_s: float, to_s: float, latency_s: float) -> Records:
    chosen = (records.planned_s >= from_s - 1e-9) & (records.planned_s < to_s - 1e-9)
    return replace(records, done_s=np.where(chosen, records.planned_s + latency_s, records.done_s))


def timeline(*replicas: tuple[float, str, str], wanted: int = 1, ended_s: float = 4.1):
    events = [Event(4.0, "fault", "injected", "r1", ""), Event(ended_s, "fault", "ended", "", "")]
    events += [Event(-1.0, "replica", "ready", f"r{i}", "") for i in range(1, wanted + 1)]
    events += [Event(at_s, "replica", what, name, "") for at_s, name, what in replicas]
    return FaultTimeline(wanted, tuple(sorted(events, key=lambda e: e.at_s)))


def impact(records: Records, told: FaultTimeline | None = None):
    return measure(records, told or timeline(), "p95", LIMIT_S, 10.0)


def test_a_fault_that_nobody_notices() -> None:
    found = impact(ledger())
    assert (found.lost, found.availability, found.detect_s, found.ready) == (0, 1.0, None, None)
    assert found.back == Span(0.0)
    assert (found.excess_latency_s, found.missing_goodput) == (0.0, 0.0)
    # Planned at 4.0 (with the fault), 4.05 and 4.10 (less than a rounding error before its end).
    assert dict(found.phases)["before"] == 80
    assert sum(count for _, count in found.phases) == 200


def test_an_outage_of_two_seconds() -> None:
    found = impact(lose(ledger(), 4.0, 6.0), timeline((4.0, "r1", "killed"), (5.9, "r1", "ready")))
    assert found.lost == 40
    assert dict(found.outcomes)["unavailable"] == 40
    assert found.at_stake == 120
    assert found.availability == pytest.approx(80 / 120)
    assert found.detect_s == pytest.approx(0.001)
    assert found.ready == Span(pytest.approx(1.9))
    # Windows of 2 s hold 40 requests, of which two may be bad: the last that fails begins when
    # three lost ones are left.
    assert found.back == Span(pytest.approx(1.9))
    assert found.missing_goodput == pytest.approx(40)
    assert found.excess_latency_s == 0.0


def test_slow_answers_are_excess_latency_and_missing_goodput_but_not_lost() -> None:
    found = impact(delay(ledger(), 5.0, 6.0, 0.52))
    assert (found.lost, found.availability) == (0, 1.0)
    assert found.excess_latency_s == pytest.approx(20 * 0.5)
    assert found.missing_goodput == pytest.approx(20)
    assert found.detect_s == pytest.approx(1.25)


def test_answers_that_are_slower_but_within_the_limit_miss_no_goodput() -> None:
    found = impact(delay(ledger(), 5.0, 6.0, 0.12))
    assert found.missing_goodput == 0.0
    assert found.excess_latency_s == pytest.approx(20 * 0.1)
    assert (found.detect_s, found.back) == (None, Span(0.0))


def test_lost_in_flight_and_lost_otherwise() -> None:
    records = delay(ledger(), 3.8, 4.0, 0.5)  # four in flight at the fault
    records = lose(records, 3.8, 3.9, RESET)
    in_flight = records.outcome == RESET
    records = replace(records, done_s=np.where(in_flight, 4.0005, records.done_s))
    records = lose(records, 4.0, 4.3, WRONG)
    found = impact(records, timeline((4.0001, "r1", "killed"), (4.5, "r2", "ready")))
    assert found.in_flight == 5  # and the one that was sent at the very instant
    assert (found.lost, found.lost_in_flight, found.lost_others) == (8, 3, 5)


def test_a_request_that_dies_just_before_its_replicas_death_is_noticed_was_in_flight() -> None:
    records = lose(ledger(), 4.0, 4.05, RESET)  # ended at 4.001
    found = impact(records, timeline((4.05, "r1", "killed"), (5.0, "r1", "ready")))
    assert (found.lost, found.lost_in_flight) == (1, 1)


def test_a_loss_is_excused_only_by_the_death_of_the_replica_that_had_the_request() -> None:
    records = lose(delay(ledger(), 3.8, 4.0, 0.5), 3.8, 4.0, RESET)  # four in flight at the fault
    reset = records.outcome == RESET
    records = replace(records, done_s=np.where(reset, 4.0005, records.done_s))
    had = np.array(["r1", "r2"] * 100, dtype=object)
    told = timeline((4.0001, "r1", "killed"), (4.5, "r3", "ready"), wanted=2)
    known = measure(records, told, "p95", LIMIT_S, 10.0, had)
    assert (known.lost, known.lost_in_flight, known.lost_others) == (4, 2, 2)
    unknown = measure(records, told, "p95", LIMIT_S, 10.0)
    assert (unknown.lost, unknown.lost_in_flight) == (4, 4)
    assert (known.replicas_known, unknown.replicas_known) == (True, False)


def test_a_kill_that_takes_a_while_excuses_what_is_sent_meanwhile() -> None:
    records = lose(ledger(), 4.1, 4.3, RESET)
    killed = (4.0, "pod-1", "killed"), (4.02, "pod-1", "terminating"), (5.0, "pod-2", "ready")
    at_once = impact(records, timeline(*killed))
    assert (at_once.lost_in_flight, at_once.lost_others) == (0, 4)
    gone = impact(records, timeline(*killed, (4.2, "pod-1", "gone")))
    assert (gone.lost_in_flight, gone.lost_others) == (3, 1)  # at 4.10, 4.15 and 4.20


def test_the_ledger_has_a_row_for_each_planned_request(tmp_path: Path) -> None:
    records = lose(ledger(), 4.05, 4.2, RESET)
    unsent = records.index == 199
    records = replace(
        records,
        sent_s=np.where(unsent, math.nan, records.sent_s),
        done_s=np.where(unsent, math.nan, records.done_s),
        outcome=np.where(unsent, UNSENT, records.outcome).astype(np.int8),
    )
    had = np.array(["r1"] * 199 + [None], dtype=object)
    told = timeline((4.06, "r1", "killed"), (5.0, "r1", "ready"), ended_s=4.3)
    write_ledger(tmp_path, join(records, told, had))
    rows = pq.read_table(tmp_path / "joined.parquet").to_pylist()
    assert [row["index"] for row in rows] == list(range(200))
    assert [rows[at]["phase"] for at in (79, 80, 85, 87, 199)] == [
        *("before", "during", "during", "after", "after")
    ]
    assert [row["index"] for row in rows if row["lost"]] == [81, 82, 83, 199]
    assert [row["index"] for row in rows if row["kill_in_life"]] == [79, 80, 81]
    assert [rows[at]["replicas_ready"] for at in (81, 82, 101)] == [1, 0, 1]
    assert rows[81]["outcome"] == "reset"
    assert rows[81]["latency_s"] == pytest.approx(0.001)
    assert (rows[199]["sent_s"], rows[199]["latency_s"], rows[199]["replica"]) == (None,) * 3
    found = read_replicas(tmp_path, 200)
    assert found is not None
    assert list(found) == list(had)
    with pytest.raises(OptbuildError, match="200 rows for 7 requests"):
        read_replicas(tmp_path, 7)
    write_ledger(tmp_path, join(records, told))
    assert read_replicas(tmp_path, 200) is None


def test_what_was_lost_before_the_fault_is_not_its_doing() -> None:
    assert impact(lose(ledger(), 1.0, 2.0)).lost == 0


def test_what_is_in_flight_at_the_fault_is_at_stake() -> None:
    found = impact(delay(ledger(), 3.9, 4.0, 0.2))
    assert found.at_stake == 120 + 2


def test_it_never_recovers() -> None:
    found = impact(lose(ledger(), 4.0, 10.0, TIMEOUT), timeline((4.0, "r1", "killed")))
    assert found.back == Span(pytest.approx(4.0), reached=False)
    assert found.ready is not None
    assert (found.ready.reached, found.ready.value_s) == (False, pytest.approx(6.0))
    assert found.availability == 0.0


def test_it_recovers_and_fails_again() -> None:
    records = lose(lose(ledger(), 4.0, 4.5), 7.0, 7.5)
    assert impact(records).back == Span(pytest.approx(3.4))


def test_a_fault_too_late_to_see_its_end() -> None:
    assert back_within(ledger(), 9.5, "p95", LIMIT_S, 10.0, 1.0) == Span(0.0, reached=False)


def test_requests_that_never_ended_are_at_stake_and_lost() -> None:
    records = lose(ledger(), 9.0, 9.1, TIMEOUT)
    records = replace(
        records, done_s=np.where(records.outcome == TIMEOUT, math.nan, records.done_s)
    )
    assert impact(records).lost == 2


def test_a_window_holds_enough_requests_for_the_quantile() -> None:
    assert window_length_s(requests=1000, duration_s=10) == 2.0
    assert window_length_s(requests=100, duration_s=10) == 4.0


def test_phases() -> None:
    assert list(phases_of(np.array([0.0, 4.0, 5.0, 6.0]), 4.0, 5.0, 6.0)) == [0, 1, 2, 3]
    assert list(phases_of(np.array([4.0, 5.0]), 4.0, 5.0, 4.5)) == [1, 3]  # back before its end


@pytest.mark.parametrize(
    ("events", "wanted", "expected"),
    [
        ((), 2, None),
        (((4.0, "r1", "terminating"), (7.0, "r3", "ready")), 2, Span(3.0)),
        (((4.0, "r1", "terminating"), (4.5, "r1", "gone")), 2, Span(6.0, reached=False)),
        (((4.2, "r3", "ready"), (4.3, "r1", "terminating")), 2, None),  # a surge: never fewer
        (
            (
                (4.0, "r1", "killed"),
                (5.0, "r1", "ready"),
                (5.5, "r1", "killed"),
                (7.0, "r1", "ready"),
            ),
            1,
            Span(3.0),
        ),
        (((3.0, "r1", "killed"), (6.0, "r1", "ready")), 1, Span(2.0)),  # it was down already
        (((1.0, "r1", "unready"), (2.0, "r1", "ready")), 1, None),
    ],
)
def test_time_to_ready(
    events: tuple[tuple[float, str, str], ...], wanted: int, expected: Span | None
) -> None:
    assert time_to_ready(timeline(*events, wanted=wanted), 10.0) == expected


def test_a_fault_whose_end_was_not_seen_lasts_to_the_end() -> None:
    told = timeline()
    unseen = FaultTimeline(1, tuple(event for event in told.events if event.what != "ended"))
    found = impact(ledger(), unseen)
    assert found.ended_s is None
    assert dict(found.phases) == {"before": 80, "during": 120, "recovery": 0, "after": 0}
    assert found.availability_during == 1.0
