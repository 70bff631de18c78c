"""A fleet of small real servers: what happens to replicas, and to requests meanwhile."""

import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
from fleets import ask, fake_fleet

from deploy.fleet import Fleet
from loadtests._http import Client
from variants._errors import OptbuildError

pytestmark = pytest.mark.thorough


def eventually(condition: object, within_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def told(fleet: Fleet, replica: str) -> list[str]:
    return [event.what for event in fleet.timeline() if event.replica == replica]


def test_requests_go_to_all_replicas_and_nothing_is_left_afterwards(tmp_path: Path) -> None:
    with fake_fleet(tmp_path, 2) as fleet:
        assert fleet.replicas() == ("r1", "r2")
        assert [ask(fleet.url)[0] for _ in range(4)] == [200] * 4
        family = psutil.Process().children(recursive=True)
        assert len(family) >= 3
    assert not any(process.is_running() for process in family)
    assert told(fleet, "r1") == ["created", "ready"]


def test_the_fleet_knows_which_replica_had_a_numbered_request(tmp_path: Path) -> None:
    with fake_fleet(tmp_path, 2) as fleet:
        ask(fleet.url)
        for number in (5, 6, 7):
            client = Client(fleet.url, ["a film"], resend=False)
            assert client.predict(0, number).status == 200
        had = fleet.served()
    assert list(had) == [5, 6, 7]
    assert had[5] == had[7] != had[6]
    assert set(had.values()) == {"r1", "r2"}


def test_a_killed_replica_is_noticed_and_started_again(tmp_path: Path) -> None:
    with fake_fleet(tmp_path, 1) as fleet:
        fleet.kill("r1")
        eventually(lambda: fleet.timeline()[-1].what == "ready" and len(fleet.timeline()) > 3)
        assert told(fleet, "r1") == ["created", "ready", "killed", "restarted", "ready"]
        assert ask(fleet.url)[0] == 200


def test_a_death_that_nobody_ordered_is_told_too(tmp_path: Path) -> None:
    with fake_fleet(tmp_path, 1) as fleet:
        (server,) = (
            process
            for process in psutil.Process().children(recursive=True)
            if "deploy.fake_server" in process.cmdline()
        )
        os.kill(server.pid, signal.SIGKILL)
        eventually(lambda: told(fleet, "r1")[2:] == ["killed", "restarted", "ready"])


def test_a_deleted_replica_finishes_what_it_began_and_another_takes_its_place(
    tmp_path: Path,
) -> None:
    answers: list[int] = []
    with fake_fleet(tmp_path, 1, "--service-s", "1.0") as fleet:
        thread = threading.Thread(target=lambda: answers.append(ask(fleet.url)[0]))
        thread.start()
        time.sleep(0.3)
        fleet.delete("r1", None)
        thread.join()
        assert answers == [200]
        assert told(fleet, "r1") == ["created", "ready", "terminating", "gone"]
        eventually(lambda: fleet.replicas() == ("r2",))


def test_without_grace_what_is_under_way_is_lost(tmp_path: Path) -> None:
    broken: list[type[Exception]] = []

    def lose() -> None:
        try:
            ask(fleet.url)
        except ConnectionError as error:
            broken.append(type(error))

    with fake_fleet(tmp_path, 1, "--service-s", "5.0") as fleet:
        thread = threading.Thread(target=lose)
        thread.start()
        time.sleep(0.5)
        fleet.delete("r1", 0.0)
        thread.join()
    assert broken == [ConnectionResetError]  # as from the replica itself, and no answer of a front
    assert told(fleet, "r1")[-3:] == ["terminating", "killed", "gone"]


def test_without_a_ready_replica_the_answer_is_503(tmp_path: Path) -> None:
    with fake_fleet(tmp_path, 1, "--load-s", "0.5") as fleet:
        fleet.delete("r1", 0.0)
        assert ask(fleet.url)[0] == 503


def test_a_rolling_update_never_has_fewer_than_wanted(tmp_path: Path) -> None:
    with fake_fleet(tmp_path, 2) as fleet:
        seen: list[int] = []
        done = threading.Event()

        def watch() -> None:
            while not done.is_set():
                seen.append(len(fleet.replicas()))
                time.sleep(0.005)

        thread = threading.Thread(target=watch)
        thread.start()
        fleet.roll()
        done.set()
        thread.join()
        assert min(seen) == 2
        assert fleet.replicas() == ("r3", "r4")


def test_scaling_down_and_up(tmp_path: Path) -> None:
    with fake_fleet(tmp_path, 2) as fleet:
        fleet.scale(1)
        assert fleet.replicas() == ("r1",)
        fleet.scale(2)
        assert fleet.replicas() == ("r1", "r3")


def test_what_is_cut_off_waits_and_then_arrives(tmp_path: Path) -> None:
    with fake_fleet(tmp_path, 1) as fleet:
        fleet.cut("r1")
        with pytest.raises(TimeoutError):
            ask(fleet.url, timeout_s=0.3)
        answers: list[int] = []
        thread = threading.Thread(target=lambda: answers.append(ask(fleet.url)[0]))
        thread.start()
        time.sleep(0.2)
        assert answers == []
        fleet.mend()
        thread.join()
        assert answers == [200]


def test_requests_to_a_slow_replica_take_longer_by_so_much(tmp_path: Path) -> None:
    def took_s() -> float:
        begin_s = time.monotonic()
        assert ask(fleet.url)[0] == 200
        return time.monotonic() - begin_s

    with fake_fleet(tmp_path, 2) as fleet:
        fleet.slow("r1", 0.6)
        quick_s, slow_s = sorted([took_s(), took_s()])
        assert quick_s < 0.5 < 0.6 <= slow_s
        fleet.unslow()
        assert max(took_s(), took_s()) < 0.5


def test_a_replica_that_never_gets_ready_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    from fleets import fake_process

    fleet = Fleet(
        fake_process(tmp_path, "--load-s", "60"), 1, tmp_path / "log", start_timeout_s=0.5
    )
    with pytest.raises(OptbuildError, match="not ready within"), fleet:
        pass
    assert not [p for p in psutil.Process().children(True) if "fake_server" in str(p.cmdline())]
