"""Real servers that are killed under a real load, and the ledger of it."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from analysis.disruption_page import write_disruptions
from analysis.disruption_runs import load_disrupted
from builder import disruption_runs
from builder.build import Build
from builder.check import Check
from builder.disruption_plan import Choices, Plan
from builder.disruption_runs import Disruptions, Serve
from builder.model import Model
from builder.plan import Slo
from builder.progress import Progress
from deploy.fleet import Fleet
from deploy.local_fleet import LocalFleet
from deploy.replica import ProcessReplica
from loadtests._texts import Texts
from variants._spec import compose

pytestmark = pytest.mark.thorough

TEXTS = Texts("test", ("a film", "another film"))
SPECS = ("onnx", "onnx+replicas=2")
SERVICE_S = 0.15


def plan(*experiments: str, **changes: Any) -> Plan:
    choices = {
        "specs": SPECS,
        "experiments": experiments,
        "scenario": "steady",
        "target": "local",
        "blocks": 1,
        "duration_s": 5.0,
        "rate_rps": 30.0,
        "slo": Slo("p95", 0.5),
        "seed": 1,
        "timeout_s": 10.0,
        "margin": 0.03,
        "model": None,
        "model_digest": "d",
        "texts_sha256": TEXTS.sha256,
    }
    tags = tuple("fake:" + spec for spec in SPECS)
    return Plan(Choices(**{**choices, **changes}), tags, 30.0, None, "test", "optbuild disrupt")


def builds(specs: tuple[str, ...] = SPECS) -> list[Build]:
    check = Check("test", 2, 0, 0.0, None, None)
    model = Model("fake", "synthetic", "d", None)
    return [
        Build(compose(spec), model, f"fake:{spec}", Path(), check, {}, True, 0.0) for spec in specs
    ]


def fleet(build: Build, log: Path) -> LocalFleet:
    """As many small servers as the variant has replicas."""

    def make(name: str) -> ProcessReplica:
        options = ["--service-s", str(SERVICE_S), "--load-s", "0.3"]
        return ProcessReplica(
            name,
            lambda port: ["-m", "deploy.fake_server", str(port), *options],
            log.with_name(f"{name}.log"),
            background=False,
        )

    return LocalFleet(make, build.variant.replicas, log)


@pytest.fixture(autouse=True)
def short_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disruption_runs, "WARM_UP_S", 0.05)


@pytest.fixture
def any_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether this machine is quiet is another question."""
    monkeypatch.setattr(disruption_runs, "check_run", lambda facts, records: ())
    monkeypatch.setattr(disruption_runs, "steady_gates", lambda *arguments: ())


def run(
    directory: Path, chosen: Plan, serve: Serve = fleet, console: Console | None = None
) -> None:
    directory.mkdir(exist_ok=True)
    with Progress(console or Console(quiet=True), chosen.runs(), 1.0) as progress:
        made = builds(chosen.choices.specs)
        Disruptions(chosen, made, TEXTS, directory, progress, serve).run()


