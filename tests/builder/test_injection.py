"""Whether a fault is injected depends on what the load generator shows shortly before."""

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from analysis.records import OK, RESET, Records
from analysis.steady import steady_gates
from builder.injection import LOOK_S, SHOWN_WITHIN_S, Injection
from deploy.disruptions._disruption import parse
from loadtests._recorder import began_path_of, planned_by, so_far_path_of, write_so_far

ORIGIN_S, AT_S, RATE = 1000.0, 3.0, 30.0


class Time:
    """A clock that only goes on while somebody waits."""

    now_s = ORIGIN_S

    def clock(self) -> float:
        return self.now_s

    def wait(self, seconds: float) -> None:
        self.now_s += seconds


class Target:
    def __init__(self) -> None:
        self.killed: list[str] = []

    def replicas(self) -> tuple[str, ...]:
        return ("r1",)

    def kill(self, replica: str) -> None:
        self.killed.append(replica)


def rows(failed: int = 0, latency_s: float = 0.02) -> Records:
    planned_s = np.arange(10 * RATE) / RATE
    n = len(planned_s)
    return Records(
        index=np.arange(n, dtype=np.int32),
        planned_s=planned_s,
        sent_s=planned_s,
        done_s=planned_s + latency_s,
        status=np.full(n, 200, dtype=np.int16),
        outcome=np.where(np.arange(n) < failed, RESET, OK).astype(np.int8),
        payload=np.zeros(n, dtype=np.int32),
    )


def inject(folder: Path, shown: Records | None) -> tuple[Injection, list[str], Time]:
    """With a generator that shows these rows when it is asked; None: it never does."""
    time, target = Time(), Target()
    records = folder / "records.parquet"
    began_path_of(records).write_text(f"{ORIGIN_S!r}\n")

    def answer(number: int) -> None:
        assert number == signal.SIGUSR1
        if shown is not None:
            write_so_far(so_far_path_of(records), planned_by(shown, time.now_s - ORIGIN_S))

    generator: Any = SimpleNamespace(process=SimpleNamespace(poll=lambda: None, send_signal=answer))
    one = Injection(
        parse("container-kill"),
        target,
        AT_S,
        np.random.default_rng(1),
        time.clock,
        time.wait,
        judge=lambda so_far, at_s: steady_gates(so_far, at_s, at_s, "p95", 0.25),
    )
    one.during(records)(generator)
    return one, target.killed, time


def test_a_steady_system_gets_its_fault_on_time(tmp_path: Path) -> None:
    one, killed, time = inject(tmp_path, rows())
    assert killed == ["r1"]
    assert one.unsteady == ()
    assert one.events[0].at_s == pytest.approx(ORIGIN_S + AT_S)
    assert LOOK_S < SHOWN_WITHIN_S < AT_S
    assert time.now_s == pytest.approx(ORIGIN_S + AT_S)


@pytest.mark.parametrize(
    ("shown", "gate"),
    [
        (rows(failed=1), "failures before the fault"),
        (rows(latency_s=0.3), "steady p95"),
        (None, "requests so far shown"),
    ],
)
def test_nothing_is_injected_where_it_is_not_steady_or_not_seen_to_be(
    tmp_path: Path, shown: Records | None, gate: str
) -> None:
    one, killed, _ = inject(tmp_path, shown)
    assert killed == []
    assert one.events == []
    assert [failed.name for failed in one.unsteady] == [gate]
