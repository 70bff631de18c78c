"""One run: a load against a server, with the machine and the server watched meanwhile."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.gates import Gate
from analysis.records import Records, read_records
from analysis.server import intervals, write_server
from builder.build import Build
from builder.covariates import CpuTimes, covariates
from builder.load import Load, run_beside, run_load
from deploy.child import Child
from deploy.sampler import Sampler
from deploy.target import OwnGenerator, Target


@dataclass(frozen=True)
class Measured:
    """What a run came to: its rows, the generator's facts, and how busy machine and server were."""

    load: Load
    facts: Mapping[str, Any]  # load.json
    records: Records
    busy: Mapping[str, float | None]
    server: Mapping[str, float | int | None] | None  # None: its processes are not seen from here


def measure(
    load: Load,
    target: Target,
    folder: Path,
    meanwhile: Callable[[Child], None] = lambda generator: None,
) -> Measured:
    """Drive one load; `folder` then has `records.parquet`, `load.json` and `server.parquet`.

    `meanwhile` is what happens while the generator, which it is given, goes on: one of this
    machine, unless the target has its own.
    """
    before = CpuTimes.now()
    with Sampler(target) as sampler:
        if isinstance(target, OwnGenerator):
            facts = run_beside(load, target, folder)
        else:
            facts = run_load(load, target.url, folder, meanwhile)
    busy = covariates(before, CpuTimes.now())
    records = read_records(folder / "records.parquet")
    server = _server(sampler, facts, records, folder)
    return Measured(load, facts, records, busy, server)


def run_content(
    measured: Measured, build: Build, gates: Sequence[Gate], texts_source: str
) -> dict[str, Any]:
    """What `run.json` says of every run; its place in an experiment or a sweep comes on top."""
    load, facts = measured.load, measured.facts
    return {
        "format": 1,
        "bento": build.tag,
        "model": {
            "name": build.model.name,
            "digest": build.model.digest,
            "accuracy_meaningful": build.model.kind != "synthetic",
        },
        "check": build.check.to_json(),
        "scenario": load.scenario,
        "seed": load.seed,
        "rate": load.rate_rps,
        "cv": facts["cv"],
        "duration_s": load.duration_s,
        "schedule_sha256": facts["schedule_sha256"],
        "texts": {**facts["texts"], "source": texts_source},
        "covariates": dict(measured.busy),
        "server": None if measured.server is None else dict(measured.server),
        "generator": dict(facts),
        "gates": [asdict(gate) for gate in gates],
        "valid": all(gate.passed for gate in gates),
        "started_at": facts["started_at"],
    }


def _server(
    sampler: Sampler, facts: Mapping[str, Any], records: Records, folder: Path
) -> dict[str, float | int | None] | None:
    """Save what was seen of the server and sum it up; None if nothing was.

    The share of the machine is that of the time from the schedule's origin to the last answer.
    """
    looks = sampler.looks
    origin = datetime.fromisoformat(facts["started_at"]).timestamp()
    columns: dict[str, npt.ArrayLike] = {
        "at_s": [look.at - origin for look in looks],
        "pid": [look.pid for look in looks],
        "cpu_s": [look.cpu_s for look in looks],
        "rss_bytes": [look.rss_bytes for look in looks],
        "threads": [look.threads for look in looks],
        "throttled_s": np.array([look.throttled_s for look in looks], dtype=np.float64),
    }
    seen = intervals(columns)
    if seen is None:
        return None
    write_server(folder / "server.parquet", columns)
    cpu_s = float(np.sum(seen.cpu_cores * seen.length_s))
    ended_s = records.done_s[np.isfinite(records.done_s)].max(initial=facts["duration_s"])
    throttled = seen.throttled_s[np.isfinite(seen.throttled_s)]
    return {
        "cpu_s": cpu_s,
        "cpu_fraction_of_machine": cpu_s / (len(os.sched_getaffinity(0)) * float(ended_s)),
        "rss_max_bytes": int(seen.rss_bytes.max()),
        "pss_end_bytes": sampler.pss_bytes,
        "processes": int(seen.processes.max()),
        "threads": int(seen.threads.max()),
        "throttled_s": float(throttled.sum()) if len(throttled) else None,
        "samples": len(seen.at_s) + 1,
    }
