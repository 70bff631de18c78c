import socket
import threading
import time

import gevent
import numpy as np
import pytest
from fake_server import Server

from analysis.records import OK, OUTCOMES, RESET, TIMEOUT, UNSENT, WRONG
from loadtests import _run
from loadtests._alarm import Alarm
from loadtests._http import Client, OutOfSockets
from loadtests._run import Run
from loadtests._schedule import Schedule, renewal


class Reports(list[tuple[int, int, float, int]]):
    """Collects what would go to Locust."""

    def __call__(self, *report: float) -> None:
        self.append(report)  # type: ignore[arg-type]


def make(
    server: Server, *texts: str, rate: float = 50, duration_s: float = 1, timeout_s: float = 5
) -> tuple[Run, Reports, Schedule]:
    reports = Reports()
    schedule = renewal(rate, 1.0, duration_s, 1, len(texts))
    return Run(schedule, [Client(server.url, texts)], timeout_s, reports), reports, schedule


def every_request_has_its_row(run: Run, schedule: Schedule) -> None:
    records = run.records
    assert len(records) == len(schedule)
    np.testing.assert_array_equal(records.planned_s, schedule.planned_s)
    np.testing.assert_array_equal(records.payload, schedule.payload)
    assert sum(records.outcomes.values()) == len(schedule)
    never = np.isnan(records.sent_s)
    assert (records.outcome[never] == UNSENT).all()
    assert (np.isnan(records.done_s) == (records.outcome == UNSENT)).all()


def test_a_schedule_is_played_whole_and_on_time(server: Server) -> None:
    run, reports, schedule = make(server, "ok")
    run.play()
    every_request_has_its_row(run, schedule)
    assert run.records.outcomes["ok"] == len(schedule) == len(reports) == len(server.asked)
    lateness_s = run.records.lateness_s
    assert (lateness_s >= 0).all(), "never early"
    assert np.median(lateness_s) < 0.05
    assert run.finished.is_set()
    assert not run.interrupted
    assert 0 < run.facts["generator_cpu"] < 1


def test_the_loop_is_open(server: Server) -> None:
    """A server that needs a second for each answer gets the same sends."""
    run, reports, schedule = make(server, "slow 1", rate=100)
    run.play()
    assert np.quantile(run.records.lateness_s, 0.9) < 0.5
    assert run.records.outcomes["ok"] == len(schedule) > 80
    assert server.connections == len(schedule)
    assert min(latency_s for _, _, latency_s, _ in reports) >= 1


