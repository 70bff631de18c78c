"""One row per planned request: the shape of `records.parquet`, its writer and its reader.

Units are seconds from the schedule's origin. Latency is `done_s - planned_s`: it starts when the
request should have been sent, so that a stalled server cannot hide the requests that waited for it
(coordinated omission; Tene 2013, wrk2). A planned request always has a row, sent or not.
"""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from variants._errors import OptbuildError

OUTCOMES: tuple[str, ...] = (
    "ok",  # 200 with the contract's JSON
    "wrong",  # any other answer, 4xx, 5xx and what is not HTTP included
    "rejected",  # 429
    "unavailable",  # 503
    "timeout",  # no complete answer within the limit: slow, never missing
    "reset",  # connection refused, reset or closed before a complete answer
    "unsent",  # the generator did not see it through: never sent, or given up on interruption
)
OK, WRONG, REJECTED, UNAVAILABLE, TIMEOUT, RESET, UNSENT = range(len(OUTCOMES))

SCHEMA: pa.Schema = pa.schema(
    [
        pa.field("index", pa.int32(), nullable=False),
        pa.field("planned_s", pa.float64(), nullable=False),
        pa.field("sent_s", pa.float64()),  # null: never sent
        pa.field("done_s", pa.float64()),  # null: no end was seen
        pa.field("status", pa.int16(), nullable=False),  # 0: no HTTP answer
        pa.field("outcome", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        pa.field("payload", pa.int32(), nullable=False),  # index into the texts
    ]
)
_DTYPES = {"index": "i4", "planned_s": "f8", "sent_s": "f8", "done_s": "f8"}
_DTYPES |= {"status": "i2", "outcome": "i1", "payload": "i4"}

ROW_GROUP = 1 << 20  # rows that are written, and can be read, at once

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Records:
    """The rows of a run as columns of equal length n, in order of `index` (0..n-1)."""

    index: npt.NDArray[np.int32]
    planned_s: Floats
    sent_s: Floats  # NaN: never sent
    done_s: Floats  # NaN: no end was seen
    status: npt.NDArray[np.int16]  # 0: no HTTP answer
    outcome: npt.NDArray[np.int8]  # codes into OUTCOMES
    payload: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.index)

    @property
    def latency_s(self) -> Floats:
        """Shape (n,): from the planned send to the end; NaN if never done."""
        return self.done_s - self.planned_s

    @property
    def service_s(self) -> Floats:
        """Shape (n,): from the actual send to the end; NaN if never done."""
        return self.done_s - self.sent_s

    @property
    def lateness_s(self) -> Floats:
        """Shape (n,): how late the generator was with the send; NaN if never sent."""
        return self.sent_s - self.planned_s

    @property
    def outcomes(self) -> dict[str, int]:
        """How many rows ended in each of OUTCOMES; every name is present."""
        counts = np.bincount(self.outcome, minlength=len(OUTCOMES))
        return {name: int(count) for name, count in zip(OUTCOMES, counts, strict=True)}


def write_records(path: Path, columns: Records | Mapping[str, npt.ArrayLike]) -> None:
    """Write all rows to `path` at once or not at all: a reader never sees half a file.

    They go row group by row group: ten millions of rows are not copied as a whole.
    `columns` are the fields of Records; NaN in `sent_s` and `done_s` becomes null.
    Raises OptbuildError if the file cannot be written.
    """
    if isinstance(columns, Records):
        columns = {field.name: getattr(columns, field.name) for field in fields(columns)}
    arrays = {name: np.asarray(columns[name], dtype=kind) for name, kind in _DTYPES.items()}
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            temporary = Path(file.name)
            with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
                for begin in range(0, len(arrays["index"]), ROW_GROUP):
                    group = {name: a[begin : begin + ROW_GROUP] for name, a in arrays.items()}
                    writer.write_table(_table(group))
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # NamedTemporaryFile gives 0600
        temporary.replace(path)
    except OSError as error:
        raise OptbuildError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def read_records(path: Path) -> Records:
    """Read what `write_records` wrote.

    Raises OptbuildError naming the file if it is missing, damaged or not a record of requests.
    """
    try:
        table = pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise OptbuildError(f"cannot read the records {path}: {reason}; repeat the run") from error
    if not table.schema.equals(SCHEMA):
        raise OptbuildError(f"{path} holds no records of requests: its columns differ; repeat it")
    if any(table[name].null_count for name in ("index", "planned_s", "status", "payload")):
        raise OptbuildError(f"{path} is damaged: values are missing; repeat the run")
    plain = {name: _numpy(table[name], _DTYPES[name]) for name in _DTYPES if name != "outcome"}
    records = Records(outcome=_codes(path, table["outcome"]), **plain)
    if not np.array_equal(records.index, np.arange(len(records), dtype=np.int32)):
        raise OptbuildError(f"{path} is damaged: its rows do not count 0, 1, 2...; repeat the run")
    return records


def _table(columns: Mapping[str, npt.NDArray[Any]]) -> pa.Table:
    arrays: list[pa.Array] = []
    for field in SCHEMA:
        values = columns[field.name]
        if field.name == "outcome":
            codes = _array(values, pa.int8(), nullable=False)
            arrays.append(pa.DictionaryArray.from_arrays(codes, _texts(OUTCOMES)))
        else:
            arrays.append(_array(values, field.type, field.nullable))
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _texts(texts: Sequence[str]) -> pa.StringArray:
    """Without `pa.array`, as below."""
    words = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, words)], dtype=np.int32)
    return pa.StringArray.from_buffers(
        len(words), pa.py_buffer(ends), pa.py_buffer(b"".join(words))
    )


def _array(values: npt.NDArray[Any], kind: pa.DataType, nullable: bool) -> pa.Array:
    """`values` (n,) without a copy; NaN is null where that may be.

    `pa.array` imports pandas, to see whether it got a series of that: 0.3 s at the end of each run.
    """
    valid = None
    if nullable:
        valid = pa.py_buffer(np.packbits(~np.isnan(values), bitorder="little"))
    buffers = [valid, pa.py_buffer(np.ascontiguousarray(values))]
    return pa.Array.from_buffers(kind, len(values), buffers)


def _numpy(column: pa.ChunkedArray, dtype: str) -> npt.NDArray[Any]:
    return np.asarray(column.to_numpy(), dtype=dtype)


def _codes(path: Path, column: pa.ChunkedArray) -> npt.NDArray[np.int8]:
    """Codes into OUTCOMES; each row group of a file may number its own dictionary."""
    parts = [np.empty(0, dtype=np.int8)]
    for chunk in column.chunks:
        names = chunk.dictionary.to_pylist()
        unknown = [name for name in names if name not in OUTCOMES]
        if unknown or chunk.null_count:
            raise OptbuildError(f"{path} holds the unknown outcome {(unknown or [None])[0]!r}")
        own = np.array([OUTCOMES.index(name) for name in names], dtype=np.int8)
        parts.append(own[chunk.indices.to_numpy()])
    return np.concatenate(parts)
