"""Several processes share one schedule: real Locust, real processes, a real server."""

import os
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest
from fake_server import Server
from locust_process import Start, Ui, finish, read, texts_file, wait_for

from analysis.records import UNSENT
from loadtests._schedule import renewal

pytestmark = pytest.mark.thorough


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def options_for(directory: Path, server: Server, duration_s: float) -> Sequence[object]:
    """60 requests a second, every one answered; each test has a master port of its own."""
    texts = texts_file(directory, "ok", "fine")
    options = ["--host", server.url, "--rate", 60, "--duration", duration_s, "--texts", texts]
    options += ["--records", directory / "records.parquet", "--master-bind-port", free_port()]
    return options


def processes(directory: Path, server: Server, duration_s: float) -> Sequence[object]:
    """The same, headless, in two processes beside the master."""
    options = list(options_for(directory, server, duration_s))
    return [*options, "--master-port", options[-1], "--processes", 2, "--headless"]


def gone(family: Sequence[psutil.Process]) -> bool:
    """Whether all have ended, within 60 s."""
    _, alive = psutil.wait_procs(family, timeout=60)
    return all(process.status() == psutil.STATUS_ZOMBIE for process in alive)


def test_the_union_of_two_processes_is_the_schedule(
    tmp_path: Path, server: Server, start: Start
) -> None:
    process = start("bursty", *processes(tmp_path, server, 3))
    wait_for(lambda: server.asked)
    family = psutil.Process(process.pid).children()
    code, out, err = finish(process)
    assert (code, "Traceback" in err, len(family)) == (0, False, 2)
    records, facts = read(tmp_path)
    planned = renewal(60.0, 3.0, 3.0, 1, 2)
    np.testing.assert_array_equal(records.planned_s, planned.planned_s)
    assert records.outcomes["ok"] == len(planned) == facts["sent"] == len(server.asked)
    assert sorted(text for _, text in server.asked) == sorted(
        ("ok", "fine")[payload] for payload in planned.payload
    )
    assert facts["schedule_sha256"] == planned.sha256
    assert (facts["workers"], facts["interrupted"]) == (2, False)
    assert facts["certificate"]["sent_fraction"] == 1.0
    assert f"planned {len(planned)}, rows {len(planned)}, sent {len(planned)}" in out
    assert gone(family)


def test_a_killed_worker_is_said_and_fails_the_run(
    tmp_path: Path, server: Server, start: Start
) -> None:
    process = start("steady", *processes(tmp_path, server, 8))
    wait_for(lambda: len(server.asked) > 120)
    family = psutil.Process(process.pid).children()
    os.kill(family[0].pid, signal.SIGKILL)
    code, out, err = finish(process)
    records, facts = read(tmp_path)
    unsent = records.outcomes["unsent"]
    assert code == 1
    assert 0 < unsent < len(records) // 2
    assert records.outcomes["ok"] == len(records) - unsent > len(records) // 2
    per_worker = [int((records.outcome[n::2] == UNSENT).sum()) for n in (0, 1)]
    assert sorted(per_worker) == [0, unsent], "all are those of one worker"
    assert err.count("was lost") == 1
    assert f"was lost: {unsent} of its" in err
    assert not facts["certificate"]["passed"]
    assert "was lost" in facts["certificate"]["reasons"][0]
    assert "certificate: FAILED" in out
    assert gone(family)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_all_processes_and_leaves_every_row(
    tmp_path: Path, server: Server, start: Start, number: int, code: int
) -> None:
    process = start("steady", *processes(tmp_path, server, 60))
    wait_for(lambda: len(server.asked) > 60)
    family = psutil.Process(process.pid).children()
    for one in [process, *family] if number == signal.SIGINT else [process]:
        one.send_signal(number)  # as a terminal does, or a service manager
    got, _, err = finish(process)
    assert (got, "Traceback" in err) == (code, False)
    records, facts = read(tmp_path)
    assert records.outcomes["ok"] == len(server.asked)
    assert records.outcomes["unsent"] == len(records) - len(server.asked) > 1000
    assert facts["interrupted"]
    assert gone(family)


def test_a_killed_master_takes_its_processes_along(
    tmp_path: Path, server: Server, start: Start
) -> None:
    process = start("steady", *processes(tmp_path, server, 60))
    wait_for(lambda: server.asked)
    family = psutil.Process(process.pid).children()
    process.kill()
    assert gone(family)


def test_master_and_workers_from_the_web_ui(tmp_path: Path, server: Server, start: Start) -> None:
    options = options_for(tmp_path, server, 2)
    ui = Ui(start, "--master", *options)
    form = {"host": server.url, "rate": 60, "duration": 2}
    answer = ui.swarm(**form)
    assert not answer["success"]
    assert "no worker is connected" in answer["message"]

    port = options[-1]
    workers = [start("bursty", "--worker", "--master-port", port) for _ in range(2)]
    wait_for(lambda: ui.stats()["worker_count"] == 2)
    for number, suffix in ((1, ""), (2, "-2")):  # a second test with the same workers
        assert ui.swarm(**form, seed=number)["success"]
        wait_for(lambda: ui.state() == "running")
        assert ui.swarm(**form, seed=9, user_count=7)["success"]  # changes nothing
        wait_for((tmp_path / f"load{suffix}.json").exists)
        wait_for(lambda: ui.state() == "stopped" and ui.stats()["worker_count"] == 2)
        records, facts = read(tmp_path, suffix)
        assert facts["schedule_sha256"] == renewal(60.0, 3.0, 2.0, number, 2).sha256
        assert records.outcomes["ok"] == len(records)
        assert facts["workers"] == 2
    assert {row["figure"] for row in ui.tab()} >= {"certificate", "generator CPU"}
    ui.process.send_signal(signal.SIGINT)
    assert finish(ui.process)[0] == 130
    for worker in workers:
        assert finish(worker)[0] == 0
