"""Arrivals at the times of a recorded trace."""

import csv
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from loadtests._law import Floats
from loadtests._schedule import MAX_ARRIVALS, Schedule, payloads, streams
from variants._errors import OptbuildError


def replay(path: Path | None, speed: float, duration_s: float, seed: int, texts: int) -> Schedule:
    """The trace from its first timestamp on, `speed` times as fast, its first `duration_s` seconds.

    Raises OptbuildError if the file cannot be read or holds something else.
    """
    if path is None:
        raise OptbuildError("no trace given: add --trace FILE, a CSV with one timestamp a line")
    if not (math.isfinite(speed) and speed > 0):
        raise OptbuildError(f"the speed must be more than 0, got {speed:g}")
    planned_s = timestamps_s(path)
    planned_s.sort()  # logs are often in the order of completion
    planned_s -= planned_s[0]
    planned_s /= speed
    planned_s = planned_s[: np.searchsorted(planned_s, duration_s)]
    if len(planned_s) > MAX_ARRIVALS:
        raise OptbuildError(f"{path} holds more than {MAX_ARRIVALS:,} requests: lower --duration")
    return Schedule(planned_s, payloads(streams(seed)[1], len(planned_s), texts))


def timestamps_s(path: Path) -> Floats:
    """The column `timestamp`, else the first one: seconds, or dates and times in ISO 8601.

    Shape (n,), n > 0, in the order of the file. Raises OptbuildError that names file and line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            seconds = np.fromiter(_seconds(path, csv.reader(file)), dtype=np.float64)
    except OSError as error:
        raise OptbuildError(f"cannot read the trace {path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise OptbuildError(f"the trace {path} is no CSV file in UTF-8") from error
    if not len(seconds):
        raise OptbuildError(f"the trace {path} holds no timestamp: put one on each line")
    return seconds


def _seconds(path: Path, rows: Iterator[list[str]]) -> Iterator[float]:
    column, header = 0, True
    for number, row in enumerate(rows, start=1):
        if not any(cell.strip() for cell in row):
            continue
        names = [cell.strip().lower() for cell in row]
        if header and "timestamp" in names:
            column, header = names.index("timestamp"), False
            continue
        value = _parse(row[column]) if column < len(row) else None
        if value is not None:
            yield value
        elif not header:
            raise OptbuildError(
                f"{path}, line {number}: no timestamp in seconds or ISO 8601: "
                f"{(row[column] if column < len(row) else '')[:40]!r}"
            )
        header = False  # at most the first line may be something else


def _parse(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            return None
        value = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return value if math.isfinite(value) else None
