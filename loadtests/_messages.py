"""What the master and its workers say to each other, through Locust's own connection.

    master                          worker
    PREPARE share, settings   -->
                              <--   READY   (or an error)
    GO origin                 -->
                              <--   ROWS    once a second, what ended since
    STOP (an early end)       -->
                              <--   DONE    facts; all its rows are there

Every message carries the number of its test: what comes late belongs to an earlier one.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loadtests._recorder import Rows

PREPARE, READY, GO, ROWS, STOP, DONE = (
    f"optbuild_{name}" for name in ("prepare", "ready", "go", "rows", "stop", "done")
)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TYPES = {"index": "<i4", "sent_s": "<f8", "done_s": "<f8", "status": "<i2", "outcome": "<i1"}


def pack(index: npt.NDArray[np.int32], rows: Rows) -> dict[str, bytes]:
    """Rows as bytes; `index` says where they stand in the whole schedule."""
    columns = {"index": index, **vars(rows)}
    return {name: columns[name].astype(kind).tobytes() for name, kind in _TYPES.items()}


def unpack(message: Mapping[str, bytes]) -> tuple[npt.NDArray[np.int32], Rows]:
    """What `pack` was given; the rows do not say where they stood in the worker's part."""
    columns = {name: np.frombuffer(message[name], kind) for name, kind in _TYPES.items()}
    index = columns.pop("index")
    return index, Rows(row=np.empty(0, dtype=np.int64), **columns)


def origin_in(seconds: float) -> dict[str, Any]:
    """A moment that every worker understands, `seconds` from now.

    On this machine by the clock that all its processes share (CLOCK_MONOTONIC), on another one by
    the time of day: those clocks must agree (NTP), or its sends are off by as much as they differ.
    """
    return {
        "boot": _BOOT_ID.read_text().strip(),
        "monotonic_s": time.perf_counter() + seconds,
        "day_s": time.time() + seconds,
    }


def origin_of(message: Mapping[str, Any]) -> float:
    """That moment by this process's `time.perf_counter`."""
    if message["boot"] == _BOOT_ID.read_text().strip():
        return float(message["monotonic_s"])
    return float(message["day_s"]) - time.time() + time.perf_counter()
