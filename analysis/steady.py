"""Was the system in its steady state before the fault? If not, the run shows nothing about it."""

import math
from dataclasses import replace

import numpy as np

from analysis.gates import Gate
from analysis.latency import is_ok
from analysis.records import Records
from analysis.summary import QUANTILES

LATENESS_SHARE = 0.1
FEWEST = 20  # requests before the fault, so that a p95 is more than the slowest of a handful
MOST_LATE_S = 1.0


def loosened(gate: Gate, limit_s: float) -> Gate:
    """The gate on the generator's lateness, allowed up to a tenth of the SLO's limit.

    A disruption is judged by whether requests meet the SLO, over seconds, not by milliseconds of
    their latency; and starting replicas make any generator on the same machine late.
    """
    if gate.unit != "s" or gate.value is None:
        return gate
    limit = max(gate.limit, LATENESS_SHARE * limit_s)
    return replace(gate, limit=limit, passed=gate.value <= limit)


def steady_gates(
    records: Records, fault_s: float, planned_fault_s: float, quantile: str, limit_s: float
) -> tuple[Gate, ...]:
    """The gates of the window from the schedule's origin to the fault at `fault_s`.

    1. `fault on time`: it came within MOST_LATE_S of its plan.
    2. `requests before the fault`: at least FEWEST were planned in the window.
    3. `failures before the fault`: none of those that ended in the window failed.
    4. `steady p95` (or the SLO's quantile): over the requests planned in [0, fault_s - limit_s],
       of min(done, fault) - planned, is below the SLO's limit. A request that had not ended when
       the fault came has taken at least the limit by then, and counts as slower than that.
    """
    late_s = fault_s - planned_fault_s
    due = records.planned_s <= fault_s - limit_s
    ended = records.done_s < fault_s
    failures = int(np.sum(ended & ~is_ok(records) & (records.planned_s < fault_s)))
    waited_s = np.where(ended, records.done_s, math.inf) - records.planned_s
    value = None
    if due.any():
        value = float(np.quantile(waited_s[due], QUANTILES[quantile], method="higher"))
    count = int(due.sum())
    finite = value if value is not None and math.isfinite(value) else None
    return (
        Gate("fault on time", late_s, MOST_LATE_S, "s", abs(late_s) <= MOST_LATE_S),
        Gate("requests before the fault", count, FEWEST, "requests", count >= FEWEST),
        Gate("failures before the fault", failures, 0.0, "requests", failures == 0),
        Gate(f"steady {quantile}", finite, limit_s, "s", finite is not None and finite < limit_s),
    )
