"""The main job on real servers and a real load: killed in the middle, resumed, reported."""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow

# How quiet this machine is decides nothing here: a send may be late, and a block be repeated often.
COMMAND = """
import analysis.gates, builder.experiment, builder.places
from deploy.local import Server
analysis.gates.LATENESS_FLOOR_S = analysis.gates.ORDINARY_LATENESS_FLOOR_S = 1.0
builder.experiment.MOST_ATTEMPTS = 30
# Not in the background: what else runs here would keep it from ever getting ready.
builder.places.serve_locally = lambda build, log: Server(build.path, log)
from builder.cli import cli
cli()
"""
ABLATE = [
    *(sys.executable, "-c", COMMAND, "ablate", "onnx"),
    *("--model", "synthetic:roberta-tiny", "--scenario", "steady", "--scenario", "bursty"),
    *("--blocks", "2", "--duration", "2", "--rate", "30"),
]


def digests(out: Path) -> dict[str, str]:
    """Digest of every file of the finished runs."""
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.glob("runs/b*/*"))
    }


def test_an_ablation_survives_a_kill(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "an ablation"
    first = subprocess.Popen([*ABLATE, "--out", str(out)], stderr=subprocess.PIPE, text=True)
    deadline_s = time.monotonic() + 600
    while len(list(out.glob("runs/b*"))) < 3:
        assert first.poll() is None, first.communicate()[1]
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    family = psutil.Process(first.pid).children(recursive=True)
    os.kill(first.pid, 9)
    first.communicate()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    before = digests(out)
    assert len(before) >= 3 * 2

    refused = subprocess.run([*ABLATE, "--out", str(out)], capture_output=True, text=True)
    assert (refused.returncode, "--resume" in refused.stderr) == (2, True)
    other = [*ABLATE, "--blocks", "3", "--out", str(out), "--resume"]
    refused = subprocess.run(other, capture_output=True, text=True)
    assert (refused.returncode, "another blocks" in refused.stderr) == (2, True)

    resumed = subprocess.run(
        [*ABLATE, "--out", str(out), "--resume"], capture_output=True, text=True
    )
    assert resumed.returncode == 0, resumed.stderr
    after = digests(out)
    retired = {path.name.rpartition("-attempt")[0] for path in out.glob("invalid/*")}
    for name, digest in before.items():
        assert after.get(name) == digest or Path(name).parent.name in retired

    assert "SCREENING" in resumed.stdout
    assert str(out / "report.html") in resumed.stdout
    report = json.loads((out / "report.json").read_text())
    assert report
    assert (out / "report.html").stat().st_size > 10_000
    check_runs(out)


def check_runs(out: Path) -> None:
    """Every variant of a block replayed the same schedule, and every request has its row."""
    import pyarrow.parquet

    runs = [json.loads(path.read_text()) for path in out.glob("runs/*/run.json")]
    assert {run["variant"]["spec"] for run in runs} == {"baseline", "onnx"}
    schedules: dict[tuple[str, int], set[str]] = {}
    for run in runs:
        schedules.setdefault((run["scenario"], run["block"]), set()).add(run["schedule_sha256"])
        rows = pyarrow.parquet.read_table(out / "runs" / run["id"] / "records.parquet")
        assert rows.num_rows == run["generator"]["planned"]
        assert run["valid"] and all(gate["passed"] for gate in run["gates"])
    assert all(len(found) == 1 for found in schedules.values())
    assert len(set.union(*schedules.values())) == len(schedules)
