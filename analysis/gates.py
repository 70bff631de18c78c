"""Validity gates: was this run driven as planned?

They are fixed beforehand and look at the load generator only: a run is never dropped for being
slow, or the comparison would be biased by its own results.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.latency import ranked_latency_s
from analysis.records import UNSENT, Floats, Records

LATENESS_FLOOR_S = 0.002
# An ordinary user's generator cannot run before the server on the cores that they share, and is
# 2 to 4 ms late at the 99th percentile whatever the variant. Its runs would all be invalid. A
# screening has short runs, in which a moment counts more, and shows directions of many ms: to have
# it as exact is not worth twice its time.
ORDINARY_LATENESS_FLOOR_S = 0.005
LATENESS_SHARE = 0.05
LATE_SHARE = 0.01  # of the sends may be later than the limit
LATE_CONFIDENCE = 0.99


@dataclass(frozen=True)
class Gate:
    """One gate: `value` against `limit`, both in `unit`; None is "could not be measured"."""

    name: str
    value: float | None
    limit: float
    unit: str
    passed: bool


def check_run(
    load_facts: Mapping[str, Any], records: Records, *, screening: bool = False
) -> tuple[Gate, ...]:
    """The gates of one run, from load.json ("planned", "timeout_s", "real_time") and its records.

    1. `lateness p99`: sent - planned, 99th percentile (`p99_at_least`) over the sent requests, is
       at most 2 ms (5 ms if the generator could not get real-time priority, or if `screening`) or
       5% of the run's median latency, whichever is larger.
    2. `arrivals accounted`: each of the planned requests has exactly one row and was sent.

    Further ones are taken over from "certificate", where the generator wrote one.
    """
    planned = int(load_facts["planned"])
    strict = load_facts["real_time"] and not screening
    floor_s = LATENESS_FLOOR_S if strict else ORDINARY_LATENESS_FLOOR_S
    lateness = _lateness(records, float(load_facts["timeout_s"]), floor_s)
    own = (lateness, _accounted(records, planned))
    names = {gate.name for gate in own}
    certified = (load_facts.get("certificate") or {}).get("gates", ())
    return own + tuple(Gate(**gate) for gate in certified if gate["name"] not in names)


def _lateness(records: Records, timeout_s: float, floor_s: float) -> Gate:
    lateness_s = records.lateness_s
    lateness_s = lateness_s[np.isfinite(lateness_s)]
    limit_s = floor_s
    value = None
    if len(lateness_s):
        median_s = float(np.median(ranked_latency_s(records, timeout_s)))
        limit_s = max(floor_s, LATENESS_SHARE * median_s)
        value = p99_at_least(lateness_s)
    return Gate("lateness p99", value, limit_s, "s", value is not None and value <= limit_s)


def p99_at_least(lateness_s: Floats) -> float:
    """What the 99th percentile is at least, with a confidence of 99%; `lateness_s` (n,), n > 0.

    A lower bound from order statistics (Conover, *Practical Nonparametric Statistics*, 3.2). The
    99th percentile of a hundred sends themselves is nearly the latest of them: one moment in which
    the machine did something else would condemn a run that is on time otherwise.
    """
    from scipy.special import bdtrik  # a report needs no gates, and starts without it

    # The quantile of the binomial distribution: so many may be late by luck.
    allowed = math.ceil(bdtrik(LATE_CONFIDENCE, len(lateness_s), LATE_SHARE) - 1e-9)
    return float(np.partition(lateness_s, -1 - allowed)[-1 - allowed])


def _accounted(records: Records, planned: int) -> Gate:
    was_sent = (records.outcome != UNSENT) & np.isfinite(records.sent_s)
    within = (records.index >= 0) & (records.index < planned)
    accounted = len(np.unique(records.index[was_sent & within]))
    return Gate(
        name="arrivals accounted",
        value=float(accounted),
        limit=float(planned),
        unit="requests",
        passed=0 < planned == accounted == len(records),
    )
