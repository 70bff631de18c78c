"""What happened to each planned request, and the two files that keep it.

The columns are allocated for the whole schedule and say `unsent` from the start: an index cannot
be lost, whatever ends the run. Nothing but a few numbers per request is kept.
"""

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.files import write_text
from analysis.records import UNSENT, Floats, Records, write_records
from loadtests._schedule import Schedule
from variants._errors import OptbuildError


@dataclass(frozen=True)
class Rows:
    """Some rows of a Recorder: where they stand in it and what it holds, each of shape (n,)."""

    row: npt.NDArray[np.int64]
    sent_s: Floats
    done_s: Floats
    status: npt.NDArray[np.int16]
    outcome: npt.NDArray[np.int8]


class Recorder:
    """Columns of one run; times are seconds from the schedule's origin."""

    def __init__(self, schedule: Schedule, *, streamed: bool = False) -> None:
        count = len(schedule)
        self._schedule = schedule
        self._sent_s = np.full(count, math.nan)
        self._done_s = np.full(count, math.nan)
        self._status = np.zeros(count, dtype=np.int16)
        self._outcome = np.full(count, UNSENT, dtype=np.int8)
        self._fresh: list[int] | None = [] if streamed else None

    def sent(self, index: int, at_s: float) -> None:
        """The request left (NaN takes it back: it could not leave)."""
        self._sent_s[index] = at_s

    def done(self, index: int, at_s: float, status: int, outcome: int) -> None:
        """The request ended; `status` 0 means that no HTTP answer came."""
        self._done_s[index] = at_s
        self._status[index] = status
        self._outcome[index] = outcome
        if self._fresh is not None:
            self._fresh.append(index)

    def take(self, limit: int) -> Rows:
        """Up to `limit` rows that ended since the last call, for another process."""
        fresh = self._fresh or []
        rows = np.array(fresh[:limit], dtype=np.int64)
        del fresh[:limit]
        return self._rows(rows)

    def given_up(self) -> Rows:
        """Rows that were sent and never ended."""
        return self._rows(np.flatnonzero(np.isfinite(self._sent_s) & np.isnan(self._done_s)))

    def put(self, index: npt.NDArray[np.int32], rows: Rows) -> None:
        """What another process recorded of the requests with these indices."""
        self._sent_s[index] = rows.sent_s
        self._done_s[index] = rows.done_s
        self._status[index] = rows.status
        self._outcome[index] = rows.outcome

    def _rows(self, row: npt.NDArray[np.int64]) -> Rows:
        columns = self._sent_s[row], self._done_s[row], self._status[row], self._outcome[row]
        return Rows(row, *columns)

    def records(self) -> Records:
        """The rows, without copying the columns."""
        return Records(
            index=np.arange(len(self._schedule), dtype=np.int32),
            planned_s=self._schedule.planned_s,
            sent_s=self._sent_s,
            done_s=self._done_s,
            status=self._status,
            outcome=self._outcome,
            payload=self._schedule.payload,
        )


def figures(records: Records) -> dict[str, Any]:
    """The part of load.json that follows from the rows; None where nothing was sent."""
    return {
        "rows": len(records),
        "sent": int(np.isfinite(records.sent_s).sum()),
        "outcomes": records.outcomes,
        "lateness_s": _quantiles(records.lateness_s, {"p50": 0.5, "p99": 0.99, "max": 1.0}),
    }


def save(path: Path, records: Records, facts: Mapping[str, Any]) -> None:
    """Write the rows, then the facts beside them: load.json says that the rows are complete.

    A first `records.parquet` goes with `load.json`, a `records-2.parquet` with `load-2.json`.
    Raises OptbuildError if a file cannot be written.
    """
    facts_path = facts_path_of(path)
    try:
        facts_path.unlink(missing_ok=True)  # of an earlier run: it does not describe these rows
        write_records(path, records)
        write_text(facts_path, json.dumps(facts, indent=1, allow_nan=False) + "\n")
        for passing in (began_path_of(path), so_far_path_of(path)):
            passing.unlink(missing_ok=True)  # the rows and the facts say it now
    except OSError as error:
        raise OptbuildError(f"cannot write {facts_path}: {error.strerror or error}") from error


def facts_path_of(path: Path) -> Path:
    """Where the facts of the rows in `path` go."""
    _, dash, number = path.stem.rpartition("-")
    return path.with_name(f"load-{number}.json" if dash and number.isdecimal() else "load.json")


def began_path_of(path: Path) -> Path:
    """Where the schedule's origin stands while the run goes on: CLOCK_MONOTONIC, in seconds."""
    return path.with_name("began")


def so_far_path_of(path: Path) -> Path:
    """Where the rows of what was planned so far go, each time the generator gets a SIGUSR1."""
    return path.with_name("so-far.npz")


def planned_by(records: Records, now_s: float) -> Records:
    """A copy of the rows planned until then, which go on changing."""
    n = int(np.searchsorted(records.planned_s, now_s, side="right"))
    return Records(**{name: column[:n].copy() for name, column in vars(records).items()})


def write_so_far(path: Path, rows: Records) -> None:
    """Write rows that are to be read at once, in milliseconds; a reader never sees half a file.

    Not as Parquet: its first use takes a second, in which requests would be sent late.
    """
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, **vars(rows))
    partial.replace(path)


def read_so_far(path: Path) -> Records:
    """What `write_so_far` wrote."""
    with np.load(path) as columns:
        return Records(**columns)


def summary(records: Records) -> str:
    """The lines that end a headless run; times in milliseconds."""
    facts = figures(records)
    outcomes = ", ".join(f"{name} {n}" for name, n in facts["outcomes"].items() if n)
    latency_s = _quantiles(records.latency_s, {"p50": 0.5, "p95": 0.95, "p99": 0.99})
    return (
        f"planned {len(records)}, rows {facts['rows']}, sent {facts['sent']}: {outcomes}\n"
        f"lateness of the generator: {_milliseconds(facts['lateness_s'])}\n"
        f"latency from the planned time: {_milliseconds(latency_s)}"
    )


def unused(path: Path, used: Collection[Path]) -> Path:
    """`path`, or the first of name-2, name-3, ... that is not in `used`."""
    candidate, number = path, 1
    while candidate in used:
        number += 1
        candidate = path.with_stem(f"{path.stem}-{number}")
    return candidate


def _quantiles(values: Floats, levels: Mapping[str, float]) -> dict[str, float | None]:
    known = values[np.isfinite(values)]
    if not len(known):
        return dict.fromkeys(levels)
    found = np.quantile(known, list(levels.values()), overwrite_input=True)
    return dict(zip(levels, found.tolist(), strict=True))


def _milliseconds(quantiles: Mapping[str, float | None]) -> str:
    return ", ".join(
        f"{name} {'-' if value is None else f'{value * 1e3:.1f} ms'}"
        for name, value in quantiles.items()
    )
