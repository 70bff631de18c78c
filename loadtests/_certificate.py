"""The fidelity certificate: was the load that was sent the load that was declared?

Every limit is fixed beforehand, looks at the generator only, and leaves room for bad luck, because
a block of an ablation that is repeated for it costs as much as one that is repeated for a reason.
Gates:

- `lateness p99` and `arrivals accounted`, as analysis.gates defines them: the first fails one time
  in a hundred where exactly one send in a hundred is too late. Of the following two, a sound run
  fails one time in a million (`_law.CHANCE`).
- `rate off by`: the realised rate against the declared one. The limit is what chance allows.
- `gaps off by`: Kolmogorov-Smirnov distance of the gaps between sends from the declared
  distribution (time rescaled where the rate varies). A gap is known to the accuracy that the first
  gate demands of the sends; one send in a hundred may be later than that and spoils two gaps, so
  2% are added to the limit. Where gaps are not far longer than that accuracy, nothing could be
  seen in single ones: the test then looks at spans of successive gaps, ten times as long as it.
- `generator CPU`: of the busiest process. Above 95% of a core it is saturated: it sends when it
  can, not when it should.

A trace has no distribution: the first two gates compare what was sent with the trace itself.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from analysis.gates import Gate, check_run
from analysis.records import Floats, Records
from loadtests._law import Law, chance_of, distance, largest_distance

SPOILT_SHARE = 0.02
RESOLUTIONS = 10
CPU_LIMIT = 0.95
ROUNDING = 1e-9  # of a count that was divided by seconds and multiplied by them again

Certificate = dict[str, Any]


def certify(
    records: Records, law: Law | None, facts: Mapping[str, Any], troubles: Sequence[str] = ()
) -> Certificate:
    """The certificate as it stands in load.json.

    `facts` are those of load.json ("planned", "duration_s", "timeout_s", "lateness_s",
    "real_time", "generator_cpu"). `troubles` are one line each and fail the run.
    `target_cv` and `realised_cv` are of the gaps in expected arrivals where the rate varies.
    """
    sent_s = records.sent_s[np.isfinite(records.sent_s)]
    sent_s.sort()
    span_s = float(facts["duration_s"] if law else records.planned_s[-1])
    target = float(law.expected(span_s)) if law else float(len(records))
    realised = len(sent_s) / max(span_s, float(sent_s[-1])) if len(sent_s) and span_s else None
    arrivals: Floats = law.expected(sent_s) if law else sent_s
    lateness, accounted = check_run({**facts, "certificate": None}, records)
    gates, gaps_ks = [lateness, accounted], None
    if law:
        gates.append(_rate(realised, target, span_s, law))
        gaps_ks = _fit(arrivals, law, lateness.limit)
        if gaps_ks is not None:
            gates.append(_fit_gate(gaps_ks))
    cpu = facts["generator_cpu"]
    gates.append(Gate("generator CPU", cpu, CPU_LIMIT, "of a core", cpu <= CPU_LIMIT))
    reasons = [*troubles, *(_reason(gate) for gate in gates if not gate.passed)]
    return {
        "passed": not reasons,
        "reasons": reasons,
        "gates": [asdict(gate) for gate in gates],
        "target_rate": target / span_s if span_s else None,
        "realised_rate": realised,
        "target_cv": law.cv if law else None,
        "realised_cv": _cv(arrivals),
        "sent_fraction": len(sent_s) / len(records),
        "lateness_s": facts["lateness_s"],
        "gaps_ks": gaps_ks,
        "generator_cpu": cpu,
    }


def _rate(realised: float | None, target: float, span_s: float, law: Law) -> Gate:
    """Relative difference of the rates; the limit is that of the side on which it lies."""
    off = -1.0 if realised is None else realised * span_s / target - 1
    extreme = law.most(span_s) if off > 0 else law.fewest(span_s)
    limit = abs(extreme / target - 1)
    return Gate("rate off by", abs(off), limit, "", abs(off) <= limit + ROUNDING)


def _fit(arrivals: Floats, law: Law, resolution_s: float) -> dict[str, float] | None:
    """The fit of the gaps; None if there are too few to test one span."""
    resolution = resolution_s * law.peak_rate
    gaps = max(1, math.ceil(RESOLUTIONS * resolution))
    spans: Floats = np.diff(arrivals[::gaps])
    if not len(spans):
        return None
    off = distance(spans, gaps, law, resolution)
    chance = chance_of(max(0.0, off - SPOILT_SHARE), len(spans))
    return {"statistic": off, "p": chance, "n": len(spans)}


def _fit_gate(ks: dict[str, float]) -> Gate:
    off, limit = ks["statistic"], largest_distance(int(ks["n"])) + SPOILT_SHARE
    return Gate("gaps off by", off, limit, "KS distance", off <= limit)


def _cv(arrivals: Floats) -> float | None:
    gaps = np.diff(arrivals)
    mean = float(gaps.mean()) if len(gaps) else 0.0
    return float(gaps.std()) / mean if mean > 0 else None


def _reason(gate: Gate) -> str:
    """Why a gate failed, in one line."""
    value, limit = gate.value, gate.limit
    if value is None:
        return f"{gate.name}: nothing was sent"
    match gate.name:
        case "lateness p99":
            return f"sends were late: p99 {value * 1e3:.3g} ms or more, limit {limit * 1e3:.3g} ms"
        case "arrivals accounted":
            return f"{value:.0f} of {limit:.0f} planned requests were seen through"
        case "rate off by":
            return f"the rate is {value:.2%} off the declared one, at most {limit:.2%} is chance"
        case "gaps off by":
            return (
                "the gaps do not follow the declared distribution: "
                f"KS distance {value:.3f}, at most {limit:.3f}"
            )
    return f"the generator was saturated: {value:.0%} of a core, at most {limit:.0%}"
