"""Writes experiments that look real: run directories of a simulated server, or of planted effects.

Also a script: `python tests/analysis/fake_runs.py OUT` writes 5 variants x 3 scenarios x 8 blocks.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.gates import check_run
from analysis.records import OK, TIMEOUT, UNAVAILABLE, UNSENT, Records, write_records
from analysis.soundness import schedule_sha256

Floats = npt.NDArray[np.float64]

SPECS = (
    "baseline",
    "onnx",
    "onnx+quantized",
    "onnx+quantized+batching",
    "onnx+quantized+batching+workers=2",
)
SCENARIOS = ("steady", "bursty", "high-intensity")
RATES = {"steady": 30.0, "bursty": 30.0, "high-intensity": 55.0}
CVS = {"steady": 1.0, "bursty": 3.0, "high-intensity": 1.0}
# Mean service time (s), servers, and what the first request of an idle server pays on top (s).
SERVICE = {
    "baseline": (0.0165, 1, 0.0),
    "onnx": (0.0085, 1, 0.0),
    "onnx+quantized": (0.0048, 1, 0.0),
    "onnx+quantized+batching": (0.0030, 1, 0.004),
    "onnx+quantized+batching+workers=2": (0.0031, 2, 0.004),
}


@dataclass(frozen=True)
class Experiment:
    """What to write; `latency_s(rng, planned_s, spec, scenario, block)` gives latencies (n,)."""

    latency_s: Callable[[np.random.Generator, Floats, str, str, int], Floats]
    specs: tuple[str, ...] = SPECS
    scenarios: tuple[str, ...] = SCENARIOS
    blocks: int = 8
    planned_blocks: int | None = None
    duration_s: float = 20.0
    rates: Mapping[str, float] = field(default_factory=lambda: RATES)
    timeout_s: float = 10.0
    limit_s: float = 0.25
    margin: float = 0.03
    seed: int = 1
    fail_share: float = 0.0  # of the requests above the limit, answered 503 instead


def write(out: Path, experiment: Experiment) -> Path:
    """Writes OUT/runs/*; returns OUT."""
    for scenario in experiment.scenarios:
        for block in range(1, experiment.blocks + 1):
            rng = np.random.default_rng([experiment.seed, block, len(scenario)])
            planned_s = schedule(rng, scenario, experiment)
            order = rng.permutation(len(experiment.specs)) + 1
            for step, spec in enumerate(experiment.specs):
                latency_s = experiment.latency_s(rng, planned_s, spec, scenario, block)
                records = make_records(rng, planned_s, latency_s, experiment)
                name = f"b{block:03d}-{scenario}-{spec}"
                folder = out / "runs" / name
                folder.mkdir(parents=True)
                write_records(folder / "records.parquet", records)
                facts = run_json(name, step, scenario, block, int(order[step]), records, experiment)
                (folder / "run.json").write_text(json.dumps(facts))
    return out


def schedule(rng: np.random.Generator, scenario: str, experiment: Experiment) -> Floats:
    """Planned send times (n,) of a gamma renewal process."""
    rate, cv = experiment.rates[scenario], CVS[scenario]
    n = int(rate * experiment.duration_s * 2) + 50
    times = np.cumsum(rng.gamma(1 / cv**2, cv**2 / rate, n))
    inside: Floats = times[times < experiment.duration_s]
    return inside if len(inside) else times[:1]


def make_records(
    rng: np.random.Generator, planned_s: Floats, latency_s: Floats, experiment: Experiment
) -> Records:
    """Rows of requests with these latencies; those above the timeout never end."""
    n = len(planned_s)
    lateness_s = np.minimum(rng.gamma(2, 0.0002, n), 0.0015)
    outcome = np.full(n, OK, dtype=np.int8)
    outcome[(latency_s > experiment.limit_s) & (rng.random(n) < experiment.fail_share)] = (
        UNAVAILABLE
    )
    late = latency_s > experiment.timeout_s
    outcome[late] = TIMEOUT
    status = np.where(outcome == OK, 200, np.where(outcome == UNAVAILABLE, 503, 0))
    return Records(
        index=np.arange(n, dtype=np.int32),
        planned_s=planned_s,
        sent_s=planned_s + lateness_s,
        done_s=np.where(late, np.nan, planned_s + np.maximum(latency_s, lateness_s + 1e-4)),
        status=status.astype(np.int16),
        outcome=outcome,
        payload=(np.arange(n) % 997).astype(np.int32),
    )


def queue_latency_s(
    rng: np.random.Generator, planned_s: Floats, spec: str, scenario: str, block: int
) -> Floats:
    """First come, first served with the variant's servers; a machine as noisy as a real one."""
    mean_s, servers, idle_s = SERVICE[spec]
    pace = float(np.exp(rng.normal(0, 0.03)))
    service_s = mean_s * pace * rng.lognormal(-0.06, 0.35, len(planned_s))
    free_s = np.zeros(servers)
    latency_s = np.empty(len(planned_s))
    for i, now_s in enumerate(planned_s):
        server = int(free_s.argmin())
        idle = free_s[server] <= now_s
        start_s = max(now_s, free_s[server])
        free_s[server] = start_s + service_s[i] + (idle_s if idle else 0.0)
        latency_s[i] = free_s[server] - now_s + 0.0015
    return latency_s


def planted(
    factors: Mapping[str, float | Mapping[str, float]], noise: float = 0.01
) -> Callable[..., Floats]:
    """Latencies of one shape times a factor per spec (and scenario), times noise per run."""

    def latency_s(
        rng: np.random.Generator, planned_s: Floats, spec: str, scenario: str, block: int
    ) -> Floats:
        shared = np.random.default_rng([block, 7])  # the block's own weather: the same for all
        shape = 0.05 * np.exp(shared.normal(0, 0.3)) * shared.lognormal(0, 0.4, len(planned_s))
        factor = factors[spec]
        factor = factor if isinstance(factor, float | int) else factor[scenario]
        values: Floats = shape * factor * np.exp(rng.normal(0, noise))
        return values

    return latency_s


def run_json(
    name: str,
    step: int,
    scenario: str,
    block: int,
    order: int,
    records: Records,
    experiment: Experiment,
) -> dict[str, Any]:
    """The facts of one run, in the form of design.md."""
    spec = experiment.specs[step]
    seed = experiment.seed * 1000 + block
    load = {
        "format": 1,
        "scenario": scenario,
        "rate": experiment.rates[scenario],
        "cv": CVS[scenario],
        "duration_s": experiment.duration_s,
        "seed": seed,
        "timeout_s": experiment.timeout_s,
        "schedule_sha256": schedule_sha256(records),
        "planned": len(records),
        "rows": len(records),
        "sent": len(records),
        "texts": {"source": "rotten_tomatoes test", "sha256": "5e" * 32, "count": 997},
        "outcomes": records.outcomes,
        "generator_cpu": 0.06,
        "real_time": True,
        "started_at": "2026-11-22T10:00:00+00:00",
    }
    load["certificate"] = certificate(load, records)
    gates = check_run(load, records)
    weather = np.random.default_rng([block, step, len(scenario)])
    quantized = "quantized" in spec
    accuracy = {"value": 0.853 if quantized else 0.856, "low": 0.829, "high": 0.876}
    check = {
        "golden": {"source": "imdb and rotten_tomatoes test", "count": 1000, "labelled": 1000},
        "label_flips": 7 if quantized else 0,
        "label_flip_rate": 0.007 if quantized else 0.0,
        "max_probability_difference": 0.081 if quantized else 2.4e-6,
        "accuracy": accuracy,
        "baseline_accuracy": {"value": 0.856, "low": 0.833, "high": 0.877},
    }
    return {
        "format": 1,
        "id": name,
        "variant": {
            "spec": spec,
            "digest": hashlib.sha256(spec.encode()).hexdigest(),
            "step": step,
            "added": spec.rsplit("+", 1)[-1] if step else None,
            "settings": {"runtime": "onnx" if step else "torch", "workers": 1},
        },
        "bento": f"bundled-{step}:{hashlib.sha256(spec.encode()).hexdigest()[:12]}",
        "model": {"name": "bundled", "digest": "ab" * 32, "accuracy_meaningful": True},
        "check": check if step else None,
        "scenario": scenario,
        "seed": seed,
        "rate": experiment.rates[scenario],
        "cv": CVS[scenario],
        "duration_s": experiment.duration_s,
        "block": block,
        "order": order,
        "attempt": 1,
        "schedule_sha256": load["schedule_sha256"],
        "texts": load["texts"],
        "slo": {"quantile": "p95", "limit_s": experiment.limit_s},
        "plan": {
            "digest": "cd" * 32,
            "specs": list(experiment.specs),
            "scenarios": list(experiment.scenarios),
            "blocks": experiment.planned_blocks or experiment.blocks,
            "margin": experiment.margin,
            "command": f"optbuild ablate {experiment.specs[-1]} "
            f"--blocks {experiment.blocks} --out runs/demo",
        },
        "capacity": {"baseline_rps": 60.4},
        "machine": {
            "cpu_model": "AMD EPYC 9R14",
            "isa": ["avx2", "avx512f", "avx512_vnni"],
            "cores": 2,
            "memory_bytes": 25_201_852_416,
            "kernel": "6.1.0-28-amd64",
            "python": "3.11.2",
            "libraries": {"bentoml": "1.4.39", "onnxruntime": "1.31.1", "torch": "2.13.0"},
        },
        "covariates": {
            "steal_fraction": round(float(weather.gamma(1.2, 0.004)), 5),
            "cpu_pressure_avg10": round(float(weather.gamma(2, 1.5)), 2),
            "load1": 1.2,
        },
        "server": {
            "cpu_s": round(len(records) * SERVICE.get(spec, (0.01, 1, 0.0))[0], 3),
            "cpu_fraction_of_machine": 0.41,
            "rss_max_bytes": 410_000_000 + 3_000_000 * step,
            "processes": 2,
            "throttled_s": None,
            "samples": int(experiment.duration_s),
        },
        "generator": load,
        "gates": [vars(gate) for gate in gates],
        "valid": all(gate.passed for gate in gates),
        "started_at": f"2026-11-22T{10 + experiment.scenarios.index(scenario):02d}:{block:02d}:"
        f"{order:02d}+00:00",
    }


def certificate(load: Mapping[str, Any], records: Records) -> dict[str, Any]:
    """The generator's own account of a run, in the form of the contract."""
    late_s = records.sent_s - records.planned_s
    gaps_s = np.diff(records.sent_s)
    p50, p99 = (float(q) for q in np.quantile(late_s, [0.5, 0.99]))
    mean_s = float(gaps_s.mean()) if len(gaps_s) else 1.0
    return {
        "passed": True,
        "reasons": [],
        "gates": [
            {"name": "lateness p99", "value": p99, "limit": 0.002, "unit": "s", "passed": True}
        ],
        "target_rate": load["rate"],
        "realised_rate": len(records) / load["duration_s"],
        "target_cv": load["cv"],
        "realised_cv": float(gaps_s.std() / mean_s) if len(gaps_s) else None,
        "sent_fraction": 1.0,
        "lateness_s": {"p50": p50, "p99": p99, "max": float(late_s.max())},
        "gaps_ks": {"statistic": 0.021, "p": 0.37, "n": max(len(records) - 1, 0)},
        "generator_cpu": load["generator_cpu"],
    }


def rows(latency_s: list[float], outcome: list[int], gap_s: float = 0.1) -> Records:
    """Records of requests planned every `gap_s`; the unsent have no send time."""
    n = len(latency_s)
    planned_s = np.arange(n) * gap_s
    sent_s = np.where(np.array(outcome) == UNSENT, np.nan, planned_s + 0.001)
    return Records(
        index=np.arange(n, dtype=np.int32),
        planned_s=planned_s,
        sent_s=sent_s,
        done_s=planned_s + np.array(latency_s),
        status=np.zeros(n, dtype=np.int16),
        outcome=np.array(outcome, dtype=np.int8),
        payload=np.zeros(n, dtype=np.int32),
    )


def edit_json(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Rewrites a run.json."""
    facts = json.loads((folder / "run.json").read_text())
    change(facts)
    (folder / "run.json").write_text(json.dumps(facts))


def mark_invalid(out: Path, name: str) -> None:
    """Moves a copy of a run into the log of invalid runs, as a repeated block leaves it."""
    source, target = out / "runs" / name, out / "invalid" / f"{name}-attempt1"
    target.mkdir(parents=True)
    (target / "run.json").write_bytes((source / "run.json").read_bytes())
    (target / "records.parquet").write_bytes((source / "records.parquet").read_bytes())

    def fail(facts: dict[str, Any]) -> None:
        facts["valid"] = False
        facts["gates"][0].update(value=0.0093, passed=False)

    edit_json(target, fail)


if __name__ == "__main__":
    made = write(Path(sys.argv[1]), Experiment(queue_latency_s, fail_share=0.1))
    mark_invalid(made, "b003-bursty-onnx")
