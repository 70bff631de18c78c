"""What one run leaves: its rows, and the server as it was seen meanwhile."""

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from analysis.records import OK, Records, write_records
from analysis.server import read_server
from builder import measure as module
from builder.load import Load
from builder.measure import measure
from deploy.fake import FakeTarget
from deploy.target import OwnProcesses

LOAD = Load("steady", 20.0, 0.5, 1, 5.0, Path("texts.txt"))


class Here:
    """A target that is this very process."""

    url = "http://127.0.0.1:1"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def processes(self) -> list[int]:
        return [os.getpid()]


@pytest.fixture(autouse=True)
def busy_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of Locust: burn CPU, then write ten rows."""

    def run_load(load: Load, url: str, folder: Path, meanwhile: object = None) -> dict[str, Any]:
        started_at = datetime.now(UTC).isoformat()
        ends = time.process_time() + 0.3
        while time.process_time() < ends:
            pass
        planned_s = np.arange(10) / load.rate_rps
        records = Records(
            index=np.arange(10, dtype=np.int32),
            planned_s=planned_s,
            sent_s=planned_s,
            done_s=planned_s + 0.01,
            status=np.full(10, 200, dtype=np.int16),
            outcome=np.full(10, OK, dtype=np.int8),
            payload=np.zeros(10, dtype=np.int32),
        )
        write_records(folder / "records.parquet", records)
        return {"started_at": started_at, "duration_s": load.duration_s}

    monkeypatch.setattr(module, "run_load", run_load)


def test_the_processes_of_the_server_are_summed_up_and_kept(tmp_path: Path) -> None:
    measured = measure(LOAD, Here(), tmp_path)
    server = measured.server
    assert server is not None
    cpu_s, share = server["cpu_s"], server["cpu_fraction_of_machine"]
    assert cpu_s is not None and share is not None
    assert cpu_s >= 0.3 - 0.03
    assert share == pytest.approx(cpu_s / (len(os.sched_getaffinity(0)) * LOAD.duration_s))
    assert server["processes"] == 1
    json.dumps(measured.server)
    samples = read_server(tmp_path)
    assert samples is not None
    assert server["samples"] == len(samples.at_s) + 1
    assert samples.at_s[-1] > 0.2  # counted from the schedule's origin


def test_a_server_elsewhere_has_no_samples(tmp_path: Path) -> None:
    assert not isinstance(FakeTarget(), OwnProcesses)
    with FakeTarget() as target:
        assert measure(LOAD, target, tmp_path).server is None
    assert read_server(tmp_path) is None
