"""A sweep on real servers and a real load: interrupted, killed, resumed, reported."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from analysis.server import read_server
from analysis.sweep import find_sweep

pytestmark = pytest.mark.thorough

# How quiet this machine is decides nothing here: a send may be a second late, and an answer that
# never comes counts as the timeout, which is below the objective.
COMMAND = """
import analysis.gates, builder.experiment
from deploy.local import Server
analysis.gates.LATENESS_FLOOR_S = analysis.gates.ORDINARY_LATENESS_FLOOR_S = 1.0
builder.experiment.WARM_UP_S = 0.1
# Not in the background: what else runs here would keep it from ever getting ready.
builder.experiment.serve_locally = lambda build, log: Server(build.path, log)
from builder.cli import cli
cli()
"""
SWEEP = [
    *(sys.executable, "-c", COMMAND, "sweep", "onnx", "--model", "synthetic:roberta-tiny"),
    *("--slo", "p95<30s", "--from", "30", "--to", "30", "--repeats", "2", "--duration", "2"),
]


def interrupted(out: Path, runs: int, number: int, *more: str) -> int:
    """Start, wait for so many finished runs, send a signal; the exit code, all children gone."""
    process = subprocess.Popen(
        [*SWEEP, "--out", str(out), *more],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline_s = time.monotonic() + 600
    while len(list(out.glob("sweep/runs/b*"))) < runs:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    family = psutil.Process(process.pid).children(recursive=True)
    said = None
    while said is None:  # Python drops an interrupt that comes while it destroys an object
        os.kill(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            said = process.communicate(timeout=10)
    _, alive = psutil.wait_procs(family, timeout=30)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []
    return process.returncode


def test_a_sweep_survives_ctrl_c_and_a_kill(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "a sweep"
    assert interrupted(out, 1, signal.SIGINT) == 130
    refused = subprocess.run([*SWEEP, "--out", str(out)], capture_output=True, text=True)
    assert (refused.returncode, "--resume" in refused.stderr) == (2, True)
    assert interrupted(out, 2, signal.SIGKILL, "--resume") == -signal.SIGKILL
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("sweep/runs/b*/run.json")}

    resumed = subprocess.run(
        [*SWEEP, "--out", str(out), "--resume"], capture_output=True, text=True
    )
    assert resumed.returncode == 0, resumed.stderr
    after = {path.name: path.stat().st_mtime_ns for path in out.glob("sweep/runs/b*/run.json")}
    assert before.items() <= after.items()

    found = find_sweep(out)
    assert found is not None
    assert [point.rate_rps for point in found.points] == [30.0, 30.0, 30.0]
    assert [point.repeat for point in found.points] == [1, 2, 3]
    (capacity,) = found.capacities
    assert (capacity.low_rps, capacity.high_rps) == (30.0, None)
    assert capacity.words in resumed.stdout
    for point in found.points:
        folder = out / "sweep" / "runs" / point.id
        content = json.loads((folder / "run.json").read_text())
        server = content["server"]
        samples = read_server(folder)
        assert samples is not None
        assert server["samples"] == len(samples.at_s) + 1 >= 3
        assert server["cpu_s"] > 0 and server["rss_max_bytes"] > 50_000_000
        assert server["processes"] >= 2  # BentoML's supervisor and its worker
        assert samples.at_s[0] < 2 < samples.at_s[-1] + 1
