"""Locust's web UI, as a browser uses it: real Locust, a real server."""

import signal
from pathlib import Path

import numpy as np
import pytest
import requests
from fake_server import Server
from locust_process import GATES, Start, Ui, finish, read, texts_file, wait_for

from loadtests._schedule import renewal

pytestmark = pytest.mark.slow

OPTIONS = {"process", "rate", "cv", "duration", "seed", "texts", "records", "timeout"}


def test_the_web_ui(tmp_path: Path, server: Server, start: Start) -> None:
    ui = Ui(start, "--texts", texts_file(tmp_path, "ok", "slow 0.2"))
    page = requests.get(ui.url, timeout=5).text
    for option in OPTIONS:
        assert f'"{option}"' in page
    assert '"extended_tabs": [{"key": "certificate", "title": "Certificate"}]' in page
    assert "comes with the end of the test" in str(ui.tab())

    # Mistakes are answered, not started.
    form: dict[str, object] = {"host": server.url, "rate": 40, "duration": 1, "seed": 5}
    form["records"] = str(tmp_path / "records.parquet")
    for change, words in [
        ({"rate": "0"}, "rate must be more than 0"),
        ({"rate": "fast"}, "rate must be a number"),
        ({"records": "nowhere/r.parquet"}, "does not exist"),
        ({"texts": "nowhere.txt"}, "cannot read texts"),
        ({"host": ""}, "no server given"),
        ({"host": "http://no.such.invalid"}, "unknown server"),
    ]:
        answer = ui.swarm(**{**form, **change})
        assert not answer["success"]
        assert words in answer["message"]
    assert not server.asked

    # A test plays one schedule, whatever the number of users, and ends by itself.
    assert ui.swarm(**form)["success"]
    wait_for((tmp_path / "load.json").exists)
    wait_for(lambda: ui.state() == "stopped")
    records, facts = read(tmp_path)
    assert facts["schedule_sha256"] == renewal(40.0, 3.0, 1.0, 5, 2).sha256
    assert records.outcomes["ok"] == len(records) == len(server.asked)

    rows = {row["figure"]: row for row in ui.tab()}
    assert rows["certificate"]["verdict"] in ("passed", "FAILED")
    assert set(GATES) <= rows.keys()
    assert rows["share of arrivals sent"]["value"] == "100.00%"

    # A second one in the same process: a schedule and a record of its own.
    assert ui.swarm(**{**form, "seed": 6})["success"]
    wait_for((tmp_path / "load-2.json").exists)
    wait_for(lambda: ui.state() == "stopped")
    second, facts = read(tmp_path, "-2")
    assert facts["schedule_sha256"] == renewal(40.0, 3.0, 1.0, 6, 2).sha256
    assert second.outcomes["ok"] == len(second)
    assert read(tmp_path)[1]["seed"] == 5, "the first record stays"

    # The stop button.
    before = len(server.asked)
    assert ui.swarm(**{**form, "duration": 60})["success"]
    wait_for(lambda: len(server.asked) > before + 20)
    assert requests.post(f"{ui.url}/stop", timeout=20).json()["success"]
    third, facts = read(tmp_path, "-3")
    assert third.outcomes["ok"] == np.isfinite(third.sent_s).sum() == len(server.asked) - before
    assert third.outcomes["unsent"] == len(third) - third.outcomes["ok"] > 1000
    assert facts["interrupted"]

    # Ctrl-C in the middle of a fourth.
    assert ui.swarm(**{**form, "duration": 60})["success"]
    wait_for(lambda: ui.state() == "running")
    ui.process.send_signal(signal.SIGINT)
    code, out, err = finish(ui.process)
    assert (code, "Traceback" in err) == (130, False)
    assert read(tmp_path, "-4")[0].outcomes["unsent"] > 1000
    assert out.count(", rows ") == 4