def test_latency_runs_from_the_planned_time(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A generator that is late must not hide it: the delay is part of the latency."""
    run, reports, _ = make(server, "ok", rate=30)
    wait_until = Alarm.wait_until
    monkeypatch.setattr(Alarm, "wait_until", lambda self, at_s: wait_until(self, at_s + 0.3))
    run.play()
    records = run.records
    assert np.nanmin(records.lateness_s[:1]) >= 0.3
    assert records.latency_s[0] >= 0.3 > records.service_s[0]
    assert sorted(latency for _, _, latency, _ in reports) == pytest.approx(
        sorted(records.latency_s)
    )


@pytest.mark.parametrize(
    ("text", "outcome", "status"),
    [
        ("hang", TIMEOUT, 0),
        ("close", RESET, 0),
        ("cut", RESET, 0),
        ("garbage", WRONG, 0),
        ("500", WRONG, 500),
        ("html", WRONG, 200),
    ],
)
def test_each_end_is_a_row_with_a_time(
    server: Server, text: str, outcome: int, status: int
) -> None:
    run, _, schedule = make(server, text, duration_s=0.3, timeout_s=0.5)
    run.play()
    every_request_has_its_row(run, schedule)
    records = run.records
    assert set(records.outcome) == {outcome}
    assert set(records.status) == {status}
    if outcome == TIMEOUT:
        assert np.allclose(records.service_s, 0.5, atol=0.2)


def test_an_answer_that_trickles_times_out_as_a_whole() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def trickle() -> None:
        connection, _ = listener.accept()
        with connection:
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: yyyyyyyyyyy":
                try:
                    connection.sendall(bytes([byte]))
                except OSError:
                    return
                time.sleep(0.1)

    threading.Thread(target=trickle, daemon=True).start()
    schedule = Schedule(np.array([0.0]), np.array([0], dtype=np.int32))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    run = Run(schedule, [Client(url, ["x"])], 0.4, Reports())
    run.play()
    listener.close()
    assert run.records.outcome.tolist() == [TIMEOUT]
    assert run.records.service_s[0] == pytest.approx(0.4, abs=0.3)


def test_interrupting_leaves_a_row_for_each_request(server: Server) -> None:
    run, reports, schedule = make(server, "ok", "slow 0.3", rate=40, duration_s=30)
    gevent.spawn_later(1, run.interrupt)
    begin = time.perf_counter()
    run.play()
    assert time.perf_counter() - begin < 15
    every_request_has_its_row(run, schedule)
    sent = np.isfinite(run.records.sent_s).sum()
    assert 10 < sent < 400
    assert run.records.outcomes["ok"] == sent == len(reports), "answers under way were awaited"
    assert run.interrupted
    assert run.facts["interrupted"]


def test_interrupting_does_not_wait_for_what_hangs(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_run, "INTERRUPTED_DRAIN_S", 0.3)
    run, reports, schedule = make(server, "hang", rate=40, duration_s=0.5, timeout_s=30)

    def interrupt_once_all_arrived() -> None:
        while len(server.asked) < len(schedule):
            gevent.sleep(0.01)
        run.interrupt()

    gevent.spawn(interrupt_once_all_arrived)
    begin = time.perf_counter()
    run.play()
    assert time.perf_counter() - begin < 15
    every_request_has_its_row(run, schedule)
    assert np.isfinite(run.records.sent_s).all()
    assert set(run.records.outcome) == {UNSENT}
    assert not reports
    assert run.interrupted


def test_a_run_that_never_began_has_its_rows_too(server: Server) -> None:
    run, _, schedule = make(server, "ok")
    run.interrupt()
    run.interrupt()
    run.play()
    every_request_has_its_row(run, schedule)
    assert set(run.records.outcome) == {UNSENT}
    assert not server.asked


def test_killing_the_dispatcher_loses_no_row(server: Server) -> None:
    """What Locust does to a user when the number of users is lowered."""
    run, _, schedule = make(server, "slow 0.2", rate=40, duration_s=30)
    player = gevent.spawn(run.play)
    gevent.sleep(1)
    player.kill()
    assert run.finished.is_set()
    every_request_has_its_row(run, schedule)
    assert run.records.outcomes["ok"] == np.isfinite(run.records.sent_s).sum() > 10
    assert run.interrupted


def test_a_generator_without_sockets_says_so(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, reports, schedule = make(server, "ok", rate=20, duration_s=0.5)

    def exhausted(*_: object) -> None:
        raise OutOfSockets("Too many open files")

    monkeypatch.setattr(Client, "predict", exhausted)
    run.play()
    every_request_has_its_row(run, schedule)
    assert set(run.records.outcome) == {UNSENT}
    assert isinstance(run.bug, OutOfSockets)
    assert not reports


def test_outcomes_are_counted_by_name(server: Server) -> None:
    run, _, _ = make(server, "ok", "429", "503", duration_s=2)
    run.play()
    got = {name for name, count in run.records.outcomes.items() if count}
    assert got == {"ok", "rejected", "unavailable"}
    assert OUTCOMES[OK] == "ok"


def test_the_origin_is_told_before_the_first_send_and_kept(server: Server) -> None:
    run, _, _ = make(server, "ok", duration_s=0.5)
    told: list[tuple[float, int]] = []
    run.announce = lambda origin_s: told.append((origin_s, len(server.asked)))
    before_s = time.monotonic()
    run.play()
    ((origin_s, asked),) = told
    assert asked == 0
    assert run.facts["origin_monotonic_s"] == origin_s
    assert before_s < origin_s < time.monotonic()
