"""Writes disrupted runs that look real: one or two replicas, a fault, a ledger of it.

Also a script: `python tests/analysis/fake_disruptions.py OUT [BLOCKS]`.
"""

import json
import sys
from pathlib import Path
from typing import Any

import fake_runs
import numpy as np

from analysis.records import OK, RESET, UNAVAILABLE, Records, write_records

SPECS = ("onnx", "onnx+replicas=2", "onnx+replicas=3")
GOALS = {"pod-kill": "none lost", "pod-kill:grace=0": "only those in flight"}
RATE, DURATION_S = 20.0, 40.0


def write(out: Path, blocks: int = 8, experiments: tuple[str, ...] = tuple(GOALS)) -> Path:
    """Writes OUT/runs/*: a single replica is away for some seconds, several lose nothing."""
    for block in range(1, blocks + 1):
        for experiment in experiments:
            rng = np.random.default_rng([block, len(experiment)])
            planned_s = np.sort(rng.uniform(0, DURATION_S, int(RATE * DURATION_S)))
            fault_s = float(rng.uniform(10, 14))
            for step, spec in enumerate(SPECS):
                _run(out, rng, planned_s, fault_s, experiment, experiments, block, step, spec)
    return out


def _run(
    out: Path,
    rng: np.random.Generator,
    planned_s: Any,
    fault_s: float,
    experiment: str,
    experiments: tuple[str, ...],
    block: int,
    step: int,
    spec: str,
) -> None:
    n, wanted = len(planned_s), step + 1
    latency_s = 0.02 * rng.lognormal(0, 0.4, n)
    outcome = np.full(n, OK, dtype=np.int8)
    away_s = float(rng.uniform(3, 6))
    within = (planned_s >= fault_s) & (planned_s < fault_s + away_s)
    if wanted == 1:
        outcome[within] = UNAVAILABLE
        latency_s[within] = 0.001
    else:
        latency_s[within] *= 2.0
    done_s = planned_s + latency_s
    if "grace=0" in experiment:
        cut = (planned_s < fault_s) & (done_s > fault_s)
        outcome[cut] = RESET
        done_s[cut] = fault_s + 0.002
    records = Records(
        index=np.arange(n, dtype=np.int32),
        planned_s=planned_s,
        sent_s=planned_s + 0.0003,
        done_s=np.maximum(done_s, planned_s + 0.0005),
        status=np.where(outcome == OK, 200, 503).astype(np.int16),
        outcome=outcome,
        payload=np.zeros(n, dtype=np.int32),
    )
    name = f"b{block:03d}-{experiment}-{spec}"
    folder = out / "runs" / name
    folder.mkdir(parents=True)
    write_records(folder / "records.parquet", records)
    shape = fake_runs.Experiment(
        fake_runs.queue_latency_s,
        specs=SPECS,
        scenarios=("steady",),
        rates={"steady": RATE},
        duration_s=DURATION_S,
    )
    facts = fake_runs.run_json(name, step, "steady", block, step, records, shape)
    facts["plan"]["command"] = "optbuild disrupt " + " ".join(SPECS)
    facts["disruption"] = {
        "experiment": experiment,
        "summary": "one replica is deleted, and replaced",
        "values": {},
        "goal": GOALS[experiment],
        "target": "local",
        "experiments": list(experiments),
        "fault_planned_s": fault_s,
    }
    (folder / "run.json").write_text(json.dumps(facts))
    (folder / "timeline.json").write_text(
        json.dumps(_timeline(fault_s, away_s, wanted, "grace=0" in experiment))
    )


def _timeline(fault_s: float, away_s: float, wanted: int, killed: bool) -> dict[str, Any]:
    def event(at_s: float, source: str, what: str, replica: str = "") -> dict[str, Any]:
        return {"at_s": at_s, "source": source, "what": what, "replica": replica, "detail": ""}

    events = [event(-2.0, "replica", "ready", f"r{i}") for i in range(1, wanted + 1)]
    end = "killed" if killed else "terminating"
    new = f"r{wanted + 1}"
    events += [
        event(fault_s, "fault", "injected", "r1"),
        event(fault_s, "replica", end, "r1"),
        event(fault_s + 0.05, "replica", "created", new),
        event(fault_s + 0.5, "replica", "gone", "r1"),
        event(fault_s + 0.5, "fault", "ended"),
        event(fault_s + away_s, "replica", "ready", new),
    ]
    return {"format": 1, "origin_monotonic_s": 0.0, "wanted": wanted, "events": events}


if __name__ == "__main__":
    write(Path(sys.argv[1]) / "disruptions", int(sys.argv[2]) if len(sys.argv) > 2 else 8)
