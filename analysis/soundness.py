"""Can these records be the ones of this run? Files get damaged, swapped and copied by hand."""

import hashlib
from pathlib import Path

import numpy as np

from analysis.facts import RunFacts
from analysis.latency import is_ok
from analysis.records import Records, read_records
from variants._errors import OptbuildError

LONGEST_S = 1e7  # four months: no load test; such a time is damage


def read_sound(folder: Path, facts: RunFacts) -> Records:
    """The records in `folder`, checked against the facts of its run.json.

    Raises OptbuildError, one line that names the file, where they cannot belong together. Two
    runs of one block replay one schedule: that their files were swapped cannot be seen.
    """
    file = folder / "records.parquet"
    if not file.is_file():
        raise OptbuildError(f"{file}: missing; the run is incomplete")
    try:
        records = read_records(file)
    except (IndexError, ValueError) as error:  # a damaged dictionary that still decodes
        raise OptbuildError(f"{file} is damaged ({' '.join(str(error).split())})") from None
    rows = len(records)
    if rows == 0:
        raise OptbuildError(f"{file}: no request was planned")
    if rows != facts.planned:
        raise OptbuildError(f"{file}: {rows} rows, but {facts.planned} requests were planned")
    if problem := impossible(records):
        raise OptbuildError(f"{file} is damaged: {problem}")
    if schedule_sha256(records) != facts.schedule_sha256:
        raise OptbuildError(
            f"{file}: its arrivals are not the schedule of run.json beside it; "
            "was it swapped or changed?"
        )
    return records


def impossible(records: Records) -> str:
    """What no clock can have written; empty where all is possible."""
    if not np.all(np.isfinite(records.planned_s)):
        return "a planned time is not a number"
    columns = (records.planned_s, records.sent_s, records.done_s)
    if any(np.any(np.abs(one) > LONGEST_S) for one in columns):  # NaN compares as false
        return "a time is months away"
    if np.any(records.done_s < records.sent_s):
        return "a request was done before it was sent"
    if np.any(is_ok(records) & (records.done_s <= records.planned_s)):
        return "a request was done before it was planned"
    return ""


def schedule_sha256(records: Records) -> str:
    """The digest of what was planned, as the schedule itself states it: times, then payloads."""
    digest = hashlib.sha256(records.planned_s.astype("<f8").tobytes())
    digest.update(records.payload.astype("<i4").tobytes())
    return digest.hexdigest()
