"""A master and its workers in one process: the messages are real, only Locust is missing."""

import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gevent
import numpy as np
import pytest
from fake_server import Server

from analysis.records import OK, UNSENT
from loadtests import _fleet, _worker
from loadtests._fleet import Fleet
from loadtests._messages import DONE, GO, PREPARE, READY, ROWS, STOP, origin_in, origin_of
from loadtests._scenario import Scenario, Settings
from loadtests._worker import Worker

SCENARIO = Scenario("steady", rate=20.0)
TEXTS = ["ok", "fine"]


def settings(rate: float, duration_s: float) -> Settings:
    return Settings(rate, 1.0, duration_s, 3, 5.0, None, None)


class Crew:
    """Workers of this process; each message goes through the wire's form."""

    def __init__(self, count: int) -> None:
        self.names = [f"w{n}" for n in range(count)]
        self.dead: set[str] = set()
        self.hear: Callable[[str, str, Mapping[str, Any]], None] = lambda *_: None
        self.heard: list[tuple[str, str]] = []
        self.members = {
            name: Worker(SCENARIO, lambda _: lambda *_: None, self._say(name))
            for name in self.names
        }

    def workers(self) -> Sequence[str]:
        return self.names

    def lost(self, worker: str) -> bool:
        return worker in self.dead

    def send(self, kind: str, message: Mapping[str, Any], worker: str) -> None:
        member = self.members[worker]
        obey = {PREPARE: member.prepare, GO: member.go, STOP: lambda _: member.stop()}[kind]
        gevent.spawn(obey, _wired(message))

    def _say(self, name: str) -> Callable[[str, dict[str, Any]], None]:
        def say(kind: str, message: dict[str, Any]) -> None:
            if name not in self.dead:
                self.heard.append((kind, name))
                self.hear(kind, name, _wired(message))

        return say


def _wired(message: Mapping[str, Any]) -> dict[str, Any]:
    wired: dict[str, Any] = pickle.loads(pickle.dumps(dict(message)))
    return wired


class Test:
    """A fleet over a schedule of the server's."""

    __test__ = False

    def __init__(self, crew: Crew, url: str, rate: float = 60.0, duration_s: float = 2.0) -> None:
        chosen = settings(rate, duration_s)
        self.schedule = SCENARIO.schedule(chosen, len(TEXTS))
        self.said: list[str] = []
        order = {"settings": chosen.to_message(), "hosts": [url], "texts": TEXTS}
        self.fleet = Fleet(self.schedule, crew, order, self.said.append)
        crew.hear = self.fleet.hear


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_union_of_the_parts_is_the_schedule(
    server: Server, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_worker, "REPORT_S", 0.2)
    crew = Crew(workers)
    test = Test(crew, server.url)
    test.fleet.play()
    records = test.fleet.records
    assert set(records.outcome) == {OK}
    np.testing.assert_array_equal(records.planned_s, test.schedule.planned_s)
    assert sorted(text for _, text in server.asked) == sorted(
        TEXTS[payload] for payload in test.schedule.payload
    ), "each request once"
    assert (records.lateness_s >= 0).all(), "all know the same origin"
    assert np.median(records.lateness_s) < 0.2
    assert (records.latency_s > 0).all()
    facts = test.fleet.facts
    assert (facts["workers"], facts["interrupted"], facts["repeats"]) == (workers, False, 0)
    assert 0 < facts["generator_cpu"] < 2
    assert not test.said
    assert sum(kind == ROWS for kind, _ in crew.heard) > 2 * workers, "rows come while it plays"


def test_a_worker_that_is_lost_leaves_its_rows_unsent(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_worker, "REPORT_S", 0.1)
    crew = Crew(2)
    test = Test(crew, server.url, duration_s=3.0)
    gevent.spawn_later(2.0, crew.dead.add, "w1")
    test.fleet.play()
    records = test.fleet.records
    assert set(records.outcome[0::2]) == {OK}, "the other one goes on"
    unsent = int((records.outcome[1::2] == UNSENT).sum())
    assert 0 < unsent < len(records.outcome[1::2])
    assert np.isnan(records.sent_s[records.outcome == UNSENT]).all()
    assert len(test.said) == 1
    assert f"worker 2 of 2 was lost: {unsent} of its" in test.said[0]
    assert test.fleet.troubles == test.said
    assert test.fleet.facts["interrupted"]


def test_interrupting_gathers_what_was_done(server: Server) -> None:
    test = Test(Crew(2), server.url, duration_s=60.0)
    gevent.spawn_later(2.5, test.fleet.interrupt)
    test.fleet.play()
    outcomes = test.fleet.records.outcomes
    assert outcomes["ok"] == len(server.asked) > 10
    assert outcomes["ok"] + outcomes["unsent"] == len(test.schedule)
    assert not test.said
    assert test.fleet.facts["interrupted"]
    test.fleet.interrupt()
    test.fleet.play()


def test_interrupting_before_the_start_is_no_crash(server: Server) -> None:
    test = Test(Crew(2), server.url)
    test.fleet.interrupt()
    assert set(test.fleet.records.outcome) == {UNSENT}
    assert not server.asked


def test_a_worker_that_cannot_begin_says_why_and_nothing_is_sent(server: Server) -> None:
    crew = Crew(2)
    test = Test(crew, server.url)
    crew.members["w1"]._scenario = Scenario("another", rate=1.0, schedule=lambda s, n: _other(n))
    test.fleet.play()
    assert len(test.said) == 1
    assert "worker 2 cannot begin: it draws another schedule" in test.said[0]
    assert set(test.fleet.records.outcome) == {UNSENT}
    assert not server.asked


def _other(texts: int) -> Any:
    return SCENARIO.schedule(settings(1.0, 9.0), texts)


def test_nobody_connected() -> None:
    test = Test(Crew(0), "http://127.0.0.1:9")
    test.fleet.play()
    assert test.said == ["no worker is connected: start one with --worker"]
    assert test.fleet.finished.is_set()


def test_a_worker_that_never_gets_ready(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fleet, "PREPARE_S", 0.3)
    crew = Crew(2)
    monkeypatch.setattr(crew.members["w0"], "prepare", lambda _: gevent.sleep(5))
    test = Test(crew, server.url)
    test.fleet.play()
    assert "worker 1 of 2 was lost" in test.said[0]
    assert not server.asked


def test_what_belongs_to_another_test_is_not_heard(server: Server) -> None:
    crew = Crew(1)
    test = Test(crew, server.url, duration_s=0.5)
    test.fleet.play()
    before = test.fleet.records.outcomes
    test.fleet.hear(READY, "w0", {"test": -1, "error": "late"})
    test.fleet.hear(DONE, "stranger", {"test": 1, "facts": {}, "troubles": ["x"]})
    assert test.fleet.records.outcomes == before
    assert not test.said


def test_the_origin_is_one_moment_on_one_machine_and_by_the_day_on_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    message = origin_in(0.5)
    assert origin_of(message) == message["monotonic_s"]
    there = {**message, "boot": "another machine", "monotonic_s": 0.0}
    assert origin_of(there) == pytest.approx(message["monotonic_s"], abs=0.05)