@pytest.mark.usefixtures("any_machine")
def test_one_replica_is_missed_two_are_not(tmp_path: Path) -> None:
    chosen = plan("pod-kill")
    run(tmp_path, chosen)
    found = load_disrupted(tmp_path)
    (alone,), (both,) = (found.of("pod-kill", spec) for spec in SPECS)
    assert alone.facts.schedule_sha256 == both.facts.schedule_sha256
    for one in (alone, both):
        assert one.impact.injected_s == pytest.approx(chosen.fault_s(1, "pod-kill"), abs=1.0)
        assert one.impact.at_stake + dict(one.impact.phases)["before"] >= one.facts.planned
    assert dict(alone.impact.outcomes)["unavailable"] == alone.impact.lost > 0
    assert both.impact.lost == 0
    assert (alone.timeline.wanted, both.timeline.wanted) == (1, 2)
    assert alone.impact.ready is not None and alone.impact.ready.reached

    files = {path.name for path in alone.path.iterdir()}
    assert files == {
        *("run.json", "records.parquet", "timeline.json", "joined.parquet", "locust.log")
    }
    paths = write_disruptions(found, tmp_path / "page.html")
    page = paths.html.read_text(encoding="utf-8")
    assert "onnx+replicas=2 lost no request in 1 block" in page
    assert page.count("<svg") == 2
    assert "http://" not in page.replace("http://www.w3.org", "")

    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/*")}
    run(tmp_path, chosen)  # nothing is left to do
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/*")}


@pytest.mark.usefixtures("any_machine")
def test_what_is_in_flight_on_a_replica_that_is_killed_is_lost_and_told_apart(
    tmp_path: Path,
) -> None:
    # Four or five requests at a time, on average: some are on the replica that is killed.
    run(tmp_path, plan("pod-kill:grace=0", specs=("onnx+replicas=2",)))
    (one,) = load_disrupted(tmp_path).of("pod-kill:grace=0", "onnx+replicas=2")
    assert one.impact.lost == one.impact.lost_in_flight
    assert one.impact.lost <= one.impact.in_flight
    assert [event.what for event in one.timeline.events if event.source == "fault"] == [
        "injected",
        "ended",
    ]
    (kill,) = one.timeline.kills
    assert one.impact.replicas_known
    had = pq.read_table(one.path / "joined.parquet").to_pylist()
    assert {row["replica"] for row in had if row["in_flight_at_kill"]} <= {kill.replica}
    assert sum(row["lost"] for row in had) == one.impact.lost
    assert {row["outcome"] for row in had if row["lost"]} <= {"reset"}


def test_nothing_is_injected_into_a_run_that_is_not_steady_and_it_is_invalid_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disruption_runs, "MOST_ATTEMPTS", 1)
    monkeypatch.setattr(disruption_runs, "check_run", lambda facts, records: ())
    said = io.StringIO()
    chosen = plan("pod-kill", specs=("onnx",), slo=Slo("p95", 0.1), duration_s=5.0)
    run(tmp_path, chosen, console=Console(file=said, width=300))
    kept = sorted(path.name for path in (tmp_path / "invalid").iterdir())
    assert kept == ["b001-pod-kill-onnx-attempt1"]
    (folder,) = (tmp_path / "invalid").iterdir()
    content = json.loads((folder / "run.json").read_text())
    failed = {gate["name"]: gate["value"] for gate in content["gates"] if not gate["passed"]}
    assert failed["steady p95"] > SERVICE_S
    told = json.loads((folder / "timeline.json").read_text())["events"]
    assert {event["what"] for event in told} == {"created", "ready"}
    assert "so-far.npz" not in {path.name for path in folder.iterdir()}
    assert "b001-pod-kill-onnx: not steady, nothing injected (steady p95 0." in said.getvalue()


@pytest.mark.usefixtures("any_machine")
def test_a_fault_that_cannot_be_done_ends_everything_in_order(tmp_path: Path) -> None:
    from variants._errors import OptbuildError

    class Broken(LocalFleet):
        def delete(self, replica: str, grace_s: float | None) -> None:
            raise OptbuildError("the engine is gone", exit_code=1)

    def serve(build: Build, log: Path) -> Fleet:
        made = fleet(build, log)
        made.__class__ = Broken
        return made

    with pytest.raises(OptbuildError, match="the engine is gone"):
        run(tmp_path, plan("pod-kill", specs=("onnx",), duration_s=2.0), serve)
    assert left_behind() == []
    assert list(tmp_path.glob("runs/b*")) == []


def left_behind() -> list[str]:
    """Command lines of our children that still run."""
    children = psutil.Process().children(recursive=True)
    return [
        " ".join(child.cmdline())
        for child in children
        if child.status() != psutil.STATUS_ZOMBIE and "multiprocessing" not in str(child.cmdline())
    ]


# What a disruption in the middle of its stress leaves when it is told to end.
STRESSED = """
import signal, sys
from pathlib import Path
import numpy as np
from builder.injection import Injection
from deploy.disruptions._disruption import parse
from deploy.local_fleet import LocalFleet
from deploy.replica import ProcessReplica

folder = Path(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
make = lambda name: ProcessReplica(
    name, lambda port: ["-m", "deploy.fake_server", str(port)], folder / "log", background=False)
with LocalFleet(make, 1, folder / "fleet.log") as fleet:
    experiment = parse("cpu-stress:for=600")
    one = Injection(experiment, fleet, 0.0, np.random.default_rng(1))
    inner = fleet.stress
    def stress(replica):
        inner(replica)
        print("stressed", flush=True)
    fleet.stress = stress
    one.inject()
"""


@contextmanager
def stressed(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", STRESSED, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "stressed\n", process.communicate()[1]
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_signal_leaves_a_busy_loop_or_a_server(tmp_path: Path, number: signal.Signals) -> None:
    with stressed(tmp_path) as process:
        family = psutil.Process(process.pid).children(recursive=True)
        assert any("while True" in str(child.cmdline()) for child in family)
        os.kill(process.pid, number)
        process.wait(60)
        deadline_s = time.monotonic() + 20
        while any(alive(child) for child in family):
            assert time.monotonic() < deadline_s
            time.sleep(0.05)


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
