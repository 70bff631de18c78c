"""What a disrupted run leaves behind: `run.json` and `timeline.json`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from analysis.gates import Gate
from builder.build import Build
from builder.disruption_plan import Plan
from builder.injection import FaultEvent, Injection
from builder.measure import Measured, run_content
from deploy.disruptable import ReplicaEvent


def describe(
    plan: Plan, build: Build, injection: Injection, measured: Measured, gates: Sequence[Gate]
) -> dict[str, Any]:
    """Everything of `run.json` that does not say where in the plan the run stands.

    As an ablation's run, and `disruption` besides.
    """
    choices, experiment = plan.choices, injection.experiment
    return run_content(measured, build, gates, plan.texts_source) | {
        "variant": {
            "spec": build.variant.spec,
            "digest": build.variant.digest,
            "step": choices.specs.index(build.variant.spec),
            "added": None,
            "settings": build.variant.settings(),
        },
        "slo": asdict(choices.slo),
        "plan": {
            "digest": plan.digest,
            "specs": list(choices.specs),
            "scenarios": [choices.scenario],
            "blocks": choices.blocks,
            "margin": choices.margin,
            "command": plan.command,
        },
        "capacity": {"baseline_rps": plan.capacity_rps},
        "disruption": {
            "experiment": experiment.spec,
            "summary": experiment.disruption.summary,
            "values": dict(experiment.values),
            "goal": experiment.goal,
            "target": choices.target,
            "experiments": list(choices.experiments),
            "fault_planned_s": injection.at_s,
        },
    }


def timeline(
    faults: Sequence[FaultEvent], replicas: Sequence[ReplicaEvent], wanted: int, origin_s: float
) -> dict[str, Any]:
    """`timeline.json`: everything that happened, in seconds from the schedule's origin.

    `origin_s` is CLOCK_MONOTONIC, as the events are. What happened before the origin has negative
    times.
    """
    events = [{"source": "fault", **asdict(fault)} for fault in faults]
    events += [{"source": "replica", **asdict(event)} for event in replicas]
    for event in events:
        event["at_s"] = round(event["at_s"] - origin_s, 6)
    return {
        "format": 1,
        "origin_monotonic_s": origin_s,
        "wanted": wanted,
        "events": sorted(events, key=lambda event: event["at_s"]),
    }
