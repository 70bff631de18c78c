"""The ledger of one disrupted run: each planned request beside what happened to the target.

`joined.parquet` holds it, one row for each planned request: its times and outcome as in
records.parquet, and what the timeline says of the time in which it lived. Every count of the report
can be made again from it.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.fault_timeline import FaultTimeline
from analysis.latency import is_ok
from analysis.records import OUTCOMES, Floats, Records
from variants._errors import OptbuildError

NAME = "joined.parquet"
# A death that nobody ordered is noticed some time after it; and its last requests end before.
NOTICED_WITHIN_S = 0.1

Bools = npt.NDArray[np.bool_]
Names = npt.NDArray[np.object_]  # of replicas; None where nobody can tell
Phase = Literal["before", "during", "recovery", "after"]
PHASES: tuple[Phase, ...] = ("before", "during", "recovery", "after")


@dataclass(frozen=True)
class Ledger:
    """A run's requests joined with the timeline of its fault, each column of shape (n,).

    F is the fault's beginning, E its end (undone).

    - phase (index into PHASES): by the planned time; before F, during until E, after. Recovery is
      for the report to tell: it depends on an SLO.
    - at_stake: it had not ended at F: planned later, or in flight.
    - lost: at stake and not answered rightly, whatever the outcome.
    - ready: replicas that were ready when it was sent, or was to be sent.
    - kill_in_life: it was under way when some replica was killed: for a kill that takes from K to
      L, sent <= L and done >= K - NOTICED_WITHIN_S.
    - in_flight: the same of a kill of the very replica that had it, where `replica` is known;
      where no replica of the run is, as kill_in_life.
    """

    records: Records
    phase: npt.NDArray[np.int64]
    at_stake: Bools
    lost: Bools
    ready: npt.NDArray[np.int64]
    kill_in_life: Bools
    in_flight: Bools
    replica: Names | None


def join(records: Records, timeline: FaultTimeline, replica: Names | None = None) -> Ledger:
    """Join the requests with the timeline; `replica` says who had each, if anybody can tell."""
    fault_s, ended_s = timeline.injected_s, timeline.ended_s
    until_s = math.inf if ended_s is None else ended_s
    stake = ~(records.done_s < fault_s)
    stake &= (records.planned_s >= fault_s) | np.isfinite(records.sent_s)
    done_s = np.where(np.isfinite(records.done_s), records.done_s, math.inf)
    anywhere, there = np.zeros((2, len(records)), dtype=bool)
    for kill in timeline.kills:
        alive = (records.sent_s <= kill.to_s) & (done_s >= kill.from_s - NOTICED_WITHIN_S)
        anywhere |= alive
        there |= alive if replica is None else alive & (replica == kill.replica)
    changed_s, counts = zip(*timeline.ready_counts(), strict=True)
    sent_s = np.where(np.isfinite(records.sent_s), records.sent_s, records.planned_s)
    return Ledger(
        records=records,
        phase=phases_of(records.planned_s, fault_s, until_s, until_s),
        at_stake=stake,
        lost=stake & ~is_ok(records),
        ready=np.array(counts)[np.searchsorted(changed_s, sent_s, side="right") - 1],
        kill_in_life=anywhere,
        in_flight=there,
        replica=replica,
    )


def phases_of(
    planned_s: Floats, fault_s: float, ended_s: float, back_s: float
) -> npt.NDArray[np.int64]:
    """Index into PHASES of each planned time, shape (n,)."""
    return np.searchsorted([fault_s, ended_s, max(ended_s, back_s)], planned_s, side="right")


def write_ledger(folder: Path, ledger: Ledger) -> None:
    """Write `joined.parquet`; NaN becomes null, and so does a replica that nobody can tell."""
    records, n = ledger.records, len(ledger.records)
    times = {name: getattr(records, name) for name in ("planned_s", "sent_s", "done_s")}
    columns: dict[str, Any] = {
        "index": records.index,
        **{name: _nullable(values) for name, values in times.items()},
        "latency_s": _nullable(records.latency_s),
        "outcome": _named(records.outcome, OUTCOMES),
        "phase": _named(ledger.phase, PHASES),
        "at_stake": ledger.at_stake,
        "lost": ledger.lost,
        "replicas_ready": ledger.ready.astype(np.int16),
        "kill_in_life": ledger.kill_in_life,
        "in_flight_at_kill": ledger.in_flight,
        "replica": pa.array([None] * n if ledger.replica is None else ledger.replica, pa.string()),
    }
    pq.write_table(pa.table(columns), folder / NAME, compression="zstd")


def read_replicas(folder: Path, count: int) -> Names | None:
    """Who had each request, from `joined.parquet`; None where nobody can tell (or it is older).

    Raises OptbuildError naming the file if it cannot be read, or has another number of rows.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        column = pq.read_table(path, columns=["replica"], partitioning=None)["replica"]
    except (OSError, pa.ArrowException, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise OptbuildError(f"cannot read {path}: {reason}; repeat the run") from error
    if len(column) != count:
        raise OptbuildError(f"{path}: {len(column)} rows for {count} requests; repeat the run")
    if column.null_count == count:
        return None
    return np.array(column.to_pylist(), dtype=object)


def _nullable(values: Floats) -> pa.Array:
    return pa.array(values, type=pa.float64(), from_pandas=True)


def _named(codes: npt.NDArray[Any], names: tuple[str, ...]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes, type=pa.int8()), list(names))
